"""All three-phase buses at once, and several applicants one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pyomo_dlmp.connection.answer import allowed_hours, contracts, kw_words
from pyomo_dlmp.connection.arguments import of_right_kinds
from pyomo_dlmp.connection.grid import NO_LIMIT, Existing, Grid
from pyomo_dlmp.connection.hours import read_hours
from pyomo_dlmp.connection.limits import LimitOptions
from pyomo_dlmp.connection.result import ConnectionStudy
from pyomo_dlmp.connection.site import checked_site, three_phase_buses
from pyomo_dlmp.connection.study import (
    ceiling,
    confirm,
    controls_faults,
    let_act,
    option_faults,
    study_of,
)
from pyomo_dlmp.errors import DlmpError, Fault, ModelError, listed
from pyomo_dlmp.network import Network
from pyomo_dlmp.results.feeder import distance_km

COLUMNS = ["bus", "kv", "distance_km", "firm_kw", "flexible_kw", "what", "element", "phase",
           "hour"]
_OPTIONS = ("v_min", "v_max", "voltage_legs", "thermal", "vuf")
Progress = Callable[[str], None]


@dataclass(eq=False, repr=False)
class HostingMap:
    """The answer of `hosting_map`.

    Attributes
    ----------
    network : Network
    table : DataFrame
        By bus, one site at a time: columns bus, kv, distance_km, firm_kw, flexible_kw (curtailed
        in no more than the allowed hours), what, element, phase, hour (what ends the firm kW).
        Greatest firm kW first.
    allowed_hours : float
        Of a year.
    existing : list of Existing
        Limits that are broken before.
    grid : Grid or None
        None: an interrupted one, of some buses.
    """

    network: Network
    table: pd.DataFrame
    allowed_hours: float
    existing: list[Existing]
    grid: Grid | None

    def __repr__(self) -> str:
        return f"<HostingMap {self}>"

    def __str__(self) -> str:
        if not len(self.table):
            return f"{self.network.name}: no bus"
        free = self.table["what"] == NO_LIMIT
        words = f"{self.network.name}: {len(self.table)} buses"
        if not free.all():
            ends = self.table[~free]
            first, last = ends.iloc[0], ends.iloc[-1]
            words += (f", firm {kw_words(last['firm_kw'])} kW ({last['bus']}) to "
                      f"{kw_words(first['firm_kw'])} kW ({first['bus']})")
        if free.any():
            most = kw_words(float(self.table[free]["firm_kw"].max()))
            words += f"; nothing limits {listed(self.table[free]['bus'], 4)} up to {most} kW"
        return words


@of_right_kinds
def hosting_map(  # noqa: PLR0913  # keywords of a call, for people
        network: Network, *, buses: Sequence[str] | None = None, max_kw: float | None = None,
        load: Any = None, power_factor: float = 0.95, svg: float | None = None,
        load_scale: Any = 1.0, price: Any = 50.0, hours: float = 1.0,
        hours_per_year: float = 22.0, existing: str = "relaxed",
        progress: Progress | None = None, on_bus: Callable[[dict], None] | None = None,
        **limits: Any) -> HostingMap:
    """The firm and flexible kW of a three-phase site at each bus, one at a time.

    Parameters
    ----------
    network : Network
    buses : sequence of str, optional
        By default all with three phases.
    max_kw, load, power_factor, svg, load_scale, price, hours, existing
        As of `connection_study`.
    hours_per_year : float
        Hours of curtailment a year for `flexible_kw`.
    progress : callable, optional
        progress(stage).
    on_bus : callable, optional
        on_bus(row) after each bus.
    **limits
        v_min, v_max, voltage_legs, thermal, vuf, as of `connection_study`.

    Returns
    -------
    HostingMap

    Raises
    ------
    ModelError
        As of `connection_study`; if no bus has three phases.
    """
    if unknown := sorted(set(limits) - set(_OPTIONS)):
        raise ModelError([Fault(f"hosting_map, {key}", "is not an option",
                                f"Options of limits are {', '.join(_OPTIONS)}.")
                          for key in unknown])
    wanted = three_phase_buses(network) if buses is None else list(buses)
    if not wanted:
        raise ModelError.at(f"network {network.name!r}", "has no bus with three phases",
                            "Give buses=... and study these by connection_study(phases=...).")
    faults: list[Fault] = []
    sites = []
    for i, bus in enumerate(wanted):
        try:
            sites.append(checked_site(network, bus, power_factor=power_factor, svg=svg,
                                      name=f"applicant at {bus}" if i else "applicant"))
        except DlmpError as error:
            faults += [f for f in error.faults if f not in faults]
    options = LimitOptions(**limits)
    faults += option_faults(max_kw, options.v_min, options.v_max, options.voltage_legs,
                            options.vuf)
    if faults:
        raise ModelError(faults)
    series = read_hours(network, load_scale, price, load, hours)
    grid = Grid(network, sites, series, options, existing, progress)
    allowed = allowed_hours(hours_per_year, None, series.count, hours)
    far, most = distance_km(network), ceiling(network, max_kw, series)
    rows = []
    for i, site in enumerate(sites):
        grid.say(f"hosting map: bus {i + 1} of {len(sites)}")
        row = {"bus": site.bus, "kv": network.buses[site.bus].kv, "distance_km": far[site.bus],
               **_figures(grid, site, most, allowed)}
        rows.append(row)
        if on_bus is not None:
            on_bus(row)
    return HostingMap(network, map_table(rows), hours_per_year, grid.existing, grid)


def map_table(rows: Sequence[dict]) -> pd.DataFrame:
    """Rows of buses as `HostingMap.table`, greatest firm kW first.

    Parameters
    ----------
    rows : sequence of dict
        As `hosting_map` tells them.

    Returns
    -------
    DataFrame
    """
    return pd.DataFrame(rows, columns=COLUMNS).sort_values(
        "firm_kw", ascending=False, kind="stable", ignore_index=True)


def _figures(grid: Grid, site, most: float, allowed: int) -> dict[str, Any]:
    """Firm and flexible kW of a site, and what ends the firm one."""
    share = grid.hours.share
    if grid.scale is None and np.ptp(share) == 0 and not _few(grid):
        # the hours that allow least are enough
        counts = np.bincount(grid.of_hour, minlength=grid.different)
        at, kw, limits = grid.lowest(site, most, allowed + 1)
        place = int(np.searchsorted(np.cumsum(counts[at]), allowed, side="right"))
        firm, flexible = kw[0] / share[0], kw[min(place, len(kw) - 1)] / share[0]
        limit, hour = limits[0], grid.hour_of(int(at[0]))
    else:
        hourly = grid.capacity(site, most)
        each = contracts(hourly.kw, share)
        order = np.argsort(each, kind="stable")
        hour = int(order[0])
        firm, flexible, limit = each[hour], each[order[min(allowed, len(order) - 1)]], (
            hourly.limits[hour])
    if firm > most:  # of which it draws a share
        limit = NO_LIMIT
    words = (limit, "", "") if isinstance(limit, str) else (
        limit.what, limit.element, limit.phase)
    return {"firm_kw": float(min(firm, most)), "flexible_kw": float(min(flexible, most)),
            **dict(zip(("what", "element", "phase"), words, strict=True)), "hour": hour}


def _few(grid: Grid) -> bool:
    return grid.different <= 96


@of_right_kinds
def applicants(  # noqa: PLR0913  # keywords of a call, for people
        network: Network, buses: Sequence[str], kw: Sequence[float | None], *, load: Any = None,
        phases: str | None = None, power_factor: float = 0.95, svg: float | None = None,
        load_scale: Any = 1.0, price: Any = 50.0, hours: float = 1.0, existing: str = "relaxed",
        check: bool | str = False, controls: str = "fixed", progress: Progress | None = None,
        **limits: Any) -> list[ConnectionStudy]:
    """Studies of applicants in their order: each finds what the ones before have left.

    Parameters
    ----------
    network : Network
    buses : sequence of str
    kw : sequence of float or None
        What each asks for (kW): it gets this, or its firm kW if that is less; None: its firm kW.
    check : bool or "all"
        Whether the engine confirms the firm kW of each beside those before.
    controls
        As of `connection_study`; those before stand at their firm kW of fixed taps.
    load, phases, power_factor, svg, load_scale, price, hours, existing, progress, **limits
        As of `connection_study`.

    Returns
    -------
    list of ConnectionStudy
        `max_kw` of each is what it asked for.

    Raises
    ------
    ModelError
        As of `connection_study`.
    """
    sites, faults = [], []
    for i, bus in enumerate(buses):
        try:
            sites.append(checked_site(network, bus, phases=phases, power_factor=power_factor,
                                      svg=svg, name=f"applicant {i + 1}"))
        except DlmpError as error:
            faults += [f for f in error.faults if f not in faults]
    faults += controls_faults(network, controls)
    faults += option_faults(None, *(limits.get(key, given) for key, given in (
        ("v_min", 0.95), ("v_max", 1.05), ("voltage_legs", "phase"), ("vuf", None))))
    for asked in kw:
        faults += [f for f in option_faults(asked, None, None, "phase", None) if f not in faults]
    series = None
    try:
        series = read_hours(network, load_scale, price, load, hours)
    except ModelError as error:
        faults += error.faults
    if faults or series is None:
        raise ModelError(faults)
    options = LimitOptions(**limits)
    grid = Grid(network, sites, series, options, existing, progress)
    found: list[ConnectionStudy] = []
    for site, asked in zip(sites, kw, strict=True):
        study = study_of(grid, site, ceiling(network, asked, series))
        more = ceiling(network, None, series)
        study.possible_kw = study.firm_kw if study.binding.what != NO_LIMIT or (
            study.max_kw >= more) else study_of(grid, site, more).firm_kw
        study.asked_kw = float("nan") if asked is None else float(asked)
        study.before = tuple((other.site, other.firm_kw) for other in found)
        study.options = {"v_min": options.v_min, "v_max": options.v_max,
                         "voltage_legs": options.voltage_legs, "thermal": options.thermal,
                         "vuf": options.vuf, "existing": existing}
        found.append(study)
        if check:
            study.check = confirm(study, options, "all" if check == "all" else "")
        if controls == "acting":
            study.acting = let_act(study)
        grid = grid.with_site(site, study.firm_kw)
    return found
