"""One bilevel model, many numbers: what does not change is done once, and nothing is written.

    instance = Instance(model, atlas)
    for hour in table:
        ...                          # set_value on mutable Params; setlb, setub; fix anew
        answer = instance.solve()    # arrays; the values on the model's Vars stay as they are

The structure (which Vars and rows there are, what multiplies what) must stay; where it does not,
the model is compiled anew, which `Atlas.counts` tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from pyomo.common.gc_manager import PauseGC

from pyomo_dlmp.numerics.blas import one_blas_thread
from pyomo_dlmp.parametric.atlas import Atlas
from pyomo_dlmp.parametric.condensed import NotExplicit
from pyomo_dlmp.parametric.condensing import Parts
from pyomo_dlmp.parametric.explicit import AIM, Explicit, prepare, searched
from pyomo_dlmp.parametric.known_value import refuse_false_bound
from pyomo_dlmp.parametric.regions_point import point_by_flows, point_by_regions
from pyomo_dlmp.status import Status
from pyomo_dlmp.tolerances import ENTRY, GAP


@dataclass
class LowerAnswer:
    """A lower level's full primal-dual point.

    Attributes
    ----------
    x, u, y, mu
        Values of its own and the upper Vars (`columns`, `decisions` name them), duals of equality
        rows, multipliers of pairs; shapes (n,), (m,), (e,), (pairs,).
    row_duals
        Of all rows in the user's sign (what the block's `dual` Suffix would hold), shape (rows,).
    residual
        Of the full KKT system, relative (`lower.solver.Residual.relative`).
    columns, decisions, rows
        VarData of x and u, ConstraintData of row_duals.
    """

    x: np.ndarray
    u: np.ndarray
    y: np.ndarray
    mu: np.ndarray
    row_duals: np.ndarray
    residual: float
    columns: list
    decisions: list
    rows: list


@dataclass
class Answer:
    """The solution of a bilevel model at present numbers.

    Attributes
    ----------
    status
        As of `BilevelResult`.
    objective, bound, gap
        Upper objective in the user's sense, its proven bound, relative gap.
    repriced
        The upper objective computed from the arrays of `lowers` alone, independently of regions.
    decisions, columns
        Values of the upper Vars, shape (n,), and their VarData.
    regions
        Number of the region of each part that pays.
    known
        Of each part with decisions: their places in `columns`, and whether the atlas knew all its
        regions.
    lowers
        The point of each lower level.
    """

    status: str
    objective: float
    bound: float
    gap: float
    repriced: float
    decisions: np.ndarray | None
    columns: list
    regions: list[int]
    known: list[tuple[np.ndarray, bool]]
    lowers: list[LowerAnswer]


@dataclass(eq=False)
class Prepared:
    """A model at some numbers, as far as a search needs it.

    Attributes
    ----------
    ready
        Its regions and master.
    flows
        Of each lower level: its condensed parts with all their maps, None where they are not kept.
    """

    ready: Explicit
    flows: list[Parts | None]

    @property
    def size(self) -> int:
        """About how many bytes its arrays have."""
        arrays: list = []
        for kkt, parts in zip(self.ready.systems, self.flows, strict=True):
            form = kkt.form
            for M in (form.A, form.B, form.Q, form.D, kkt.A_eq, kkt.B_eq, kkt.S, kkt.T):
                arrays += [M.data, M.indices, M.indptr]
            for maps in parts.maps if parts is not None else ():
                arrays += [maps.flows.Kw, maps.flows.Kp, maps.A, maps.T]
        return sum(a.nbytes for a in {id(a): a for a in arrays}.values())


class Instance:
    """A bilevel model that is solved at ever new numbers.

    Parameters
    ----------
    model : ConcreteModel
        With an upper level that pays prices (as for `solve_bilevel` by critical regions).
    atlas : Atlas, optional
        States known so far; None: one of its own.

    Attributes
    ----------
    atlas
        Shared by all solves.
    """

    def __init__(self, model: Any, atlas: Atlas | None = None):
        self.model = model
        self.atlas = Atlas() if atlas is None else atlas

    def solve(self, gap: float = GAP, time_limit: float | None = None) -> Answer:
        """The answer at the present values of Params, bounds and fixed Vars.

        Parameters
        ----------
        gap
            Relative gap to reach.
        time_limit
            Seconds of the search; None: no limit.

        Returns
        -------
        Answer
            With ``lowers`` empty and `decisions` None where the upper level has no feasible point.

        Raises
        ------
        NotExplicit
            The model is not one for critical regions: use `solve_bilevel`.
        SolverError
            A lower level is infeasible at the decisions found.
        AuditError
            The bound is above the objective as computed from the lower levels' points.
        """
        with PauseGC(), one_blas_thread():
            return self._solve(gap, time_limit)

    def _solve(self, gap: float, time_limit: float | None) -> Answer:
        found = self.prepared()
        ready = found.ready
        sign = ready.upper.sense
        outcome = searched(ready.hull, self.atlas, AIM * gap, time_limit)
        status = outcome.status
        if status == Status.GAP_NOT_REACHED and outcome.within(gap):
            status = Status.OPTIMAL
        bound = sign * outcome.bound
        if outcome.z is None:
            return Answer(status, np.nan, bound, np.inf, np.nan, None, ready.columns, [],
                          ready.known, [])
        answer = self._at(ready, outcome.z, found.flows)
        answer.status, answer.bound = status, bound
        answer.gap = max(0.0, sign * (answer.objective - bound)) / max(abs(answer.objective), ENTRY)
        refuse_false_bound(outcome.bound, sign * answer.repriced, sign)
        return answer

    def prepared(self) -> Prepared:
        """The critical regions at the present numbers.

        Returns
        -------
        Prepared

        Raises
        ------
        NotExplicit
            As of `solve`.
        """
        with PauseGC():
            ready = prepare(self.model, atlas=self.atlas)
        if ready.joined is not None:
            raise NotExplicit("it has too many regions to be an instance", too_large=True)
        return Prepared(ready, [self.atlas.flows_of(n) for n in range(len(ready.systems))])

    def answer_at(self, decisions: Mapping[str, float],
                  prepared: Prepared | None = None) -> Answer:
        """What given upper decisions come to at the present numbers: nothing is searched.

        Parameters
        ----------
        decisions
            {name of an upper Var: value}, of all that `Answer.columns` has; they hold its rows.
        prepared
            What `prepared` returned at these numbers; None: they are prepared again.

        Returns
        -------
        Answer
            Without a bound: its gap is infinite.

        Raises
        ------
        NotExplicit, SolverError
            As of `solve`.
        KeyError
            An upper Var has no value.
        """
        found = self.prepared() if prepared is None else prepared
        with PauseGC():
            z = np.array([decisions[var.name] for var in found.ready.columns])
            return self._at(found.ready, z, found.flows)

    def _at(self, ready: Explicit, z: np.ndarray, flows: list[Parts | None]) -> Answer:
        """The answer at upper decisions, as of a search that knows no bound."""
        sign = ready.upper.sense
        objective, chosen = ready.hull.cost_at(z)
        lowers = [self._point(ready, number, chosen, z, parts)
                  for number, parts in enumerate(flows)]
        repriced = _value(ready, z, lowers)
        return Answer(
            Status.GAP_NOT_REACHED, sign * objective, -sign * np.inf, np.inf, sign * repriced, z,
            ready.columns, chosen, ready.known, lowers)

    def _point(self, ready: Explicit, number: int, chosen: list[int], z: np.ndarray,
               parts: Parts | None) -> LowerAnswer:
        form = ready.systems[number].form
        place = ready.hull.upper.place
        u = z[[place[var] for var in form.u]]
        found = None if parts is None else point_by_flows(ready, parts, chosen, u)
        if found is None:
            ready.solvers = [self.atlas.solver_of(kkt) for kkt in ready.systems]
            found = point_by_regions(ready, number, chosen, u)
        return LowerAnswer(found.x, u, found.y, found.mu, found.row_duals,
                           found.residual.relative, form.x, form.u, form.rows)


def _value(ready: Explicit, z: np.ndarray, lowers: list[LowerAnswer]) -> float:
    """The upper objective of the minimisation from points of the lower levels."""
    total = ready.hull.upper.constant + float(ready.hull.upper.c @ z)
    for coef, *keys in ready.upper.terms:
        for kind, number, index in filter(None, keys):
            coef *= float(getattr(lowers[number], kind)[index])
        total += coef
    return total
