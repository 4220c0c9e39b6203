"""The market of several owners: schedules that none of them wants to change, with a certificate.

Each owner foresees the DLMPs and knows the others' schedules. Its best response is the strategic
leader's problem with fewer decisions, solved to a proven bound; responses in turn from several
starts lead to Nash equilibria, or say that they cycle. What is returned is a certificate:

    regret of an owner = its payment - proven bound of its best response        ($)

The payments are those of the DSO's own problem, solved apart at the schedules found; no region, and
nothing else that found them, enters. Equilibria need not exist, nor be unique, and no method here
proves that all are found.

In the AC form the equilibrium of the linear form is the first schedule; the game is then played on
the DSO's problem at its AC operating point, and again where that moves. Payments are AC prices; the
bounds are those of the last point, as in the strategic market (`market.ac_market`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import pyomo.environ as pyo

from pyomo_dlmp.bilevel.values import load_values
from pyomo_dlmp.errors import DlmpError
from pyomo_dlmp.market.ac_market import ac_of, said
from pyomo_dlmp.market.ac_optima import look_around
from pyomo_dlmp.market.best_response import Game, Path, Rounds, negligible
from pyomo_dlmp.market.data import Market, MarketResult
from pyomo_dlmp.market.dso import AcDso, bilevel_of, in_ac
from pyomo_dlmp.market.owners import decisions_of, owners_of
from pyomo_dlmp.market.solved_game import SolvedGame
from pyomo_dlmp.network.units import KILO
from pyomo_dlmp.opf.option_checks import AC_ALONE
from pyomo_dlmp.parametric import Atlas, NotExplicit
from pyomo_dlmp.parametric.known_value import refuse_false_bound
from pyomo_dlmp.parametric.leaders import Leaders
from pyomo_dlmp.status import Status
from pyomo_dlmp.tolerances import ABSOLUTE_GAP, ROW_HOLDS, SAME_OBJECTIVE

ROUNDS = ["start", "round", "owner", "cost", "bound", "regret", "change"]
REGRET = ["owner", "cost", "best_response_bound", "regret"]
_WHY: dict[str, str] = {
    Status.CYCLES: "best responses cycle",
    Status.GAP_NOT_REACHED: "the owners count on different prices where these are not unique"}
EQUILIBRIA = ["number", "set", "owner", "cost", "regret", "starts"]


def solve_equilibrium(market: Market, gap: float = SAME_OBJECTIVE,
                      time_limit: float | None = None, progress: Callable | None = None,
                      atlas: Atlas | None = None, **options: Any) -> MarketResult:
    """Search for equilibria of a market's owners.

    Parameters
    ----------
    market : Market
        With `owners`; a leader alone is its own best response.
    gap : float
        Relative regret that counts as none.
    time_limit : float, optional
        Seconds of the search.
    progress : callable, optional
        progress(what, payment, bound) after each turn of an owner.
    atlas : Atlas, optional
        As of `solve_bilevel`.
    **options
        Further ones of `solve_bilevel`, where best responses need it.

    Returns
    -------
    MarketResult
        With `regret`, `equilibria` and `rounds`. Status OPTIMAL: nobody can gain more than the
        gap; CYCLES or ROUNDS_USED_UP: no equilibrium was found, and the schedules of the least
        regret are returned.

    Raises
    ------
    SolverError
        An owner has no best response.
    """
    gap = max(gap, ABSOLUTE_GAP)
    deadline = np.inf if time_limit is None else time.monotonic() + time_limit
    search = _Search(market, gap, deadline, progress or (lambda *_: None), atlas or Atlas(),
                     options)
    return search.in_ac() if in_ac(market) else search.linear()


@dataclass
class _Found:
    """Distinct equilibria of the starts, and the paths that led to none.

    `starts`: how many led to each; `sets`: equilibria of the same number are joined by others.
    """

    paths: list[Path] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    sets: list[int] = field(default_factory=list)
    failed: list[Path] = field(default_factory=list)

    def add(self, path: Path, rounds: Rounds) -> None:
        """Count an equilibrium, as one of those known or as a new one."""
        near = [k for k, old in enumerate(self.paths) if rounds.joined(old.point, path.point)]
        for k in near:
            if rounds.same_values(self.paths[k].point, path.point):
                self.starts[k] += 1
                return
        self.paths.append(path)
        self.starts.append(1)
        number = self.sets[near[0]] if near else max(self.sets, default=0) + 1
        self.sets.append(number)


class _Search:
    """One call of `solve_equilibrium`."""

    def __init__(self, market: Market, gap: float, deadline: float, progress: Callable,
                 atlas: Atlas, options: dict):
        self.market, self.gap, self.deadline, self.progress = market, gap, deadline, progress
        self.atlas, self.options, self.slow = atlas, options, ""
        self.m, self.dso = bilevel_of(market)
        self.owners = owners_of(self.m, market)
        self.rows: list[tuple] = []

    def game(self) -> Game:
        """The owners' game at the DSO's present problem."""
        try:
            return Leaders(self.m, {name: (block.cost, decisions_of(self.m, block))
                                    for name, block in self.owners.items()}, self.atlas)
        except NotExplicit as err:
            self.slow = f"best responses by solve_bilevel, as {err}"
            return SolvedGame(self.m, self.dso, self.owners, self.options)

    def rounds(self, game: Game, label: str) -> Rounds:
        """Best responses that tell how far they are."""
        return Rounds(game, self.gap, self.market.max_rounds,
                      lambda what, value, bound: self.progress(f"{label}{what}", value, bound),
                      self.deadline)

    # --------------------------------------------------------------------------- linear form

    def linear(self) -> MarketResult:
        """Equilibria from several starts; the one that costs the owners together least."""
        game = self.game()
        found = _Found()
        for number, (start, order) in enumerate(self._starts(game), 1):
            rounds = self.rounds(game, f"start {number}, " if self.market.starts > 1 else "")
            path = rounds.run(start, order)
            self.rows += [(number, *row) for row in path.rows]
            if path.status == Status.OPTIMAL and not self._shares(game, path):
                path.status = Status.GAP_NOT_REACHED
            if path.status != Status.OPTIMAL:
                found.failed.append(path)
            else:
                found.add(path, rounds)
            if path.status == Status.INTERRUPTED or time.monotonic() > self.deadline:
                break
        return self._answer(game, found)

    def _shares(self, game: Game, path: Path) -> bool:
        """Whether nobody can gain at prices that are the same for all."""
        return all(negligible(value - path.bounds[name], value, self.gap)
                   for name, value in game.shared_values(path.point).items())

    def _starts(self, game: Game):
        """(decisions, order of turns): even schedules, then corners drawn at random."""
        draws = np.random.default_rng(self.market.seed)
        for number in range(self.market.starts):
            z = np.zeros(len(game.columns))
            for name in game.names:
                own = game.own(name)
                z[own] = game.schedule(name, draws.normal(size=len(own)) if number else None)
            yield z, game.names[::-1 if number % 2 else 1]

    def _answer(self, game: Game, found: _Found) -> MarketResult:
        if found.paths:
            total = [sum(game.shared_values(path.point).values()) for path in found.paths]
            order = [int(k) for k in np.argsort(total, kind="stable")]
        else:
            order = []
        best = found.paths[order[0]] if order else min(
            found.failed, key=lambda path: _worst(game, path))
        answer = self.priced(game, best)
        table = []
        for number, k in enumerate(order, 1):
            path = found.paths[k]
            for name, value in game.shared_values(path.point).items():
                table.append((number, found.sets[k], name, value,
                              max(0.0, value - path.bounds[name]), found.starts[k]))
        answer.equilibria = pd.DataFrame(table, columns=EQUILIBRIA)
        answer.note = said("; ".join(filter(None, (
            self._said(found, answer), answer.note, self.slow))),
                           self.dso)
        return answer

    def priced(self, game: Game, path: Path) -> MarketResult:
        """The certificate of a path's end: payments by the DSO's own problem, solved apart."""
        load_values(game.columns, path.point)
        solution = self.dso.clear()
        note = ""
        regret = self._certificate(path)
        if path.status == Status.OPTIMAL and not self._none(regret):
            shared = game.shared_duals(path.point)
            if len(shared) == 1 and shared[0].residual.relative <= ROW_HOLDS:
                shared[0].load()
                other = self._certificate(path)
                if other["regret"].max() < regret["regret"].max():
                    solution, regret = shared[0], other
                    note = ("prices are not unique at the schedules found: of the DSO's optimal "
                            "ones those are taken that cost the owners together least")
                else:
                    solution.load()
        status = path.status
        if status == Status.OPTIMAL and not self._none(regret):
            status = Status.GAP_NOT_REACHED
        return MarketResult(
            "equilibrium", self.m.dso, float(pyo.value(self.m.dca.cost.expr)), status, note,
            pd.DataFrame(self.rows, columns=ROUNDS), model=self.m,
            residual=solution.residual.relative, form=solution.kkt.form, regret=regret)

    def _certificate(self, path: Path) -> pd.DataFrame:
        rows = []
        for name, block in self.owners.items():
            cost = float(pyo.value(block.cost.expr))
            if not in_ac(self.market):  # there the bound is of the last operating point
                refuse_false_bound(path.bounds[name], cost, 1)
            rows.append((name, cost, path.bounds[name], max(0.0, cost - path.bounds[name])))
        return pd.DataFrame(rows, columns=REGRET)

    def _none(self, regret: pd.DataFrame) -> bool:
        return all(negligible(gain, cost, self.gap) for gain, cost in zip(
            regret["regret"].tolist(), regret["cost"].tolist(), strict=True))

    def _said(self, found: _Found, answer: MarketResult) -> str:
        starts = sum(found.starts) + len(found.failed)
        assert answer.regret is not None
        share = (answer.regret["regret"] / answer.regret["cost"].abs().clip(
            lower=ABSOLUTE_GAP)).max()
        if not found.paths:
            why = _WHY.get(answer.status, f"best responses end: {answer.status}")
            return (f"no equilibrium found from {starts} start{'s' * (starts != 1)}: {why}; the "
                    f"least regret met is {share:.2g} of an owner's payment")
        count, sets = len(found.paths), len(set(found.sets))
        joined = f" (in {sets} connected set{'s' * (sets != 1)})" if sets < count else ""
        words = (f"{count} equilibri{'um' if count == 1 else 'a'} found from {starts} "
                 f"start{'s' * (starts != 1)}{joined}, there may be others; greatest regret "
                 f"{share:.1e} of an owner's payment")
        if found.failed:
            words += f"; from {len(found.failed)} of them best responses did not settle"
        return words

    # ------------------------------------------------------------------------------- AC form

    def in_ac(self) -> MarketResult:
        """The linear form's equilibrium, then the game at the AC operating point, again."""
        self._begin()
        self.dso.clear()
        moved, path, game = np.inf, None, None
        for number in range(1, self.market.ac_rounds + 1):
            assert isinstance(self.dso, AcDso)
            self.atlas.give(self.m.dso, self.dso.compiled())
            game = self.game()
            here = np.array([var.value for var in game.columns], dtype=float)
            path = self.rounds(game, f"AC round {number}, ").run(here, game.names)
            self.rows += [(number, *row) for row in path.rows]
            moved = float(np.abs(path.point - here).max(initial=0.0))
            if path.status in (Status.INTERRUPTED, Status.TIME_LIMIT):
                break
            load_values(game.columns, path.point)
            self.dso.clear()
            if moved == 0.0 and not (number < self.market.ac_rounds
                                     and look_around(self.dso, self.market.ac_starts)):
                break
        assert path is not None and game is not None
        settled = moved == 0.0 and path.status == Status.OPTIMAL
        if moved and path.status == Status.OPTIMAL:
            path.status = Status.ROUNDS_USED_UP
        answer = self.priced(game, path)
        words = (f"AC: settled in {number} rounds" if settled else
                 f"AC: did not settle in {number} rounds (schedules move by {KILO * moved:.2g} kW)")
        answer.note = said("; ".join(filter(None, (
            words + ", bounds hold at the last operating point", answer.note, self.slow))),
            self.dso)
        answer.ac = ac_of(self.dso, answer.paid, settled=settled)
        return answer

    def _begin(self) -> None:
        """The schedules of the linear form's equilibrium."""
        opf = {key: v for key, v in self.market.opf.items() if key not in AC_ALONE}
        try:
            first = _Search(replace(self.market, opf=opf), self.gap, self.deadline, self.progress,
                            Atlas(series=False), self.options).linear().model
        except DlmpError:
            first = None
        for block in self.owners.values():
            for var in decisions_of(self.m, block):
                same = None if first is None else first.find_component(var.name)
                if same is not None and same.value is not None:
                    low, high = var.bounds
                    var.set_value(float(np.clip(same.value, -np.inf if low is None else low,
                                                np.inf if high is None else high)),
                                  skip_validation=True)


def _worst(game: Game, path: Path) -> float:
    """Greatest relative regret at a path's end."""
    found = []
    for name, bound in path.bounds.items():
        value = game.value(name, path.point)
        found.append((value - bound) / max(abs(value), ABSOLUTE_GAP))
    return max(found)
