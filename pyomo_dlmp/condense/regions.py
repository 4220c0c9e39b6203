"""Critical regions: where the answer of a condensed part is one affine function.

From a first region the walk steps over every facet; the state beyond is the old one with the row
of the facet changed, or what a primal-dual active set or a QP makes of it, and it is believed only
where all optimality conditions hold. At the end the volumes of the regions must add up to that of
the range of u: that is the certificate that none is missing. The range is a little wider than the
box, so that regions that only touch it are met, too.

References: Bemporad, Morari, Dua, Pistikopoulos (2002), Automatica 38; Spjotvold et al. (2006),
Automatica 42 (facet to facet, and why it is not enough).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyomo_dlmp.condense.part import CannotCondense, Part
from pyomo_dlmp.condense.polytope import Polytope, polytope
from pyomo_dlmp.condense.states import Affine, conditions, repair, scale_of, solve_at

TOLERANCE = 1e-8
_STEP = 1e-7  # over a facet, relative to the width of the range
_WIDER = 1e-4
_COVERED = 1e-6
_TRIES = 60


@dataclass
class Region:
    """An affine solution and the polytope of the (widened, scaled to 0 .. 1) range it holds on."""

    affine: Affine
    shape: Polytope


@dataclass
class Regions:
    """All regions of a part. `covered`: their volume relative to the range's."""

    part: Part
    regions: list[Region]
    covered: float

    def at(self, u: np.ndarray) -> Region:
        """The region that holds u (the one it is deepest in)."""
        v = unit(self.part, u)
        return min(self.regions, key=lambda r: float((r.shape.A @ v - r.shape.b).max()))


def unit(part: Part, u):
    """u in the range scaled to 0 .. 1."""
    return (u - part.lo) / width(part)


def width(part: Part) -> np.ndarray:
    """Width of the range of each decision (something small where it is a point)."""
    span = part.hi - part.lo
    return np.where(span > 1e-9, span, 1e-3 * (1.0 + np.abs(part.lo)))


def enumerate_regions(part: Part, most: int = 500, rng=None) -> Regions:
    """All critical regions; CannotCondense: more than `most`, or the range is not coverable."""
    walk = _Walk(part, most)
    rng = np.random.default_rng(0) if rng is None else rng
    m = part.m
    walk.visit(0.5 + 0.2 * (rng.random(m) - 0.5))
    walk.run()
    total = (1.0 + 2.0 * _WIDER) ** m
    for _ in range(_TRIES):
        covered = sum(r.shape.volume for r in walk.regions) / total if m else 1.0
        if covered >= 1.0 - _COVERED:
            break
        walk.search(rng)
    if abs(covered - 1.0) > 10 * _COVERED:
        raise CannotCondense(f"its regions cover {covered:.8f} of the range of the upper decisions")
    return Regions(part, walk.regions, covered)


class _Walk:
    """Regions by state, and the facets that are still to be stepped over."""

    def __init__(self, part: Part, most: int):
        self.part, self.most = part, most
        self.m = part.m
        self.width = width(part)
        self.regions: list[Region] = []
        self.known: set[bytes] = set()
        self.open: list[tuple[int, int]] = []
        eye = np.eye(self.m)
        self.box = np.vstack([eye, -eye]), np.concatenate(
            [np.full(self.m, 1.0 + _WIDER), np.full(self.m, _WIDER)])

    def run(self) -> None:
        while self.open:
            number, facet = self.open.pop()
            region = self.regions[number]
            shape = region.shape
            middle = shape.corners[shape.on[facet]].mean(axis=0)
            v = middle + _STEP * shape.A[facet]
            if (v > 1.0 + _WIDER).any() or (v < -_WIDER).any():
                continue
            if any(r.shape.holds(v) for r in self.regions):
                continue
            self.visit(v, region.affine.state)

    def visit(self, v: np.ndarray, state=None) -> None:
        """The region at v; with the state next door if there is one."""
        u = self.part.lo + self.width * v
        found = None if state is None else repair(self.part, state, u, TOLERANCE)
        found = self._new(found)
        if found is None:
            found = self._new(solve_at(self.part, u, TOLERANCE))
        if found is None:
            if state is None:
                raise CannotCondense("its optimality conditions could not be solved at a point of "
                                     "the range (infeasible there, or degenerate)")
            return
        self._add(found)

    def _new(self, found: Affine | None):
        """(affine, polytope) of a state that is not known yet and has an inside."""
        if found is None or found.state.tobytes() in self.known:
            return None
        self.known.add(found.state.tobytes())
        G, h, owner = conditions(self.part, found)
        size = scale_of(self.part, owner, found.state)
        G, h = G / size[:, None], h / size
        h = h - G @ self.part.lo
        G = G * self.width
        needed = np.maximum(G, 0.0).sum(axis=1) * (1 + _WIDER) - np.minimum(
            G, 0.0).sum(axis=1) * _WIDER > h - 1e-10
        shape = polytope(np.vstack([G[needed], self.box[0]]),
                         np.concatenate([h[needed], self.box[1]]))
        return None if shape is None else (found, shape)

    def _add(self, found) -> None:
        if len(self.regions) >= self.most:
            raise CannotCondense(f"it has more than {self.most} critical regions in one part", near=True)
        a, shape = found
        self.regions.append(Region(a, shape))
        self.open += [(len(self.regions) - 1, i) for i in range(len(shape.b))]

    def search(self, rng) -> None:
        """Look for what was missed: at points beside the facets, then anywhere."""
        before = len(self.regions)
        for region in list(self.regions):
            shape = region.shape
            for facet in range(len(shape.b)):
                on = shape.corners[shape.on[facet]]
                weight = rng.dirichlet(np.ones(len(on)))
                self._try(weight @ on + 10 * _STEP * shape.A[facet], region.affine.state)
        for v in rng.random((50, self.m)):
            self._try(v, None)
        if len(self.regions) > before:
            self.run()

    def _try(self, v, state) -> None:
        inside = (v <= 1.0 + _WIDER).all() and (v >= -_WIDER).all()
        if inside and not any(r.shape.holds(v, 1e-9) for r in self.regions):
            self.visit(v, state if state is not None else self.regions[0].affine.state)
