"""The master of all scenarios: one program of arrays, from which a bound and first stages come.

    min  c'x + F(cost_1, ..., cost_S)   s.t.  lo_s <= A_s z_s + B_s x <= hi_s,   x in X
    cost_s = c_s'z_s + (cost of deviations) + sum of the costs t of the pieces of its parts

Columns are x, z_1, ..., z_S, then the pieces of all parts (`parametric.hull`), then, where the
measure F has rows, the costs by scenario and its own columns.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
import scipy.sparse as sp

from pyomo_dlmp.numerics.program import Program
from pyomo_dlmp.parametric.hull import Hull, build_hull
from pyomo_dlmp.uncertainty.first_stage import FirstStage, Recourse, Terms
from pyomo_dlmp.uncertainty.measure import Expected, Measure


@dataclass
class TwoStage:
    """A two-stage problem.

    Attributes
    ----------
    first
        The first stage.
    recourses
        What follows in each scenario.
    measure
        Of the costs by scenario.
    terms
        How the first stage binds; None where it is not known.
    """

    first: FirstStage
    recourses: list[Recourse]
    measure: Measure = field(default_factory=Expected)
    terms: Terms = None  # type: ignore[assignment]

    @property
    def probabilities(self) -> np.ndarray:
        """Of the scenarios, shape (S,)."""
        return np.array([r.scenario.probability for r in self.recourses])

    def value(self, x: np.ndarray, costs: np.ndarray) -> float:
        """The objective ($) at a first stage and costs by scenario."""
        return float(self.first.c @ x) + self.measure.value(costs, self.probabilities)

    def recourse_hull(self, s: int, x: np.ndarray | None = None) -> Hull:
        """The master of scenario s alone, at a first stage; None: without what binds it.

        Its costs are unweighted.
        """
        recourse = self.recourses[s]
        program = recourse.program
        if x is not None:
            program = recourse.at(x)
        else:
            lo, hi = program.lo.copy(), program.hi.copy()
            lo[recourse.links], hi[recourse.links] = -np.inf, np.inf
            program = replace(program, lo=lo, hi=hi)
        one = recourse.scenario
        return build_hull(program, one.parts, one.pieces, one.u)  # type: ignore[arg-type]

    def master(self) -> StochasticHull:
        """The master of all scenarios."""
        first, recourses = self.first, self.recourses
        sizes = [len(r.program.c) for r in recourses]
        starts = first.size + np.concatenate([[0], np.cumsum(sizes)]).astype(int)
        weights = self.measure.rows(self.probabilities).weights
        programs = [r.program for r in recourses]
        A = sp.hstack([
            sp.vstack([r.B for r in recourses]),
            sp.block_diag([p.A for p in programs], format="csr")], format="csr")

        def joined(name: str, own: np.ndarray) -> np.ndarray:
            return np.concatenate([own, *(getattr(p, name) for p in programs)])

        none = np.zeros(0)
        upper = Program(
            A=A, lo=joined("lo", none), hi=joined("hi", none), lb=joined("lb", first.lb),
            ub=joined("ub", first.ub), integer=joined("integer", first.integer),
            c=np.concatenate([first.c, *(w * p.c for w, p in zip(weights, programs, strict=True))]),
            constant=float(weights @ [p.constant for p in programs]))
        scenarios = [r.scenario for r in recourses]
        built = build_hull(
            upper, [part for s in scenarios for part in s.parts],  # type: ignore[misc]
            [piece for s in scenarios for piece in s.pieces],
            [at + starts[k] for k, s in enumerate(scenarios) for at in s.u])
        return StochasticHull(
            **{key: getattr(built, key) for key in (
                "upper", "linear", "parts", "pieces", "u", "first")},
            problem=self, starts=starts,
            owner=np.repeat(np.arange(len(scenarios)), [len(s.parts) for s in scenarios]))


@dataclass
class StochasticHull(Hull):
    """The master of a `TwoStage`.

    Attributes
    ----------
    problem
        What it is of.
    starts
        First column of each scenario, and behind the last one, shape (S + 1,).
    owner
        Scenario of each part.
    """

    problem: TwoStage = None  # type: ignore[assignment]
    starts: np.ndarray = None  # type: ignore[assignment]
    owner: np.ndarray = None  # type: ignore[assignment]

    def __post_init__(self):
        measure, probabilities = self.problem.measure, self.problem.probabilities
        self._rows = rows = measure.rows(probabilities)
        p, many = self.linear, len(probabilities)
        self._base = len(p.c)  # where the costs by scenario begin
        c = p.c.copy()
        for k, firsts in enumerate(self.first):
            c[np.array(firsts) + self.parts[k].m + 1] = rows.weights[self.owner[k]]
        p = replace(p, c=c)
        if len(rows.c) or rows.A.shape[0]:
            p = self._with_costs(p, many)
        self.linear = p

    def _with_costs(self, p: Program, many: int) -> Program:
        """The program with a column for each cost, the measure's columns, and their rows."""
        rows, base = self._rows, self._base
        extra = many + len(rows.c)
        costs, constant = self._cost_rows(base)
        own = sp.hstack([-costs, sp.identity(many), sp.csr_matrix((many, len(rows.c)))])
        of_measure = sp.hstack([sp.csr_matrix((rows.A.shape[0], base)), rows.A])
        wide = sp.csr_matrix(
            (p.A.data, p.A.indices, p.A.indptr), shape=(p.A.shape[0], base + extra))
        free = np.full(many, np.inf)
        return Program(
            A=sp.vstack([wide, own, of_measure], format="csr"),
            lo=np.concatenate([p.lo, constant, rows.lo]),
            hi=np.concatenate([p.hi, free, rows.hi]),
            lb=np.concatenate([p.lb, -free, rows.lb]), ub=np.concatenate([p.ub, free, rows.ub]),
            c=np.concatenate([p.c, np.zeros(many), rows.c]), constant=p.constant,
            integer=np.append(p.integer, np.zeros(extra, bool)))

    def _cost_rows(self, width: int) -> tuple[sp.csr_matrix, np.ndarray]:
        """(coefficients, constants) of the costs by scenario, over the columns before them."""
        entries: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        for s, recourse in enumerate(self.problem.recourses):
            c = recourse.program.c
            at = np.flatnonzero(c)
            entries.append((np.full(len(at), s), self.starts[s] + at, c[at]))
        for k, firsts in enumerate(self.first):
            at = np.array(firsts) + self.parts[k].m + 1
            entries.append((np.full(len(at), self.owner[k]), at, np.ones(len(at))))
        row, column, data = map(np.concatenate, zip(*entries, strict=True))
        return sp.csr_matrix((data, (row, column)), shape=(len(self.problem.recourses), width)), (
            np.array([r.program.constant for r in self.problem.recourses]))

    # ------------------------------------------------------------------------- what a search asks

    def first_tangents(self) -> tuple[sp.csr_matrix, list[int]]:
        """As of `Hull.first_tangents`, at centres alone: what else matters comes as it is met."""
        return self.tangents(self.centers())[0], np.cumsum([0, *map(len, self.pieces)]).tolist()

    def missing(self, z: np.ndarray) -> list[tuple[float, int, int, np.ndarray]]:
        """As of `Hull.missing`, in the objective's unit."""
        slope = self._rows.slope
        return [(slope[self.owner[k]] * short, k, r, v)
                for short, k, r, v in super().missing(z)]

    def chord_errors(self, z: np.ndarray) -> list[tuple[float, int, int, np.ndarray]]:
        """As of `Hull.chord_errors`, in the objective's unit."""
        slope = self._rows.slope
        return [(slope[self.owner[k]] * error, k, r, v)
                for error, k, r, v in super().chord_errors(z)]

    def cut(self, z: np.ndarray, tolerance: float) -> StochasticHull | None:
        """As of `Hull.cut`."""
        plain = super().cut(z, tolerance)
        return None if plain is None else StochasticHull(
            **{key: getattr(plain, key) for key in (
                "upper", "linear", "parts", "pieces", "u", "first")},
            problem=self.problem, starts=self.starts, owner=self.owner)

    def cost_at(self, u: np.ndarray) -> tuple[float, list[int]]:
        """As of `Hull.cost_at`."""
        costs, chosen = self.costs_at(u)
        return self.problem.value(u[:self.problem.first.size], costs), chosen

    def costs_at(self, u: np.ndarray) -> tuple[np.ndarray, list[int]]:
        """Exact cost of each scenario ($) at upper decisions, and the region of each part.

        Parameters
        ----------
        u
            First stage and decisions of all scenarios.

        Returns
        -------
        tuple
            Shape (S,), and a list.
        """
        chosen = self.pieces_at(u)
        costs = np.array([
            r.program.constant + r.program.c @ u[a:b] for r, (a, b) in zip(
                self.problem.recourses, pairwise(self.starts), strict=True)])
        for k, r in enumerate(chosen):
            costs[self.owner[k]] += self.pieces[k][r].cost(self.unit(k, u))
        return costs, [pieces[r].region for pieces, r in zip(self.pieces, chosen, strict=True)]

    def completed(self, z: np.ndarray) -> np.ndarray:
        """Costs by scenario and the measure's columns at a master's point; in place."""
        if len(z) > self._base:
            coef, constant = self._cost_rows(len(z))
            many = len(constant)
            costs = coef @ z + constant
            z[self._base:self._base + many] = costs
            z[self._base + many:] = self.problem.measure.columns(
                costs, self.problem.probabilities)
        return z
