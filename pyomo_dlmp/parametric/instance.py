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
        ready = prepare(self.model, atlas=self.atlas)
        if ready.joined is not None:
            raise NotExplicit("it has too many regions to be an instance", too_large=True)
        sign = ready.upper.sense
        outcome = searched(ready.hull, self.atlas, AIM * gap, time_limit)
        status = outcome.status
        if status == Status.GAP_NOT_REACHED and outcome.within(gap):
            status = Status.OPTIMAL
        bound = sign * outcome.bound
        if outcome.z is None:
            return Answer(status, np.nan, bound, np.inf, np.nan, None, ready.columns, [],
                          ready.known, [])
        found = self._at(ready, outcome.z)
        found.status, found.bound = status, bound
        found.gap = max(0.0, sign * (found.objective - bound)) / max(abs(found.objective), ENTRY)
        refuse_false_bound(outcome.bound, sign * found.repriced, sign)
        return found

    def answer_at(self, decisions: Mapping[str, float]) -> Answer:
        """What given upper decisions come to at the present numbers: nothing is searched.

        Parameters
        ----------
        decisions
            {name of an upper Var: value}, of all that `Answer.columns` has; they hold its rows.

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
        with PauseGC():
            ready = prepare(self.model, atlas=self.atlas)
            if ready.joined is not None:
                raise NotExplicit("it has too many regions to be an instance", too_large=True)
            return self._at(ready, np.array([decisions[var.name] for var in ready.columns]))

    def _at(self, ready: Explicit, z: np.ndarray) -> Answer:
        """The answer at upper decisions, as of a search that knows no bound."""
        sign = ready.upper.sense
        objective, chosen = ready.hull.cost_at(z)
        lowers = [self._point(ready, number, chosen, z) for number in range(len(ready.systems))]
        repriced = _value(ready, z, lowers)
        return Answer(
            Status.GAP_NOT_REACHED, sign * objective, -sign * np.inf, np.inf, sign * repriced, z,
            ready.columns, chosen, ready.known, lowers)

    def _point(self, ready: Explicit, number: int, chosen: list[int], z: np.ndarray) -> LowerAnswer:
        form = ready.systems[number].form
        place = ready.hull.upper.place
        u = z[[place[var] for var in form.u]]
        parts = self.atlas.flows_of(number)
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
