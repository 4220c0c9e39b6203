"""Branch and bound on complementarity pairs: exact, without a bound of any multiplier.

A node fixes some pairs; its relaxation drops the other products. Where the relaxation is unbounded
its ray says which pair to divide by. A point counts only after its pattern (every pair fixed) was
solved as a program of its own, a *leaf*: no answer is accepted because two members of a pair are
both small. (Bard and Moore, SIAM J. Sci. Stat. Comput. 11 (1990); Hansen, Jaumard, Savard, ibid. 13
(1992).)

Nodes are visited two at a time, on one core or on two, so the tree is the same on every machine.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count

import numpy as np

from pyomo_dlmp.branching.choice import Chooser
from pyomo_dlmp.branching.lifted import lift
from pyomo_dlmp.branching.node import Node, Visit
from pyomo_dlmp.branching.relaxation import Relaxation, Relaxed
from pyomo_dlmp.numerics import limits
from pyomo_dlmp.numerics.pairs import FREE, PairProgram
from pyomo_dlmp.status import Status
from pyomo_dlmp.tolerances import ABSOLUTE_GAP, GAP, PRODUCT_HOLDS, ROUNDING, ROW_HOLDS

_TOGETHER = 2  # nodes of a batch
_LEAF_EVERY = 8  # nodes, once a point is known
_ANSWER_EVERY = 30  # nodes: the lower levels' own answer at the relaxation's decisions
_FEW_OPEN = 2  # open pairs of a relaxation whose leaf is worth a solve
_TELL_EVERY = 100  # nodes between two reports of progress
_NARROWED = 6  # products whose factors get ranges by linear programs, in a round
_ROUNDS = 25  # of tangents at one node


@dataclass
class TreeResult:
    """How a search ended.

    Attributes
    ----------
    status
        A `Status`.
    z, objective
        Best point over the original columns, shape (n,), and its cost; None and infinite without.
    bound
        Proved lower bound of the cost.
    nodes, leaves
        Numbers of nodes and of patterns that were solved.
    ray
        The direction along which the problem is unbounded; None where it is not.
    """

    status: str = Status.SEARCHING
    z: np.ndarray | None = None
    objective: float = np.inf
    bound: float = -np.inf
    nodes: int = 0
    leaves: int = 0
    ray: np.ndarray | None = None


@dataclass
class TreeOptions:
    """When a search ends, and whom it tells.

    Attributes
    ----------
    gap
        Relative gap to reach.
    nodes
        Greatest number of nodes.
    progress
        progress(incumbent, bound), called as the search advances.
    found
        found(z, objective, bound), called with each better point.
    suggest
        suggest(z) -> a pattern that its decisions may belong to, or None.
    cores
        1 or more: how many nodes of a batch may be solved at a time.
    """

    gap: float = GAP
    nodes: float = np.inf
    progress: Callable[[float, float], None] = lambda incumbent, bound: None
    found: Callable[[np.ndarray, float, float], None] = lambda z, objective, bound: None
    suggest: Callable[[np.ndarray], np.ndarray | None] = lambda z: None
    cores: int = 1


class Tree:
    """The search; see the module's text.

    Parameters
    ----------
    problem
        The program with its pairs.
    options
        When to end, and whom to tell.
    """

    def __init__(self, problem: PairProgram, options: TreeOptions):
        self.lifted = lift(problem)
        self.original = problem
        self.options = options
        self.chooser = Chooser(self.lifted)
        self.slots = [Relaxation(self.lifted) for _ in range(_TOGETHER)]
        self.leaves = [Relaxation(self.lifted, exact=True) for _ in range(_TOGETHER)]
        self.result = TreeResult()
        self.seen: set[bytes] = set()
        self.open: list[tuple[float, int, int, Node]] = []
        self.stack: list[Node] = []
        self._number = count()
        self._least_dropped = np.inf
        self._in_hand: list[Node] = []
        self._told = (np.nan, 0)

    # ------------------------------------------------------------------------------- search

    def solve(self, starts: Iterable[np.ndarray] = ()) -> TreeResult:
        """Search the tree.

        Parameters
        ----------
        starts
            Points whose decisions are tried first, over the original columns, shape (n,) each.

        Returns
        -------
        TreeResult
        """
        result = self.result
        root = Node(self.lifted.problem.state.copy())
        try:
            for z in starts:
                self._try_answer(z)
            self._push([root])
            with ThreadPoolExecutor(1) as second:
                self._search(second)
        except KeyboardInterrupt as err:  # a second Ctrl-C, or one that no call handles, goes on
            status = limits.why(err)
            if status is None:
                raise
            result.status = status
        if result.status == Status.SEARCHING:
            result.status = Status.OPTIMAL if result.z is not None else Status.INFEASIBLE
            least = self._least_dropped
            if least == -np.inf or (result.z is None and least < np.inf):
                result.status = Status.GAP_NOT_REACHED  # a node that could not be judged
        result.bound = min(self.bound(), result.objective)
        if result.status == Status.INFEASIBLE:
            result.bound = np.inf
        return result

    def _search(self, second: ThreadPoolExecutor) -> None:
        result, options = self.result, self.options
        while (batch := self._pop()):
            self._in_hand = batch
            leaves = [result.z is None or (result.nodes + k) % _LEAF_EVERY == 0
                      for k in range(len(batch))]
            if options.cores > 1 and len(batch) > 1:
                other = second.submit(self._visit, 1, batch[1], leaves[1])
                visits = [self._visit(0, batch[0], leaves[0]), other.result()]
            else:
                visits = [self._visit(k, node, leaves[k]) for k, node in enumerate(batch)]
            for visit in visits:
                result.nodes += 1
                self._in_hand = self._in_hand[1:]
                self._take(visit)
                if result.status != Status.SEARCHING:
                    return
            if self._is_news():
                options.progress(result.objective, self.bound())
            self._check_limits()
            if result.status != Status.SEARCHING:
                return

    def _is_news(self) -> bool:
        """Whether the best point has changed, or many nodes were visited since the last report."""
        best, nodes = self._told
        if self.result.objective == best and self.result.nodes < nodes + _TELL_EVERY:
            return False
        self._told = self.result.objective, self.result.nodes
        return True

    def _check_limits(self) -> None:
        result = self.result
        if not (self.stack or self.open):
            return
        stopped = limits.stopped()
        if stopped is not None:
            result.status = stopped
        elif result.nodes >= self.options.nodes:
            result.status = Status.GAP_NOT_REACHED

    def bound(self) -> float:
        """Least bound of all that is open or was dropped for the gap."""
        least = min((node.bound for node in [*self.stack, *self._in_hand]), default=np.inf)
        if self.open:
            least = min(least, self.open[0][0])
        return min(least, self._least_dropped)

    def _push(self, children: list[Node]) -> None:
        for node in children:
            if self.result.z is None:
                self.stack.append(node)
            else:
                heapq.heappush(self.open, (node.bound, -node.depth, next(self._number), node))

    def _pop(self) -> list[Node]:
        """The next nodes: depth first until a point is known, then by bound."""
        found: list[Node] = []
        while len(found) < _TOGETHER:
            if self.result.z is None and self.stack:
                node = self.stack.pop()
            elif self.stack:
                waiting, self.stack = self.stack, []
                self._push(waiting)
                continue
            elif self.open:
                node = heapq.heappop(self.open)[-1]
            else:
                break
            if self._useless(node.bound):
                continue
            found.append(node)
        return found

    def _useless(self, bound: float) -> bool:
        """Whether a bound leaves no better point than the gap asks for; it is then kept."""
        best = self.result.objective
        if np.isfinite(best) and bound >= best - max(self.options.gap * abs(best), ABSOLUTE_GAP):
            self._least_dropped = min(self._least_dropped, bound)
            return True
        return False

    # ---------------------------------------------------------------------------- one node

    def _visit(self, slot: int, node: Node, leaf: bool) -> Visit:
        """Relax a node, and solve the leaf of its point; reads only what batches leave alone."""
        relaxation = self.slots[slot]
        if node.basis is not None and relaxation.rows == len(node.basis.row_status):
            relaxation.lp.set_basis(node.basis)
        relaxed = self._relax(relaxation, node)
        node.basis = relaxation.lp.basis()
        visit = Visit(node, relaxed)
        if relaxed.status == Status.INFEASIBLE or relaxed.z is None:
            return visit
        if relaxed.status == Status.OPTIMAL and self._useless_now(relaxed.bound):
            return visit
        at = self.chooser.values(relaxed.z)
        few = np.count_nonzero((node.state == FREE) & (np.minimum(at.slack, at.mu) > ROW_HOLDS))
        if leaf or few <= _FEW_OPEN:
            pattern = self.chooser.pattern(node, relaxed.z)
            if self._key(pattern, relaxed.z) not in self.seen:
                visit.pattern, visit.leaf = pattern, self._leaf(slot, pattern, relaxed.z, node)
        return visit

    def _useless_now(self, bound: float) -> bool:
        best = self.result.objective
        return bool(np.isfinite(best) and bound >= best - max(
            self.options.gap * abs(best), ABSOLUTE_GAP))

    def _key(self, pattern: np.ndarray, z: np.ndarray) -> bytes:
        return pattern.tobytes() + np.round(z[self.chooser.integer]).tobytes()

    def _leaf(self, slot: int, pattern: np.ndarray, z: np.ndarray,
              node: Node | None = None) -> Relaxed:
        """The program of one pattern, integers at the nearest whole numbers of z."""
        box = {} if node is None else dict(node.box)
        box |= {int(j): (round(z[j]), round(z[j])) for j in self.chooser.integer}
        return self._relax(self.leaves[slot], Node(pattern, box))

    def _relax(self, relaxation: Relaxation, node: Node) -> Relaxed:
        """Relaxation of a node, with tangents and ranges of factors where it needs them."""
        lifted = self.lifted
        relaxed = relaxation.solve(node.limits(lifted))
        if not len(lifted.w):
            return relaxed
        for _ in range(_ROUNDS):
            if relaxed.z is None or relaxed.ray is not None:
                break
            z = relaxed.z
            wrong = lifted.error(z) > PRODUCT_HOLDS * lifted.size(z)
            if relaxed.status == Status.UNBOUNDED:
                wrong[:] = True
            squares = np.flatnonzero(wrong & (lifted.a == lifted.b) & lifted.below
                                     & (z[lifted.w] < z[lifted.a] ** 2))
            others = wrong.copy()
            others[squares] = False
            worst = np.argsort(-lifted.error(z) * lifted.weight * others, kind="stable")[:_NARROWED]
            narrowed, rays = self._narrow(relaxation, node, worst[others[worst]])
            if relaxed.status == Status.UNBOUNDED:
                relaxed = relaxation.falling(relaxed, rays)
            if len(squares):
                relaxation.add_tangents(squares, z[lifted.a[squares]])
            if not len(squares) and not narrowed:
                break
            relaxed = relaxation.solve(node.limits(lifted))
        return relaxed

    def _narrow(self, relaxation: Relaxation, node: Node,
                products: np.ndarray) -> tuple[bool, list[np.ndarray]]:
        """Ranges of factors by LPs: (whether one is much narrower now, rays without a range)."""
        narrowed, rays = False, []
        lifted, program = self.lifted, self.lifted.problem.program
        for column in np.unique([lifted.a[products], lifted.b[products]]).tolist():
            old = node.box.get(column, (program.lb[column], program.ub[column]))
            low, high, endless = relaxation.range_of(column, node.limits(lifted))
            rays += endless
            room = ROUNDING * (1.0 + abs(low) + abs(high)) if np.isfinite(high - low) else 0.0
            # an end at zero decides a sign: the LP's rounding must not turn it
            ends = [0.0 if abs(end) <= 10.0 * ROUNDING else end
                    for end in (low - room, high + room)]
            new = max(old[0], ends[0]), min(old[1], ends[1])
            if new[0] > new[1]:
                new = old
            narrowed |= bool(np.isfinite(new[0]) and not np.isfinite(old[0])) or bool(
                np.isfinite(new[1]) and not np.isfinite(old[1])) or bool(
                np.isfinite(old[1] - old[0]) and new[1] - new[0] < 0.8 * (old[1] - old[0]))
            node.box[column] = new
        return narrowed, rays

    def _try_answer(self, z: np.ndarray) -> None:
        """Solve the pattern that the lower levels' own answer at the decisions of z has."""
        pattern = self.options.suggest(z[: self.lifted.n])
        if pattern is None or (key := self._key(pattern, z)) in self.seen:
            return
        self.seen.add(key)
        self._take_leaf(self._leaf(0, pattern, z))

    # ------------------------------------------------------------------------ what it means

    def _take(self, visit: Visit) -> None:
        """Keep a better point; drop the node or divide it."""
        if visit.leaf is not None:
            assert visit.pattern is not None and visit.relaxed.z is not None
            self.seen.add(self._key(visit.pattern, visit.relaxed.z))
            self._take_leaf(visit.leaf)
        node, relaxed = visit.node, visit.relaxed
        if relaxed.status == Status.INFEASIBLE or self.result.status != Status.SEARCHING:
            return
        if relaxed.z is not None and self.result.nodes % _ANSWER_EVERY == 1:
            self._try_answer(relaxed.z)
        relaxed.bound = max(relaxed.bound, node.bound)
        if self._useless(relaxed.bound):
            return
        children = self.chooser.divide(node, relaxed) if relaxed.z is not None else None
        if children is None and relaxed.ray is not None and relaxed.z is not None:
            self.result.status, self.result.ray = Status.UNBOUNDED, relaxed.ray
            self._least_dropped = -np.inf
            return
        if children is None:
            children = self.chooser.any_pair(node, relaxed)
        if children is None:  # every pair is fixed: the relaxation was the node itself
            self._keep(relaxed)
            self._least_dropped = min(self._least_dropped, relaxed.bound)
            return
        self._push(children)

    def _take_leaf(self, leaf: Relaxed) -> None:
        self.result.leaves += 1
        if leaf.status == Status.UNBOUNDED and leaf.z is not None and leaf.ray is not None:
            self.result.status, self.result.ray = Status.UNBOUNDED, leaf.ray
            self._least_dropped = -np.inf
            return
        self._keep(leaf)

    def _keep(self, leaf: Relaxed) -> None:
        """Take a point in which every pair is fixed, if it is better and obeys quadratic rows."""
        if leaf.z is None or leaf.status != Status.OPTIMAL:
            return
        z = leaf.z[: self.lifted.n].copy()
        whole = self.original.program.integer
        z[whole] = np.round(z[whole])
        if not self.original.quadratic_rows_hold(z):
            return
        value = self.original.program.value(z)
        if value < self.result.objective:
            self.result.z, self.result.objective = z, value
            self.options.found(z, value, min(self.bound(), value))


