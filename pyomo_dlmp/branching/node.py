"""A node of the tree: what it fixes, and what its relaxation and leaf say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pyomo_dlmp.branching.lifted import Lifted
from pyomo_dlmp.branching.limits import Limits
from pyomo_dlmp.branching.relaxation import Relaxed
from pyomo_dlmp.numerics.pairs import FREE, OFF, TIGHT, Pairs


@dataclass
class Node:
    """A part of the feasible set.

    Attributes
    ----------
    state
        FREE, TIGHT or OFF of each pair, shape (K,).
    box
        {column: (low, high)}: ranges of integer columns and of factors of products.
    bound
        Lower bound of the cost in it, of its parent at first.
    depth
        Number of decisions that led to it.
    basis
        Of its parent's linear program, from which its own needs few pivots; None: of any.
    """

    state: np.ndarray
    box: dict[int, tuple[float, float]] = field(default_factory=dict)
    bound: float = -np.inf
    depth: int = 0
    basis: Any = None

    def limits(self, lifted: Lifted) -> Limits:
        """Limits of rows and columns in the node."""
        limits = Limits(*lifted.problem.limits_at(self.state))
        for column, (low, high) in self.box.items():
            limits.lb[column] = max(limits.lb[column], low)
            limits.ub[column] = min(limits.ub[column], high)
        return limits

    def child(self, bound: float) -> Node:
        """A copy one level down."""
        return Node(self.state.copy(), dict(self.box), bound, self.depth + 1, self.basis)

    def with_pair(self, k: int, what: int, bound: float, opposite: np.ndarray) -> Node:
        """The child in which pair k is TIGHT or OFF.

        Parameters
        ----------
        k, what
            The pair, and what it is.
        bound
            Of the cost.
        opposite
            Pair of the other side of the same row or column, -1 where there is none: where one
            side is tight the other has slack, so its multiplier is zero.
        """
        node = self.child(bound)
        node.state[k] = what
        other = opposite[k]
        if what == TIGHT and other >= 0 and node.state[other] == FREE:
            node.state[other] = OFF
        return node

    def with_range(self, column: int, low: float, high: float, bound: float) -> Node:
        """The child in which a column has a narrower range."""
        node = self.child(bound)
        old = node.box.get(column, (-np.inf, np.inf))
        node.box[column] = (max(old[0], low), min(old[1], high))
        return node


@dataclass
class Visit:
    """What was found at a node.

    Attributes
    ----------
    node, relaxed
        The node and its relaxation.
    pattern
        The state in which every pair is fixed as its point suggests; None: no leaf was solved.
    leaf
        The optimum of that pattern; None where it was not asked for.
    """

    node: Node
    relaxed: Relaxed
    pattern: np.ndarray | None = None
    leaf: Relaxed | None = None


def opposite_sides(pairs: Pairs, lo: np.ndarray, hi: np.ndarray) -> np.ndarray:
    """The pair of the other side of the same row or column, where the two sides differ.

    Parameters
    ----------
    pairs
        K pairs.
    lo, hi
        The two limits of the row or column of each pair, shape (K,).

    Returns
    -------
    np.ndarray
        Shape (K,), -1 where there is none.
    """
    found = np.full(len(pairs), -1)
    place = {(bool(r), int(i), bool(low)): k for k, (r, i, low) in enumerate(
        zip(pairs.of_row, pairs.index, pairs.is_lower, strict=True))}
    for (of_row, index, is_lower), k in place.items():
        other = place.get((of_row, index, not is_lower))
        if other is not None and lo[k] < hi[k]:
            found[k] = other
    return found
