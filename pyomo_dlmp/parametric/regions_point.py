"""A lower level's full primal-dual point from the regions that its decisions lie in."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyomo_dlmp.lower.kkt_system import KktSystem
from pyomo_dlmp.lower.solver import LowerSolution
from pyomo_dlmp.parametric.condensed import CondensedQp


def point_by_regions(ready: Any, number: int, chosen: list[int], u: np.ndarray,
                     resolve: bool = True) -> LowerSolution:
    """The lower level's point and multipliers by its regions; what these leave out is re-solved.

    Parameters
    ----------
    ready
        The bilevel model (`explicit.Explicit`), with solvers.
    number
        Of the lower level.
    chosen
        Region of each part.
    u
        Its upper decisions, shape (m,).
    resolve
        Whether it is solved again in any case; False: where its parts leave anything out.

    Returns
    -------
    LowerSolution
        Its residual tells how exact it is.

    Raises
    ------
    SolverError
        What the parts leave out has no solution.
    """
    kkt = ready.systems[number]
    form = kkt.form
    solver = ready.solvers[number]
    kept = solver.elimination.kept
    place = np.full(len(form.x), -1)
    place[kept] = np.arange(len(kept))
    mine = [part for part in ready.hull.parts if part.lower == number]
    if resolve or not _whole(kkt, mine, kept):
        solved = solver.solve(u)
        v, mu, y_rest = solved.x[kept].copy(), solved.mu.copy(), {
            int(r): float(solved.y[r]) for r in solver.rest}
    else:
        v, mu, y_rest = np.zeros(len(kept)), np.zeros(kkt.pairs), {}
    penalties = []
    for part, found, region in zip(ready.hull.parts, ready.regions, chosen, strict=True):
        if part.lower != number:
            continue
        a, at = found.regions[region].affine, u[part.u]
        w = a.W @ at + a.w0
        v[place[part.w]] = w
        mu[part.pair] = a.U @ at + a.u0
        mu[list(part.gone)] = list(part.gone.values())
        y_rest |= {int(r): float(kkt.sigma * y)
                   for r, y in zip(part.rest, a.Y @ at + a.y0, strict=True)}
        penalties.append((part.soft_pair, part.soft_column, part.soft_coef))
    x = solver.elimination.M @ v + solver.offset(u)
    slack = kkt.slack(x, u)
    low = np.flatnonzero(~kkt.is_row & kkt.is_lower)
    at_zero = np.full(len(form.x), -1)
    at_zero[kkt.index[low]] = low
    for pairs, columns, coef in penalties:
        base = slack[pairs] - coef * x[columns]
        v[place[columns]] = np.maximum(0.0, -base) / coef
        mu[at_zero[columns]] = kkt.sigma * form.c[columns] - coef * mu[pairs]
    return solver.complete(u, v, np.maximum(0.0, mu), y_rest)


def _whole(kkt: KktSystem, parts: list[CondensedQp], kept: np.ndarray) -> bool:
    """Whether parts hold all decisions, equality rows and pairs of a lower level."""
    held = [np.concatenate([p.w, p.soft_column]) for p in parts]
    rows = sum(len(p.rows) for p in parts)
    return rows == len(kkt.b_eq) and bool(
        np.isin(kept, np.concatenate([np.empty(0, int), *held])).all())
