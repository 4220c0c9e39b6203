"""`Horizon`: periods and the index sets that all blocks of a model share.

One Set of (phase, period) for each phase combination, made on demand and used by every block: a
private Set in each block would cost about 30 % more memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pyomo.environ as pyo

from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.network.series import by_period


def constraint_over(index, rule) -> pyo.Constraint:
    """Constraint of rule(*k) for k in index; keeps no local function, so that models pickle."""
    return pyo.Constraint(index, rule={
        k: rule(*k) if isinstance(k, tuple) else rule(k) for k in index})


class Horizon:
    """Shared index of the blocks under `parent`; its `period_hours` are then those of a period.

    periods: their number, or their labels. hours: length of each period. angles: whether buses
    carry voltage angles (needed by delta loads that depend on voltage, and open-delta regulators).
    corrected: whether rows carry mutable Params `..._residual` (0 at first) that fit them to an AC
    operating point.
    """

    def __init__(self, parent, periods: int | Sequence = 1, hours: float = 1.0,
                 angles: bool = True, corrected: bool = False):
        if not hours > 0:
            raise ModelError.at("hours", f"is {hours!r}", "A period lasts longer than 0 h.")
        labels = list(range(periods)) if isinstance(periods, int) else list(periods)
        if not labels:
            raise ModelError.at("periods", "is empty", "Give at least one period.")
        self.parent, self.hours, self.angles = parent, float(hours), angles
        self.corrected = corrected
        if getattr(parent, "period_hours", None) is None:
            parent.period_hours = self.hours
        if parent.component("periods") is None:
            parent.periods = pyo.Set(initialize=labels, ordered=True)
        self.periods = parent.periods
        self.labels = labels

    def residual(self, index) -> pyo.Param | None:
        """A mutable Param over an index, 0 at first; None in a model without corrections."""
        return pyo.Param(index, initialize=0.0, mutable=True) if self.corrected else None

    def index(self, legs: Iterable[str]):
        """Set of (leg, period) for phases such as "abc" or delta pairs such as ("ab", "bc")."""
        legs = tuple(legs)
        name = "index_" + "_".join(legs)
        if self.parent.component(name) is None:
            self.parent.add_component(name, pyo.Set(
                initialize=[(leg, t) for leg in legs for t in self.labels], ordered=True, dimen=2))
        return self.parent.component(name)

    def series(self, values, name: str) -> dict:
        """{period: number} from a number or a sequence of one per period; ModelError otherwise."""
        return by_period(values, self.labels, name)
