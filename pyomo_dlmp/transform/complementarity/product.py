"""Complementarity as products, for solvers of nonlinear models.

Source: ``0 <= s complementary to mu >= 0``. Target: a Var for the slack, ``slack == s``, and
``slack * mu <= eps``. With eps > 0 the set has an interior, which interior-point methods need
(Scholtes, SIAM J. Optim. 11 (2001)); `block.eps` is a mutable Param, so that a sequence of solves
can drive it to zero. A local solver proves nothing about the global optimum; a global solver of
nonconvex quadratics takes eps = 0.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyomo.environ as pyo

from pyomo_dlmp.transform.complementarity.mode import Mode
from pyomo_dlmp.transform.kkt import LowerKkt


class ProductRows(Mode):
    """Products of slack and multiplier; for NLP solvers and global nonconvex ones."""

    name = "product"
    needs = frozenset({"nlp", "nonconvex"})
    chosen_for = frozenset({"nlp", "nonconvex"})
    without_bounds = "use complementarity='sos1' with a solver that has it"

    def needs_bounds(self, capabilities: Iterable[str]) -> bool:
        """For a global solver, whose branch and bound on unbounded factors is not reliable.

        SCIP 10.0 reports feasible bilevel problems as infeasible there. A local solver proves
        nothing in any case.
        """
        return "nlp" not in capabilities

    def is_exact(self, eps: float) -> bool:
        """True for eps = 0."""
        return eps == 0

    def continuation(self, lower: LowerKkt) -> Any:
        """The right-hand side of the products."""
        return lower.block.eps

    def add(self, lower: LowerKkt, pairs: list[int], eps: float) -> None:
        """Add `eps`, `slack_value`, `slack_value_definition`, `products` to the block."""
        block = lower.block
        number = {lower.kkt.label[p]: p for p in pairs}
        index = pyo.Set(initialize=list(number))
        block.product_pairs = index
        block.eps = pyo.Param(initialize=eps, mutable=True)
        block.slack_value = pyo.Var(index, initialize=0.0)
        for label, var in block.slack_value.items():
            var.setlb(0.0)
            if np.isfinite(lower.bounds.slack[number[label]]):
                var.setub(float(lower.bounds.slack[number[label]]))
        block.slack_value_definition = pyo.Constraint(index, rule=_Definition(lower, number))
        block.products = pyo.Constraint(index, rule=_Product(lower, number))

    def fill(self, lower: LowerKkt, pairs: list[int], mu: np.ndarray,
             slack: np.ndarray) -> Iterable[tuple[Any, float]]:
        """Values of the slack columns."""
        del mu
        for p in pairs:
            yield lower.block.slack_value[lower.kkt.label[p]], slack[p]


class _Definition:
    """slack_value == slack expression (a class, so that models can be pickled)."""

    def __init__(self, lower: LowerKkt, number: dict[str, int]):
        self.lower, self.number = lower, number

    def __call__(self, block, label):
        extra = ((-1.0, block.slack_value[label]),)
        return self.lower.slack_expression(self.number[label], extra) == 0.0


class _Product(_Definition):
    def __call__(self, block, label):
        return block.slack_value[label] * self.lower.mu[self.number[label]] <= block.eps
