"""Do Disjunctions, complementarity, arcs, SOS sets and logic of the upper level hold at a point?

They are evaluated as stated, apart from the rows that a solve rewrote them to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyomo.environ as pyo
from pyomo.contrib.piecewise import PiecewiseLinearFunction
from pyomo.gdp import Disjunction
from pyomo.mpec import Complementarity
from pyomo.network import Arc, Port

from pyomo_dlmp.auditing.upper_checks import Found, broken_rows
from pyomo_dlmp.bilevel.components import is_in_disjunct, statements
from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.tolerances import AUDITED_ROW


def broken_statements(model: Any) -> Found:
    """Statements of the upper level that the values on the Vars violate.

    Parameters
    ----------
    model
        A bilevel model, with values.

    Returns
    -------
    list
        [(name, violation relative to 1 + |limit|)], worst first; of logic the violation is 1.

    Raises
    ------
    ModelError
        A Var in one has no value, or Pyomo cannot evaluate it.
    """
    found = []
    for components in statements(model).values():
        for component in components:
            if component.ctype is PiecewiseLinearFunction:
                raise ModelError.at(
                    component.name, "is a PiecewiseLinearFunction, whose rows Pyomo does not "
                    "evaluate", "Rewrite it first: TransformationFactory("
                    "'contrib.piecewise.disaggregated_logarithmic').apply_to(model).")
            measure = _MEASURES.get(component.ctype)
            if measure is not None and not is_in_disjunct(component):
                found += [(data.name, over) for data in component.values() if data.active
                          and not (over := measure(data)) <= AUDITED_ROW]
    return sorted(found, key=lambda item: -item[1])


def _disjunction(data: Any) -> float:
    """Worst row of the chosen Disjuncts; without choice, of the best one."""
    able = [d for d in data.disjuncts if d.active]
    worst = {id(d): _inside(d) for d in able}
    chosen = [d for d in able if (d.binary_indicator_var.value or 0.0) > 0.5]
    if any(d.binary_indicator_var.value is None for d in able):
        return min(worst.values(), default=1.0)
    if not chosen or (data.xor and len(chosen) > 1):
        return 1.0
    return max(worst[id(d)] for d in chosen)


def _inside(disjunct: Any) -> float:
    """Worst violation of what a Disjunct states."""
    rows = disjunct.component_data_objects(pyo.Constraint, active=True, descend_into=pyo.Block)
    found = [over for _, over in broken_rows(rows)]
    for ctype, measure in _MEASURES.items():
        found += map(measure, disjunct.component_data_objects(
            ctype, active=True, descend_into=pyo.Block))
    return max(found, default=0.0)


def _logic(data: Any) -> float:
    return 1.0 if pyo.value(data.expr, exception=False) is False else 0.0


def _sos(data: Any) -> float:
    """The greatest member that would have to be zero."""
    members = sorted(data.get_items(), key=lambda item: item[1])
    size = np.array([abs(pyo.value(var)) for var, _ in members])
    outside = [max(size[:k].max(initial=0.0), size[k + data.level:].max(initial=0.0))
               for k in range(max(1, len(size) - data.level + 1))]
    return float(min(outside))


def _complementarity(data: Any) -> float:
    """Distance from: each side within its limits, and one of them at its limit."""
    sides = [_canonical(arg) for arg in data._args]
    for side in sides:
        if len(side) == 2:  # an equality makes the other side irrelevant
            return abs(side[0] - side[1]) / (1.0 + abs(side[1]))
    (lo, body, hi), (low, other, high) = sides
    if lo is None and hi is None:
        (lo, body, hi), (low, other, high) = (low, other, high), (lo, body, hi)
    if low is None and high is None and lo is not None and hi is not None:
        outside = max(lo - body, body - hi)
        return max(outside, min(abs(other), max(abs(body - lo), -other),
                                max(abs(body - hi), other)))
    one = hi - body if lo is None else body - lo
    two = high - other if low is None else other - low
    return max(-one, -two, min(abs(one), abs(two)))


def _canonical(arg: Any) -> tuple:
    """(low, value, high) or, for an equality, (value, value)."""
    if arg.__class__ in pyo.expr.native_numeric_types or not arg.is_expression_type(
            pyo.expr.ExpressionType.RELATIONAL):
        return None, pyo.value(arg), None
    values = [pyo.value(part) for part in arg.args]
    if len(values) == 3:
        return tuple(values)
    if isinstance(arg, pyo.expr.relational_expr.EqualityExpression):
        return values[0], values[1]
    fixed = [not pyo.expr.numvalue.is_potentially_variable(part) for part in arg.args]
    if fixed[1]:
        return None, values[0], values[1]
    return (values[0], values[1], None) if fixed[0] else (0.0, values[1] - values[0], None)


def _arc(data: Any) -> float:
    """Greatest difference of the Vars that an Arc makes equal."""
    ends = data.ports if data.ports else (data.source, data.destination)
    if any(port.rule_for(name) is not Port.Equality for port in ends for name in port.vars):
        return 0.0  # shared among several Arcs by rows that only the expansion has
    found = [0.0]
    for name, one in ends[0].vars.items():
        other = ends[1].vars[name]
        for a, b in _matched(one, other):
            found.append(abs(pyo.value(a) - pyo.value(b)) / (1.0 + abs(pyo.value(a))))
    return max(found)


def _matched(one: Any, other: Any) -> Iterator[tuple[Any, Any]]:
    if hasattr(one, "is_indexed") and one.is_indexed():
        yield from ((one[key], other[key]) for key in one)
    else:
        yield one, other


_MEASURES: dict[type, Callable[[Any], float]] = {
    Disjunction: _disjunction, pyo.LogicalConstraint: _logic, pyo.SOSConstraint: _sos,
    Complementarity: _complementarity, Arc: _arc}
