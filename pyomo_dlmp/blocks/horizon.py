"""`Horizon`: periods and the index sets that all blocks of a model share.

One Set of (phase, period) for each phase combination, made on demand and used by every block: a
private Set in each block would cost about 30 % more memory.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

import pyomo.environ as pyo
from pyomo.core.base.constraint import ConstraintData, IndexedConstraint
from pyomo.core.expr.relational_expr import EqualityExpression, InequalityExpression

from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.expressions import WeightedSum
from pyomo_dlmp.network.profiles import HOURS
from pyomo_dlmp.network.series import by_period, fault_list, period_labels

_STATEMENTS = frozenset([EqualityExpression, InequalityExpression])
Term = tuple[float, Any, Hashable]  # coefficient, var, k: coefficient x var[k, t]


def number(value: float, within: Any = pyo.Reals) -> pyo.Param:
    """A number of a block that may be changed by ``set_value`` later.

    Parameters
    ----------
    value : float
        At first.
    within : set
        What it may be changed to; Pyomo refuses anything else by name.

    Returns
    -------
    Param
        Scalar, mutable.
    """
    return pyo.Param(initialize=value, mutable=True, within=within)


def constraint_over(index: Iterable[Any], rule: Callable[..., Any]) -> pyo.Constraint:
    """A Constraint of given rows; it keeps no local function, so that models pickle.

    Parameters
    ----------
    index : iterable
        Its index.
    rule : callable
        rule(*k): the row at k.

    Returns
    -------
    Constraint
    """
    return GivenRows(index, {k: rule(*k) if isinstance(k, tuple) else rule(k) for k in index})


class GivenRows(IndexedConstraint):
    """A Constraint of rows that are there already; once constructed it is as any other.

    Parameters
    ----------
    index : iterable
        Its index.
    rows : dict
        By index: relational expression, or what else a rule of Pyomo may return.
    """

    def __init__(self, index: Iterable[Any], rows: dict):
        super().__init__(index)
        self._given = rows

    def construct(self, data: Any = None) -> None:
        """Make a row of each; Pyomo would look every index up twice and keep all that was given."""
        rows = self.__dict__.pop("_given")
        self.__class__ = IndexedConstraint
        self.construct(data)  # without a rule: there are no rows yet
        for k, row in rows.items():
            if type(row) in _STATEMENTS:
                made = ConstraintData(row, self)
                made._index = k
                self._data[k] = made
            else:
                self[k] = row


class Horizon:
    """Periods and shared indices of the blocks of a model.

    Parameters
    ----------
    parent : Block
        The model; its `period_hours` are then those of a period.
    periods : int or sequence
        Number of periods, or their labels.
    hours : float
        Length of each period (h).
    angles : bool
        Whether buses carry voltage angles (needed by delta loads that depend on voltage, and
        open-delta regulators).

    Raises
    ------
    ModelError
        If `hours` is not above 0, or there are no periods or wrong ones.
    """

    def __init__(self, parent: Any, periods: int | Sequence = 1, hours: float = 1.0,
                 angles: bool = True):
        labels, wrong = period_labels(periods)
        faults = fault_list("periods", wrong)
        if finding := HOURS.finding(hours):
            faults += fault_list("hours", [finding])
        if faults:
            raise ModelError(faults)
        self.parent, self.hours, self.angles = parent, float(hours), angles
        if getattr(parent, "period_hours", None) is None:
            parent.period_hours = self.hours
        if parent.component("periods") is None:
            parent.periods = pyo.Set(initialize=labels, ordered=True)
        self.periods = parent.periods
        self.labels = labels
        self._columns: dict = {}

    def point(self, legs: Iterable[str], names: Iterable[str]) -> pyo.Param:
        """Numbers that belong to an operating point; set them by `store_values`.

        Parameters
        ----------
        legs : iterable of str
            Conductors or legs.
        names : iterable of str
            Of the numbers.

        Returns
        -------
        Param
            [name, leg, period], mutable, 0 at first.
        """
        legs, names = tuple(legs), tuple(names)
        known = "point_" + "_".join((*names, *legs))
        if self.parent.component(known) is None:
            self.parent.add_component(known, pyo.Set(
                initialize=[(name, leg, t) for name in names for leg in legs for t in self.labels],
                ordered=True, dimen=3))
        return pyo.Param(self.parent.component(known), initialize=0.0, mutable=True)

    def numbers(self, values: Any, name: str, within: Any = pyo.Reals) -> pyo.Param:
        """One number for each period that may be changed by ``set_value`` later.

        Parameters
        ----------
        values, name
            As of `series`.
        within : set
            As of `number`.

        Returns
        -------
        Param
            [period], mutable.

        Raises
        ------
        ModelError
            As of `series`.
        """
        return pyo.Param(self.periods, initialize=self.series(values, name), mutable=True,
                         within=within)

    def column(self, var: Any, k: Hashable) -> list:
        """The Vars of a leg in all periods.

        Parameters
        ----------
        var : Var
            Indexed by (leg, period).
        k : hashable
            The leg.

        Returns
        -------
        list of VarData
        """
        kept = self._columns.get((id(var), k))
        if kept is None:  # `var` is kept too, so that its id stays its own
            kept = self._columns[id(var), k] = var, [var[k, t] for t in self.labels]
        return kept[1]

    def sums(self, terms: Sequence[Term]) -> list[WeightedSum]:
        """One weighted sum for each period.

        Parameters
        ----------
        terms : sequence of (float, Var, hashable)
            (coefficient, var, leg).

        Returns
        -------
        list of WeightedSum
        """
        coefs = tuple([float(c) for c, _, _ in terms])
        columns = [self.column(var, k) for _, var, k in terms]
        return [WeightedSum(coefs, variables) for variables in zip(*columns, strict=True)]

    def index(self, legs: Iterable[str]) -> Any:
        """The shared Set of (leg, period).

        Parameters
        ----------
        legs : iterable of str
            Phases such as ``"abc"`` or pairs such as ``("ab", "bc")``.

        Returns
        -------
        Set
        """
        legs = tuple(legs)
        name = "index_" + "_".join(legs)
        if self.parent.component(name) is None:
            self.parent.add_component(name, pyo.Set(
                initialize=[(leg, t) for leg in legs for t in self.labels], ordered=True, dimen=2))
        return self.parent.component(name)

    def series(self, values: Any, name: str) -> dict:
        """One number for each period.

        Parameters
        ----------
        values : float, sequence of float, or mapping
            A number, or one per period.
        name : str
            Of the values, in messages.

        Returns
        -------
        dict
            {period: number}.

        Raises
        ------
        ModelError
            If there are not as many numbers as periods, or a value is not a number.
        """
        return by_period(values, self.labels, name)
