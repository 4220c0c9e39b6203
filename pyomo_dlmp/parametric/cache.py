"""Repeated solves: what did not change since the last one is not computed again.

Rolling horizons and sweeps solve nearly the same bilevel problem many times. A `SolveCache` keeps,
and compares before it gives anything back:

- compiled lower levels, as long as no row changed, and no Var, mutable Param or Expression that a
  row or the objective reaches (compared one by one, without relying on the user, wherever they
  stand: in the lower level, outside it, deactivated, in another model);
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

from pyomo_dlmp.bilevel.values import limits_of
from pyomo_dlmp.lower.form import active_parts, compile_lower
from pyomo_dlmp.lower.kkt_system import KktSystem, build_kkt
from pyomo_dlmp.lower.solver import LowerSolver
from pyomo_dlmp.numerics.effort import Effort
from pyomo_dlmp.parametric.condensed import CondensedQp
from pyomo_dlmp.parametric.condensing import condense
from pyomo_dlmp.parametric.critical_regions import Regions, enumerate_regions

_MOST_PARTS = 3000
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
        self._given: dict[int, tuple[Any, KktSystem]] = {}
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
        given = self._given.pop(id(block), None)
        if given is not None:
            return given[1], None
        if not self.series:
            return build_kkt(compile_lower(block)), None
        held = self._systems.get(id(block))
        if held is not None and held.content == _content(block, held.leaves):
            self.counts["kept"] += 1
            return held.kkt, held.solver
        with PauseGC():
            kkt = build_kkt(compile_lower(block))
        self.counts["compiled"] += 1
        leaves = _leaves(block)
        self._systems.pop(id(block), None)
        if len(self._systems) >= _MOST_SYSTEMS:
            self._systems.pop(next(iter(self._systems)))
        self._systems[id(block)] = CacheEntry(block, leaves, _content(block, leaves), kkt)
        return kkt, None

    def give(self, block: Any, kkt: KktSystem) -> None:
        """Use arrays that the caller has compiled for the next `system` of a LowerLevel, once.

        Parameters
        ----------
        block
            The LowerLevel.
        kkt
            What `build_kkt` made of its present state; that it is present is not checked.
        """
        self._given[id(block)] = (block, kkt)

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
