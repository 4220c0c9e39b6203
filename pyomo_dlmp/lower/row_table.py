"""Rows as they come: Vars by id, coefficients, where each row ends, limits.

A dict for each row would be most of a large feeder's memory. Rows that are weighted sums
(`expressions.WeightedSum`), alone or with a number beside, wait until another kind of row comes,
and are then read together.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from itertools import chain
from math import isfinite
from typing import Any

import numpy as np
import pyomo.environ as pyo
from pyomo.core.base.constraint import ConstraintData, ScalarConstraint
from pyomo.core.base.expression import ExpressionData
from pyomo.core.base.param import ParamData, ScalarParam
from pyomo.core.expr.numeric_expr import NPV_ProductExpression, SumExpression
from pyomo.core.expr.numvalue import native_numeric_types
from pyomo.repn.util import OrderedVarRecorder

from pyomo_dlmp.bilevel.rows import plain_limits
from pyomo_dlmp.expressions import WeightedSum

_ROWS = frozenset([ConstraintData, ScalarConstraint])
_PARAMS = frozenset([ParamData, ScalarParam])
_WAITING = 20_000  # rows that are read together


class RowTable:
    """Rows of a matrix that is being compiled.

    Parameters
    ----------
    recorder
        Of Vars, shared with the readers of other rows.
    read
        Reads any row: ({id of a Var: coefficient}, lower limit, upper limit).
    """

    def __init__(self, recorder: OrderedVarRecorder, read: Callable[[Any], Any]):
        self._recorder, self._known, self._read = recorder, recorder.var_map.keys(), read
        self.ids, self.values, self.ends = array("q"), array("d"), array("q", [0])
        self.lo, self.hi = array("d"), array("d")
        self._waiting: list[tuple[Any, WeightedSum]] = []
        self._values: dict[int, tuple[Any, float]] = {}  # by id, of what is kept beside

    def add(self, coefs: dict[int, float], lo: float, hi: float) -> None:
        """A row that was read.

        Parameters
        ----------
        coefs
            {id of a Var: coefficient}.
        lo, hi
            Its limits, infinite where there is none.
        """
        self.ids.extend(coefs.keys())
        self.values.extend(coefs.values())
        self.ends.append(len(self.ids))
        self.lo.append(lo)
        self.hi.append(hi)

    def take(self, row: Any) -> bool:
        """Let a row wait to be read, if it is a weighted sum.

        Parameters
        ----------
        row
            ConstraintData.

        Returns
        -------
        bool
            False: it is none; `settle` what waits, read it, and `add` it.
        """
        if type(row) not in _ROWS:  # a templatized one, say
            return False
        plain = plain_limits(row.expr, self._number)
        if plain is None:
            return False
        lower, body, upper = plain
        constant = 0.0
        while isinstance(body, ExpressionData):
            body = body.args[0]
        if type(body) is SumExpression:
            body, *numbers = body.args
            for each in numbers:
                value = self._number(each)
                if value is None:
                    return False
                constant += value
        if type(body) is not WeightedSum:
            return False
        self._waiting.append((row, body))
        self.lo.append(-np.inf if lower is None else lower - constant)
        self.hi.append(np.inf if upper is None else upper - constant)
        if len(self._waiting) >= _WAITING:
            self.settle()
        return True

    def _number(self, node: Any) -> float | None:
        """Value of a number, a Param, or an expression of them; None where it is none of these."""
        if type(node) is float:
            return node if isfinite(node) else None
        kept = self._values.get(id(node))
        if kept is not None and kept[0] is node:  # a limit that many rows share
            return kept[1]
        value = _value(node)
        if value is not None:
            self._values[id(node)] = node, value
        return value

    def settle(self) -> None:
        """Read the rows that wait."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        bodies = [body for _, body in waiting]
        variables = list(chain.from_iterable([body.variables for body in bodies]))
        ids = list(map(id, variables))
        fixed = False
        if not self._known >= set(ids):
            known, add = self._known, self._recorder.add
            for vid, var in zip(ids, variables, strict=True):
                if vid not in known:
                    if var.fixed:
                        fixed = True
                    else:
                        add(var)
        lengths = [len(body.variables) for body in bodies]
        if fixed or _repeats(ids, lengths):
            self._one_by_one([row for row, _ in waiting])
            return
        self.ids.extend(ids)
        self.values.extend(chain.from_iterable([body.coefs for body in bodies]))
        self.ends.extend((np.cumsum(lengths) + self.ends[-1]).tolist())

    def _one_by_one(self, rows: list) -> None:
        first = len(self.lo) - len(rows)
        for i, row in enumerate(rows, first):
            coefs, self.lo[i], self.hi[i] = self._read(row)
            self.ids.extend(coefs.keys())
            self.values.extend(coefs.values())
            self.ends.append(len(self.ids))


def _value(node: Any) -> float | None:
    """A finite float; None where a Var stands in it, or a value is missing."""
    if type(node) is NPV_ProductExpression:
        first, second = (each if type(each) is float else _value(each) for each in node.args)
        return None if first is None or second is None else first * second
    if type(node) in _PARAMS:
        try:
            value = node.value
        except ValueError:  # it has none
            return None
    elif type(node) in native_numeric_types:
        value = float(node)
    elif not node.is_potentially_variable():
        value = pyo.value(node, exception=False)
    else:
        return None
    return value if type(value) in (int, float) and isfinite(value) else None


def _repeats(ids: list[int], lengths: list[int]) -> bool:
    """Whether a Var stands twice in a row."""
    row = np.repeat(np.arange(len(lengths)), lengths)
    order = np.lexsort((np.array(ids, dtype=np.int64), row))
    found, where = np.array(ids, dtype=np.int64)[order], row[order]
    return bool(np.any((found[1:] == found[:-1]) & (where[1:] == where[:-1])))
