"""Complementarity as special ordered sets of type 1: exact, without constants.

Source: ``0 <= s complementary to mu >= 0``. Target: a Var for the slack, ``slack == s``, and
SOS1(slack, mu): at most one of the two is nonzero. Source of the form: Beale and Tomlin (1970).
Note to developers: HiGHS, GLPK and NLP solvers do not take SOS1.
"""

from __future__ import annotations

import numpy as np
import pyomo.environ as pyo

from pyomo_dlmp.transform.kkt import LowerKkt


class Sos1:
    """Complementarity by SOS1; Gurobi, CPLEX, Xpress, SCIP, CBC."""

    name = "sos1"
    needs_bounds = False
    needs = "sos1"

    def add(self, lower: LowerKkt, pairs: list[int]) -> None:
        """Components `slack_of`, `slack_definition`, `complementarity` on the block."""
        kkt, block = lower.kkt, lower.block
        labels = [kkt.label[p] for p in pairs]
        number = dict(zip(labels, pairs, strict=True))
        index = pyo.Set(initialize=labels)
        block.sos_pairs = index
        block.slack_of = pyo.Var(index, initialize=0.0)
        for label, var in block.slack_of.items():
            var.setlb(0.0)
            if np.isfinite(lower.bounds.slack[number[label]]):
                var.setub(float(lower.bounds.slack[number[label]]))
        block.slack_definition = pyo.Constraint(
            index,
            rule=lambda _, k: lower.slack_expression(number[k]) - block.slack_of[k] == 0.0)
        block.complementarity = pyo.SOSConstraint(
            index, rule=lambda _, k: [block.slack_of[k], lower.mu[number[k]]], sos=1)
