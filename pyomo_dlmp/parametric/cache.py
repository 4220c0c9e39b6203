"""Compiled lower levels, kept from solve to solve as long as nothing in them changed.

What is compared: rows, and Vars, mutable Params and Expressions that a row or the objective
reaches, one by one, without relying on the user, wherever they stand: in the lower level, outside
it, deactivated, in another model.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import pyomo.environ as pyo
from pyomo.common.gc_manager import PauseGC
from pyomo.core.expr.numvalue import native_types

from pyomo_dlmp.bilevel.values import limits_of
from pyomo_dlmp.lower.form import active_parts, compile_lower
from pyomo_dlmp.lower.kkt_system import KktSystem, build_kkt
from pyomo_dlmp.lower.solver import LowerSolver

_MOST_SYSTEMS = 60  # compiled lower levels, whose models they keep alive


@dataclass
class CacheEntry:
    """A compiled lower level and what it was compiled from.

    Attributes
    ----------
    block
        The LowerLevel.
    leaves
        What its expressions reach.
    content
        Fingerprint of both at that time.
    kkt, solver
        What was compiled.
    """

    block: object
    leaves: Leaves
    content: Fingerprint
    kkt: KktSystem
    solver: LowerSolver | None = None


@dataclass
class Leaves:
    """What the rows and the objective of a LowerLevel reach, wherever in whichever model it stands.

    Attributes
    ----------
    variables, params, expressions
        VarData, mutable ParamData and named Expressions.
    """

    variables: list
    params: list
    expressions: list


@dataclass(eq=False)
class Fingerprint:
    """What a compiled lower level depends on; equal where nothing changed.

    Attributes
    ----------
    parts
        Rows, objectives, their expressions and those of named Expressions, compared by identity
        (kept alive, so that an id is not used again).
    values
        Numbers.
    """

    parts: list
    values: list

    def __eq__(self, other) -> bool:
        return (len(self.parts) == len(other.parts) and self.values == other.values
                and all(a is b for a, b in zip(self.parts, other.parts, strict=True)))

    __hash__ = None  # type: ignore[assignment]


class CompiledLowers:
    """Lower levels that are compiled again only where something in them changed.

    Parameters
    ----------
    counts
        Counts what was "compiled" and "kept".
    """

    def __init__(self, counts: Counter):
        self.counts = counts
        self._held: dict[int, CacheEntry] = {}  # by id of the block, which is kept alive

    def system(self, block: Any, keep: bool = True) -> tuple[KktSystem, LowerSolver | None]:
        """The compiled lower level.

        Parameters
        ----------
        block
            A LowerLevel.
        keep
            Whether to look for what was compiled before, and to keep this.

        Returns
        -------
        tuple
            (its KKT arrays, its solver from an earlier solve or None).

        Raises
        ------
        ModelError
            It is not a convex LP or QP.
        """
        if not keep:
            return build_kkt(compile_lower(block)), None
        held = self._held.get(id(block))
        if held is not None and held.content == _content(block, held.leaves):
            self.counts["kept"] += 1
            return held.kkt, held.solver
        with PauseGC():
            kkt = build_kkt(compile_lower(block))
        self.counts["compiled"] += 1
        leaves = _leaves(block)
        self._held.pop(id(block), None)
        if len(self._held) >= _MOST_SYSTEMS:
            self._held.pop(next(iter(self._held)))
        self._held[id(block)] = CacheEntry(block, leaves, _content(block, leaves), kkt)
        return kkt, None

    def keep_solver(self, kkt: KktSystem, solver: LowerSolver) -> None:
        """Keep the factorised lower level for the next solve."""
        for held in self._held.values():
            if held.kkt is kkt:
                held.solver = solver


def _stated(block) -> list:
    """Active rows and objectives of a LowerLevel."""
    found = active_parts(block)
    return [*found[pyo.Constraint], *found[pyo.Objective]]


def _content(block, leaves: Leaves) -> Fingerprint:
    """What the compiled form depends on; `leaves` are right as long as its `parts` are the same."""
    stated = _stated(block)
    found = Fingerprint([*stated, *(data.expr for data in stated),
                         *(e.expr for e in leaves.expressions)],
                        [getattr(data, "sense", None) for data in stated])
    found.values += [(var.value if var.fixed else None, limits_of(var), var.is_continuous(),
                      block.is_upper(var)) for var in leaves.variables]
    found.values += [pyo.value(param, exception=False) for param in leaves.params]
    return found


def _leaves(block) -> Leaves:
    """What the active rows and the objective reach, found by walking their expressions."""
    stack, seen = [data.expr for data in _stated(block)], set()
    leaves = Leaves([], [], [])
    while stack:
        node = stack.pop()
        if type(node) in native_types or id(node) in seen:
            continue
        seen.add(id(node))  # nodes live as long as the rows that hold them
        if node.is_expression_type():
            stack.extend(node.args)
            if node.is_named_expression_type():
                leaves.expressions.append(node)
        else:
            (leaves.variables if node.is_variable_type() else leaves.params).append(node)
    return leaves
