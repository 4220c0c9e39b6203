"""Critical regions: where the solution of a condensed part is one affine function.

From a first region the walk steps over every facet; the state beyond is the old one with the row
of the facet changed, or the one that a primal-dual active-set method or a QP finds from it, and it
is accepted only where all optimality conditions hold. At the end the volumes of the regions must
add up to that of the range of u: that is the certificate that none is missing. The range is a
little wider than the box, so that regions that only touch it are found, too.

References: Bemporad, Morari, Dua, Pistikopoulos (2002), Automatica 38; Spjotvold et al. (2006),
Automatica 42 (facet to facet, and why it is not enough).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyomo_dlmp.numerics.effort import Effort
from pyomo_dlmp.numerics.polytopes import Polytope, chebyshev_ball, make_polytope
from pyomo_dlmp.parametric.active_sets import Affine, affine, conditions, repair, scale_of
from pyomo_dlmp.parametric.condensed import CondensedQp, NotExplicit, width
from pyomo_dlmp.parametric.known_states import possible
from pyomo_dlmp.parametric.states import has_one_state, solve_at
from pyomo_dlmp.tolerances import COVERED, FACET_STEPS, POLISHED, ROUNDING, WIDENED

_VOLUMES = 5  # dimensions up to which coverage is checked by volumes
_STARTS = 10  # points at which a first state is looked for
_IDLE = 2  # searches in a row without a new region
# units of work (milliseconds of one core, measured on IEEE 37 and 123 with 3 and 8 sites)
_REPAIR, _SOLVE, _POLYTOPE, _VERTEX, _LP, _GUESS = 0.5, 4.0, 1.0, 0.08, 0.3, 0.02


@dataclass
class Region:
    """A critical region.

    Attributes
    ----------
    affine
        The solution there.
    polytope
        Where it is optimal, in the (slightly widened) range of u scaled to 0 .. 1.
    """

    affine: Affine
    polytope: Polytope


@dataclass
class Regions:
    """All regions of a part.

    Attributes
    ----------
    part
        The condensed part.
    regions
        Its regions.
    covered
        Their volume relative to the range's.
    new
        How many of them were of no known state.
    overlaps
        Whether regions had to be cut, as several states have the same solution.
    """

    part: CondensedQp
    regions: list[Region]
    covered: float
    new: int = 0
    overlaps: bool = False

    def at(self, u: np.ndarray) -> Region:
        """The region that contains u, shape (m,); where several do, the one it is deepest in."""
        v = unit(self.part, u)
        return min(self.regions, key=lambda r: float((r.polytope.A @ v - r.polytope.b).max()))


def unit(part: CondensedQp, u: np.ndarray) -> np.ndarray:
    """u, shape (m,), in the range scaled to 0 .. 1."""
    return (u - part.lo) / width(part)


def enumerate_regions(part: CondensedQp, most: int = 500, effort: Effort | None = None,
                      guesses: np.ndarray | None = None) -> Regions:
    """All critical regions of a part; see the module's text.

    They are the same with and without guesses, in the same order: where more than one set of states
    describes the solution, guesses are not used.

    Parameters
    ----------
    part
        The condensed part.
    most
        Greatest number of regions.
    effort
        Work that it may cost; None: no limit.
    guesses
        States that may have a region (of a similar part), shape (k, rows).

    Returns
    -------
    Regions

    Raises
    ------
    NotExplicit
        There are more, the effort is used up, or regions do not cover the range.
    """
    effort = effort or Effort()
    if guesses is not None and len(guesses):
        spent = effort.spent
        try:
            found = _by_guesses(part, most, effort, guesses)
        except NotExplicit:
            found = None
        if found is not None:
            return found
        effort.spent = spent
    return _enumerated(_Walk(part, most, effort))


def region_of(part: CondensedQp, state: np.ndarray) -> Regions | None:
    """The region of one state alone.

    Parameters
    ----------
    part
        The condensed part.
    state
        Of each row of A, shape (rows,).

    Returns
    -------
    Regions or None
        None where the state has none.
    """
    walk = _Walk(part, 1, Effort())
    walk.guess(state)
    return Regions(part, walk.regions, 0.0) if walk.regions else None


def _by_guesses(part: CondensedQp, most: int, effort: Effort,
                guesses: np.ndarray) -> Regions | None:
    """All regions from known states; None where these describe the solution in several ways."""
    walk = _Walk(part, most, effort)
    effort.spend(_GUESS * len(guesses))
    for state in possible(part, guesses):
        walk.guess(state)
    known = len(walk.regions)
    if not known or walk.overlap:
        return None
    found = _enumerated(walk)
    if found.overlaps or not all(has_one_state(part, r.affine) for r in found.regions):
        return None
    found.new = len(found.regions) - known
    return found


def _enumerated(walk: _Walk) -> Regions:
    """All regions from those that a walk has; none where it has none."""
    part, m = walk.part, walk.m
    rng = np.random.default_rng(0)
    starts = 0.5 + 0.3 * (rng.random((_STARTS, m)) - 0.5)
    if not walk.regions and not any(walk.visit(v) for v in starts):
        raise NotExplicit("its optimality conditions could not be solved at a point of the "
                             "range (infeasible there, or degenerate)")
    total = (1.0 + 2.0 * WIDENED) ** m
    idle, covered, overlaps = 0, 0.0, False
    if m > _VOLUMES:
        walk.run()
        return Regions(part, walk.ordered(), _nothing_left(walk), len(walk.regions))
    covered = walk.volume() / total if m else 1.0
    if covered < 1.0 - POLISHED:
        walk.run()
    while idle <= _IDLE:
        covered = walk.volume() / total if m else 1.0
        if covered >= 1.0 - COVERED:
            break
        before = len(walk.regions)
        walk.search(rng)
        idle = 0 if len(walk.regions) > before else idle + 1
    regions = walk.ordered()
    if covered > 1.0 + 10 * COVERED:
        overlaps = True
        regions = _apart(regions, walk.effort)
        covered = sum(r.polytope.volume for r in regions) / total
    if abs(covered - 1.0) > 10 * COVERED:
        raise NotExplicit(f"its regions cover {covered:.8f} of the range of the upper decisions")
    return Regions(part, regions, covered, len(regions), overlaps)


def _nothing_left(walk: _Walk) -> float:
    """1.0 where the range minus all regions is empty, by set differences; otherwise NotExplicit.

    The certificate of many dimensions, where volumes are slow.
    """
    left = [walk.box]
    for region in walk.regions:
        polytope, cells = region.polytope, []
        for A, b in left:
            for normal, limit in zip(polytope.A, polytope.b, strict=True):
                cell = np.vstack([A, -normal]), np.append(b, -limit)
                found = chebyshev_ball(*cell)
                if found is not None and found[1] > COVERED:
                    cells.append(cell)
                A, b = np.vstack([A, normal]), np.append(b, limit)
            walk.effort.spend(_LP * len(polytope.b))
            if walk.effort.is_used_up:
                raise NotExplicit("showing that its critical regions cover the range takes too "
                                  "much work, time or memory", too_large=True)
        left = cells
    if left:
        raise NotExplicit("its regions do not cover the range of the upper decisions")
    return 1.0


def _apart(regions: list[Region], effort: Effort) -> list[Region]:
    """The same union without overlaps, which arise where several states have the same solution."""
    found: list[Region] = []
    for region in regions:
        left = [region.polytope]
        for other in found:
            left = [piece for polytope in left for piece in _without(polytope, other.polytope)]
            effort.spend(_POLYTOPE * len(left))
            if effort.is_used_up:
                raise NotExplicit("its critical regions overlap, and making them disjoint takes "
                                  "too much work, time or memory", too_large=True)
        found += [Region(region.affine, polytope) for polytope in left]
    return found


def _without(polytope: Polytope, other: Polytope) -> list[Polytope]:
    """Convex pieces of polytope minus other."""
    if ((polytope.vertices.min(axis=0) >= other.vertices.max(axis=0) - ROUNDING)
            | (other.vertices.min(axis=0) >= polytope.vertices.max(axis=0) - ROUNDING)).any():
        return [polytope]
    common = make_polytope(np.vstack([polytope.A, other.A]), np.concatenate([polytope.b, other.b]))
    if common is None:
        return [polytope]
    pieces, A, b = [], polytope.A, polytope.b
    for normal, limit in zip(other.A, other.b, strict=True):
        piece = make_polytope(np.vstack([A, -normal]), np.append(b, -limit))
        if piece is not None:
            pieces.append(piece)
        A, b = np.vstack([A, normal]), np.append(b, limit)
    return pieces


class _Walk:
    """Regions by state, and the facets that are still to be stepped over."""

    def __init__(self, part: CondensedQp, most: int, effort: Effort):
        self.part, self.most, self.effort = part, most, effort
        self.m = part.m
        self.width = width(part)
        self.regions: list[Region] = []
        self.known: set[bytes] = set()
        self.open: list[tuple[int, int]] = []
        self.overlap = False  # a guess has its region where there is one already
        self.volumes: list[float] = []
        self.lowest, self.highest = np.empty((16, self.m)), np.empty((16, self.m))
        eye = np.eye(self.m)
        self.box = np.vstack([eye, -eye]), np.concatenate(
            [np.full(self.m, 1.0 + WIDENED), np.full(self.m, WIDENED)])

    def ordered(self) -> list[Region]:
        """The regions in an order that does not depend on how they were found."""
        return sorted(self.regions, key=lambda region: region.affine.state.tobytes())

    def volume(self) -> float:
        """Of all regions."""
        self.volumes += [region.polytope.volume for region in self.regions[len(self.volumes):]]
        return sum(self.volumes)

    def run(self) -> None:
        while self.open:
            self._cross(*self.open.pop())

    def covered(self, v: np.ndarray, margin: float = 0.0) -> bool:
        """Whether a known region contains v; boxes around the regions exclude most quickly."""
        k = len(self.regions)
        near = ((self.lowest[:k] <= v + COVERED) & (v <= self.highest[:k] + COVERED)).all(axis=1)
        return any(self.regions[i].polytope.holds(v, margin) for i in np.flatnonzero(near))

    def _cross(self, number: int, facet: int) -> None:
        """To the region beyond a facet: a tiny step, longer ones where that shows none."""
        region = self.regions[number]
        polytope = region.polytope
        middle = polytope.vertices[polytope.facet_vertices[facet]].mean(axis=0)
        for by_solver in (False, True):
            for step in FACET_STEPS:
                v = middle + step * polytope.A[facet]
                if (v > 1.0 + WIDENED).any() or (v < -WIDENED).any():
                    break  # what lies between is narrower than this step, and may be there
                if self.covered(v):
                    return
                u = self.part.lo + self.width * v
                self.effort.spend(_SOLVE if by_solver else _REPAIR)
                if self._add(solve_at(self.part, u, POLISHED) if by_solver
                             else repair(self.part, region.affine.state, u, POLISHED)):
                    return

    def visit(self, v: np.ndarray, state: np.ndarray | None = None) -> bool:
        """Whether a new region was found at v; from a state nearby if there is one."""
        u = self.part.lo + self.width * v
        if state is not None and self._add(repair(self.part, state, u, POLISHED)):
            return True
        self.effort.spend(_SOLVE)
        return self._add(solve_at(self.part, u, POLISHED))

    def guess(self, state: np.ndarray) -> None:
        """The region of a state, if it has one that is not covered."""
        found = affine(self.part, state)
        polytope = self._new(found)
        if found is None or polytope is None:
            return
        if self.covered(polytope.center, -ROUNDING):
            self.overlap = True
            return
        self._take(found, polytope)

    def _new(self, found: Affine | None) -> Polytope | None:
        """Polytope of a state that is not known yet and has an inside."""
        if found is None or found.state.tobytes() in self.known:
            return None
        self.known.add(found.state.tobytes())
        self.effort.spend(_POLYTOPE)
        G, h, owner = conditions(self.part, found)
        size = scale_of(self.part, owner, found.state)
        G, h = G / size[:, None], h / size
        h = h - G @ self.part.lo
        G = G * self.width
        needed = np.maximum(G, 0.0).sum(axis=1) * (1 + WIDENED) - np.minimum(
            G, 0.0).sum(axis=1) * WIDENED > h - 0.1 * ROUNDING
        polytope = make_polytope(np.vstack([G[needed], self.box[0]]),
                                 np.concatenate([h[needed], self.box[1]]))
        if polytope is not None:
            self.effort.spend(_VERTEX * len(polytope.vertices))
        return polytope

    def _add(self, found: Affine | None) -> bool:
        """Whether an affine solution has a region of its own that was not known."""
        polytope = self._new(found)
        return found is not None and polytope is not None and self._take(found, polytope)

    def _take(self, found: Affine, polytope: Polytope) -> bool:
        if len(self.regions) >= self.most:
            raise NotExplicit(
                f"it has more than {self.most} critical regions in one part", too_large=True)
        if self.effort.is_used_up:
            raise NotExplicit(
                "finding its critical regions takes too much work, time or memory "
                f"({len(self.regions)} were found in one part)", too_large=True)
        self.regions.append(Region(found, polytope))
        if len(self.regions) > len(self.lowest):
            self.lowest, self.highest = (np.resize(a, (2 * len(a), self.m))
                                         for a in (self.lowest, self.highest))
        self.lowest[len(self.regions) - 1] = polytope.vertices.min(axis=0)
        self.highest[len(self.regions) - 1] = polytope.vertices.max(axis=0)
        self.open += [(len(self.regions) - 1, i) for i in range(len(polytope.b))]
        return True

    def search(self, rng) -> None:
        """Look for what was missed: at points beside the facets, then anywhere."""
        for region in list(self.regions):
            polytope = region.polytope
            for facet in range(len(polytope.b)):
                on = polytope.vertices[polytope.facet_vertices[facet]]
                weight = rng.dirichlet(np.ones(len(on)))
                beside = weight @ on + 10 * FACET_STEPS[0] * polytope.A[facet]
                self._try(beside, region.affine.state)
        for v in rng.random((50, self.m)):
            self._try(v, None)
        self.run()

    def _try(self, v, state) -> None:
        inside = (v <= 1.0 + WIDENED).all() and (v >= -WIDENED).all()
        if inside and not self.covered(v, ROUNDING):
            self.visit(v, state if state is not None else self.regions[0].affine.state)
