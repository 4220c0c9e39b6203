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

import numpy as np
import pyomo.environ as pyo
from pyomo.core.expr import LinearExpression, SumExpression

from pyomo_dlmp.transform.kkt import LowerKkt


class StrongDuality:
    """One row for each lower level; see the module's text."""

    name = "strong_duality"
    needs_bounds = False
    needs = frozenset({"milp", "nonconvex", "nlp"})

    def add(self, lower: LowerKkt, pairs: list[int], eps: float):
        """Writes nothing yet: (row without products, its bilinear products, eps)."""
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
        return SumExpression([linear, *squares]), products

    @staticmethod
    def write(lower: LowerKkt, expression, stand_ins, eps: float) -> None:
        """Add the row `duality_gap` (at most `gap_eps`) with stand-ins of its products."""
        lower.block.gap_eps = pyo.Param(initialize=eps, mutable=True)
        lower.block.duality_gap = pyo.Constraint(
            expr=SumExpression([expression, *stand_ins]) <= lower.block.gap_eps)


def _products(matrix, duals, u):
    """[(coefficient, dual or column, upper Var)] of duals' matrix u."""
    entries = matrix.tocoo()
    return [
        (float(v), duals[i], u[j])
        for i, j, v in zip(entries.row, entries.col, entries.data, strict=True)]
