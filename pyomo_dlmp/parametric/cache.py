"""Repeated solves: what did not change since the last one is not computed again.

Rolling horizons and sweeps solve nearly the same bilevel problem many times. A `SolveCache` keeps,
and compares before it gives anything back:

- compiled lower levels, as long as no expression, bound, fixed value or mutable Param in them
  changed (compared one by one, without relying on the user);
- critical regions by the content of a part (a period's numbers), so that of a window that moves on
  by an hour, or of a model that is built again, only what is new in it is computed;
- states of regions as first guesses where numbers changed, and the last decisions as a start.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyomo.environ as pyo
from pyomo.common.gc_manager import PauseGC
from pyomo.core.expr.numvalue import native_types

from pyomo_dlmp.bilevel import guard_of
from pyomo_dlmp.lower.form import compile_lower
from pyomo_dlmp.lower.kkt_system import KktSystem, build_kkt
from pyomo_dlmp.lower.solver import LowerSolver
from pyomo_dlmp.numerics.effort import Effort
from pyomo_dlmp.parametric.condensed import CondensedQp, condense
from pyomo_dlmp.parametric.critical_regions import Regions, enumerate_regions

_MOST_PARTS = 3000


@dataclass
class CacheEntry:
    """A compiled lower level and what it was compiled from.

    Attributes
    ----------
    block, outer
        The LowerLevel, and what its expressions use outside it.
    content
        Fingerprint of both at that time.
    kkt, solver
        What was compiled.
    """

    block: object
    outer: OuterReferences
    content: Fingerprint
    kkt: KktSystem
    solver: LowerSolver | None = None


@dataclass
class OuterReferences:
    """Components outside a LowerLevel that its expressions use, wherever they stand in the model.

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
    expressions
        Expressions and declared upper Vars, compared by identity (kept alive, so that an id is not
        used again).
    values
        Numbers.
    """

    expressions: list
    values: list

    def __eq__(self, other) -> bool:
        return (len(self.expressions) == len(other.expressions) and self.values == other.values
                and all(a is b for a, b in zip(self.expressions, other.expressions, strict=True)))

    __hash__ = None  # type: ignore[assignment]


class SolveCache:
    """What the solves of a series share: ``solve_bilevel(model, cache=...)`` with the same one.

    Parameters
    ----------
    series
        False: for one solve only, so that nothing is kept.

    Attributes
    ----------
    counts
        How often something was "compiled", "kept" (compiled before), "enumerated" or "recalled"
        (regions of a part).
    last
        {name: value} of the last solution's upper decisions.
    """

    def __init__(self, series: bool = True):
        self.series = series  # False: one solve only, so nothing is kept
        self.counts: Counter = Counter()
        self.last: dict[str, float] = {}  # upper decisions of the last solution by name
        self._systems: dict[int, CacheEntry] = {}  # by id of the block, which is kept alive
        self._parts: dict[int, tuple] = {}
        self._regions: dict[bytes, Regions] = {}
        self._states: dict[tuple, list[np.ndarray]] = {}

    def system(self, block: Any) -> tuple[KktSystem, LowerSolver | None]:
        """The compiled lower level, compiled again only where something in it changed.

        Parameters
        ----------
        block
            A LowerLevel.

        Returns
        -------
        tuple
            (its KKT arrays, its solver from an earlier solve or None).

        Raises
        ------
        ModelError
            It is not a convex LP or QP.
        """
        if not self.series:
            return build_kkt(compile_lower(block)), None
        held = self._systems.get(id(block))
        if held is not None and held.content == _content(block, held.outer):
            self.counts["kept"] += 1
            return held.kkt, held.solver
        with PauseGC():
            kkt = build_kkt(compile_lower(block))
        self.counts["compiled"] += 1
        outer = _outer_references(block)
        self._systems[id(block)] = CacheEntry(block, outer, _content(block, outer), kkt)
        return kkt, None

    def keep_solver(self, kkt: KktSystem, solver: LowerSolver) -> None:
        """Keep the factorised lower level for the next solve."""
        for held in self._systems.values():
            if held.kkt is kkt:
                held.solver = solver

    def parts(self, kkt: KktSystem, paid: Iterable[int], wanted: Iterable[int],
              box: tuple[np.ndarray, np.ndarray], number: int) -> list[CondensedQp]:
        """Condensed parts of a lower level, kept from an earlier solve where nothing changed.

        Parameters
        ----------
        kkt, paid, wanted, box, number
            As of `condense`.

        Returns
        -------
        list of CondensedQp
        """
        key = (sorted(paid), sorted(wanted), *(b.tolist() for b in box))
        held = self._parts.get(number)
        if held is None or held[0] is not kkt or held[1] != key:
            held = self._parts[number] = (kkt, key, condense(kkt, paid, wanted, box, number))
        return held[2]

    def regions(self, part: CondensedQp, most: int, effort: Effort) -> Regions:
        """Critical regions of a part, recalled where a part with the same numbers is known.

        Parameters
        ----------
        part, most, effort
            As of `enumerate_regions`.

        Returns
        -------
        Regions

        Raises
        ------
        NotExplicit
            As of `enumerate_regions`.
        """
        if not self.series:
            return enumerate_regions(part, most, effort)
        key = _digest(part)
        known = self._regions.get(key)
        if known is not None and len(known.regions) <= most:
            self.counts["recalled"] += 1
            return Regions(part, known.regions, known.covered)
        shape = (part.A.shape, part.T.shape, part.C.shape)
        found = enumerate_regions(part, most, effort, self._states.get(shape, []))
        self.counts["enumerated"] += 1
        if len(self._regions) >= _MOST_PARTS:
            self._regions.pop(next(iter(self._regions)))
        self._regions[key] = found
        self._states[shape] = [region.affine.state for region in found.regions]
        return found


def _digest(part: CondensedQp) -> bytes:
    """Hash of all numbers that regions depend on (not of where they stand in the model)."""
    text = hashlib.sha256()
    for name in ("H", "g", "E", "R", "r", "A", "T", "s", "cap", "C", "F", "f", "lo", "hi"):
        array = np.ascontiguousarray(getattr(part, name))
        text.update(repr(array.shape).encode())
        text.update(array.tobytes())
    return text.digest()


def _content(block, outer: OuterReferences) -> Fingerprint:
    """What the compiled form depends on, inside the block and outside it."""
    found = Fingerprint(list(block.declared_upper()), [])
    for part in block.block_data_objects(active=True, descend_into=pyo.Block):
        for comp in part.component_objects(descend_into=False):
            if comp.ctype in (pyo.Constraint, pyo.Objective, pyo.Expression, pyo.Var) or (
                    comp.ctype is pyo.Param and comp.mutable):
                for data in comp.values():
                    _read(data, comp.ctype, found, bounds=True)
    for ctype, used in ((pyo.Var, outer.variables), (pyo.Param, outer.params),
                        (pyo.Expression, outer.expressions)):
        for data in used:
            _read(data, ctype, found, bounds=False)
    return found


def _read(data, ctype, found: Fingerprint, bounds: bool) -> None:
    if ctype is pyo.Var:
        found.values.append(data.value if data.fixed else None)
        if bounds:
            found.values.append((data.bounds, data.is_continuous()))
    elif ctype is pyo.Param:
        found.values.append(pyo.value(data, exception=False))
    else:
        found.expressions.append(data.expr)
        if ctype is not pyo.Expression:
            found.values.append((data.active, getattr(data, "sense", None)))


def _outer_references(block) -> OuterReferences:
    """What the rows and the objective use outside the block, active there or not."""
    stack, seen = [], set()
    for ctype in (pyo.Constraint, pyo.Objective):
        for data in block.component_data_objects(ctype, active=True, descend_into=pyo.Block):
            if data is not guard_of(block):
                stack.append(data.expr)
    outer = OuterReferences([], [], [])
    while stack:
        node = stack.pop()
        if type(node) in native_types or id(node) in seen:
            continue
        seen.add(id(node))  # nodes live as long as the rows that hold them
        if node.is_expression_type():
            stack.extend(node.args)
            if node.is_named_expression_type() and not block.contains(node):
                outer.expressions.append(node)
        elif not block.contains(node):
            (outer.variables if node.is_variable_type() else outer.params).append(node)
    return outer
