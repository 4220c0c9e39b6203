"""`connection_study`: what a site may draw at a bus, in every hour, with every limit kept in AC."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from pyomo_dlmp.connection.answer import (
    Flexible,
    allowed_hours,
    contracts,
    flexible_energy,
    flexible_hours,
    hourly_table,
)
from pyomo_dlmp.connection.engine import EngineCheck, EngineLimits, engine_check
from pyomo_dlmp.connection.grid import NO_LIMIT, Existing, Grid, Hourly
from pyomo_dlmp.connection.hours import Hours, read_hours
from pyomo_dlmp.connection.limits import Limit, LimitOptions
from pyomo_dlmp.connection.prices import PriceImpact, price_impact
from pyomo_dlmp.connection.remedies import remedies_of
from pyomo_dlmp.connection.site import Site, checked_site
from pyomo_dlmp.errors import Fault, ModelError, shown
from pyomo_dlmp.network import Network
from pyomo_dlmp.network.series import is_number

_CHECKED = 12  # hours that allow least, and as many beside them, in the engine
_ABOVE = 1.02  # of the firm kW: breaks a limit
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Binding:
    """What ends the firm kW.

    Attributes
    ----------
    what : str
        "voltage", "loading", "unbalance"; "no solution", or "no limit" up to the kW asked for.
    element, phase : str
    hour : int
    limit : Limit or None
    """

    what: str
    element: str
    phase: str
    hour: int
    limit: Limit | None

    def __str__(self) -> str:
        if self.limit is None:
            return f"{self.what} (hour {self.hour})"
        side = ""
        if self.what == "voltage":
            ends = [f"v_min {self.limit.low:.4g}"] * math.isfinite(self.limit.low) + [
                f"v_max {self.limit.high:.4g}"] * math.isfinite(self.limit.high)
            side = f" ({', '.join(ends)} pu)"
        return f"{self.what} at {self.limit.name}{side}, hour {self.hour}"


@dataclass(eq=False, repr=False)
class ConnectionStudy:
    """The answer of `connection_study`.

    Attributes
    ----------
    network : Network
        Without the site.
    site : Site
    firm_kw : float
        Contracted power (kW) with every limit kept in every hour.
    binding : Binding
        What ends it.
    hourly : Hourly
        Capacity of each hour.
    hours : Hours
        Series.
    existing : list of Existing
        Limits that are broken before anything is connected.
    check : EngineCheck or None
        The OpenDSS engine's word; None if it was not asked for.
    grid : Grid
    max_kw : float
        No more was looked for.
    """

    network: Network
    site: Site
    firm_kw: float
    binding: Binding
    hourly: Hourly
    hours: Hours
    existing: list[Existing]
    check: EngineCheck | None
    grid: Grid
    max_kw: float
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def envelope(self) -> pd.DataFrame:
        """Capacity by hour: columns hour, kw, firm_kw, what, element, phase."""
        return hourly_table(self.hourly.kw, self.firm_kw, self.hours.share, self.hourly.limits)

    @property
    def bindings(self) -> pd.DataFrame:
        """How many hours each limit is the first: columns what, element, phase, hours, least_kw."""
        table = self.envelope
        found = table.groupby(["what", "element", "phase"], sort=False)["kw"].agg(
            hours="size", least_kw="min").reset_index()
        found["hours"] = found["hours"] * self.hours.hours
        return found.sort_values("least_kw", ignore_index=True)

    @property
    def existing_table(self) -> pd.DataFrame:
        """Limits that are broken before: what, element, phase, hour, value, low, high."""
        return pd.DataFrame(
            [(e.limit.what, e.limit.element, e.limit.phase, e.hour, e.value, e.limit.low,
              e.limit.high) for e in self.existing],
            columns=["what", "element", "phase", "hour", "value", "low", "high"])

    @property
    def gaps(self) -> np.ndarray:
        """Hours in which more than their capacity keeps all limits again: no interval."""
        return np.flatnonzero(self.hourly.again)

    def flexible(self, *, hours_per_year: float | None = None, hours: float | None = None,
                 energy_share: float | None = None) -> Flexible:
        """The greatest contract that is curtailed in some hours, or for some energy.

        Parameters
        ----------
        hours_per_year : float, optional
            Hours of a year in which it may be curtailed; of a shorter study its part of these.
        hours : float, optional
            Hours of those that are studied.
        energy_share : float, optional
            Share of the energy it wants (1) that may be curtailed.

        Returns
        -------
        Flexible

        Raises
        ------
        ModelError
            If not one of these is given, or it is out of its range.
        """
        given = [x for x in (hours_per_year, hours, energy_share) if x is not None]
        if len(given) != 1:
            raise ModelError.at("flexible", f"was given {len(given)} of hours_per_year, hours and "
                                "energy_share", "Give one of them.")
        kw, share = self.hourly.kw, self.hours.share
        if energy_share is not None:
            if not is_number(energy_share) or not 0 <= energy_share < 1:
                raise ModelError.at("flexible, energy_share", f"is {shown(energy_share)}",
                                    "Give a share from 0 to below 1, such as 0.001.")
            return flexible_energy(kw, share, float(energy_share), self.hours.hours)
        count = allowed_hours(hours_per_year, hours, self.hours.count, self.hours.hours)
        return flexible_hours(kw, share, count, self.hours.hours)

    @property
    def effects(self) -> pd.DataFrame:
        """What the firm kW does, in four hours: before and after.

        Columns case (limiting hour, greatest, mean and least load), hour, kw, lowest_pu,
        highest_pu, vuf_percent (greatest), losses_kw, each also as ``..._before``.
        """
        from pyomo_dlmp.connection.effects import effects_table

        return effects_table(self)

    def prices(self, hours: Any = None, kw: float | None = None) -> PriceImpact:
        """What it would pay, and what prices of others become.

        Parameters
        ----------
        hours : sequence of int, optional
            Hours of the study; by default the limiting one.
        kw : float, optional
            Of the site in each of them; by default what the firm contract draws.

        Returns
        -------
        PriceImpact
        """
        which = [self.binding.hour] if hours is None else list(hours)
        own = self.hours
        drawn = [self.firm_kw * float(own.share[t]) if kw is None else kw for t in which]
        scale = own.load_scale
        if isinstance(scale, list):
            scale = [scale[t] for t in which]
        elif not is_number(scale):
            scale = {name: [by[t] for t in which] for name, by in self.loads().items()}
        limits = {key: self.options[key] if self.options[key] is not None else wide
                  for key, wide in (("v_min", 0.1), ("v_max", 2.0))}
        limits["voltage_legs"] = self.options["voltage_legs"]
        return price_impact(
            self.network, self.site.bus, drawn, site=self.site, load_scale=scale,
            price=[float(own.price[t]) for t in which], labels=which, hours=own.hours, **limits)

    def loads(self) -> dict[str, dict]:
        """Multipliers of all loads by hour."""
        from pyomo_dlmp.opf.load_scale import load_series

        return load_series(self.network, self.hours.load_scale, range(self.hours.count),
                           self.hours.hours)

    def remedies(self, progress: Progress | None = None, most: int = 3) -> pd.DataFrame:
        """What would move the limit: ranked in the limiting hour, the best solved in all hours.

        Parameters
        ----------
        progress : callable, optional
        most : int
            How many are solved in all hours.

        Returns
        -------
        DataFrame
            Columns remedy, detail, kw_in_limiting_hour, firm_kw (nan where not solved in all
            hours), gain_kw; best first.
        """
        return remedies_of(self, progress, most)

    def __repr__(self) -> str:
        tried = "" if self.check is None else (
            ", engine agrees" if self.check.passed else ", the engine does NOT agree")
        return (f"<ConnectionStudy {self.network.name} bus {self.site.bus}: firm "
                f"{self.firm_kw:,.1f} kW over {self.hours.count:,} hours; {self.binding}{tried}>")


def connection_study(
        network: Network, bus: str, *, max_kw: float | None = None, load: Any = None,
        phases: str | None = None, power_factor: float = 0.95, svg: float | None = None,
        load_scale: Any = 1.0, price: Any = 50.0, hours: float = 1.0, v_min: float | None = 0.95,
        v_max: float | None = 1.05, voltage_legs: str = "phase", thermal: bool = True,
        vuf: float | None = None, existing: str = "relaxed", check: bool = True,
        progress: Progress | None = None) -> ConnectionStudy:
    """How much a site may draw at a bus: firm, flexible, by hour, and what ends it.

    Every hour has the AC equations, with taps and capacitors as they are in the network. The
    capacity of an hour is the greatest power up to which every limit holds, from 0 on.

    Parameters
    ----------
    network : Network
    bus : str
        Where it is to be connected.
    max_kw : float, optional
        No more is looked for (kW); by default ten times the feeder's load and 20 MW.
    load : number, sequence of float or path of a CSV file, optional
        What it draws by hour: shares of its contract (at most 1), or kW, of which the greatest is
        the `max_kw` where none is given; None: always its contract.
    phases : str, optional
        Those that it is connected to, equally; by default ``"abc"``.
    power_factor : float
        Lagging (1).
    svg : float, optional
        Rating (kvar) of a static var generator beside it, which injects 1 kvar for each kW that is
        drawn, up to this.
    load_scale : number, sequence, mapping, "profiles", or path of a CSV file
        As of `OpfOptions`; the longest of the series is the number of hours.
    price : number, sequence of float or path
        Of energy at the substation ($/MWh).
    hours : float
        Length of a period (h).
    v_min, v_max : float or None
        Of voltages (pu) where a bus has no limits of its own; None: no limit.
    voltage_legs : "phase", "line" or "both"
        As of `OpfOptions`.
    thermal : bool
        Whether ratings of lines and transformers count (currents of phases).
    vuf : float, optional
        Greatest voltage unbalance factor (%) of three-phase buses.
    existing : "relaxed" or "left out"
        Limits that are broken before: moved to the worst value that they have without the site, or
        not counted.
    check : bool
        Whether the OpenDSS engine confirms the firm kW, and that 2 % more breaks a limit.
    progress : callable, optional
        progress(stage).

    Returns
    -------
    ConnectionStudy

    Raises
    ------
    ModelError
        If the bus is unknown or lacks phases, series do not fit each other or a year, or a number
        is out of its range; it lists all of these.
    SolverError
        If the feeder has no AC power flow before anything is connected.
    """
    faults: list[Fault] = []
    site, series = None, None
    try:
        site = checked_site(network, bus, phases=phases, power_factor=power_factor, svg=svg)
    except ModelError as error:
        faults += error.faults
    try:
        series = read_hours(network, load_scale, price, load, hours)
    except ModelError as error:
        faults += error.faults
    faults += option_faults(max_kw, v_min, v_max, voltage_legs, vuf)
    if faults or site is None or series is None:
        raise ModelError(faults)
    options = LimitOptions(v_min=v_min, v_max=v_max, voltage_legs=voltage_legs, thermal=thermal,
                           vuf=vuf)
    grid = Grid(network, [site], series, options, existing, progress)
    study = study_of(grid, site, ceiling(network, max_kw, series))
    study.options = {"v_min": v_min, "v_max": v_max, "voltage_legs": voltage_legs,
                     "thermal": thermal, "vuf": vuf, "existing": existing}
    if check:
        grid.say("confirming in OpenDSS")
        study.check = confirm(study, options)
    return study


def ceiling(network: Network, max_kw: float | None, hours: Hours) -> float:
    """The greatest contract that is looked for (kW)."""
    if max_kw is not None:
        return float(max_kw)
    return hours.asked_kw or 10.0 * network.total_kw + 20e3


def option_faults(max_kw, v_min, v_max, voltage_legs, vuf) -> list[Fault]:
    """What is wrong with numbers of a study."""
    found = []
    for key, value in (("max_kw", max_kw), ("v_min", v_min), ("v_max", v_max), ("vuf", vuf)):
        if value is not None and (not is_number(value) or not 0 < value < math.inf):
            found.append(Fault(f"connection study, {key}", f"is {shown(value)}",
                               "Give a number above 0, or None."))
    if not found and v_min is not None and v_max is not None and v_min >= v_max:
        found.append(Fault("connection study, v_min", f"is {v_min:g}, v_max {v_max:g}",
                           "Give a v_min below v_max."))
    if voltage_legs not in ("phase", "line", "both"):
        found.append(Fault("connection study, voltage_legs", f"is {shown(voltage_legs)}",
                           "Give 'phase', 'line' or 'both'."))
    return found


def study_of(grid: Grid, site: Site, max_kw: float) -> ConnectionStudy:
    """The study of a site in a grid, without the engine's word.

    Parameters
    ----------
    grid : Grid
    site : Site
        One of its sites.
    max_kw : float

    Returns
    -------
    ConnectionStudy
    """
    grid.say(f"capacity at {site.bus}")
    hourly = grid.capacity(site, max_kw)
    most = contracts(hourly.kw, grid.hours.share)
    hour = int(np.argmin(most))
    firm, limit = float(most[hour]), hourly.limits[hour]
    binding = Binding(limit, "", "", hour, None) if isinstance(limit, str) else Binding(
        limit.what, limit.element, limit.phase, hour, limit)
    if binding.what == NO_LIMIT:
        firm = min(firm, max_kw)
    return ConnectionStudy(grid.network, site, firm, binding, hourly, grid.hours, grid.existing,
                           None, grid, max_kw)


def confirm(study: ConnectionStudy, options: LimitOptions,
            which: list[int] | None = None) -> EngineCheck:
    """The engine's word on the firm kW.

    Parameters
    ----------
    study : ConnectionStudy
    options : LimitOptions
    which : list of int, optional
        Hours; by default those that allow least, of the different ones, and the extremes of load.

    Returns
    -------
    EngineCheck
    """
    grid, most = study.grid, contracts(study.hourly.kw, study.hours.share)
    if which is None:
        order = np.argsort(most, kind="stable")
        _, first = np.unique(grid.of_hour[order], return_index=True)
        ranked = order[np.sort(first)]
        which = [*ranked[:_CHECKED].tolist(), grid.hour_of(0), grid.hour_of(grid.different - 1)]
        which = list(dict.fromkeys(which))
    moved = {(e.limit.what, e.limit.element, e.limit.phase): e.value for e in study.existing}
    if study.options.get("existing") == "left out":
        moved = {key: math.inf if key[0] != "voltage" else value for key, value in moved.items()}
    above = None if study.binding.limit is None else max(_ABOVE * study.firm_kw,
                                                         study.firm_kw + 1.0)
    return engine_check(study.network, study.site, study.firm_kw, study.hours, which,
                        EngineLimits(options, moved), above)


def with_site(study: ConnectionStudy, **changes: Any) -> Site:
    """The site of a study, changed."""
    return replace(study.site, **changes)
