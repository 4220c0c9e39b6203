"""What the rows and the objective of a lower level reach, and whether it is still the same.

Expressions are walked once. Afterwards rows, expressions and domains are compared by identity, and
numbers by value: thousands of them in milliseconds, wherever they stand (in the lower level,
outside it, deactivated, in another model), without relying on the user to tell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import attrgetter, is_
from typing import Any

import pyomo.environ as pyo
from pyomo.core.base.param import ParamData, ScalarParam
from pyomo.core.expr.numeric_expr import MonomialTermExpression
from pyomo.core.expr.numvalue import native_numeric_types, native_types

from pyomo_dlmp.bilevel.values import limits_of
from pyomo_dlmp.expressions import reached
from pyomo_dlmp.lower.form import active_components, active_parts

_PARAMS = frozenset([ParamData, ScalarParam])
# raw attributes of VarData: its properties would take a second for a large feeder
_RAW = tuple(map(attrgetter, ("_lb", "_ub", "_domain", "_fixed")))
_EXPRESSION, _ACTIVE = attrgetter("_args_"), attrgetter("_active")
Stated = Callable[[Any], tuple[list, list]]


class Leaves:
    """What a LowerLevel states and reaches now.

    Parameters
    ----------
    block
        A LowerLevel that has been compiled, or another component.
    stated
        stated(block) gives its (rows, objectives), one objective; None: those of a LowerLevel.

    Attributes
    ----------
    rows, objectives : list
        Active ones.
    variables, numbers : list
        VarData that they reach; mutable Params and fixed Vars among what they reach.
    moving_rows : list of int
        Places of the rows that reach a number.
    moving_objective : bool
        Whether the objective does.
    """

    def __init__(self, block: Any, stated: Stated | None = None):
        self._block, self._stated = block, stated or _stated
        self._held = _held(block) if stated is None else None
        self.rows, self.objectives = self._stated(block)
        self.variables: list = []
        self.numbers: list = []
        self._expressions: list = []
        self._moves: dict[int, bool] = {}  # by id of a named Expression, which is kept alive
        self._seen: set[int] = set()
        self.moving_rows = [i for i, row in enumerate(self.rows) if self._reach(row.expr)]
        (objective,) = self.objectives
        self.moving_objective = self._reach(objective.expr)
        self._seen.clear()
        components = {id(c): c for c in (var.parent_component() for var in self.variables)}
        self._components = list(components.values())
        self._structure = self._structure_now(self.rows, self.objectives)
        self._raw = [list(map(get, self.variables)) for get in _RAW]
        self._values = self.values()
        self._note_bounded()
        self._limits = [limits_of(var) for var in self._bounded]

    def _reach(self, expression: Any) -> bool:
        """Note what an expression reaches; whether a number is among that."""
        moves = False
        stack, passed = [expression], set()
        seen = self._seen
        while stack:
            node = stack.pop()
            kind = type(node)
            if kind in native_types:
                continue
            if kind is not MonomialTermExpression:
                if id(node) in passed:
                    continue
                passed.add(id(node))
            if node.is_expression_type():
                if not node.is_named_expression_type():
                    stack.extend(reached(node))
                    continue
                if id(node) not in self._moves:
                    self._moves[id(node)] = False  # known as soon as its parts are
                    self._expressions.append(node)
                    self._moves[id(node)] = self._reach(node.args[0])
                moves = moves or self._moves[id(node)]
            else:
                of_var = node.is_variable_type()
                number = not of_var or node.fixed
                moves = moves or number
                if id(node) not in seen:
                    seen.add(id(node))
                    if of_var:
                        self.variables.append(node)
                    if number:
                        self.numbers.append(node)
        return moves

    def _note_bounded(self) -> None:
        """Vars whose bounds are expressions, and the numbers in these."""
        self._bounded, found = [], []
        for var, low, high in zip(self.variables, *self._raw[:2], strict=True):
            if not (_plain(low) and _plain(high)):
                self._bounded.append(var)
                found += [low, high]
        # None: a named Expression is among them, which may come to be another
        self._of_bounds: list | None = _numbers_in(found)
        self._at_bounds = None if self._of_bounds is None else list(map(_number, self._of_bounds))

    # ---------------------------------------------------------------------------- comparing

    def same_structure(self) -> bool:
        """Whether rows, expressions, domains, what is fixed and whose Vars are, are the same.

        Raises
        ------
        ModelError
            The LowerLevel now holds a component that it cannot hold.
        """
        stated = (self.rows, self.objectives)
        held = None if self._held is None else _held(self._block)
        if held is None or not _same_held(held, self._held):
            stated, self._held = self._stated(self._block), held
        now = self._structure_now(*stated)
        if [len(part) for part in now] != [len(part) for part in self._structure]:
            return False
        if not all(_identical(a, b) for a, b in zip(now[:-1], self._structure[:-1], strict=True)):
            return False
        return now[-1] == self._structure[-1] and all(
            _identical(list(map(_RAW[k], self.variables)), self._raw[k]) for k in (2, 3))

    def _structure_now(self, rows: list, objectives: list) -> list[list]:
        """Lists compared by identity, and in the last place one that is compared by value."""
        block = self._block
        declared = getattr(block, "declared_upper", tuple)
        return [rows, objectives, [row.expr for row in rows], [each.expr for each in objectives],
                [_EXPRESSION(e)[0] for e in self._expressions], list(declared()),
                [each.sense for each in objectives] + (
                    [block.contains(c) for c in self._components]
                    if hasattr(block, "contains") else [])]

    def values(self) -> list:
        """Present values of `numbers`."""
        return [_number(leaf) for leaf in self.numbers]

    def changed(self) -> tuple[bool, list]:
        """What numbers have changed since the last call, in an unchanged structure.

        Returns
        -------
        tuple
            (whether one that rows or objective reach has, VarData whose bounds have been set anew
            or depend on Params that have).

        Raises
        ------
        ModelError
            A bound is no number.
        """
        values = self.values()
        moved = values != self._values
        found = []
        raw = [list(map(get, self.variables)) for get in _RAW[:2]]
        if not all(map(_identical, raw, self._raw[:2])):
            found = [var for i, var in enumerate(self.variables)
                     if raw[0][i] is not self._raw[0][i] or raw[1][i] is not self._raw[1][i]]
            self._raw[:2] = raw
            self._note_bounded()
            limits = [limits_of(var) for var in self._bounded]
            found += self._bounded
        else:
            limits = self._limits_now()
            found = [var for var, old, new in zip(self._bounded, self._limits, limits, strict=True)
                     if old != new]
        self._values, self._limits = values, limits
        return moved, found

    def _limits_now(self) -> list:
        """Bounds that are expressions; those of the last call where no number in them moved."""
        if self._of_bounds is not None:
            values = list(map(_number, self._of_bounds))
            if values == self._at_bounds:
                return self._limits
            self._at_bounds = values
        return [limits_of(var) for var in self._bounded]


def _stated(block: Any) -> tuple[list, list]:
    found = active_parts(block)
    return found[pyo.Constraint], found[pyo.Objective]


def _held(block: Any) -> list[tuple]:
    """(component, its data, which are active) of rows and objectives: quicker than `_stated`."""
    return [(comp, data := list(comp._data.values()), list(map(_ACTIVE, data)))
            for comp in active_components(block)]


def _same_held(one: list[tuple], other: list[tuple] | None) -> bool:
    return other is not None and len(one) == len(other) and all(
        a[0] is b[0] and len(a[1]) == len(b[1]) and _identical(a[1], b[1]) and a[2] == b[2]
        for a, b in zip(one, other, strict=True))


def _numbers_in(expressions: list) -> list | None:
    """Params and Vars that expressions reach; None where they reach a named Expression."""
    found: dict[int, Any] = {}
    stack = list(expressions)
    while stack:
        node = stack.pop()
        if type(node) in native_types or node is None or id(node) in found:
            continue
        if not node.is_expression_type():
            found[id(node)] = node
        elif node.is_named_expression_type():
            return None
        else:
            stack.extend(reached(node))
    return list(found.values())


def _number(leaf: Any) -> Any:
    held = leaf._value if type(leaf) in _PARAMS else None
    return held if type(held) in native_numeric_types else pyo.value(leaf, exception=False)


def _plain(bound: Any) -> bool:
    return bound is None or type(bound) in native_numeric_types


def _identical(one: Iterable, other: Iterable) -> bool:
    return all(map(is_, one, other))
