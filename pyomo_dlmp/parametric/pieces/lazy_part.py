"""Least cost of a part by branch and bound over pieces that are made where they are looked at.

Pieces are cut where their bound is furthest below the cost: along the zero of a row that switches,
or along an optimality condition of the state at a piece's centre. What was cut once serves all
later searches of the part, whatever slope is added to its cost.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from itertools import count

import numpy as np

from pyomo_dlmp.numerics import limits
from pyomo_dlmp.parametric.active_sets import Affine, affine, conditions, scale_of
from pyomo_dlmp.parametric.pieces.cells import Cell, unit_cell
from pyomo_dlmp.parametric.pieces.part_costs import PartCost
from pyomo_dlmp.parametric.pieces.piece import Piece, steps_over
from pyomo_dlmp.tolerances import FACET_STEPS, POLISHED, ROUNDING

_SHARES = (0.3, 0.1, 0.03)  # e in the affine bounds of `piece`, besides 1
_VERTICES = 20  # vertices up to which these bounds are computed
_THIN = FACET_STEPS[1]  # width of a cell that is cut no more, share of the range


class LazyPart:
    """A part and its pieces.

    Parameters
    ----------
    cost
        The part and its cost.

    Attributes
    ----------
    leaves
        Pieces that are not cut; together they are the range of u.
    points, values
        Where the cost is known, and the cost there.
    made
        Number of pieces that were made.
    """

    def __init__(self, cost: PartCost):
        self.cost, self.m = cost, cost.part.m
        self.points: list[np.ndarray] = []
        self.values: list[float] = []
        self.made = 0
        self.zero: float | None = None  # V at u = 0, infinite where there is no solution
        self.root = self._piece(unit_cell(self.m), None, cost.middle)
        self.leaves: dict[int, Piece] = {id(self.root): self.root}

    @property
    def switching(self) -> int:
        """Rows that switch within the range, each along a plane of its own; 0: not known."""
        return len(self.root.open) if self.root.steps is not None else 0

    def minimum(self, slope: np.ndarray, tolerance: float, most: int) -> tuple[float, np.ndarray]:
        """Least cost + slope'v over the range.

        Parameters
        ----------
        slope
            In v, shape (m,).
        tolerance
            Difference of bound and value at which the search ends.
        most
            Pieces that it may cut.

        Returns
        -------
        tuple
            (proven lower bound, best v that is known).
        """
        order = count()
        heap = []
        for piece in self.leaves.values():
            piece.bound = piece.quick_bound(slope)
            heap.append((piece.bound, next(order), piece, False))
        heapq.heapify(heap)
        best, at = self._known(slope)
        while heap:
            bound, _, piece, fresh = heap[0]
            if bound >= best - tolerance or most <= 0 or limits.stopped():
                return min(bound, best), at
            heapq.heappop(heap)
            if not fresh:
                piece.minimise(slope)
                heapq.heappush(heap, (piece.bound, next(order), piece, True))
                continue
            value = self._visit(piece, piece.best)
            if value is not None and value + float(slope @ piece.best) < best:
                best, at = value + float(slope @ piece.best), piece.best
                if bound >= best - tolerance:
                    heapq.heappush(heap, (bound, next(order), piece, True))
                    continue
            most -= 1
            made = self.cut(piece, piece.best)
            if not made:  # its bound stays
                return min(bound, best), at
            for child in made:
                child.minimise(slope)
                child.bound = max(child.bound, bound)
                heapq.heappush(heap, (child.bound, next(order), child, True))
        return best, at

    def _known(self, slope: np.ndarray) -> tuple[float, np.ndarray]:
        if not self.points:
            return np.inf, np.full(self.m, 0.5)
        worth = np.array(self.values) + np.array(self.points) @ slope
        k = int(np.argmin(worth))
        return float(worth[k]), self.points[k]

    def _visit(self, piece: Piece, v: np.ndarray) -> float | None:
        """The cost at a point of a piece; it is kept. None where there is no solution."""
        if piece.steps is not None:
            value = piece.cost(v)
        else:
            a = self.cost.solve(v, None if piece.state is None else piece.state.state)
            if a is None:
                return None
            value = self.cost.quadratic(a)(v)
        self.points.append(v)
        self.values.append(value)
        return value

    def value(self, v: np.ndarray) -> float | None:
        """The cost at v; the least of all pieces that contain it. None without a solution."""
        found = [self._visit(piece, v) for piece in self.pieces_at(v)]
        return min((value for value in found if value is not None), default=None)

    def solution(self, v: np.ndarray) -> Affine | None:
        """The lower level's solution at v that costs the upper level least."""
        best: tuple[float, Affine | None] = (np.inf, None)
        for piece in self.pieces_at(v):
            if piece.steps is not None:
                a, value = affine(self.cost.part, piece.state_at(v)), piece.cost(v)
            else:
                a = self.cost.solve(v, None if piece.state is None else piece.state.state)
                value = np.inf if a is None else self.cost.quadratic(a)(v)
            if a is not None and value < best[0]:
                best = value, a
        return best[1]

    def pieces_at(self, v: np.ndarray) -> Iterator[Piece]:
        """Leaves that contain v."""
        stack = [self.root]
        while stack:
            piece = stack.pop()
            if piece.children is None:
                yield piece
                continue
            a, b, low, high = piece.children
            height = float(a @ v) - b
            stack += [low] * (height <= ROUNDING) + [high] * (height >= -ROUNDING)

    def cut(self, piece: Piece, v: np.ndarray) -> list[Piece]:
        """Cut a leaf in two near a point, and make both halves leaves; none where it is too thin.

        Parameters
        ----------
        piece
            A leaf.
        v
            A point of it.
        """
        if np.ptp(piece.cell.vertices, axis=0).max() < _THIN:
            return []
        if piece.steps is None and not piece.tried:
            self._bound(piece)
            return [piece]
        for a, b in self._planes(piece, v):
            size = float(np.linalg.norm(a))
            halves = piece.cell.halves(a, b)
            if halves is not None:
                break
        else:
            return []
        del self.leaves[id(piece)]
        made = [self._child(piece, half) for half in halves]
        piece.children = (a / size, b / size, *made)
        self.leaves |= {id(child): child for child in made}
        return made

    def _planes(self, piece: Piece, v: np.ndarray) -> Iterator[tuple[np.ndarray, float]]:
        """Planes to cut a piece along, the best ones first."""
        if piece.steps is not None:
            errors = piece.errors(v)
            for k in np.argsort(-errors)[:5]:
                if errors[k] > 0:
                    row = piece.open[k]
                    yield piece.steps.slope[row], -float(piece.steps.start[row])
        elif piece.state is not None:
            yield from self._conditions(piece)
        X = piece.cell.vertices
        longest = int(np.argmax(np.ptp(X, axis=0)))
        yield np.eye(self.m)[longest], float(X[:, longest].min() + X[:, longest].max()) / 2

    def _conditions(self, piece: Piece) -> Iterator[tuple[np.ndarray, float]]:
        """Conditions of the state at the centre that fail in the cell, balanced cuts first."""
        part, span = self.cost.part, self.cost.span
        G, h, owner = conditions(part, piece.state)
        size = scale_of(part, owner, piece.state.state)
        G, h = G / size[:, None], h / size
        h, G = h - G @ part.lo, G * span
        height = piece.cell.vertices @ G.T - h
        low, high = -height.min(axis=0), height.max(axis=0)
        fails = np.flatnonzero((high > POLISHED) & (low > POLISHED))
        norm = np.linalg.norm(G[fails], axis=1)
        order = np.argsort(-np.minimum(low[fails], high[fails]) / np.where(norm > 0, norm, 1.0),
                           kind="stable")
        for k in fails[order][:5]:
            yield G[k], float(h[k])

    def _child(self, piece: Piece, cell: Cell) -> Piece:
        if piece.steps is not None:
            self.made += 1
            child = Piece(cell, piece.steps, piece.open, piece.linear, piece.constant)
        else:
            near = None if piece.state is None else piece.state.state
            child = self._piece(cell, near)
            child.tangents = list(piece.tangents)
        return child

    def _piece(self, cell: Cell, near: np.ndarray | None, state: Affine | None = None) -> Piece:
        self.made += 1
        state = self.cost.solve(cell.center, near) if state is None else state
        steps = None if state is None else steps_over(self.cost, state, cell)
        rows = np.arange(0 if steps is None else len(steps.rows))
        return Piece(cell, steps, rows, np.zeros(self.m), 0.0, state=state)

    def _bound(self, piece: Piece) -> None:
        """Affine bounds of a piece from the convexity of the optimal cost V; see `piece`."""
        piece.tried = True
        cost, cell = self.cost, piece.cell
        if piece.state is None:
            return
        center = cell.center
        base = cost.value(center, piece.state)
        own = cost.gradient(center, piece.state) * cost.span
        zero = -cost.part.lo / cost.span  # u = 0
        rest = self._rest(piece)
        if self.zero is None:
            a = cost.solve(zero)
            self.zero = np.inf if a is None else cost.value(zero, a)
        if np.isfinite(self.zero):
            piece.tangents.append((own * cost.factor + rest[0], (
                base - float(own @ center) - self.zero) * cost.factor + rest[1]))
        for share in _SHARES if len(cell.vertices) <= _VERTICES else ():
            shrunk = center + share * (zero - center)
            a = cost.solve(shrunk, piece.state.state)
            if a is None:
                continue
            slope = (1.0 - share) * cost.gradient(shrunk, a) * cost.span
            values = self._values(cell.vertices + share * (zero - cell.vertices), a)
            if values is not None:
                top = float((values - cell.vertices @ slope).max())
                linear = (own - slope) / share * cost.factor
                start = (base - float(own @ center) - top) / share * cost.factor
                piece.tangents.append((linear + rest[0], start + rest[1]))

    def _values(self, points: np.ndarray, a: Affine) -> np.ndarray | None:
        """Upper bounds of V at points: by a solution nearby where it is feasible, else V itself.

        None where a point has no solution.
        """
        values = np.empty(len(points))
        slope, start = self.cost.rows_of(a)
        hard = np.isinf(self.cost.part.cap)
        holds = ((points @ slope[hard].T + start[hard]) >= 0.0).all(axis=1)
        for k, point in enumerate(points):
            there = a if holds[k] else self.cost.solve(point, a.state)
            if there is None:
                return None
            values[k] = self.cost.value(point, there)
        return values

    def _rest(self, piece: Piece) -> tuple[np.ndarray, float]:
        """An affine function below what the upper level pays beside prices, over the cell."""
        q = self.cost.beside
        X = piece.cell.vertices
        center = piece.cell.center
        slope, start = q.tangent(center)
        bend = float(np.linalg.eigvalsh(q.P).min())
        far = float(((X - center) ** 2).sum(axis=1).max())
        return slope, start + 0.5 * min(bend, 0.0) * far
