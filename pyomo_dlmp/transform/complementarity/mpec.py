"""Complementarity as Pyomo's own `Complementarity` components, for tools that take them.

Source: ``0 <= s complementary to mu >= 0``. Target: ``complements(s >= 0, mu >= 0)``. The
transformations ``mpec.simple_nonlinear``, ``mpec.simple_disjunction`` and solvers such as PATH
take them. Note to developers: Pyomo spends about a millisecond a pair on these.
"""

from __future__ import annotations

import pyomo.environ as pyo
from pyomo.mpec import Complementarity, complements

from pyomo_dlmp.transform.complementarity.mode import Mode
from pyomo_dlmp.transform.kkt import LowerKkt


class Mpec(Mode):
    """Complementarity left to Pyomo's mpec package."""

    name = "mpec"
    needs = frozenset({"mpec"})

    def add(self, lower: LowerKkt, pairs: list[int], eps: float) -> None:
        """Add `complementarity_pairs` to the block."""
        del eps
        number = {lower.kkt.label[p]: p for p in pairs}
        lower.block.complementarity_pairs = Complementarity(
            pyo.Set(initialize=list(number)),
            rule=_Pair(lower, number))


class _Pair:
    """slack >= 0 complementary to mu >= 0 (a class, so that models can be pickled)."""

    def __init__(self, lower: LowerKkt, number: dict[str, int]):
        self.lower, self.number = lower, number

    def __call__(self, _, label):
        p = self.number[label]
        return complements(self.lower.slack_expression(p) >= 0, self.lower.mu[p] >= 0)
