"""Complementarity of a whole lower level as one row: its duality gap is at most eps.

Source: all pairs ``0 <= s complementary to mu >= 0`` of a lower level. By stationarity

    sum_p mu_p s_p  =  sigma ( x'Qx + (c + D u)'x - y'(b - B u) ) + mu'(T u + s0)

and each summand on the left is >= 0, so that  right-hand side <= eps  bounds them all, without
binaries. The row is exact (eps = 0) where its products of u with y, mu and x are: kept for a solver
of nonconvex quadratics, expanded on a grid, or absent. x'Qx stays in the row: a quadratic lower
level needs a solver that takes quadratic rows. Pairs of the same lower level in another mode have
summand zero, so modes may be mixed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyomo.environ as pyo
from pyomo.core.expr import LinearExpression, SumExpression

from pyomo_dlmp.transform.complementarity.mode import LevelRow, Mode
from pyomo_dlmp.transform.kkt import LowerKkt


class StrongDuality(Mode):
    """One row for each lower level; see the module's text."""

    name = "strong_duality"
    needs = frozenset({"milp", "nonconvex", "nlp"})
    leaves_products = True

    def add(self, lower: LowerKkt, pairs: list[int], eps: float) -> LevelRow:
        """The row `duality_gap` (at most the Param `gap_eps`), not yet written."""
        del pairs
        kkt, form = lower.kkt, lower.kkt.form
        live = np.array([p for p, v in enumerate(lower.mu) if v is not None], dtype=int)
        mu = [lower.mu[p] for p in live]
        sigma = float(kkt.sigma)
        linear = LinearExpression(
            constant=0.0,
            linear_coefs=[*(sigma * form.c), *(-sigma * kkt.b_eq), *kkt.s0[live]],
            linear_vars=[*form.x, *lower.y, *mu])
        Q = form.Q.tocoo()
        squares = [
            (sigma * v) * (form.x[i] * form.x[j])
            for i, j, v in zip(Q.row, Q.col, Q.data, strict=True)]
        products = [
            *_products(sigma * kkt.B_eq, lower.y, form.u), *_products(kkt.T[live], mu, form.u),
            *_products(sigma * form.D, form.x, form.u)]
        lower.block.gap_eps = pyo.Param(initialize=eps, mutable=True)
        return LevelRow("duality_gap", SumExpression([linear, *squares]), products,
                        lower.block.gap_eps)

    def is_exact(self, eps: float) -> bool:
        """True for eps = 0."""
        return eps == 0

    def continuation(self, lower: LowerKkt) -> Any:
        """The allowed duality gap."""
        return lower.block.gap_eps

    def refuse(self, lower: LowerKkt, capabilities: frozenset[str]) -> tuple[str, str] | None:
        """A quadratic lower objective makes the row quadratic, which the solver must take."""
        if not lower.kkt.form.Q.nnz or {"qcp", "nonconvex"} & capabilities:
            return None
        return (f"takes no quadratic rows, and the duality gap of '{lower.kkt.form.block.name}' is "
                "one (its objective is quadratic)",
                "Use complementarity='bigm' or 'sos1', or a solver with quadratic rows, such as "
                "'gurobi' or 'scip'.")


def _products(matrix, duals, u):
    """[(coefficient, dual or column, upper Var)] of duals' matrix u."""
    entries = matrix.tocoo()
    return [
        (float(v), duals[i], u[j])
        for i, j, v in zip(entries.row, entries.col, entries.data, strict=True)]
