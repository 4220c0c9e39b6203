"""The OpenDSS engine's word on a capacity: limits judged apart, from its phasors and currents."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from pyomo_dlmp.connection.hours import Hours
from pyomo_dlmp.connection.limits import LimitOptions
from pyomo_dlmp.connection.site import Site
from pyomo_dlmp.network import Network, OperatingPoint
from pyomo_dlmp.network.phases import DELTA_PAIRS, NEUTRAL, PHASES, SPLIT
from pyomo_dlmp.network.ratings import known_rating
from pyomo_dlmp.opf.load_scale import load_series, reactive_series
from pyomo_dlmp.power_flow.ac_solver import AcSolver
from pyomo_dlmp.tolerances import SAME_VOLTAGE

NO_SOLUTION = "no solution"
NO_REST = "controls that do not come to rest"
_TURN = np.exp(2j * np.pi / 3)


@dataclass(frozen=True)
class EngineCheck:
    """A capacity in the engine.

    Attributes
    ----------
    kw, above_kw : float
        Contracts that were tried.
    hours : tuple of int
        In which.
    different : int
        Hours of the study that differ from each other.
    worst, worst_above : str
        The limit that is furthest used, or broken, at each.
    keeps : bool
        Whether every limit is kept at `kw` in all of these hours.
    breaks : bool or None
        Whether one is broken at `above_kw` in one of them; None: no limit ends the capacity.
    moved : bool
        Whether limits that are broken before were moved, or left out.
    """

    kw: float
    above_kw: float
    hours: tuple[int, ...]
    different: int
    worst: str
    worst_above: str
    keeps: bool
    breaks: bool | None
    moved: bool = False

    @property
    def passed(self) -> bool:
        """Whether the engine agrees."""
        return self.keeps and self.breaks is not False

    def __str__(self) -> str:
        above = "" if self.breaks is None else (
            f"; at {self.above_kw:,.1f} kW {'one is broken' if self.breaks else 'none is broken'} "
            f"({self.worst_above})")
        tried = "" if self.different == 1 else f", {len(self.hours):,} of {self.different:,} " \
            "different hours" if len(self.hours) < self.different else (
                f", all {self.different:,} different hours")
        known = ", or no worse than before," if self.moved and self.keeps else ""
        return (f"OpenDSS{tried}: at {self.kw:,.1f} kW all limits are "
                f"{'kept' if self.keeps else 'NOT kept'}{known} ({self.worst}){above}.")


@dataclass(frozen=True)
class EngineLimits:
    """Limits by the engine's names, and those that were moved since they were broken before.

    Attributes
    ----------
    options : LimitOptions
    moved : dict
        {(what, element, phase): values} to which a limit was moved.
    left_out : frozenset
        Those that do not count.
    """

    options: LimitOptions
    moved: dict[tuple[str, str, str], list[float]]
    left_out: frozenset[tuple[str, str, str]] = frozenset()


class EngineFeeder:
    """A feeder with its applicants in the engine: one state after the other.

    Parameters
    ----------
    network : Network
        Without the sites.
    sites : sequence of Site
    hours : Hours
    controls : bool
        Whether controls of regulators and capacitors act; taps and switches stay otherwise.
    """

    def __init__(self, network: Network, sites: Sequence[Site], hours: Hours,
                 controls: bool = False):
        self.sites = sites
        self.full = network.with_devices(*(d for site in sites for d in site.devices(1.0)))
        self.solver = AcSolver(self.full, controls)
        labels = range(hours.count)
        self.p, self.q = (series(network, hours.load_scale, labels, hours.hours)
                          for series in (load_series, reactive_series))

    def state(self, t: int, kw: Sequence[float], carry: bool = False) -> OperatingPoint:
        """The state of an hour.

        Parameters
        ----------
        t : int
        kw : sequence of float
            That each site draws.
        carry : bool
            Whether controls go on from the state before, not from the network's taps.

        Returns
        -------
        OperatingPoint
            Of the one period `t`.
        """
        devices = self.full.devices
        scale, q_scale = ({name: by[t] for name, by in each.items()} for each in (self.p, self.q))
        injections = {
            name: (tuple(scale[name] * x for x in made),
                   tuple(q_scale.get(name, scale[name]) * x for x in var))
            for name, (_, _, made, var) in self.solver.base.items() if name in scale}
        for site, power in zip(self.sites, kw, strict=True):
            kvar = math.tan(math.acos(site.power_factor)) * power
            injections[site.name] = devices[site.name].equal_legs(-power, -kvar)
            if site.svg_kvar:
                injections[f"{site.name}_svg"] = devices[f"{site.name}_svg"].equal_legs(
                    0.0, min(power, site.svg_kvar))
        self.solver.solve(injections, scale, q_scale, carry=carry)
        point = OperatingPoint(periods=[t])
        self.solver.read(point, t)
        return point


class Use(NamedTuple):
    """How far a limit is used in a state.

    Attributes
    ----------
    excess : float
        Above 0 it is broken (pu, share of rating, VUF).
    what, element, phase : str
        As of `Limit`.
    value : float
    hour : int
    """

    excess: float
    what: str
    element: str
    phase: str
    value: float
    hour: int

    @property
    def limit(self) -> tuple[str, str, str]:
        """Which limit."""
        return self.what, self.element, self.phase

    def __str__(self) -> str:
        return self.words()

    def words(self, more: int = 0) -> str:
        """Limit, value and hour, with some more digits than usual."""
        place = f"{self.element}.{self.phase}" if self.phase else self.element
        if self.what in (NO_SOLUTION, NO_REST):
            return f"{self.what}, hour {self.hour}"
        figures = {"voltage": f"{self.value:.{4 + more}f} pu at",
                   "loading": f"{100 * self.value:.{1 + more}f} % of",
                   "unbalance": f"{100 * self.value:.{2 + more}f} % at"}
        return f"{self.what} {figures[self.what]} {place}, hour {self.hour}"


def used(network: Network, point: OperatingPoint, t: int, limits: EngineLimits) -> Iterator[Use]:
    """How far each limit is used in a state.

    Parameters
    ----------
    network : Network
    point : OperatingPoint
        Of the engine.
    t : int
        Its period.
    limits : EngineLimits

    Yields
    ------
    Use
    """
    for use, low, high in _uses(network, point, t, limits.options):
        if use.limit in limits.left_out:
            continue
        moved = limits.moved.get(use.limit, [])
        low, high = min([low, *moved]), max([high, *moved])
        yield use._replace(excess=max(low - use.value, use.value - high))


def _uses(network: Network, point: OperatingPoint, t: int, options: LimitOptions,
          ) -> Iterator[tuple[Use, float, float]]:
    """Each quantity with its limits, infinite where there is none."""
    for name, bus in network.buses.items():
        if name == network.substation.bus:
            continue
        volts = {k: point.voltages[name, k, t] for k in bus.conductors}
        low = bus.v_min if bus.v_min is not None else options.v_min
        high = bus.v_max if bus.v_max is not None else options.v_max
        for leg, v in _magnitudes(bus, volts, options.voltage_legs):
            yield (Use(0.0, "voltage", name, leg, v, t), -math.inf if low is None else low,
                   math.inf if high is None else high)
        if options.vuf is not None and bus.phases == PHASES:
            phasors = [volts[k] for k in PHASES]
            plus = abs(phasors[0] + _TURN * phasors[1] + _TURN**2 * phasors[2])
            minus = abs(phasors[0] + _TURN**2 * phasors[1] + _TURN * phasors[2])
            yield (Use(0.0, "unbalance", name, "", minus / plus, t), -math.inf, options.vuf / 100)
    for branch in network.branches.values() if options.thermal else ():
        if (own := known_rating(branch, network.buses)) is None:
            continue
        for k, kva in own.kva.items():
            amps = abs(point.currents[branch.name, own.bus, k, t])
            share = amps * network.buses[own.bus].kv_ln / kva  # A kV = kVA
            yield Use(0.0, "loading", branch.name, k, share, t), -math.inf, 1.0


def _magnitudes(bus, volts: dict[str, complex], legs: str) -> Iterator[tuple[str, float]]:
    """(leg, pu) of phases and pairs; of the phase where a bus has one."""
    if legs != "line" or len(bus.phases) == 1:
        neutral = volts.get(NEUTRAL, 0.0)
        yield from ((k, abs(volts[k] - neutral)) for k in bus.phases)
    if legs != "phase":
        pairs = [SPLIT] if bus.phases == SPLIT else [
            pair for pair in DELTA_PAIRS if set(pair) <= set(bus.phases)]
        yield from ((pair, abs(volts[pair[0]] - volts[pair[1]]) * bus.kv_ln / bus.kv)
                    for pair in pairs)


def engine_check(feeder: EngineFeeder, study: Any, which: Sequence[int], limits: EngineLimits,
                 above: float | None, say: Callable[[str], None] = lambda stage: None,
                 ) -> EngineCheck:
    """Whether the engine agrees with a firm kW.

    Parameters
    ----------
    feeder : EngineFeeder
        Of the study's sites before and its own.
    study : ConnectionStudy
    which : sequence of int
        Hours, that of the limit first.
    limits : EngineLimits
    above : float or None
        A greater contract, which breaks a limit; None: none does.
    say : callable
        Told how far it is.

    Returns
    -------
    EngineCheck
    """
    def worst(contract: float, hours: Sequence[int]) -> Use | None:
        most = None
        for i, t in enumerate(hours):
            say(f"confirming in OpenDSS: {i + 1:,} of {len(hours):,} hours")
            point = feeder.state(t, study.drawn(t, contract))
            if not point.settled[t]:
                return Use(math.inf, "no solution", "", "", math.nan, t)
            use = max(used(study.network, point, t, limits), default=None)
            if use is not None and (most is None or use.excess > most.excess):
                most = use
        return most

    kept = worst(study.firm_kw, which)
    beyond = None if above is None else worst(above, which[:2])
    # as many digits as tell what is kept from what is broken
    more = next((n for n in range(5) if kept is None or beyond is None
                 or kept.words(n).split()[1] != beyond.words(n).split()[1]), 5)
    none = "there is no limit"
    return EngineCheck(
        study.firm_kw, study.firm_kw if above is None else above, tuple(which),
        study.hourly.different, none if kept is None else kept.words(more),
        "" if above is None else none if beyond is None else beyond.words(more),
        kept is None or kept.excess <= SAME_VOLTAGE / 10,
        None if above is None else beyond is not None and beyond.excess > 0.0,
        bool(limits.moved or limits.left_out))
