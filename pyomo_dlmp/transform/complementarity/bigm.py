"""Big-M complementarity with one binary for each pair.

Source: ``0 <= s complementary to mu >= 0``. Target, with proved or given bounds s_max, mu_max:

    s  <= s_max (1 - active),    mu <= mu_max active,    active binary

and, where both sides of a column or a ranged row are open, ``active_lower + active_upper <= 1``
(both hold only where the two sides coincide). Source of the form: Fortuny-Amat and McCarl, J. Oper.
Res. Soc. 32 (1981). Note to developers: M x integrality tolerance must stay below the feasibility
tolerance; models here are in MW and pu so that M stays near 1 to 1e4.
"""

from __future__ import annotations

import pyomo.environ as pyo

from pyomo_dlmp.transform.kkt import LowerKkt


class BigM:
    """Binary complementarity; any MILP solver."""

    name = "bigm"
    needs_bounds = True
    needs = "milp"

    def add(self, lower: LowerKkt, pairs: list[int]) -> None:
        """Components `active`, `slack_limit`, `multiplier_limit`, `one_side` on the block."""
        kkt, bounds, block = lower.kkt, lower.bounds, lower.block
        labels = [kkt.label[p] for p in pairs]
        number = dict(zip(labels, pairs, strict=True))
        index = pyo.Set(initialize=labels)
        block.active_pairs = index
        block.active_side = pyo.Var(index, domain=pyo.Binary, initialize=0)
        active = block.active_side

        def slack_limit(_, label):
            p = number[label]
            top = float(bounds.slack[p])
            return lower.slack_expression(p) + top * active[label] <= top

        def multiplier_limit(_, label):
            p = number[label]
            return lower.mu[p] - float(bounds.mu[p]) * active[label] <= 0.0

        block.slack_limit = pyo.Constraint(index, rule=slack_limit)
        block.multiplier_limit = pyo.Constraint(index, rule=multiplier_limit)
        block.one_side = pyo.Constraint(pyo.Any)
        for lower_label in labels:
            upper_label = lower_label.removesuffix("lower") + "upper"
            if lower_label.endswith(".lower") and upper_label in number:
                name = lower_label.removesuffix(".lower")
                block.one_side[name] = active[lower_label] + active[upper_label] <= 1
