"""Repeated solves: what did not change since the last one is not computed again.

Rolling horizons and sweeps solve nearly the same bilevel problem many times. A `SolveCache` keeps,
and compares before it gives anything back:

- compiled lower levels (`lower.kept`): where only numbers changed that a row or the objective
  reaches, these are read again, and where structure did, it is compiled anew;
- critical regions by the content of a part (a period's numbers), so that of a window that moves on
  by an hour, or of a model that is built again, only what is new in it is computed;
- states of regions as first guesses where numbers changed, and the last decisions as a start.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np

from pyomo_dlmp.lower.form import compile_lower
from pyomo_dlmp.lower.kept import NOTHING, NUMBERS, STRUCTURE, KeptLower
from pyomo_dlmp.lower.kkt_system import KktSystem, build_kkt
from pyomo_dlmp.lower.solver import LowerSolver
from pyomo_dlmp.numerics.effort import Effort
from pyomo_dlmp.parametric.condensed import CondensedQp
from pyomo_dlmp.parametric.condensing import condense
from pyomo_dlmp.parametric.critical_regions import Regions, enumerate_regions

_MOST_PARTS = 3000
_MOST_SYSTEMS = 60  # compiled lower levels, whose models they keep alive
_COUNTED = {NOTHING: "kept", NUMBERS: "renewed", STRUCTURE: "compiled"}


class SolveCache:
    """What the solves of a series share: ``solve_bilevel(model, cache=...)`` with the same one.

    Parameters
    ----------
    series
        False: for one solve only, so that nothing is kept.

    Attributes
    ----------
    counts
        How often a lower level was "compiled", "renewed" (its numbers had changed) or "kept", and
        the regions of a part "enumerated" or "recalled".
    last
        {name: value} of the last solution's upper decisions.
    """

    def __init__(self, series: bool = True):
        self.series = series  # False: one solve only, so nothing is kept
        self.counts: Counter = Counter()
        self.last: dict[str, float] = {}  # upper decisions of the last solution by name
        self._systems: dict[int, KeptLower] = {}  # by id of the block, which is kept alive
        self._given: dict[int, tuple[Any, KktSystem]] = {}
        self._parts: dict[int, tuple] = {}
        self._regions: dict[bytes, Regions] = {}
        self._states: dict[tuple, list[np.ndarray]] = {}

    def system(self, block: Any) -> tuple[KktSystem, LowerSolver | None]:
        """The compiled lower level, in which only what changed since the last call is read again.

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
        if held is None:
            if len(self._systems) >= _MOST_SYSTEMS:
                self._systems.pop(next(iter(self._systems)))
            held = self._systems[id(block)] = KeptLower(block)
            self.counts["compiled"] += 1
            return held.kkt, None
        self.counts[_COUNTED[held.update()]] += 1
        return held.kkt, held.known_solver

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
                held.keep(solver)

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
