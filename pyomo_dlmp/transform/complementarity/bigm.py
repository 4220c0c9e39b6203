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
import scipy.sparse as sp

from pyomo_dlmp.numerics.sparse import csr_of
from pyomo_dlmp.tolerances import ACTIVE, EXACT_FEASIBILITY
from pyomo_dlmp.transform.complementarity.mode import Mode
from pyomo_dlmp.transform.kkt import LowerKkt, PairLabels
from pyomo_dlmp.transform.rows import Rows


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
        """Add `active_side`, `slack_limit`, `multiplier_limit`, `one_side`."""
        del eps
        kkt, write, pairs_ = lower.kkt, lower.writer, np.array(pairs, dtype=int)
        n, labels = len(pairs), PairLabels(kkt, pairs)
        active = write.columns("active_side", labels, np.zeros(n), np.ones(n), binary=True)
        lower.own[self.name] = dict(zip(pairs, active, strict=True))
        slack, mu = lower.bounds.slack[pairs_], lower.bounds.mu[pairs_]
        least, none = np.full(n, -np.inf), np.zeros(n)
        write.rows(Rows(
            "slack_limit", labels, [(sp.diags(slack), active), *lower.slack_parts(pairs_)],
            kkt.s0[pairs_], least, slack))
        write.rows(Rows(
            "multiplier_limit", labels,
            [(sp.identity(n), [lower.mu[p] for p in pairs]), (sp.diags(-mu), active)],
            none, least, none))
        place = {(bool(kkt.is_row[p]), int(kkt.index[p])): k for k, p in enumerate(pairs)
                 if not kkt.is_lower[p]}
        both = [(k, place[key]) for k, p in enumerate(pairs) if kkt.is_lower[p]
                and (key := (bool(kkt.is_row[p]), int(kkt.index[p]))) in place]
        m = len(both)
        ones = csr_of([(i, k, 1.0) for i, sides in enumerate(both) for k in sides], (m, n))
        write.rows(Rows(
            "one_side", _Sides(kkt, [pairs[k] for k, _ in both]), [(ones, active)], np.zeros(m),
            np.full(m, -np.inf), np.ones(m)))

    def fill(self, lower: LowerKkt, pairs: list[int], mu: np.ndarray,
             slack: np.ndarray) -> Iterable[tuple[Any, float]]:
        """A side is active where its row binds with a multiplier."""
        for p in pairs:
            binds = slack[p] <= ACTIVE * (1 + abs(lower.kkt.s0[p]))
            active = mu[p] > EXACT_FEASIBILITY and binds
            yield lower.own[self.name][p], float(active)


class _Sides(PairLabels):
    """Names of rows and columns by their lower pairs."""

    def __call__(self) -> list[str]:
        return [label.removesuffix(".lower") for label in super().__call__()]
