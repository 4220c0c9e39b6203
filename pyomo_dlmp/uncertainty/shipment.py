"""What is sent to processes that solve scenarios: arrays, tangents, multipliers and a first stage.

One process condenses the scenarios and solves the relaxation of their master (`two_stage`); the
others get what came of it and condense nothing. The relaxation's multipliers of the linking rows
price each scenario's own copy of the first stage,

    W_s = G_s'y_s / p_s - c + r,     sum_s p_s W_s = 0,     r = c - sum_s G_s'y_s

with G_s the coefficients of the first stage in the rows of scenario s, y_s their multipliers, c the
cost of the first stage and r its reduced costs: the weights from which progressive hedging starts
(Rockafellar and Wets 1991), and whose Lagrangian bound is no worse than the relaxation.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp

from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.numerics.highs import Highs, HighsResult
from pyomo_dlmp.status import Status
from pyomo_dlmp.tolerances import ABSOLUTE_GAP, EXACT_FEASIBILITY, ROUNDING
from pyomo_dlmp.uncertainty.two_stage import StochasticHull, TwoStage

_ROUNDS = 40
_CUTS = 6
Progress = Callable[[str, float, float], None]
Tangent = tuple[int, int, np.ndarray]


@dataclass
class RiskRows:
    """What a measure of the costs adds to a scenario of its own; all per unit of probability.

    Attributes
    ----------
    weight
        Of the scenario's cost in its objective.
    shared, own
        Numbers of the measure's columns that all scenarios share, and of those that are this one's.
    cost
        Coefficient of the scenario's cost in each row, shape (m,).
    A, lo, hi
        Rows over the measure's columns, shapes (m, k), (m,), (m,).
    """

    weight: float
    shared: np.ndarray
    own: np.ndarray
    cost: np.ndarray
    A: sp.csr_matrix
    lo: np.ndarray
    hi: np.ndarray


@dataclass
class Shipment:
    """A two-stage problem and what its relaxation found.

    Attributes
    ----------
    problem
        Of arrays alone.
    status
        Of the relaxation.
    tangents
        (part, piece, v) by scenario.
    x
        First stage and the measure's shared columns at the relaxation, shape (n,); whole where it
        must be. None where there is none.
    W
        Multipliers of each scenario's copy of these ($ per unit), shape (S, n).
    bound
        Proven bound ($).
    """

    problem: TwoStage
    status: str
    tangents: list[list[Tangent]]
    x: np.ndarray | None
    W: np.ndarray
    bound: float


def risk_rows(problem: TwoStage) -> list[RiskRows]:
    """The rows of a problem's measure, each given to the scenario whose cost it holds.

    Parameters
    ----------
    problem
        The two-stage problem.

    Returns
    -------
    list of RiskRows
        One for each scenario.

    Raises
    ------
    ModelError
        A row of the measure holds the costs of several scenarios.
    """
    p = problem.probabilities
    rows, many = problem.measure.rows(p), len(p)
    on_costs, on_own = rows.A[:, :many].tocsr(), rows.A[:, many:].tocsr()
    if (np.diff(on_costs.indptr) > 1).any():
        raise ModelError.at(
            "solve_stochastic, risk", "joins the costs of several scenarios in one row, which "
            "scenarios solved apart cannot hold", "Solve it without MPI.")
    owner = np.full(rows.A.shape[0], -1)
    with_cost = np.flatnonzero(np.diff(on_costs.indptr))
    owner[with_cost] = on_costs[with_cost].indices
    by_scenario = (sp.csr_matrix((np.ones(len(owner)), (owner + 1, np.arange(len(owner)))),
                                 shape=(many + 1, len(owner))) @ abs(on_own)).toarray()
    alone = (by_scenario[0] == 0) & ((by_scenario[1:] > 0).sum(axis=0) == 1)
    shared = np.flatnonzero(~alone)
    holder = by_scenario[1:].argmax(axis=0)
    found = []
    for s in range(many):
        mine = np.flatnonzero((owner == s) | (owner == -1))
        scale = 1.0 / p[s] if p[s] > 0 else 0.0
        found.append(RiskRows(
            float(rows.weights[s] * scale), shared, np.flatnonzero(alone & (holder == s)),
            np.asarray(on_costs[mine, s].todense(), float).ravel(), on_own[mine], rows.lo[mine],
            rows.hi[mine]))
    return found


def pack(problem: TwoStage, gap: float, time_limit: float | None = None,
         tell: Progress | None = None) -> Shipment:
    """Solve the relaxation of a two-stage problem, and gather what is to be sent.

    Parameters
    ----------
    problem
        The two-stage problem.
    gap
        Relative gap to prove in the end.
    time_limit
        Seconds; None: no limit.
    tell
        tell(stage, objective, bound).

    Returns
    -------
    Shipment
    """
    deadline = None if time_limit is None else time.monotonic() + time_limit
    hull, bound = problem.master(), -np.inf
    for _ in range(_CUTS):
        relaxed = _relax(hull, gap, deadline, tell)
        bound = max(bound, relaxed.bound)
        z = relaxed.answer.z
        if relaxed.status != Status.OPTIMAL or z is None:
            break
        aim = max(gap * abs(relaxed.bound), ABSOLUTE_GAP)
        if sum(error for error, *_ in hull.chord_errors(z)) <= 0.3 * aim:
            break
        finer = hull.cut(z, 0.1 * aim)
        if finer is None:
            break
        hull = finer
    problem = _with_pieces(problem, hull)
    tangents = _by_scenario(hull, relaxed.tangents)
    many, n = len(problem.recourses), problem.first.size
    if relaxed.answer.z is None or relaxed.answer.row_dual is None:
        return Shipment(problem, relaxed.status, tangents, None, np.zeros((many, n)), bound)
    W = _multipliers(problem, hull, relaxed.answer.row_dual)
    return Shipment(problem, relaxed.status, tangents, _first(problem, hull, relaxed), W, bound)


@dataclass
class _Relaxed:
    status: str
    answer: HighsResult
    bound: float
    tangents: list[Tangent]
    highs: Highs


def _relax(hull: StochasticHull, gap: float, deadline: float | None,
           tell: Progress | None) -> _Relaxed:
    """Rounds of tangents on the linear relaxation (Kelley 1960)."""
    highs = Highs.of(hull.linear.relaxed(), primal_feasibility_tolerance=EXACT_FEASIBILITY,
                     dual_feasibility_tolerance=EXACT_FEASIBILITY)
    tangents, bound, last = hull.centers(), -np.inf, HighsResult(Status.TIME_LIMIT)
    new = tangents
    for _ in range(_ROUNDS):
        A, lo = hull.tangents(new)
        highs.add_rows(lo, np.full(len(lo), np.inf), A)
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        answer = highs.solve(left)
        if answer.status != Status.OPTIMAL or answer.z is None:
            return _Relaxed(answer.status, last, bound, tangents, highs)
        bound, last = max(bound, answer.objective or -np.inf), answer
        if tell is not None:
            tell("relaxation", np.inf, bound)
        missing = [found for found in hull.missing(answer.z) if found[0] > 0.1 * ROUNDING]
        if sum(short for short, *_ in missing) <= 0.03 * max(gap * abs(bound), ABSOLUTE_GAP):
            break
        new = [(k, r, v) for _, k, r, v in missing]
        tangents = tangents + new
    return _Relaxed(Status.OPTIMAL, last, bound, tangents, highs)


def _first(problem: TwoStage, hull: StochasticHull, relaxed: _Relaxed) -> np.ndarray | None:
    """First stage and shared columns of the measure, with whole numbers where they must be."""
    n, z = problem.first.size, relaxed.answer.z
    whole = np.flatnonzero(problem.first.integer).astype(np.int32)
    if len(whole):
        relaxed.highs.set_integer(whole, True)
        z = relaxed.highs.solve().z
        if z is None:
            return None
    assert z is not None
    shared = risk_rows(problem)[0].shared
    of_measure = len(hull.linear.c) - len(problem.measure.rows(problem.probabilities).c)
    return np.concatenate([z[:n], z[of_measure + shared]])


def _multipliers(problem: TwoStage, hull: StochasticHull, dual: np.ndarray) -> np.ndarray:
    """W of the module's text, shape (S, n)."""
    risk, p = risk_rows(problem), problem.probabilities
    rows = problem.measure.rows(p)
    last = hull.linear.A.shape[0] - rows.A.shape[0]  # where the measure's rows begin
    many = len(p)
    owner = rows.A[:, :many].tocsr()
    pull, row = [], 0
    for s, recourse in enumerate(problem.recourses):
        y = dual[row:row + recourse.program.A.shape[0]]
        row += len(y)
        mine = np.flatnonzero(abs(owner[:, s]).toarray().ravel())
        pull.append(np.concatenate([
            recourse.B.T @ y, rows.A[mine][:, many + risk[s].shared].T @ dual[last + mine]]))
    total = np.array(pull)
    price = np.where(p > 0, 1.0 / np.where(p > 0, p, 1.0), 0.0)
    return total * price[:, None] - total.sum(axis=0)


def _by_scenario(hull: StochasticHull, tangents: list[Tangent]) -> list[list[Tangent]]:
    """Tangents by scenario, with each scenario's own numbers of parts."""
    first = np.searchsorted(hull.owner, np.arange(len(hull.problem.recourses)))
    found: list[list[Tangent]] = [[] for _ in first]
    for k, r, v in tangents:
        s = int(hull.owner[k])
        found[s].append((k - int(first[s]), r, v))
    return found


def _with_pieces(problem: TwoStage, hull: StochasticHull) -> TwoStage:
    """The problem with the pieces of a master, which may have been cut."""
    found, k = [], 0
    for recourse in problem.recourses:
        many = len(recourse.scenario.parts)
        pieces = hull.pieces[k:k + many]
        found.append(replace(recourse, scenario=replace(recourse.scenario, pieces=pieces)))
        k += many
    return replace(problem, recourses=found)
