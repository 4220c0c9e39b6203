"""The capacity of a site with the controls of regulators and capacitors acting, in the engine.

With controls, what is allowed need not be an interval: a tap that moves may break a limit, or mend
one. So each hour that is searched goes up from 0 in steps to the first limit that is broken, and
then the last step is halved. There every state begins at the taps and switches of the network.

What controls do depends on where they are: a bank that has opened stays open within its dead band.
So the answer is then run through the hours in their order, each going on from the one before, and
lowered until that keeps all limits, too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pyomo_dlmp.connection.engine import (
    NO_REST,
    NO_SOLUTION,
    EngineFeeder,
    EngineLimits,
    Use,
    used,
)
from pyomo_dlmp.connection.feeding import beside
from pyomo_dlmp.errors import Fault, ModelError
from pyomo_dlmp.network import FixedControl, Network
from pyomo_dlmp.tolerances import WORSENED

_STEPS = 12  # from 0 to the firm kW at fixed taps
_GROWTH = 0.05  # of the kW reached: a step is no smaller
_HALVINGS = 7  # of the last step: to less than 0.1 % of the kW
_STATES = 150_000  # conductors times states of the hours that are searched, besides the first
_IN_ORDER = 400_000  # conductors times hours that are run in their order
_BEFORE = 72  # hours before a broken limit in which a lower contract is looked for
_AGAIN = (1.02, 1.1, 1.25)  # times the firm kW: whether there is room again
_ROUNDS = 5
_NOTHING = 0.5  # kW


@dataclass(frozen=True, eq=False)
class ActingControls:
    """A capacity with controls acting.

    Attributes
    ----------
    firm_kw : float
        Contracted power (kW), kept in every hour that was looked at; nan: there is no answer, since
        controls do not come to rest without the site.
    ends : Use or None
        The first limit that is broken above it; None: none up to what was looked for.
    hour : int
        Where.
    fixed_kw : float
        The firm kW at fixed taps and switches.
    searched : tuple of int
        Hours that went up from 0 in steps.
    looked_at, different : int
        Different hours in which the firm kW itself was tried; of how many.
    confirmed : bool
        Whether all limits are kept at the firm kW in all of these.
    step_kw : float
        Of the steps; they are 5 % of the kW reached where that is more.
    existing : list of Use
        Limits that are broken before anything is connected, with controls acting.
    unsettled : tuple of int
        Hours in which controls did not come to rest at a contract that was tried.
    alone_kw : float
        What is firm where each hour begins at the taps and switches of the network.
    in_order : int
        Hours that were run in their order at the firm kW, each going on from the one before.
    again_kw : float
        A greater contract at which that hour keeps all limits again; nan: none was found.
    fixed : dict of str to str
        [control]: why it does not act.
    moves : DataFrame
        In that hour: columns control, element, fixed, without, with: taps (or share of a bank that
        is closed) in the network, without the site, and with it.
    """

    firm_kw: float
    ends: Use | None
    hour: int
    fixed_kw: float
    searched: tuple[int, ...]
    looked_at: int
    different: int
    confirmed: bool
    step_kw: float
    existing: list[Use]
    unsettled: tuple[int, ...]
    alone_kw: float
    in_order: int
    again_kw: float
    fixed: dict[str, str]
    moves: pd.DataFrame

    @property
    def lead(self) -> str:
        """The answer in a sentence."""
        if math.isnan(self.firm_kw):
            return ("With controls acting there is no answer: without the site already they do not "
                    f"come to rest (hour {self.hour}).")
        return f"With controls acting {math.floor(self.firm_kw):,} kW are firm."

    def _order_words(self) -> str:
        if not self.in_order:
            return "Each hour begins at the taps and switches of the network. "
        alone = "" if self.alone_kw <= 1.001 * self.firm_kw else (
            " Each hour alone, from the taps and switches of the network, "
            f"{math.floor(self.alone_kw):,} kW would be.")
        return (f"{self.in_order:,} hours were run in their order, each from the taps and switches "
                f"of the one before.{alone} ")

    def __str__(self) -> str:
        if math.isnan(self.firm_kw):
            return (f"{self.lead} Mend their settings (dead bands wider than what a step or a bank "
                    "changes, different delays), or study them at fixed taps.")
        firm, fixed = math.floor(self.firm_kw), math.floor(self.fixed_kw)
        beside = ", as at fixed taps" if firm == fixed else (
            f" instead of {fixed:,} kW at fixed taps")
        ends = f"the limit is {self.ends}" if self.ends else "no limit ends it"
        words = f"With controls acting (OpenDSS) {firm:,} kW are firm{beside}; {ends}. "
        words += (f"{len(self.searched):,} hours were searched in steps of {self.step_kw:,.0f} kW, "
                  f"and the firm kW tried in {self.looked_at:,} of {self.different:,} different "
                  "hours. ")
        words += self._order_words()
        if not self.confirmed:
            words += "WARNING: an hour breaks a limit there: what is firm is less. "
        if math.isfinite(self.again_kw):
            words += (f"{math.floor(self.again_kw):,} kW would keep all limits of that hour again: "
                      "what is allowed is no interval from 0. ")
        if self.existing:
            words += f"{len(self.existing)} limits are broken before, with controls acting. "
        if self.unsettled:
            words += (f"Above it controls do not come to rest in {len(self.unsettled)} hours (the "
                      f"first: {self.unsettled[0]}), which counts as a limit. ")
        if self.fixed:
            name, why = next(iter(self.fixed.items()))
            words += f"{len(self.fixed)} controls stay as they are, such as {name}: {why}. "
        return words.strip()


def acting_faults(network: Network) -> list[Fault]:
    """Why no control can act.

    Parameters
    ----------
    network : Network

    Returns
    -------
    list of Fault
    """
    if any(not isinstance(c, FixedControl) for c in network.controls):
        return []
    return [Fault(f"network {network.name!r}", "keeps no settings of regulators or capacitors",
                  "Read its OpenDSS file, which has RegControls or CapControls, or write a table "
                  "regulator_controls.csv; or study it at fixed taps.")]


def controls_acting(study: Any, hours: Sequence[int], few: Sequence[int],
                    limits: EngineLimits) -> ActingControls:
    """The capacity of a study's site with controls acting.

    Parameters
    ----------
    study : ConnectionStudy
        With its answer at fixed taps.
    hours : sequence of int
        In which the firm kW is tried.
    few : sequence of int
        That are searched, the first of them the one that allows least at fixed taps; of a large
        feeder this one alone.
    limits : EngineLimits
        Without moved ones.

    Returns
    -------
    ActingControls

    Raises
    ------
    ModelError
        If the network has no controls.
    """
    if faults := acting_faults(study.network):
        raise ModelError(faults)
    return _Acting(study, limits, hours).run(few)


class _Acting:
    """The search of one study."""

    def __init__(self, study: Any, limits: EngineLimits, hours: Sequence[int]):
        self.study, self.limits, self.hours = study, limits, list(hours)
        self.feeder = EngineFeeder(study.network, study.sites, study.hours, controls=True)
        self.say = study.grid.say
        self.unsettled: set[int] = set()
        self.found: dict[tuple[tuple[str, str, str], bool], Use] = {}
        self.step = max(study.firm_kw, 0.01 * study.max_kw, 1.0) / _STEPS

    def run(self, few: Sequence[int]) -> ActingControls:
        self._without_the_site()
        if self.unsettled:
            return self._no_answer()
        self.conductors = sum(len(bus.conductors) for bus in self.study.network.buses.values())
        searched = list(few)
        if self.conductors * len(few) * _STEPS > _STATES:
            searched = searched[:1]
        firm, ends, hour = float(self.study.max_kw), None, searched[0]
        for i, t in enumerate(searched):
            self.say(f"controls acting, hours from 0 kW up: {i + 1} of {len(searched)}")
            kw, use = self._first(t, firm)
            if use is not None and kw < firm:
                firm, ends, hour = kw, use, t
        worse: list[int] = []
        for _ in range(_ROUNDS):
            if firm < _NOTHING:
                firm, worse = 0.0, []  # nothing gets worse than it is without the site
                break
            worse = self._breaking(firm)
            for t in worse:
                kw, use = self._first(t, firm)
                searched += [t] if t not in searched else []
                if use is not None and kw < firm:
                    firm, ends, hour = kw, use, t
            if not worse:
                break
        alone, span = firm, self._span(hour)
        firm, ends, hour, kept = self._in_order(firm, ends, hour, span)
        study = self.study
        again = next((factor * firm for factor in _AGAIN if ends is not None and firm == alone > 0
                      and self._worst(hour, factor * firm) is None), math.nan)
        assert self.feeder.solver.controls is not None
        return ActingControls(
            firm, ends, hour, study.firm_kw, tuple(searched), len(self.hours),
            study.hourly.different, kept and not worse, self.step, self._existing(),
            tuple(sorted(self.unsettled)), alone, len(span), again,
            self.feeder.solver.controls.fixed, self._moves(hour, firm))

    def _no_answer(self) -> ActingControls:
        """What is told where controls do not come to rest without the site."""
        hour = min(self.unsettled)
        assert self.feeder.solver.controls is not None
        return ActingControls(
            math.nan, Use(math.inf, NO_REST, "", "", math.nan, hour), hour, self.study.firm_kw, (),
            len(self.hours), self.study.hourly.different, False, self.step, self._existing(),
            tuple(sorted(self.unsettled)), math.nan, 0, math.nan,
            self.feeder.solver.controls.fixed, self._moves(hour, 0.0))

    def _without_the_site(self) -> None:
        """Find limits that are broken already; each hour from the network's taps."""
        for i, t in enumerate(self.hours):
            self.say(f"controls acting, without the applicant: {i + 1:,} of {len(self.hours):,} "
                     "hours")
            self._broken_before(self._uses(t, 0.0))
        self._move_limits()

    def _broken_before(self, uses: Sequence[Use]) -> None:
        for use in uses:
            end = use.limit, use.value > 1.0  # too low or too high
            if 0 < use.excess < math.inf and (
                    end not in self.found or use.excess > self.found[end].excess):
                self.found[end] = use

    def _existing(self) -> list[Use]:
        return sorted(self.found.values(), key=lambda u: -u.excess)

    def _move_limits(self) -> None:
        """Move limits that are broken before, or leave them out."""
        moved: dict[tuple[str, str, str], list[float]] = {}
        for use in self.found.values():
            low = use.what == "voltage" and use.value < 1.0
            moved.setdefault(use.limit, []).append(use.value + (-WORSENED if low else WORSENED))
        out = self.study.options.get("existing") == "left out"
        idle = beside(self.study.network, self.study.site.bus, moved)
        self.limits = EngineLimits(self.limits.options, {} if out else moved,
                                   frozenset(moved) if out else idle)

    def _uses(self, t: int, contract: float, carry: bool = False) -> list[Use]:
        """Limits at a contract, or one that stands for no solution or controls without rest."""
        point = self.feeder.state(t, self.study.drawn(t, contract), carry)
        if not point.settled[t]:
            return [Use(math.inf, NO_SOLUTION, "", "", math.nan, t)]
        if self.feeder.solver.unsettled:
            self.unsettled.add(t)
            return [Use(math.inf, NO_REST, "", "", math.nan, t)]
        return list(used(self.study.network, point, t, self.limits))

    def _span(self, hour: int) -> range:
        """Hours that are run in their order: all, or of a large feeder those around one."""
        count = self.study.hours.count
        if count == 1:
            return range(0)
        most = min(count, max(_IN_ORDER // self.conductors, 24))
        start = min(max(hour - 2 * most // 3, 0), count - most)
        return range(start, start + most)

    def _in_order(self, firm: float, ends: Use | None, hour: int, span: range,
                  ) -> tuple[float, Use | None, int, bool]:
        """(firm kW, what ends it, where, whether all is kept) with the hours in their order."""
        if not span or firm < _NOTHING:
            return firm, ends, hour, True
        own, self.limits = self.limits, EngineLimits(self.limits.options, {})
        for uses in self._through(span, 0.0):
            self._broken_before(uses)
        self.limits = own
        self._move_limits()
        for _ in range(_ROUNDS):
            use = self._first_in_order(span, firm)
            if use is None:
                return firm, ends, hour, True
            near = range(max(span.start, use.hour - _BEFORE), use.hour + 1)
            if self._first_in_order(near, firm) is None:  # what began it lies further back
                near = range(span.start, use.hour + 1)
            low, high, ends, hour = 0.0, firm, use, use.hour
            for _ in range(_HALVINGS + 2):
                middle = 0.5 * (low + high)
                more = self._first_in_order(near, middle)
                low, high, ends = (middle, high, ends) if more is None else (low, middle, more)
            firm, hour = low, ends.hour
        return firm, ends, hour, False

    def _through(self, span: range, contract: float) -> Iterator[list[Use]]:
        """Limits at a contract, hour after hour."""
        for i, t in enumerate(span):
            self.say(f"controls acting, hours in their order: at {contract:,.0f} kW {i + 1:,} of "
                     f"{len(span):,}")
            yield self._uses(t, contract, carry=i > 0)

    def _first_in_order(self, span: range, contract: float) -> Use | None:
        """The first limit that is broken."""
        for uses in self._through(span, contract):
            use = max(uses, default=None, key=lambda u: u.excess)
            if use is not None and use.excess > 0:
                return use
        return None

    def _worst(self, t: int, contract: float) -> Use | None:
        """The limit that is broken furthest."""
        use = max(self._uses(t, contract), default=None, key=lambda u: u.excess)
        return use if use is not None and use.excess > 0 else None

    def _first(self, t: int, top: float) -> tuple[float, Use | None]:
        """Greatest contract of an hour up to which no step breaks a limit, and what then does."""
        low = 0.0
        if self.study.hours.share[t] <= 0:
            return top, None
        for _ in range(1000):
            high = min(low + max(self.step, _GROWTH * low), top)
            use = self._worst(t, high)
            if use is not None:
                break
            if high >= top:
                return top, None
            low = high
        else:
            return low, None
        for _ in range(_HALVINGS):
            middle = 0.5 * (low + high)
            more = self._worst(t, middle)
            low, high, use = (middle, high, use) if more is None else (low, middle, more)
        return low, use

    def _breaking(self, firm: float) -> list[int]:
        """Hours that break a limit at a contract."""
        found = []
        for i, t in enumerate(self.hours):
            self.say(f"controls acting, at {firm:,.0f} kW: {i + 1:,} of {len(self.hours):,} hours")
            if self._worst(t, firm) is not None:
                found.append(t)
        return found

    def _moves(self, t: int, firm: float) -> pd.DataFrame:
        """Taps and banks in the network, and in an hour without and with the site."""
        rows = {name: [name, element, at] for name, element, at in self._states(None)}
        for contract in (0.0, firm):
            self.feeder.state(t, self.study.drawn(t, contract))
            for name, _, at in self._states(t):
                rows[name].append(at)
        return pd.DataFrame(list(rows.values()),
                            columns=["control", "element", "fixed", "without", "with"])

    def _states(self, t: int | None) -> list[tuple[str, str, float]]:
        """[control, element, state]: of the last solution, or (None) of the network."""
        solver = self.feeder.solver
        controls = solver.controls
        assert controls is not None
        if t is None:
            solver.rest()
        of = {c.name: getattr(c, "of", "") for c in self.study.network.controls}
        found = [(name, of[name], solver.tap(name)) for name in controls.taps]
        return found + [(name, of[name], solver.closed(name)) for name in controls.banks]
