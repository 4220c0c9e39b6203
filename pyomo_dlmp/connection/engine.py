"""The OpenDSS engine's word on a capacity: limits judged apart, from its phasors and currents."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pyomo_dlmp.connection.hours import Hours
from pyomo_dlmp.connection.limits import LimitOptions
from pyomo_dlmp.connection.site import Site
from pyomo_dlmp.network import CenterTappedTransformer, Network, OperatingPoint
from pyomo_dlmp.network.phases import DELTA_PAIRS, NEUTRAL, PHASES, SPLIT
from pyomo_dlmp.opf.ac_form import rating
from pyomo_dlmp.opf.load_scale import load_series, reactive_series
from pyomo_dlmp.power_flow.ac_solver import AcSolver
from pyomo_dlmp.tolerances import SAME_VOLTAGE

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
    worst, worst_above : str
        The limit that is furthest used, or broken, at each.
    keeps : bool
        Whether every limit is kept at `kw` in all of these hours.
    breaks : bool or None
        Whether one is broken at `above_kw` in one of them; None: no limit ends the capacity.
    """

    kw: float
    above_kw: float
    hours: tuple[int, ...]
    worst: str
    worst_above: str
    keeps: bool
    breaks: bool | None

    @property
    def passed(self) -> bool:
        """Whether the engine agrees."""
        return self.keeps and self.breaks is not False

    def __str__(self) -> str:
        above = "" if self.breaks is None else (
            f"; at {self.above_kw:,.1f} kW {'one is broken' if self.breaks else 'none is broken'} "
            f"({self.worst_above})")
        return (f"OpenDSS, {len(self.hours)} hours: at {self.kw:,.1f} kW all limits are "
                f"{'kept' if self.keeps else 'NOT kept'} ({self.worst}){above}.")


@dataclass(frozen=True)
class EngineLimits:
    """Limits by the engine's names, and those that were moved since they were broken before.

    Attributes
    ----------
    options : LimitOptions
    moved : dict
        {(what, element, phase): value} to which a limit was moved.
    left_out : frozenset
        Those that do not count.
    """

    options: LimitOptions
    moved: dict[tuple[str, str, str], float]
    left_out: frozenset[tuple[str, str, str]] = frozenset()


def engine_points(network: Network, sites: Sequence[Site], kw: Sequence[np.ndarray], hours: Hours,
                  which: Iterable[int]) -> Iterator[tuple[int, OperatingPoint]]:
    """States of hours in the engine.

    Parameters
    ----------
    network : Network
        Without the sites.
    sites : sequence of Site
    kw : sequence of ndarray, shape (hours,)
        What each draws in each hour of the study.
    hours : Hours
    which : iterable of int
        Hours that are wanted.

    Yields
    ------
    (int, OperatingPoint)
        Hour, and its state as period of that number.
    """
    full = network.with_devices(*(d for site in sites for d in site.devices(1.0)))
    solver = AcSolver(full)
    labels = range(hours.count)
    p, q = (series(network, hours.load_scale, labels, hours.hours)
            for series in (load_series, reactive_series))
    for t in which:
        scale, q_scale = ({name: by[t] for name, by in each.items()} for each in (p, q))
        injections = {
            name: (tuple(scale[name] * x for x in made),
                   tuple(q_scale.get(name, scale[name]) * x for x in var))
            for name, (_, _, made, var) in solver.base.items() if name in scale}
        for site, power in zip(sites, kw, strict=True):
            kvar = float(np.tan(np.arccos(site.power_factor)) * power[t])
            injections[site.name] = full.devices[site.name].equal_legs(-float(power[t]), -kvar)
            if site.svg_kvar:
                injections[f"{site.name}_svg"] = full.devices[f"{site.name}_svg"].equal_legs(
                    0.0, min(float(power[t]), site.svg_kvar))
        solver.solve(injections, scale, q_scale)
        point = OperatingPoint(periods=[t])
        solver.read(point, t)
        yield t, point


def used(network: Network, point: OperatingPoint, t: int,
         limits: EngineLimits) -> Iterator[tuple[float, str]]:
    """How far each limit is used in a state: above 0 is broken (pu, share of rating, VUF).

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
    (float, str)
        Excess, and the limit in words.
    """
    options = limits.options
    for name, bus in network.buses.items():
        if name == network.substation.bus:
            continue
        volts = {k: point.voltages[name, k, t] for k in bus.conductors}
        low = bus.v_min if bus.v_min is not None else options.v_min
        high = bus.v_max if bus.v_max is not None else options.v_max
        for leg, v in _magnitudes(bus, volts, options.voltage_legs):
            if ("voltage", name, leg) in limits.left_out:
                continue
            moved = limits.moved.get(("voltage", name, leg))
            ends = [x for x in (low, high) if x is not None]
            if moved is not None:
                low_now = min([moved, *ends[:1]]) if low is not None else None
                high_now = max([moved, *ends[-1:]]) if high is not None else None
            else:
                low_now, high_now = low, high
            excess = max(-math.inf if low_now is None else low_now - v,
                         -math.inf if high_now is None else v - high_now)
            yield excess, f"voltage {v:.4f} pu at {name}.{leg}, hour {t}"
        if options.vuf is not None and bus.phases == PHASES and (
                ("unbalance", name, "") not in limits.left_out):
            phasors = [volts[k] for k in PHASES]
            plus = abs(phasors[0] + _TURN * phasors[1] + _TURN**2 * phasors[2])
            minus = abs(phasors[0] + _TURN**2 * phasors[1] + _TURN * phasors[2])
            top = limits.moved.get(("unbalance", name, ""), options.vuf / 100)
            yield (minus / plus - max(top, options.vuf / 100),
                   f"unbalance {100 * minus / plus:.2f} % at {name}, hour {t}")
    for branch in network.branches.values() if options.thermal else ():
        kva = rating(branch)
        if kva is None:
            continue
        end = branch.to_bus if isinstance(branch, CenterTappedTransformer) else branch.from_bus
        phases = branch.to_phases if end == branch.to_bus else branch.from_phases
        for k in phases:
            if k in network.buses[end].phases and (
                    ("loading", branch.name, k) not in limits.left_out):
                amps = abs(point.currents[branch.name, end, k, t])
                share = amps * network.buses[end].kv_ln / kva  # A kV = kVA
                top = max(1.0, limits.moved.get(("loading", branch.name, k), 1.0))
                yield share - top, f"loading {100 * share:.1f} % of {branch.name}.{k}, hour {t}"


def _magnitudes(bus, volts: dict[str, complex], legs: str) -> Iterator[tuple[str, float]]:
    """(leg, pu) of phases and pairs."""
    if legs != "line":
        neutral = volts.get(NEUTRAL, 0.0)
        yield from ((k, abs(volts[k] - neutral)) for k in bus.phases)
    if legs != "phase":
        pairs = [SPLIT] if bus.phases == SPLIT else [
            pair for pair in DELTA_PAIRS if set(pair) <= set(bus.phases)]
        yield from ((pair, abs(volts[pair[0]] - volts[pair[1]]) * bus.kv_ln / bus.kv)
                    for pair in pairs)


def judge(network: Network, sites: Sequence[Site], contracts: Sequence[float],
          shares: Sequence[np.ndarray], hours: Hours, which: Sequence[int],
          limits: EngineLimits) -> tuple[float, str]:
    """The limit that is furthest used, or broken, over hours at some contracts.

    Parameters
    ----------
    network : Network
    sites : sequence of Site
    contracts : sequence of float
        kW of each.
    shares : sequence of ndarray
        Of the contract that is drawn, by hour.
    hours : Hours
    which : sequence of int
    limits : EngineLimits

    Returns
    -------
    (float, str)
        Its excess, and words.
    """
    worst = (-math.inf, "there is no limit")
    kw = [contract * share for contract, share in zip(contracts, shares, strict=True)]
    for t, point in engine_points(network, sites, kw, hours, which):
        if not point.settled[t]:
            return math.inf, f"no solution in hour {t}"
        worst = max(worst, *used(network, point, t, limits), key=lambda one: one[0])
    return worst


def engine_check(network: Network, site: Site, firm_kw: float, hours: Hours,
                 which: Sequence[int], limits: EngineLimits, above: float | None,
                 ) -> EngineCheck:
    """Whether the engine agrees with a firm kW.

    Parameters
    ----------
    network, site, hours
        As of `engine_points`.
    firm_kw : float
    which : sequence of int
        Hours, that of the limit first.
    limits : EngineLimits
    above : float or None
        A greater contract, which breaks a limit; None: none does.

    Returns
    -------
    EngineCheck
    """
    share = [hours.share]
    excess, words = judge(network, [site], [firm_kw], share, hours, which, limits)
    breaks, above_words = None, ""
    if above is not None:
        beyond, above_words = judge(network, [site], [above], share, hours, which[:2], limits)
        breaks = beyond > 0.0
    return EngineCheck(firm_kw, firm_kw if above is None else above, tuple(which), words,
                       above_words, excess <= SAME_VOLTAGE / 10, breaks)
