"""`connection_study`: what a site may draw at a bus, in every hour, with every limit kept in AC."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from pyomo_dlmp.connection.acting import ActingControls, acting_faults, controls_acting
from pyomo_dlmp.connection.answer import contracts
from pyomo_dlmp.connection.arguments import of_right_kinds
from pyomo_dlmp.connection.engine import EngineCheck, EngineFeeder, EngineLimits, engine_check
from pyomo_dlmp.connection.feeding import beside
from pyomo_dlmp.connection.grid import NO_LIMIT, Grid
from pyomo_dlmp.connection.hours import Hours, read_hours
from pyomo_dlmp.connection.limits import Limit, LimitOptions
from pyomo_dlmp.connection.result import Binding, ConnectionStudy
from pyomo_dlmp.connection.site import Site, checked_site
from pyomo_dlmp.errors import Fault, ModelError, shown
from pyomo_dlmp.network import Network
from pyomo_dlmp.network.series import is_number

_CHECKED = 12  # hours that allow least, in the engine
_STATES = 500_000  # conductors times hours that the engine looks at unasked: about 20 s
_ABOVE = 1.02  # of the firm kW: breaks a limit
Progress = Callable[[str], None]


@of_right_kinds
def connection_study(  # noqa: PLR0913  # keywords of a call, for people
        network: Network, bus: str, *, max_kw: float | None = None, load: Any = None,
        phases: str | None = None, power_factor: float = 0.95, svg: float | None = None,
        load_scale: Any = 1.0, price: Any = 50.0, hours: float = 1.0, v_min: float | None = 0.95,
        v_max: float | None = 1.05, voltage_legs: str = "phase", thermal: bool = True,
        vuf: float | None = None, existing: str = "relaxed", check: bool | str = True,
        controls: str = "fixed", progress: Progress | None = None) -> ConnectionStudy:
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
        Those that it is connected to, equally; by default ``"abc"``. Of two at a bus that nothing
        grounds it stands between them.
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
    check : bool or "all"
        Whether the OpenDSS engine confirms the firm kW, and that 2 % more breaks a limit: in all
        different hours that were computed, of a large feeder in those that allow least; "all": in
        all different hours.
    controls : "fixed" or "acting"
        Whether the engine also answers with controls of regulators and capacitors acting
        (`ConnectionStudy.acting`); the network must have their settings.
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
    faults += controls_faults(network, controls)
    if faults or site is None or series is None:
        raise ModelError(faults)
    options = LimitOptions(v_min=v_min, v_max=v_max, voltage_legs=voltage_legs, thermal=thermal,
                           vuf=vuf)
    grid = Grid(network, [site], series, options, existing, progress)
    study = study_of(grid, site, ceiling(network, max_kw, series))
    study.asked_kw = math.nan if max_kw is None else float(max_kw)
    study.options = {"v_min": v_min, "v_max": v_max, "voltage_legs": voltage_legs,
                     "thermal": thermal, "vuf": vuf, "existing": existing}
    if check:
        grid.say("confirming in OpenDSS")
        study.check = confirm(study, options, "all" if check == "all" else "")
    if controls == "acting":
        study.acting = let_act(study)
    return study


def controls_faults(network: Network, controls: str) -> list[Fault]:
    """What is wrong with the choice of controls."""
    if controls not in ("fixed", "acting"):
        return [Fault("connection study, controls", f"is {shown(controls)}",
                      "Give 'fixed' or 'acting'.")]
    return acting_faults(network) if controls == "acting" else []


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
    if firm > max_kw:  # of which it draws a share
        firm, limit = max_kw, NO_LIMIT
    binding = Binding(limit, "", "", hour, None) if isinstance(limit, str) else binding_of(
        grid, site, limit, hour, firm)
    return ConnectionStudy(grid.network, site, firm, binding, hourly, grid.hours, grid.existing,
                           None, grid, max_kw)


def binding_of(grid: Grid, site: Site, limit: Limit, hour: int, firm: float) -> Binding:
    """What ends a firm kW, with the value that it has there.

    Parameters
    ----------
    grid : Grid
    site : Site
    limit : Limit
        That ends it.
    hour : int
    firm : float
        kW.

    Returns
    -------
    Binding
    """
    feeder = grid.feeder(grid.of_hour[[hour]], site)
    kw = np.array([firm * grid.hours.share[hour]])
    z, _ = feeder.solve(site, kw, np.array([0]), feeder.start)
    value = float(grid.limits.values(z)[grid.limits.rows.index(limit), 0])
    before = math.nan
    for old in grid.existing:
        if old.limit.key == limit.key and grid.treat == "relaxed" and (
                old.value < limit.low) == (value < limit.low):
            before = old.value
    return Binding(limit.what, limit.element, limit.phase, hour, limit, value, before)


def confirm(study: ConnectionStudy, options: LimitOptions, which: str | list[int] = "",
            ) -> EngineCheck:
    """The engine's word on the firm kW.

    Parameters
    ----------
    study : ConnectionStudy
    options : LimitOptions
    which : "all", "" or list of int
        Hours; "": all different ones that were computed, where these are few states of a small
        feeder, else those that allow least and the extremes of load; "all": all different ones.

    Returns
    -------
    EngineCheck
    """
    hours = engine_hours(study, which) if isinstance(which, str) else which
    moved: dict[tuple[str, str, str], list[float]] = {}
    for e in study.existing:
        moved.setdefault(e.limit.key, []).append(e.allowed)
    out = study.options.get("existing") == "left out"
    idle = beside(study.network, study.site.bus, moved)
    limits = EngineLimits(options, {} if out else moved, frozenset(moved) if out else idle)
    above = None if study.binding.limit is None else max(_ABOVE * study.firm_kw,
                                                         study.firm_kw + 1.0)
    feeder = EngineFeeder(study.network, study.sites, study.hours)
    return engine_check(feeder, study, hours, limits, above, study.grid.say)


def let_act(study: ConnectionStudy) -> ActingControls:
    """The answer with controls acting.

    Parameters
    ----------
    study : ConnectionStudy
        With its answer at fixed taps.

    Returns
    -------
    ActingControls

    Raises
    ------
    ModelError
        If the network has no controls.
    """
    return controls_acting(study, engine_hours(study), engine_hours(study, "few"),
                           EngineLimits(study.grid.limits.options, {}))


def engine_hours(study: ConnectionStudy, which: str = "") -> list[int]:
    """Hours that the engine looks at, those that allow least first.

    Parameters
    ----------
    study : ConnectionStudy
    which : "all", "few" or ""
        As of `confirm`; "few": those that allow least, and the extremes of load.

    Returns
    -------
    list of int
        Each the first of its kind.
    """
    grid = study.grid
    order = np.argsort(contracts(study.hourly.kw, study.hours.share), kind="stable")
    # a site's series may make hours differ whose loads are the same: the worst of each kind
    different, first = np.unique(grid.of_hour[order], return_index=True)
    if which != "all":
        conductors = sum(len(bus.conductors) for bus in study.network.buses.values())
        few = which == "few" or conductors * study.hourly.computed > _STATES
        extremes = np.isin(different, [0, grid.different - 1])
        keep = first <= np.sort(first)[:_CHECKED][-1] if few else np.isin(
            different, study.hourly.known)
        first = first[keep | extremes]
    return order[np.sort(first)].tolist()
