"""The master problem over pieces: a hull formulation, with perspective tangents for its costs.

For each part k and its pieces r (binary z, copy v of the scaled decisions, cost t):

    sum_r z = 1,   u = lo sum_r z + width sum_r v,   A v <= b z,   0 <= v <= z
    t >= (slope of tangent)'v + (its value at 0) z

Its linear relaxation is the convex hull of each part's cost, so its bound is the one that the best
multipliers of the coupling rows would give (Dantzig-Wolfe), and its size does not depend on the
feeder. References: Balas (1998), Discrete Applied Mathematics 89; Frangioni and Gentile (2006),
Mathematical Programming 106.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from pyomo_dlmp.numerics.program import Program
from pyomo_dlmp.parametric.condensed import CondensedQp, width
from pyomo_dlmp.parametric.region_costs import RegionCost
from pyomo_dlmp.tolerances import ENTRY, MILP_FEASIBILITY, POLISHED, ROUNDING


@dataclass
class Ended:
    """How the search of a master ended, for the next one that is like it.

    Attributes
    ----------
    sizes
        Of each part: numbers of its pieces, of its rows in the hull, of its first tangents.
    columns
        Status of the columns in the last basis; empty where it is not known.
    rows, tangents
        Status of the hull's rows and of the first tangents, part by part; the first entry of `rows`
        is that of the upper rows.
    cuts
        (part, piece, v) of the other tangents that bind.
    """

    sizes: list[tuple[int, int, int]]
    columns: list
    rows: list[list]
    tangents: list[list]
    cuts: list[tuple[int, int, np.ndarray]]


@dataclass
class Hull:
    """The master problem over pieces.

    Attributes
    ----------
    upper
        Rows and linear objective of the upper Vars alone.
    linear
        The hull over (upper Vars, then the columns of the pieces), without tangents.
    parts, pieces
        The condensed parts, and the pieces of each.
    u
        Columns of each part's decisions among the upper Vars.
    first
        ``first[k][r]``: first column of piece r of part k (v, then z, then t).
    rows
        First row of each part in `linear`, and the number of all rows.
    ended, before
        How the search of this master ended, and that of the last one like it; None: not known.
    """

    upper: Program
    linear: Program
    parts: list[CondensedQp]
    pieces: list[list[RegionCost]]
    u: list[np.ndarray]
    first: list[list[int]] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    ended: Ended | None = None
    before: Ended | None = None

    def tangents(self, at: list[tuple[int, int, np.ndarray]]) -> tuple[sp.csr_matrix, np.ndarray]:
        """Rows of tangents to the pieces' costs.

        Parameters
        ----------
        at
            (part, piece, v) of each tangent.

        Returns
        -------
        tuple
            (A, lower limits) of the rows A z >= 0, shapes (k, columns) and (k,).
        """
        rows, cols, data = [], [], []
        for i, (k, r, v) in enumerate(at):
            slope, start = self.pieces[k][r].below.tangent(v)
            base, m = self.first[k][r], len(v)
            rows += [i] * (m + 2)
            cols += [*range(base, base + m + 2)]
            data += [*(-slope), -start, 1.0]
        shape = (len(at), len(self.linear.c))
        return sp.csr_matrix((data, (rows, cols)), shape=shape), np.zeros(len(at))

    def first_tangents(self) -> tuple[sp.csr_matrix, list[int]]:
        """Rows A z >= 0 of tangents at the vertices and the centre of each piece.

        Returns
        -------
        tuple
            (A, number of the first row of each part, and of all rows).
        """
        data, columns, lengths, starts = [], [], [np.zeros(1, int)], [0]
        for pieces, first in zip(self.pieces, self.first, strict=True):
            count = starts[-1]
            for piece, base in zip(pieces, first, strict=True):
                rows = piece.first_tangents
                data.append(rows.ravel())
                columns.append(np.tile(np.arange(base, base + rows.shape[1]), len(rows)))
                lengths.append(np.full(len(rows), rows.shape[1]))
                count += len(rows)
            starts.append(count)
        shape = (starts[-1], len(self.linear.c))
        if not starts[-1]:
            return sp.csr_matrix(shape), starts
        return sp.csr_matrix((np.concatenate(data), np.concatenate(columns), np.cumsum(
            np.concatenate(lengths))), shape=shape), starts

    def centers(self) -> list[tuple[int, int, np.ndarray]]:
        """(part, piece, v) of the centre of each piece."""
        return [(k, r, piece.polytope.center) for k, pieces in enumerate(self.pieces)
                for r, piece in enumerate(pieces)]

    def shares(self, z: np.ndarray) -> Iterator[tuple[int, int, float, np.ndarray]]:
        """(part, piece, share, v of the piece alone) of the pieces in use at a master's point."""
        for k, pieces in enumerate(self.pieces):
            m = self.parts[k].m
            for r in range(len(pieces)):
                base = self.first[k][r]
                share = float(z[base + m])
                if share > MILP_FEASIBILITY:
                    yield k, r, share, np.clip(z[base:base + m] / share, 0.0, 1.0)

    def missing(self, z: np.ndarray) -> list[tuple[float, int, int, np.ndarray]]:
        """(how far t lies below the cost, part, piece, v) of the pieces in use."""
        found = []
        for k, r, share, v in self.shares(z):
            base, m = self.first[k][r], self.parts[k].m
            short = share * self.pieces[k][r].below(v) - float(z[base + m + 1])
            found.append((short, k, r, v))
        return found

    def chord_errors(self, z: np.ndarray) -> list[tuple[float, int, int, np.ndarray]]:
        """(how far chords lie below the cost, part, piece, v) of the pieces in use that err."""
        return [(error, k, r, v) for k, r, share, v in self.shares(z) if (
            error := share * (self.pieces[k][r].cost(v) - self.pieces[k][r].below(v))) > 0.0]

    def cut(self, z: np.ndarray, tolerance: float) -> Hull | None:
        """The master with pieces cut in two where their chords err.

        Parameters
        ----------
        z
            A point of the master.
        tolerance
            Error of chords that may stay uncut, in the objective's unit.

        Returns
        -------
        Hull or None
            None where no piece can be cut: what is left is rounding.
        """
        errors = sorted(self.chord_errors(z), key=lambda found: -found[0])
        left = sum(error for error, *_ in errors)
        pieces, changed = [list(mine) for mine in self.pieces], False
        halves: dict[tuple[int, int], list[RegionCost]] = {}
        for error, k, r, v in errors:
            if left <= tolerance:
                break
            halves[k, r] = pieces[k][r].halves(v)
            left -= error
            changed |= len(halves[k, r]) > 1
        for k, r in sorted(halves, reverse=True):
            pieces[k][r:r + 1] = halves[k, r]
        return build_hull(self.upper, self.parts, pieces, self.u) if changed else None

    def completed(self, z: np.ndarray) -> np.ndarray:
        """A point of the upper Vars and the pieces, with columns that follow from these; in place.

        Here there are none; a master with more of them fills them in.
        """
        return z

    def cost_at(self, u: np.ndarray) -> tuple[float, list[int]]:
        """Exact upper objective at upper decisions.

        Parameters
        ----------
        u
            Upper decisions within the pieces, shape (upper Vars,).

        Returns
        -------
        tuple
            (objective of the minimisation, region of each part).
        """
        chosen = self.pieces_at(u)
        total = self.linear.constant + float(self.linear.c[:len(u)] @ u)
        for k, r in enumerate(chosen):
            total += self.pieces[k][r].cost(self.unit(k, u))
        return total, [pieces[r].region for pieces, r in zip(self.pieces, chosen, strict=True)]

    def unit(self, k: int, u: np.ndarray) -> np.ndarray:
        """Decisions of part k in its range scaled to 0 .. 1, shape (m,), at upper decisions."""
        part = self.parts[k]
        return (u[self.u[k]] - part.lo) / width(part)

    def pieces_at(self, u: np.ndarray) -> list[int]:
        """Number of the cheapest piece of each part that contains upper decisions.

        Parameters
        ----------
        u
            As of `cost_at`.

        Returns
        -------
        list of int
        """
        chosen = []
        for k, (A, b, starts) in enumerate(self._facets):
            v, pieces = self.unit(k, u), self.pieces[k]
            depth = np.maximum.reduceat(A @ v - b, starts)
            near = np.flatnonzero(depth <= POLISHED)
            if len(near) == 1:
                chosen.append(int(near[0]))
            else:
                chosen.append(min(near.tolist(), key=lambda r: pieces[r].cost(v))
                              if len(near) else int(np.argmin(depth)))
        return chosen

    @cached_property
    def _facets(self) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Of each part: A and b of all its pieces, and the first row of each piece."""
        found = []
        for part, pieces in zip(self.parts, self.pieces, strict=True):
            # a row that always holds, so that none is empty
            rows = [np.vstack([np.zeros((1, part.m)), p.polytope.A]) for p in pieces]
            right = [np.append(np.inf, p.polytope.b) for p in pieces]
            starts = np.cumsum([0, *map(len, right)])[:-1]
            found.append((np.vstack(rows), np.concatenate(right), starts))
        return found


def build_hull(upper: Program, parts: list[CondensedQp], pieces: list[list[RegionCost]],
               u: list[np.ndarray]) -> Hull:
    """The master of an upper level and the pieces of each part.

    Parameters
    ----------
    upper
        Rows and linear objective of the upper Vars alone.
    parts, pieces
        The condensed parts, and the pieces of each.
    u
        Columns of each part's decisions among the upper Vars.

    Returns
    -------
    Hull
    """
    n = len(upper.c)
    hull = Hull(upper, upper, parts, pieces, u)
    blocks, count = _Rows(), n
    for part, mine, columns in zip(parts, pieces, u, strict=True):
        m, span = part.m, width(part)
        starts = [count + r * (m + 2) for r in range(len(mine))]
        hull.first.append(starts)
        hull.rows.append(upper.A.shape[0] + len(blocks.lo))
        count += len(mine) * (m + 2)
        z = np.array(starts) + m
        blocks.add(np.zeros(len(z), int), z, np.ones(len(z)), [1.0], [1.0])
        for j in range(m):
            column = np.concatenate([[columns[j]], z, np.array(starts) + j])
            value = np.concatenate([[1.0], np.full(len(z), -part.lo[j]),
                                    np.full(len(z), -span[j])])
            blocks.add(np.zeros(len(column), int), column, value, [0.0], [0.0])
        for base, piece in zip(starts, mine, strict=True):
            A, b = np.vstack([piece.polytope.A, np.eye(m)]), np.append(piece.polytope.b, np.ones(m))
            needed = ~((A <= ROUNDING).all(axis=1) & (b >= 0.0))  # the others follow from v >= 0
            A, b = A[needed], b[needed]
            row, column = np.nonzero(np.abs(A) > ENTRY)
            blocks.add(np.concatenate([row, np.arange(len(b))]),
                       np.concatenate([base + column, np.full(len(b), base + m)]),
                       np.concatenate([A[row, column], -b]),
                       np.full(len(b), -np.inf), np.zeros(len(b)))
    hull.rows.append(upper.A.shape[0] + len(blocks.lo))
    extra, lo, hi = blocks.matrix(count)
    wide = sp.csr_matrix((upper.A.data, upper.A.indices, upper.A.indptr),
                         shape=(upper.A.shape[0], count))
    c, integer = np.zeros(count), np.zeros(count, bool)
    lb, ub = np.zeros(count), np.ones(count)
    c[:n], integer[:n], lb[:n], ub[:n] = upper.c, upper.integer, upper.lb, upper.ub
    for part, starts in zip(parts, hull.first, strict=True):
        at = np.array(starts)
        integer[at + part.m] = len(starts) > 1
        lb[at + part.m + 1], ub[at + part.m + 1], c[at + part.m + 1] = -np.inf, np.inf, 1.0
    hull.linear = Program(
        A=sp.vstack([wide, extra], format="csr"), lo=np.concatenate([upper.lo, lo]),
        hi=np.concatenate([upper.hi, hi]), lb=lb, ub=ub, c=c, constant=upper.constant,
        integer=integer)
    return hull


class _Rows:
    """Sparse rows, collected."""

    def __init__(self):
        self.parts: list[tuple] = []
        self.lo: list[float] = []
        self.hi: list[float] = []

    def add(self, rows, cols, data, lo, hi) -> None:
        self.parts.append((np.asarray(rows) + len(self.lo), cols, data))
        self.lo.extend(lo)
        self.hi.extend(hi)

    def matrix(self, columns: int):
        shape = (len(self.lo), columns)
        if not self.parts:
            return sp.csr_matrix(shape), np.array([]), np.array([])
        rows, cols, data = (np.concatenate(a) for a in zip(*self.parts, strict=True))
        return (sp.csr_matrix((data, (rows, cols)), shape=shape), np.array(self.lo),
                np.array(self.hi))
