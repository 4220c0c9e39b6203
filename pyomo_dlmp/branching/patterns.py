"""Patterns of lower levels at given decisions: which pairs are tight where a lower level is solved.

The lower levels' own answer at the decisions of a relaxation gives a pattern that is never empty;
solved as a leaf, its decisions are made the best within it. Most good points are found so.
"""

from __future__ import annotations

import numpy as np

from pyomo_dlmp.bilevel import lower_levels
from pyomo_dlmp.errors import DlmpError
from pyomo_dlmp.lower.solver import LowerSolver
from pyomo_dlmp.numerics.pairs import FREE, OFF, TIGHT
from pyomo_dlmp.search.settings import Settings
from pyomo_dlmp.search.start import known_point
from pyomo_dlmp.transform.pairs import CompiledPairs


class LowerAnswers:
    """Patterns from the answers of the lower levels.

    Parameters
    ----------
    compiled
        The model.
    """

    def __init__(self, compiled: CompiledPairs):
        self.compiled = compiled
        program = compiled.problem.program
        place = {id(v): j for j, v in enumerate(program.columns) if v is not None}
        self._solvers = [LowerSolver(kkt) for kkt in compiled.systems]
        self._columns = [np.array([place[id(v)] for v in kkt.form.u], dtype=int)
                         for kkt in compiled.systems]

    def pattern(self, z: np.ndarray) -> np.ndarray | None:
        """The pattern at the decisions of a point.

        Parameters
        ----------
        z
            Over the columns of the program; only upper decisions are read, shape (n,).

        Returns
        -------
        np.ndarray or None
            FREE nowhere, shape (K,); None where a lower level has no answer there.
        """
        problem = self.compiled.problem
        program = problem.program
        state, first = problem.state.copy(), 0
        z = np.clip(np.where(program.integer, np.round(z), z), program.lb, program.ub)
        for solver, columns in zip(self._solvers, self._columns, strict=True):
            kkt = solver.kkt
            mine = slice(first, first + kkt.pairs)
            first += kkt.pairs
            try:
                solution = solver.solve(z[columns])
            except DlmpError:
                return None
            slack = kkt.slack(solution.x, z[columns])
            suggested = np.where(slack <= solution.mu, TIGHT, OFF)
            state[mine] = np.where(state[mine] == FREE, suggested, state[mine])
        return state


def known_decisions(settings: Settings, compiled: CompiledPairs,
                    known: dict[int, float] | None) -> list[np.ndarray]:
    """Points whose decisions are tried before the search.

    Parameters
    ----------
    settings
        The call.
    compiled
        Its model.
    known
        {id of Var: value} of a bilevel-feasible point; None: one is looked for, unless the call has
        ``start=False``.

    Returns
    -------
    list of np.ndarray
        None or one, over the columns of the program, shape (n,).
    """
    if known is None and settings.start:
        try:
            found = known_point(settings.model, lower_levels(settings.model))
        except DlmpError:
            found = None
        known = None if found is None else found[1]
    if known is None:
        return []
    values = [None if v is None else known.get(id(v), v.value)
              for v in compiled.problem.program.columns]
    return [np.array([0.0 if value is None else value for value in values])]
