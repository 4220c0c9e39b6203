"""Several leaders over one lower level: each one's best response, from the same critical regions.

Leader i decides u_i and minimises its own objective F_i(u_i, u_-i); the lower level answers all of
them. On a critical region F_i is a quadratic of all decisions, so that the regions of the joint
problem, enumerated once, hold every best response: with the others' decisions given, a region is a
slice of itself, and the cost on it a quadratic of u_i alone,

    A_i v_i <= b - A_-i v_-i,     1/2 v_i' P_ii v_i + (p_i + P_i,-i v_-i)' v_i + constant.

A leader that pays prices pays for its own decisions. Where prices are not unique it counts on the
optimal dual that is best for it, as a single leader does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from pyomo.common.gc_manager import PauseGC

from pyomo_dlmp.errors import ModelError, SolverError
from pyomo_dlmp.lower.solver import LowerSolution
from pyomo_dlmp.numerics.outer_approximation import solve_outer
from pyomo_dlmp.numerics.program import Program
from pyomo_dlmp.numerics.sparse import csr_of
from pyomo_dlmp.parametric.atlas import Atlas
from pyomo_dlmp.parametric.condensed import NotExplicit, width
from pyomo_dlmp.parametric.explicit import prepare
from pyomo_dlmp.parametric.hull import Hull, build_hull
from pyomo_dlmp.parametric.leader_terms import read_leader
from pyomo_dlmp.parametric.master import solve_master
from pyomo_dlmp.parametric.nearness import nearby
from pyomo_dlmp.parametric.polish import polished
from pyomo_dlmp.parametric.region_costs import RegionCost
from pyomo_dlmp.parametric.regions_point import point_by_regions
from pyomo_dlmp.parametric.slices import Slice, slice_of
from pyomo_dlmp.tolerances import ABSOLUTE_GAP, ACTIVE, ENTRY


@dataclass
class Response:
    """A leader's best response to the others' decisions.

    Attributes
    ----------
    value
        Its objective at the decisions that it was asked at.
    cost, bound
        Its objective at the response, and the proven bound of any response.
    point
        Decisions of all leaders, the others' unchanged, shape (columns,).
    """

    value: float
    cost: float
    bound: float
    point: np.ndarray

    @property
    def regret(self) -> float:
        """What the leader can gain by itself at most: its value less the bound."""
        return max(0.0, self.value - self.bound)


class Leaders:
    """Leaders over the lower levels of one model.

    Parameters
    ----------
    model : ConcreteModel
        Its active Objective is the sum of those of the leaders: what any of them pays must stand
        in it.
    leaders : mapping of str to (Objective, list of VarData)
        The objective of each, which may be deactivated, and what it decides.
    atlas : Atlas, optional
        States known so far.

    Attributes
    ----------
    columns
        VarData of all decisions; a point has one value for each.

    Raises
    ------
    NotExplicit
        The model is not one for critical regions.
    ModelError
        A decision is nobody's.
    """

    def __init__(self, model: Any, leaders: Mapping[str, tuple[Any, list]],
                 atlas: Atlas | None = None):
        self._atlas = Atlas(series=False) if atlas is None else atlas
        with PauseGC():
            self._ready = ready = prepare(model, atlas=self._atlas)
            if ready.joined is not None:
                raise NotExplicit("it has too many regions to be listed", too_large=True)
            self._hull, self.columns = ready.hull, ready.columns
            self._leaders = {name: read_leader(ready, model, *found)
                             for name, found in leaders.items()}
        owned = np.zeros(len(self.columns), int)
        for leader in self._leaders.values():
            owned[leader.own] += 1
        if (owned != 1).any():
            var = self.columns[int(np.flatnonzero(owned != 1)[0])]
            raise ModelError.at(var.name, "is decided by no leader, or by two", "")
        self._kept: dict[tuple[str, int], tuple[np.ndarray, list[RegionCost]]] = {}

    @property
    def names(self) -> list[str]:
        """Of the leaders, in their order."""
        return list(self._leaders)

    @property
    def whole(self) -> bool:
        """Whether any decision is an integer."""
        return bool(self._hull.upper.integer.any())

    # ------------------------------------------------------------------------------ at a point

    def value(self, name: str, z: np.ndarray) -> float:
        """A leader's objective at a point; where prices are not unique, the best for it.

        Parameters
        ----------
        name
            Of the leader.
        z
            Decisions of all, shape (columns,).

        Returns
        -------
        float
        """
        leader = self._leaders[name]
        total = leader.constant + float(leader.c @ z)
        for costs, near, v in zip(leader.costs, *self._near(z), strict=True):
            if costs is not None:
                total += min(costs[r](v) for r in near)
        return total

    def _near(self, z: np.ndarray) -> tuple[list[list[int]], list[np.ndarray]]:
        """(pieces that contain a point, the scaled point) of each part."""
        near, scaled = [], []
        for part, pieces, at in zip(self._hull.parts, self._hull.pieces, self._hull.u,
                                    strict=True):
            v = (z[at] - part.lo) / width(part)
            depth = [float((p.polytope.A @ v - p.polytope.b).max(initial=-np.inf)) for p in pieces]
            near.append([r for r, d in enumerate(depth) if d <= ACTIVE]
                        or [int(np.argmin(depth))])
            scaled.append(v)
        return near, scaled

    def _shared(self, z: np.ndarray) -> tuple[list[int], list[np.ndarray]]:
        """(piece of each part whose duals cost all leaders together least, scaled points)."""
        near, scaled = self._near(z)
        chosen = []
        for k, (mine, v) in enumerate(zip(near, scaled, strict=True)):
            pays = [leader.costs[k] for leader in self._leaders.values()]
            chosen.append(min(mine, key=lambda r, pays=pays, v=v: sum(  # type: ignore[misc]
                costs[r](v) for costs in pays if costs is not None)))
        return chosen, scaled

    def shared_values(self, z: np.ndarray) -> dict[str, float]:
        """Objectives of all leaders at a point, at the same duals for all.

        Where prices are not unique, leaders may count on different ones (`value`); these are those
        that cost all of them together least.

        Parameters
        ----------
        z
            Decisions of all, shape (columns,).

        Returns
        -------
        dict
            {leader: value}.
        """
        chosen, scaled = self._shared(z)
        return {name: leader.constant + float(leader.c @ z) + sum(
            costs[r](v) for costs, r, v in zip(leader.costs, chosen, scaled, strict=True)
            if costs is not None) for name, leader in self._leaders.items()}

    def shared_duals(self, z: np.ndarray) -> list[LowerSolution]:
        """Optimal points of the lower levels with the duals of `shared_values`.

        Each is built from regions; its residual tells whether it is optimal.

        Parameters
        ----------
        z
            As of `shared_values`.

        Returns
        -------
        list of LowerSolution
            One for each lower level.
        """
        ready, place = self._ready, self._hull.upper.place
        chosen = [self._hull.pieces[k][r].region for k, r in enumerate(self._shared(z)[0])]
        ready.solvers = [self._atlas.solver_of(kkt) for kkt in ready.systems]
        return [point_by_regions(ready, number, chosen, z[[place[var] for var in kkt.form.u]])
                for number, kkt in enumerate(ready.systems)]

    # ------------------------------------------------------------------------------- responses

    def response(self, name: str, z: np.ndarray, gap: float, room: float = 0.0,
                 time_limit: float | None = None) -> Response:
        """A leader's best response, proven to a gap.

        Parameters
        ----------
        name
            Of the leader.
        z
            Decisions of all, shape (columns,); the leader's own are where it begins.
        gap
            Relative gap to reach.
        room
            Relative: among responses that cost at most this more than the best one found, one near
            the present decisions is taken. It is the least of cost + w |movement|^2 over the same
            regions, with w such that the best one itself would just use up the room.
        time_limit
            Seconds; None: no limit.

        Returns
        -------
        Response

        Raises
        ------
        SolverError
            It has none: its rows cannot be satisfied at the others' decisions.
        """
        leader, program = self._leaders[name], self._program(name, z)
        hull, constant = self._sliced(name, z, program)
        program.constant = hull.linear.constant = constant
        start = z[leader.own]
        out = solve_master(hull, gap, time_limit, start=start)
        if out.z is None:
            raise SolverError.at(f"leader '{name}'", f"has no response: {out.status}",
                                 "Its rows contradict the others' decisions.")
        best = polished(hull, out.z)
        cost = hull.cost_at(best)[0]
        if room > 0.0:
            best = nearby(hull, best, start, cost + room * max(abs(cost), ABSOLUTE_GAP))
            cost = hull.cost_at(best)[0]
        point = z.copy()
        point[leader.own] = best
        return Response(self.value(name, z), cost, out.bound, point)

    def schedule(self, name: str, weights: np.ndarray | None = None) -> np.ndarray:
        """Feasible decisions of one leader, from which to begin.

        Parameters
        ----------
        name
            Of the leader.
        weights
            Shape (own columns,): a corner of its decisions, of least weight. None: the most even
            use of its decisions in the lower level.

        Returns
        -------
        ndarray
            Of its own columns.

        Raises
        ------
        SolverError
            Its rows cannot be satisfied.
        """
        leader, whole = self._leaders[name], self._hull.upper
        own = whole.restrict(leader.own, leader.rows)
        n = len(leader.own)
        if weights is None:
            inner = np.isin(leader.own, np.concatenate([*self._hull.u, np.empty(0, int)]))
            size = np.where(inner, 1.0 / np.maximum(np.abs(own.ub), ENTRY) ** 2, 0.0)
            own = replace(own, c=np.zeros(n), Q=csr_of(
                [(j, j, 2.0 * s) for j, s in enumerate(size) if s], (n, n)))
        else:
            own = replace(own, c=weights)
        found = solve_outer(own)
        if found.z is None:
            raise SolverError.at(f"leader '{name}'", f"has no decisions: {found.status}", "")
        return found.z

    def room(self, z: np.ndarray, way: np.ndarray) -> float:
        """How many times a movement can be made until a row or a bound of any leader ends it.

        Parameters
        ----------
        z, way
            Feasible decisions of all, and the movement, shapes (columns,).

        Returns
        -------
        float
            Infinite where nothing ends it.
        """
        program = self._hull.upper
        A = sp.vstack([program.A, sp.identity(len(z))], format="csr")
        lo, hi = np.append(program.lo, program.lb), np.append(program.hi, program.ub)
        at, along = A @ z, A @ way
        moves = np.abs(along) > ENTRY
        left = np.where(along > 0.0, hi - at, at - lo)[moves] / np.abs(along[moves])
        return float(max(0.0, left.min(initial=np.inf)))

    def own(self, name: str) -> np.ndarray:
        """Places of a leader's decisions in `columns`."""
        return self._leaders[name].own

    def _program(self, name: str, z: np.ndarray) -> Program:
        """The leader's own columns and rows, the others' decisions on the right-hand side."""
        leader, whole = self._leaders[name], self._hull.upper
        own = whole.restrict(leader.own, leader.rows)
        others = z.copy()
        others[leader.own] = 0.0
        shift = whole.A[leader.rows] @ others
        return replace(own, lo=own.lo - shift, hi=own.hi - shift, c=leader.c[leader.own])

    def _sliced(self, name: str, z: np.ndarray, program: Program) -> tuple[Hull, float]:
        """The leader's master, and the constant of its objective."""
        leader, joint = self._leaders[name], self._hull
        others = z.copy()
        others[leader.own] = 0.0
        constant = leader.constant + float(leader.c @ others)
        place = np.full(len(z), -1)
        place[leader.own] = np.arange(len(leader.own))
        near, scaled = self._near(z)
        parts: list[Any] = []
        pieces, where = [], []
        for k, (part, costs, mine) in enumerate(zip(joint.parts, leader.costs, leader.at,
                                                    strict=True)):
            if costs is None:
                continue
            if not len(mine):
                constant += min(costs[r](scaled[k]) for r in near[k])
                continue
            parts.append(Slice(part.lo[mine], part.hi[mine]))
            where.append(place[joint.u[k][mine]])
            pieces.append(self._slices(name, k, mine, scaled[k]))
        return build_hull(program, parts, pieces, where), constant

    def _slices(self, name: str, k: int, mine: np.ndarray, v: np.ndarray) -> list[RegionCost]:
        """The pieces of a part at the others' decisions; the last ones of a leader are kept."""
        others = np.delete(v, mine)
        held = self._kept.get((name, k))
        if held is not None and np.array_equal(held[0], others):
            return held[1]
        found = []
        costs = self._leaders[name].costs[k]
        assert costs is not None
        for r, piece in enumerate(self._hull.pieces[k]):
            mine_of = slice_of(piece, costs[r], mine, v)
            if mine_of is not None:
                found.append(mine_of)
        self._kept[name, k] = others, found
        return found
