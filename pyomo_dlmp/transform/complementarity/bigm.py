"""Big-M complementarity with one binary for each pair.

Source: ``0 <= s complementary to mu >= 0``. Target, with proved or given bounds s_max, mu_max:

    s  <= s_max (1 - active),    mu <= mu_max active,    active binary

and, where both sides of a column or a ranged row are open, ``active_lower + active_upper <= 1``
(both hold only where the two sides coincide). Source of the form: Fortuny-Amat and McCarl, J. Oper.
Res. Soc. 32 (1981). Note to developers: M x integrality tolerance must stay below the feasibility
tolerance; models here are in MW and pu so that M stays near 1 to 1e4.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyomo.environ as pyo

from pyomo_dlmp.tolerances import ACTIVE, EXACT_FEASIBILITY
from pyomo_dlmp.transform.complementarity.mode import Mode
from pyomo_dlmp.transform.kkt import LowerKkt


class BigM(Mode):
    """Binary complementarity; for any MILP solver."""

    name = "bigm"
    needs = frozenset({"milp"})
    chosen_for = frozenset({"milp"})
    without_bounds = "use complementarity='sos1' with a solver that has it"

    def needs_bounds(self, capabilities: Iterable[str]) -> bool:
        """Always: they are its constants."""
        del capabilities
        return True

    def add(self, lower: LowerKkt, pairs: list[int], eps: float) -> None:
        """Add `active_side`, `slack_limit`, `multiplier_limit`, `one_side` to the block."""
        del eps
        block = lower.block
        labels = [lower.kkt.label[p] for p in pairs]
        number = dict(zip(labels, pairs, strict=True))
        index = pyo.Set(initialize=labels)
        block.active_pairs = index
        block.active_side = pyo.Var(index, domain=pyo.Binary, initialize=0)
        block.slack_limit = pyo.Constraint(index, rule=_SlackLimit(lower, number))
        block.multiplier_limit = pyo.Constraint(index, rule=_MultiplierLimit(lower, number))
        block.one_side = pyo.Constraint(pyo.Any)
        for label in labels:
            upper_label = label.removesuffix("lower") + "upper"
            if label.endswith(".lower") and upper_label in number:
                block.one_side[label.removesuffix(".lower")] = (
                    block.active_side[label] + block.active_side[upper_label] <= 1)

    def fill(self, lower: LowerKkt, pairs: list[int], mu: np.ndarray,
             slack: np.ndarray) -> Iterable[tuple[Any, float]]:
        """A side is active where its row binds with a multiplier."""
        for p in pairs:
            binds = slack[p] <= ACTIVE * (1 + abs(lower.kkt.s0[p]))
            active = mu[p] > EXACT_FEASIBILITY and binds
            yield lower.block.active_side[lower.kkt.label[p]], float(active)


class _SlackLimit:
    """s + s_max active <= s_max (a class, so that models can be pickled)."""

    def __init__(self, lower: LowerKkt, number: dict[str, int]):
        self.lower, self.number = lower, number

    def __call__(self, block, label):
        p = self.number[label]
        top = float(self.lower.bounds.slack[p])
        return self.lower.slack_expression(p, ((top, block.active_side[label]),)) <= top


class _MultiplierLimit(_SlackLimit):
    """mu <= mu_max active."""

    def __call__(self, block, label):
        p = self.number[label]
        top = float(self.lower.bounds.mu[p])
        return self.lower.mu[p] - top * block.active_side[label] <= 0.0
