"""A dispatch of devices in any form, as powers of their legs by period."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from pyomo_dlmp.blocks.registry import device_blocks
from pyomo_dlmp.errors import OpenDssError, nearest
from pyomo_dlmp.network import Network
from pyomo_dlmp.network.device import LegPowers
from pyomo_dlmp.network.units import KILO

Dispatch = Mapping[Hashable, Mapping[str, tuple[tuple[float, ...], tuple[float, ...]]]]


def dispatch_by_period(network: Network, dispatch: Any) -> Dispatch:
    """A dispatch of any form as powers of legs.

    Parameters
    ----------
    network : Network
        The feeder.
    dispatch : Block, DataFrame, mapping or None
        As of `ac_power_flow`.

    Returns
    -------
    dict
        [period][device]: (kW by leg, kvar by leg), generated.

    Raises
    ------
    OpenDssError
        If a device is unknown, or its powers are not as expected.
    """
    if dispatch is None:
        return {0: {}}
    if hasattr(dispatch, "substation") and hasattr(dispatch, "periods"):
        return _from_model(network, dispatch)
    if isinstance(dispatch, pd.DataFrame):
        return _from_table(network, dispatch)
    made = {}
    for name, power in dispatch.items():
        try:
            made[name] = _device(network, name).leg_powers(power)
        except (TypeError, ValueError) as error:
            raise OpenDssError.at(f"dispatch of {name!r}", f"is {power!r}", str(error)) from None
    return {0: made}


def _device(network: Network, name: str):
    known = [other.name for other in network.devices.values() if other.nominal_power() is not None]
    if name not in known:
        raise OpenDssError.at(f"dispatch of {name!r}", "there is no such dispatched device",
                              nearest(name, known))
    return network.devices[name]


def _kilo(powers: LegPowers) -> LegPowers:
    """MW and Mvar in kW and kvar."""
    p, q = powers
    return tuple(KILO * x for x in p), tuple(KILO * x for x in q)


def _from_model(network: Network, m: Any) -> Dispatch:
    """The dispatch in the values of a model's blocks."""
    dispatched = [(name, block) for name, block in device_blocks(m)
                  if network.devices[name].nominal_power() is not None]
    return {t: {name: _kilo(block.made(t)) for name, block in dispatched} for t in m.periods}


def _from_table(network: Network, table: pd.DataFrame) -> Dispatch:
    """The dispatch in a table of `results.dispatch_table` (MW, Mvar; datacenters draw)."""
    made: dict[Hashable, dict] = {t: {} for t in dict.fromkeys(table["period"])}
    totals: dict[tuple, dict[str, float]] = {}
    for row in table.to_dict("records"):
        if row["kind"] == "substation" or row["quantity"] not in ("active", "reactive"):
            continue
        totals.setdefault((row["period"], row["element"]), {})[
            row["phase"] + row["quantity"]] = KILO * float(row["value"])
    for (t, name), power in totals.items():
        device = _device(network, name)
        sign = -1.0 if device.draws else 1.0
        if any(key in power for key in (f"{leg}reactive" for leg in device.legs)):
            made[t][name] = tuple(tuple(sign * power.get(leg + quantity, 0.0)
                                        for leg in device.legs)
                                  for quantity in ("active", "reactive"))
        else:
            made[t][name] = device.equal_legs(sign * power.get("active", 0.0),
                                              sign * power.get("reactive", 0.0))
    return made
