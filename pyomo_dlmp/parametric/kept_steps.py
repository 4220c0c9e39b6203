"""What the last solve of a series made on its way, taken again where nothing that it is of changed.

A condensed part whose numbers stay is the same object (`condensing.condense`), and so are, step by
step, its terms in the upper objective, its regions, its pieces, the master of all pieces and what
the search found there. Each step compares what went into it, by identity or to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from operator import attrgetter, is_
from typing import Any

import numpy as np
import pyomo.environ as pyo

from pyomo_dlmp.bilevel import upper_data, upper_objective
from pyomo_dlmp.bilevel.values import bounds_of, limits_of
from pyomo_dlmp.lower.kkt_system import KktSystem
from pyomo_dlmp.lower.leaves import Leaves
from pyomo_dlmp.numerics.outer_approximation import SearchResult
from pyomo_dlmp.numerics.program import Program
from pyomo_dlmp.parametric.condensed import CondensedQp, NotExplicit
from pyomo_dlmp.parametric.critical_regions import Regions
from pyomo_dlmp.parametric.hull import Hull, build_hull
from pyomo_dlmp.parametric.region_costs import RegionCost, costs_over_regions
from pyomo_dlmp.parametric.upper_rows import refuse_held_duals, upper_program
from pyomo_dlmp.parametric.upper_terms import (
    RegionObjective,
    UpperTerms,
    assign_terms,
    read_upper,
    refuse_rules,
)
from pyomo_dlmp.status import Status

_RAW = attrgetter("_lb", "_ub")
_SHARED = ("A_eq", "B_eq", "S", "T")  # of lower levels that differ in numbers alone


@dataclass(eq=False)
class ReadUpper:
    """An upper level as it was read: its terms, its program, the bounds of its Vars as they are."""

    terms: UpperTerms
    program: Program
    bounds: tuple[np.ndarray, np.ndarray]


class KeptUpper:
    """The upper level of a model, read again where it, or a structure below it, has changed."""

    def __init__(self) -> None:
        self._model: Any = None
        self._systems: list[KktSystem] = []
        self._leaves: Leaves | None = None
        self._raw: list = []
        self._limits: list = []  # (Var, its bounds) where these are expressions
        self._found: ReadUpper | None = None

    def read(self, model: Any, systems: list[KktSystem], priced: bool = False) -> ReadUpper:
        """The upper level over the compiled lower levels; the same object where it is the same.

        Parameters
        ----------
        model
            The bilevel model.
        systems
            Its compiled lower levels.
        priced
            Only where it pays prices.

        Returns
        -------
        ReadUpper

        Raises
        ------
        NotExplicit
            As of `read_upper` and `upper_program`.
        """
        found, self._found = self._found, None
        leaves = self._leaves
        if (found is None or leaves is None or self._model is not model
                or not _same_structure(self._systems, systems)
                or not leaves.same_structure() or leaves.changed()[0]):
            found = read_now(model, systems, priced)
            self._leaves = Leaves(model, _stated)
            self._note_bounds(found.program.columns)
        else:
            refuse_rules(model)
            _refuse_unpaid(found.terms, priced)
            refuse_held_duals(systems)
            if not self._same_bounds(found.program.columns):
                found = ReadUpper(found.terms, upper_program(found.terms, systems),
                                  bounds_of(found.program.columns))
                self._note_bounds(found.program.columns)
        self._model, self._systems, self._found = model, systems, found
        return found


    def _note_bounds(self, columns: Iterable) -> None:
        self._raw = list(map(_RAW, columns))
        self._limits = [(var, limits_of(var)) for var, raw in zip(columns, self._raw, strict=True)
                        if not all(map(_plain, raw))]

    def _same_bounds(self, columns: Iterable) -> bool:
        return (all(a is b and c is d for (a, c), (b, d) in zip(
                    self._raw, map(_RAW, columns), strict=True))
                and all(limits_of(var) == limits for var, limits in self._limits))


def read_now(model: Any, systems: list[KktSystem], priced: bool = False) -> ReadUpper:
    """Read the upper level.

    Parameters
    ----------
    model, systems, priced
        As of `KeptUpper.read`.

    Returns
    -------
    ReadUpper
    """
    terms = read_upper(model, systems, upper_objective(model))
    _refuse_unpaid(terms, priced)
    program = upper_program(terms, systems)
    return ReadUpper(terms, program, bounds_of(program.columns))


def _refuse_unpaid(terms: UpperTerms, priced: bool) -> None:
    if priced and not terms.pays:
        raise NotExplicit("the upper level pays no prices")


def _stated(model: Any) -> tuple[list, list]:
    return list(upper_data(model, pyo.Constraint)), [upper_objective(model)]


def _plain(bound: Any) -> bool:
    return bound is None or type(bound) in (float, int)


def _same_structure(before: list[KktSystem], now: list[KktSystem]) -> bool:
    """Whether only numbers that no upper term and no row of upper Vars alone sees differ."""
    return len(before) == len(now) and all(
        a is b or (all(getattr(a, name) is getattr(b, name) for name in _SHARED)
                   and a.form.x is b.form.x and a.form.u is b.form.u and a.form.rows is b.form.rows
                   and bool((np.diff(b.form.A.indptr) > 0).all()))
        for a, b in zip(before, now, strict=True))


class KeptSteps:
    """Of one series of solves (an `Atlas`)."""

    def __init__(self) -> None:
        self.upper = KeptUpper()
        self._upper: ReadUpper | None = None
        self._worths: list[RegionObjective] = []
        self._regions: dict[int, tuple[CondensedQp, Regions]] = {}
        self._costs: dict[int, tuple] = {}
        self._hull: Hull | None = None
        self._costs_of_hull: list = []
        self._outcome: tuple | None = None

    def worths(self, read: ReadUpper, systems: list[KktSystem], parts: list[CondensedQp],
               check: Callable[[RegionObjective], None]) -> list[RegionObjective]:
        """`assign_terms`; the same objects for the same parts.

        Parameters
        ----------
        read
            The upper level.
        systems, parts
            As of `assign_terms`.
        check
            Called with each that is new.

        Returns
        -------
        list of RegionObjective
        """
        before = self._worths
        if (self._upper is not None and self._upper.terms is read.terms
                and len(before) == len(parts)
                and all(map(_same_roles, (w.part for w in before), parts))):
            found = [worth if worth.part is part else replace(worth, part=part)
                     for worth, part in zip(before, parts, strict=True)]
        else:
            found = assign_terms(read.terms, systems, parts)
            if len(found) == len(before):  # another row, say, leaves them as they are
                found = [old if _same_worth(old, new) else new
                         for old, new in zip(before, found, strict=True)]
        self._upper, self._worths = None, []
        known = set(map(id, before))
        for worth in found:
            if id(worth) not in known:
                check(worth)
        self._upper, self._worths = read, found
        return found

    def regions(self, parts: list[CondensedQp], most: int,
                find: Callable[[CondensedQp, Regions | None], Regions]) -> dict[int, Regions]:
        """Critical regions of the parts that have decisions, by number of the part.

        Parameters
        ----------
        parts
            The condensed parts.
        most
            Greatest number of regions of a part.
        find
            find(part, its regions of the last solve or None).

        Returns
        -------
        dict
        """
        found = {}
        for k, part in enumerate(parts):
            if part.m:
                before, regions = self._regions.get(k, (None, None))
                known = before is part and regions is not None and len(regions.regions) <= most
                found[k] = find(part, regions if known else None)
        self._regions = {k: (parts[k], regions) for k, regions in found.items()}
        return found

    def costs(self, k: int, worth: RegionObjective, regions: Regions,
              sigma: int) -> list[RegionCost]:
        """`costs_over_regions` of part k."""
        made_of = worth, regions.regions, sigma
        before, pieces = self._costs.get(k, ((None,) * 3, []))
        if not all(map(is_, before, made_of)):
            pieces = costs_over_regions(worth, regions, sigma)
            self._costs[k] = made_of, pieces
        return pieces

    def hull(self, program: Program, parts: list[CondensedQp], costs: list[list[RegionCost]],
             u: list[np.ndarray]) -> Hull:
        """`build_hull`."""
        hull = self._hull
        if not (hull is not None and hull.upper is program and len(costs) == len(hull.parts)
                and all(map(is_, parts, hull.parts)) and all(map(is_, costs, self._costs_of_hull))
                and all(map(np.array_equal, u, hull.u))):
            before = None if hull is None else hull.ended
            hull, self._outcome = build_hull(program, parts, costs, u), None
            hull.before = before
            self._hull, self._costs_of_hull = hull, costs
        return hull

    def outcome(self, hull: Hull, settings: tuple,
                search: Callable[[], SearchResult]) -> tuple[SearchResult, bool]:
        """(what the search finds on a master, whether it is known from the last solve).

        Parameters
        ----------
        hull
            Of `hull`.
        settings
            What the outcome depends on besides.
        search
            Called where it is not known; an outcome is kept if it is optimal.

        Returns
        -------
        tuple
        """
        if self._outcome is not None and self._outcome[0] is hull and self._outcome[1] == settings:
            return replace(self._outcome[2]), True
        found, self._outcome = search(), None
        if hull is self._hull and found.status == Status.OPTIMAL and found.z is not None:
            self._outcome = hull, settings, replace(found)
        return found, False


def _same_worth(one: RegionObjective, other: RegionObjective) -> bool:
    return one.part is other.part and all(getattr(one, name) == getattr(other, name)
                                          for name in ("quantities", "terms", "complete"))


def _same_roles(one: CondensedQp, other: CondensedQp) -> bool:
    """Whether two parts have the same rows, decisions and multipliers, whatever their numbers."""
    return one is other or (
        one.lower == other.lower and one.plain == other.plain
        and one.gone.keys() == other.gone.keys()
        and all(np.array_equal(getattr(one, name), getattr(other, name))
                for name in ("u", "rows", "paid", "wanted", "pair")))
