"""The upper level and its parts, apart: what multipliers of the upper rows are worth to each.

For parts whose critical regions are too many to be listed (`lazy_master`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from pyomo_dlmp.numerics.program import Program
from pyomo_dlmp.parametric.condensed import NotExplicit
from pyomo_dlmp.parametric.critical_regions import Region, Regions
from pyomo_dlmp.parametric.pieces.lazy_part import LazyPart
from pyomo_dlmp.parametric.pieces.part_costs import PartCost
from pyomo_dlmp.parametric.upper_terms import RegionObjective

_EACH = 8  # regions that a switching row makes at least where there are several decisions


@dataclass
class Joined:
    """The upper level, and what of it belongs to which part.

    Attributes
    ----------
    program
        Rows and linear objective of the upper Vars.
    parts
        The parts.
    columns
        Columns of each part's decisions in the program.
    """

    program: Program
    parts: list[LazyPart]
    columns: list[np.ndarray]

    def __post_init__(self):
        p = self.program
        n = len(p.c)
        times = np.bincount(np.concatenate(self.columns), minlength=n)
        own = times == 1
        self.free = np.flatnonzero(~own)  # explicit columns: of no part, or of several
        links, rows = [], p.A.shape[0]
        for k, at in enumerate(self.columns):
            links += [(k, i, int(j)) for i, j in enumerate(at) if not own[j]]
        A = p.A.tocsc()
        place = {int(j): i for i, j in enumerate(self.free)}
        link = sp.csr_matrix(
            (np.ones(len(links)), (range(len(links)), [place[j] for *_, j in links])),
            shape=(len(links), len(self.free)))
        self.rows = sp.vstack([A[:, self.free], link], format="csr")
        self.lo, self.hi = (np.append(b, np.zeros(len(links))) for b in (p.lo, p.hi))
        self.maps, self.costs = [], []
        for k, at in enumerate(self.columns):
            M = np.zeros((rows + len(links), len(at)))
            M[:rows, own[at]] = A[:, at[own[at]]].toarray()
            for r, (part, i, _) in enumerate(links):
                if part == k:
                    M[rows + r, i] = -1.0
            self.maps.append(M)
            self.costs.append(np.where(own[at], p.c[at], 0.0))

    def slope(self, k: int, p: np.ndarray) -> np.ndarray:
        """What part k's u is worth beside its own cost at multipliers p, in v."""
        return (self.costs[k] - self.maps[k].T @ p) * self.parts[k].cost.span

    def start(self, k: int, p: np.ndarray) -> float:
        """The same at v = 0."""
        return float((self.costs[k] - self.maps[k].T @ p) @ self.parts[k].cost.part.lo)

    def outside(self, p: np.ndarray) -> float:
        """The bound's share that belongs to no part: rows and explicit columns."""
        q = self.program
        limit = np.where(p > 0, self.lo, np.where(p < 0, self.hi, 0.0))
        reduced = q.c[self.free] - self.rows.T @ p
        at = np.where(reduced > 0, q.lb[self.free], np.where(reduced < 0, q.ub[self.free], 0.0))
        with np.errstate(invalid="ignore"):
            return q.constant + float(p @ limit) + float(reduced @ at)

    @property
    def leaves(self) -> int:
        """Pieces of all parts."""
        return sum(len(part.leaves) for part in self.parts)

    @property
    def note(self) -> str:
        """What the result says of it."""
        return ("its critical regions are too many to be listed; it was solved over "
                f"{self.leaves} pieces of many regions each")

    def regions_at(self, z: np.ndarray) -> list[Regions]:
        """The region of each part at upper decisions, alone."""
        found = []
        for part, at in zip(self.parts, self.columns, strict=True):
            cost = part.cost
            a = part.solution((z[at] - cost.part.lo) / cost.span)
            if a is None:
                raise NotExplicit("no state of its rows was found at the decisions of the search",
                                  too_large=True)
            found.append(Regions(cost.part, [Region(a, part.root.cell.as_polytope())], 0.0))
        return found


def refuse_many(worths: Sequence[tuple[RegionObjective, int]], most: int) -> None:
    """NotExplicit where the regions of a part are known to be many without listing them.

    Parameters
    ----------
    worths
        Terms of each part in the upper objective, and the sense (+1, -1) of its lower level.
    most
        Greatest number of regions of a part.
    """
    for worth, sigma in worths:
        part = worth.part
        if worth.complete and np.isfinite(part.cap).sum() * _EACH > most and part.m > 1:
            try:
                switching = LazyPart(PartCost(worth, sigma)).switching
            except NotExplicit:
                continue
            if switching * _EACH > most:
                raise NotExplicit(f"it has more than {most} critical regions in one part "
                                  f"({switching} soft limits switch there)", too_large=True)


def join_parts(program: Program, worths: Sequence[tuple[RegionObjective, int]],
               columns: list[np.ndarray], why: NotExplicit) -> Joined:
    """The parts for a search without a list of regions.

    Parameters
    ----------
    program
        Rows and linear objective of the upper Vars.
    worths
        As of `refuse_many`.
    columns
        Columns of each part's decisions in the program.
    why
        Why their regions are not listed; raised where this search cannot be used either.
    """
    try:
        return Joined(program, [LazyPart(PartCost(*worth)) for worth in worths], columns)
    except NotExplicit as err:
        raise why from err
