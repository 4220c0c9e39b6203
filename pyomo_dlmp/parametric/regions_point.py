"""A lower level's full primal-dual point from the regions that its decisions lie in."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyomo_dlmp.lower.kkt_system import KktSystem
from pyomo_dlmp.lower.solver import LowerSolution, kkt_residual
from pyomo_dlmp.parametric.condensing import Parts


def point_by_regions(ready: Any, number: int, chosen: list[int], u: np.ndarray) -> LowerSolution:
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
    solved = solver.solve(u)
    v, mu, y_rest = solved.x[kept].copy(), solved.mu.copy(), {
        int(r): float(solved.y[r]) for r in solver.rest}
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
    at_zero = _bound_at_zero(kkt)
    for pairs, columns, coef in penalties:
        base = slack[pairs] - coef * x[columns]
        v[place[columns]] = np.maximum(0.0, -base) / coef
        mu[at_zero[columns]] = kkt.sigma * form.c[columns] - coef * mu[pairs]
    return solver.complete(u, v, np.maximum(0.0, mu), y_rest)


def point_by_flows(ready: Any, parts: Parts, chosen: list[int],
                   u: np.ndarray) -> LowerSolution | None:
    """`point_by_regions` from the maps of the parts alone, without a solver.

    Parameters
    ----------
    ready, chosen, u
        As of `point_by_regions`.
    parts
        The condensed parts of the lower level, with their maps.

    Returns
    -------
    LowerSolution or None
        None where the parts leave out anything.
    """
    kkt = parts.made_of[0]
    form = kkt.form
    region_of = {id(part): found.regions[r].affine for part, found, r in zip(
        ready.hull.parts, ready.regions, chosen, strict=True)}
    if (sum(len(m.columns) for m in parts.members) < len(form.x)
            or sum(len(m.pairs) for m in parts.members) < kkt.pairs
            or sum(len(m.rows) for m in parts.members) < len(kkt.b_eq)
            or any(id(part) not in region_of for part in parts)):
        return None
    x, y, mu = np.zeros(len(form.x)), np.zeros(len(kkt.b_eq)), np.zeros(kkt.pairs)
    for part, mine, maps in zip(parts, parts.members, parts.maps, strict=True):
        a, at, flows = region_of[id(part)], u[part.u], maps.flows
        p = np.append(at, np.zeros(flows.Kp.shape[1] - len(at)))
        x[mine.columns] = (flows.Kw @ (a.W @ at + a.w0) + flows.Kp @ p
                           + flows.start(kkt.b_eq[mine.rows]))
        mu[part.pair] = a.U @ at + a.u0
        mu[list(part.gone)] = list(part.gone.values())
        y[part.rest] = kkt.sigma * (a.Y @ at + a.y0)
    slack, at_zero = kkt.slack(x, u), _bound_at_zero(kkt)
    for part in parts:
        pairs, columns, coef = part.soft_pair, part.soft_column, part.soft_coef
        x[columns] = np.maximum(0.0, -(slack[pairs] - coef * x[columns])) / coef
        mu[at_zero[columns]] = kkt.sigma * form.c[columns] - coef * mu[pairs]
    mu = np.maximum(0.0, mu)
    left = kkt.stationarity(x, u, y, mu)
    for mine, maps in zip(parts.members, parts.maps, strict=True):
        y[mine.rows[maps.flows.used]] = maps.flows.duals(left[mine.columns])
    return LowerSolution(x, y, mu, form.cost(x, u), kkt_residual(kkt, x, u, y, mu), kkt)


def _bound_at_zero(kkt: KktSystem) -> np.ndarray:
    """Pair of each column's lower bound, -1 where it has none."""
    low = np.flatnonzero(~kkt.is_row & kkt.is_lower)
    found = np.full(len(kkt.form.x), -1)
    found[kkt.index[low]] = low
    return found
