"""Complementarity as special ordered sets of type 1: exact, without constants.

Source: ``0 <= s complementary to mu >= 0``. Target: a Var for the slack, ``slack == s``, and
SOS1(slack, mu): at most one of the two is nonzero. Source of the form: Beale and Tomlin (1970).
Note to developers: HiGHS, GLPK and NLP solvers do not take SOS1.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyomo.environ as pyo

from pyomo_dlmp.transform.complementarity.mode import Mode
from pyomo_dlmp.transform.kkt import LowerKkt


class Sos1(Mode):
    """Complementarity by SOS1 sets; for Gurobi, CPLEX, Xpress, SCIP, CBC."""

    name = "sos1"
    needs = frozenset({"sos1"})
    chosen_for = frozenset({"sos1"})

    def add(self, lower: LowerKkt, pairs: list[int], eps: float) -> None:
        """Add `slack_of`, `slack_definition`, `complementarity` to the block."""
        del eps
        kkt, block = lower.kkt, lower.block
        number = {kkt.label[p]: p for p in pairs}
        index = pyo.Set(initialize=list(number))
        block.sos_pairs = index
        block.slack_of = pyo.Var(index, initialize=0.0)
        for label, var in block.slack_of.items():
            var.setlb(0.0)
            if np.isfinite(lower.bounds.slack[number[label]]):
                var.setub(float(lower.bounds.slack[number[label]]))
        block.slack_definition = pyo.Constraint(index, rule=_Definition(lower, number))
        block.complementarity = pyo.SOSConstraint(index, rule=_Set(lower, number), sos=1)

    def fill(self, lower: LowerKkt, pairs: list[int], mu: np.ndarray,
             slack: np.ndarray) -> Iterable[tuple[Any, float]]:
        """Values of the slack columns."""
        del mu
        for p in pairs:
            yield lower.block.slack_of[lower.kkt.label[p]], slack[p]


class _Definition:
    """slack_of == slack expression (a class, so that models can be pickled)."""

    def __init__(self, lower: LowerKkt, number: dict[str, int]):
        self.lower, self.number = lower, number

    def __call__(self, block, label):
        extra = ((-1.0, block.slack_of[label]),)
        return self.lower.slack_expression(self.number[label], extra) == 0.0


class _Set(_Definition):
    def __call__(self, block, label):
        return [block.slack_of[label], self.lower.mu[self.number[label]]]
