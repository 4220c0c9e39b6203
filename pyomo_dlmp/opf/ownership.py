"""Who decides what the DSO does not: the upper level, a price taker, or nothing (fixed)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pyomo_dlmp.blocks import Horizon
from pyomo_dlmp.blocks.registry import device_blocks
from pyomo_dlmp.errors import ModelError, nearest
from pyomo_dlmp.network.units import mega


def assign_decisions(m: Any, horizon: Horizon, datacenter_kw: Mapping[str, Any] | None,
                     price_takers: Iterable[str] = ()) -> None:
    """Assign the devices that the DSO does not own: to the upper level, to price takers, or fixed.

    Parameters
    ----------
    m : Block
        With its devices.
    horizon : Horizon
        Periods of the model.
    datacenter_kw : mapping or None
        Power (kW) of datacenters by name, one number or one per period, in a model without an
        upper level; others are fixed at their capacity.
    price_takers : iterable of str
        Datacenters that stay free.

    Raises
    ------
    ModelError
        If a name is not that of a datacenter (or of another device that an aggregator owns).
    """
    owned = {name: block for name, block in device_blocks(m) if block.owner != "dso"}
    sites = {name: block for name, block in owned.items() if block.owner == "aggregator"}
    given, free = dict(datacenter_kw or {}), set(price_takers)
    for argument, names in (("datacenter_kw", given), ("price_takers", free)):
        for name in sorted(set(names) - set(sites)):
            raise ModelError.at(argument, f"names {name!r}",
                                nearest(name, sites) or "There is no datacenter.")
    kw = {name: horizon.series(values, f"datacenter_kw[{name!r}]")
          for name, values in given.items()}
    free_buses = {sites[name].bus_name for name in free}
    for name, block in owned.items():
        if name in free or (name not in sites and block.bus_name in free_buses):
            continue
        if hasattr(m, "declare_upper"):
            m.declare_upper(*block.decisions())
        else:
            _hold(block, horizon, kw.get(name))


def _hold(block: Any, horizon: Horizon, kw: dict | None) -> None:
    """Without an upper level: the caller's power, or the device's default."""
    for t in horizon.labels:
        block.hold(t, None if kw is None else mega(kw[t]))
