"""Who decides the datacenters' Vars: the upper level, a price taker, or nobody (fixed)."""

from __future__ import annotations

from collections.abc import Iterable

from pyomo_dlmp.blocks import Horizon
from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.network.names import nearest


def assign_decisions(m, horizon: Horizon, datacenter_kw, price_takers: Iterable[str] = ()) -> None:
    """Give datacenters and their SVGs to the upper level, leave price takers free, or fix them.

    ModelError for a name that is no datacenter.
    """
    given, free = dict(datacenter_kw or {}), set(price_takers)
    for argument, names in (("datacenter_kw", given), ("price_takers", free)):
        for name in sorted(set(names) - set(m.datacenter)):
            raise ModelError.at(argument, f"names {name!r}",
                                nearest(name, m.datacenter) or "There is no datacenter.")
    for name, dc in m.datacenter.items():
        if name in free:
            continue
        if hasattr(m, "declare_upper"):
            m.declare_upper(*dc.decisions())
            continue
        series = horizon.series(given[name], f"datacenter_kw[{name!r}]") if name in given else {}
        for t in horizon.labels:
            dc.fix_power(t, series[t] / 1000 if series else dc.p[t].ub)
    free_sites = {m.datacenter[name].bus_name for name in free}
    for svg in m.svg.values():
        if svg.owner == "datacenter" and svg.bus_name not in free_sites:
            _to_upper(m, svg)


def _to_upper(m, svg) -> None:
    """An SVG above the DSO: the upper level's, or at zero where there is none."""
    if hasattr(m, "declare_upper"):
        m.declare_upper(*svg.decisions())
        return
    for var in svg.decisions():
        var.fix(0.0)
