"""The atlas of a feeder: which limits are at work where, known from one hour for all others.

Rolling horizons, years, scenarios and sweeps solve nearly the same bilevel problem many times. An
`Atlas` keeps what they share, and compares before it gives anything back:

- states (which rows of a part are active, which beyond a soft limit), hour and scenario stripped:
  a new part evaluates all known ones at once, and only what these leave open is searched. Each
  region obeys its own optimality conditions, and all must cover the range: a state that does not
  fit costs time, never an answer;
- critical regions by the content of a part, where the same numbers come again;
- compiled lower levels (`lower.kept`) and condensed parts: where numbers changed that they reach,
  these alone are read again, and where structure did, they are made anew;
- the last decisions as a start.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.lower.form import compile_lower
from pyomo_dlmp.lower.kept import NOTHING, NUMBERS, STRUCTURE, KeptLower
from pyomo_dlmp.lower.kkt_system import KktSystem, build_kkt
from pyomo_dlmp.lower.solver import LowerSolver
from pyomo_dlmp.numerics.effort import Effort
from pyomo_dlmp.parametric.atlas_file import read_chapters, write_chapters
from pyomo_dlmp.parametric.chapters import Chapter
from pyomo_dlmp.parametric.condensed import CondensedQp, NotExplicit
from pyomo_dlmp.parametric.condensing import Parts, condense
from pyomo_dlmp.parametric.critical_regions import Regions, enumerate_regions, region_of
from pyomo_dlmp.parametric.kept_steps import KeptSteps

_MOST_PARTS = 3000
_MOST_SYSTEMS = 60  # compiled lower levels, whose models they keep alive
_COUNTED = {NOTHING: "kept", NUMBERS: "renewed", STRUCTURE: "compiled"}


class Atlas:
    """What the solves of a series share: ``solve_bilevel(model, atlas=...)`` with the same one.

    Parameters
    ----------
    series
        False: for one solve only, so that nothing but the states of its hours is kept.

    Attributes
    ----------
    counts
        How often a lower level was "compiled", "renewed" (its numbers had changed) or "kept", and
        the regions of a part were "recalled" (the same numbers), "known" (all of known states) or
        "enumerated".
    last
        {name: value} of the last solution's upper decisions.
    source
        The file that it was loaded from, or None.
    steps
        What the last solve made on its way.
    """

    def __init__(self, series: bool = True):
        self.series = series
        self.counts: Counter = Counter()
        self.last: dict[str, float] = {}
        self.source: str | None = None
        self._systems: dict[int, KeptLower] = {}  # by id of the block, which is kept alive
        self._given: dict[int, tuple[Any, KktSystem]] = {}
        self._solver: LowerSolver | None = None  # that was given last
        self._parts: dict[int, tuple] = {}
        self._regions: dict[bytes, Regions] = {}
        self._chapters: dict[bytes, Chapter] = {}
        self.steps = KeptSteps()
        self._answer: dict[tuple, Chapter] = {}  # the state of each part in the last answer
        self._near = False

    def __repr__(self) -> str:
        """One line in place of the arrays."""
        return f"<Atlas of {self.states} states in {len(self._chapters)} structures>"

    @property
    def states(self) -> int:
        """Number of states known."""
        return sum(len(chapter) for chapter in self._chapters.values())

    # ---------------------------------------------------------------------- files

    def save(self, path: str | Path) -> None:
        """Write the states to a file, as a whole or not at all; ``.npz``.

        Parameters
        ----------
        path
            Of the file, which is replaced.

        Raises
        ------
        ModelError
            It cannot be written.
        """
        write_chapters(path, self._chapters)

    @classmethod
    def load(cls, path: str | Path) -> Atlas:
        """The atlas of a file.

        It is one of a model: a solve of a model none of whose hours has a structure of the file
        raises a ModelError that names both.

        Parameters
        ----------
        path
            Of a file that `save` wrote.

        Returns
        -------
        Atlas

        Raises
        ------
        ModelError
            There is no such file, or it is damaged or of another kind.
        """
        atlas = cls()
        atlas._chapters = read_chapters(path)
        atlas.source = str(path)
        return atlas

    def update(self, other: Atlas) -> None:
        """Take the states that another atlas knows, of a worker say; the other stays as it is.

        Parameters
        ----------
        other
            An atlas.
        """
        for key, chapter in other._chapters.items():
            self._chapters.setdefault(key, Chapter(chapter.pairs)).update(chapter)

    def require_source(self, parts: Iterable[CondensedQp]) -> None:
        """Refuse parts none of which has a structure of the file that this was loaded from.

        Parameters
        ----------
        parts
            The condensed parts of a model.

        Raises
        ------
        ModelError
            It is the atlas of another model.
        """
        mine = [part.shape for part in parts if part.m]
        entries = {e for chapter in self._chapters.values() for e in chapter.titles}
        if self.source is None or not mine or any(shape.entries in entries for shape in mine):
            return
        titles = sorted({t for chapter in self._chapters.values() for t in chapter.titles.values()})
        was = titles[0] if titles else "nothing"
        raise ModelError.at(
            f"atlas '{self.source}'", f"is of another model: it was made of {was}; "
            f"this is {mine[0].title}",
            "Load the atlas of this model, or begin with dlmp.Atlas() and save that.")

    # ---------------------------------------------------------- what solves ask for

    def system(self, block: Any) -> KktSystem:
        """The compiled lower level, in which only what changed since the last call is read again.

        Parameters
        ----------
        block
            A LowerLevel.

        Returns
        -------
        KktSystem

        Raises
        ------
        ModelError
            It is not a convex LP or QP.
        """
        given = self._given.pop(id(block), None)
        if given is not None:
            return given[1]
        if not self.series:
            return build_kkt(compile_lower(block))
        held = self._systems.get(id(block))
        if held is None:
            if len(self._systems) >= _MOST_SYSTEMS:
                self._systems.pop(next(iter(self._systems)))
            held = self._systems[id(block)] = KeptLower(block)
            self.counts["compiled"] += 1
            return held.kkt
        self.counts[_COUNTED[held.update()]] += 1
        return held.kkt

    def give(self, block: Any, kkt: KktSystem, solver: LowerSolver | None = None) -> None:
        """Use arrays that the caller has compiled for the next `system` of a LowerLevel, once.

        Parameters
        ----------
        block
            The LowerLevel.
        kkt
            What `build_kkt` made of its present state; that it is present is not checked.
        solver
            Of `kkt`, where the caller has one, for `solver_of`.
        """
        self._given[id(block)] = (block, kkt)
        self._solver = solver

    def solver_of(self, kkt: KktSystem) -> LowerSolver:
        """The solver of what `system` returned; what an earlier one has factorised is kept."""
        if self._solver is not None and self._solver.kkt is kkt:
            return self._solver
        held = next((held for held in self._systems.values() if held.kkt is kkt), None)
        return LowerSolver(kkt) if held is None else held.solver

    def flows_of(self, number: int) -> Parts | None:
        """The parts of a lower level with all their maps, if they are kept."""
        held = self._parts.get(number)
        return None if held is None else held[2]

    def parts(self, kkt: KktSystem, paid: Iterable[int], wanted: Iterable[int],
              box: tuple[np.ndarray, np.ndarray], number: int) -> Parts:
        """Condensed parts of a lower level; those of an earlier solve where nothing changed.

        Parameters
        ----------
        kkt, paid, wanted, box, number
            As of `condense`.

        Returns
        -------
        Parts
        """
        if not self.series:
            return condense(kkt, paid, wanted, box, number)
        key = (sorted(paid), sorted(wanted), *(b.tolist() for b in box))
        held = self._parts.get(number)
        if held is None or held[0] is not kkt or held[1] != key:
            before = None if held is None else held[2]
            found = condense(kkt, paid, wanted, box, number, before)
            held = self._parts[number] = (kkt, key, found)
        return held[2]

    def regions(self, part: CondensedQp, most: int, effort: Effort,
                last: Regions | None = None) -> Regions:
        """Critical regions of a part: recalled, of known states, or enumerated.

        They are the same whichever of these they are.

        Parameters
        ----------
        part, most, effort
            As of `enumerate_regions`.
        last
            What it returned for this very part.

        Returns
        -------
        Regions

        Raises
        ------
        NotExplicit
            As of `enumerate_regions`.
        """
        if self._near:
            return self._region_of_the_answer(part)
        if last is not None:
            self.counts["recalled"] += 1
            return last
        key = _digest(part) if self.series else b""
        known = self._regions.get(key)
        if known is not None and len(known.regions) <= most:
            self.counts["recalled"] += 1
            return Regions(part, known.regions, known.covered)
        chapter = self._chapters.setdefault(part.shape.rows, Chapter(part.shape.pairs))
        found = enumerate_regions(part, most, effort, chapter.states_for(part))
        self.counts["enumerated" if found.new else "known"] += 1
        chapter.add(part, [region.affine.state for region in found.regions])
        if self.series:
            if len(self._regions) >= _MOST_PARTS:
                self._regions.pop(next(iter(self._regions)))
            self._regions[key] = found
        return found


    # ------------------------------------------------------------- near an answer

    def note_answer(self, parts: Iterable[CondensedQp], states: Iterable[np.ndarray]) -> None:
        """Know which state each part has in an answer, for `near_the_answer`.

        Parameters
        ----------
        parts, states
            The parts that are paid for, and the state of each.
        """
        self._answer = {}
        for part, state in zip(parts, states, strict=True):
            chapter = self._answer[_place(part)] = Chapter(part.shape.pairs)
            chapter.add(part, [state])

    @contextmanager
    def near_the_answer(self) -> Iterator[None]:
        """Meanwhile `regions` gives of each part the one region of the last answer's state.

        What is found so is the best near that answer: its bound holds for no other regions.
        """
        steps, self.steps, self._near = self.steps, KeptSteps(), True
        try:
            yield
        finally:
            self.steps, self._near = steps, False

    def _region_of_the_answer(self, part: CondensedQp) -> Regions:
        chapter = self._answer.get(_place(part))
        states = [] if chapter is None else list(chapter.states_for(part))
        found = region_of(part, states[0]) if len(states) == 1 else None
        if found is None:
            raise NotExplicit("a part has no region of the last answer's state")
        return found


def _place(part: CondensedQp) -> tuple[int, bytes]:
    """What tells a part from all others of its model, whatever its numbers."""
    return part.lower, part.u.tobytes()


def _digest(part: CondensedQp) -> bytes:
    """Hash of all numbers that regions depend on (not of where they stand in the model)."""
    text = hashlib.sha256()
    for name in ("H", "g", "E", "R", "r", "A", "T", "s", "cap", "C", "F", "f", "lo", "hi"):
        array = np.ascontiguousarray(getattr(part, name))
        text.update(repr(array.shape).encode())
        text.update(array.tobytes())
    return text.digest()
