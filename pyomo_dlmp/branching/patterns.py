"""Patterns of known points: which pairs are tight where a bilevel-feasible point is known."""

from __future__ import annotations

import numpy as np

from pyomo_dlmp.bilevel import lower_levels
from pyomo_dlmp.errors import DlmpError
from pyomo_dlmp.lower.solver import LowerSolver
from pyomo_dlmp.numerics.pairs import FREE, OFF, TIGHT
from pyomo_dlmp.search.settings import Settings
from pyomo_dlmp.search.start import known_point
from pyomo_dlmp.transform.pairs import CompiledPairs


def known_pattern(settings: Settings, compiled: CompiledPairs,
                  known: dict[int, float] | None) -> list[np.ndarray]:
    """The pattern of a bilevel-feasible point, to be solved before the search.

    Parameters
    ----------
    settings
        The call.
    compiled
        Its model.
    known
        {id of Var: value}; None: a point is looked for, unless the call has ``start=False``.

    Returns
    -------
    list of np.ndarray
        None or one, FREE nowhere, shape (K,).
    """
    if known is None and settings.start:
        try:
            found = known_point(settings.model, lower_levels(settings.model))
        except DlmpError:
            found = None
        known = None if found is None else found[1]
    if known is None:
        return []
    state = compiled.problem.state.copy()
    first = 0
    for kkt in compiled.systems:
        mine = slice(first, first + kkt.pairs)
        first += kkt.pairs
        try:
            u = np.array([known[id(v)] for v in kkt.form.u], dtype=float)
            solution = LowerSolver(kkt).solve(u)
        except (KeyError, DlmpError):
            return []
        slack = kkt.slack(solution.x, u)
        suggested = np.where(slack <= solution.mu, TIGHT, OFF)
        state[mine] = np.where(state[mine] == FREE, suggested, state[mine])
    return [state]
