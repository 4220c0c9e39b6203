"""Best responses in turn, until no leader can gain: on any game of `parametric.leaders`.

In a round each leader in its turn takes its proven best response to the present decisions of the
others, unless what it can gain is within the tolerance: then it stays. All having stayed in a row
is an equilibrium, and their last bounds are its certificate. Where rounds creep along a line, the
next one begins where they are going. Where decisions come back without end half steps are tried; if
these do not settle either, the least regret that was met is what there is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from pyomo_dlmp.market.solved_game import SolvedGame
from pyomo_dlmp.parametric.leaders import Leaders, Response
from pyomo_dlmp.status import Status
from pyomo_dlmp.tolerances import ABSOLUTE_GAP, ROW_HOLDS

_GAP, _ROOM = 0.1, 0.5  # of the tolerance: gap of a response, and what it may cost for nearness
_MOST_MEMBERS = 12  # decisions of a cycle whose regrets are computed
_SAME = 10.0  # tolerances within which what lies between two equilibria is one
_STRAIGHT, _MOST_STEPS = 0.95, 50.0  # cosine of two rounds that creep, and steps ahead from there
_BETWEEN = (0.25, 0.5, 0.75)

Game = Leaders | SolvedGame
Tell = Callable[[str, float, float], None]


@dataclass
class Path:
    """Where best responses led from one start.

    Attributes
    ----------
    point
        Decisions of all leaders: an equilibrium, or those of the least regret met.
    status
        OPTIMAL: an equilibrium; CYCLES, ROUNDS_USED_UP, or what ended it early.
    bounds
        {leader: proven bound of its responses to the others at `point`}.
    rows
        (round, leader, value, bound, regret, greatest movement) in the order of the turns.
    """

    point: np.ndarray
    status: str = Status.ROUNDS_USED_UP
    bounds: dict[str, float] = field(default_factory=dict)
    rows: list[tuple] = field(default_factory=list)


def negligible(regret: float, value: float, tolerance: float) -> bool:
    """Whether a regret counts as none: within the relative tolerance, or 2e-6 absolute."""
    return regret <= max(tolerance * abs(value), 2 * ABSOLUTE_GAP)


class Rounds:
    """Best responses from one start.

    Parameters
    ----------
    game : Leaders or SolvedGame
    tolerance : float
        Relative regret that counts as none.
    most : int
        Most rounds.
    tell : callable
        tell(what, value, bound), after each turn.
    deadline : float
        Of ``time.monotonic``.
    """

    def __init__(self, game: Game, tolerance: float, most: int, tell: Tell,
                 deadline: float = np.inf):
        self.game, self.tolerance, self.most = game, tolerance, most
        self.tell, self.deadline = tell, deadline

    def run(self, start: np.ndarray, order: list[str]) -> Path:
        """Rounds from a start.

        Parameters
        ----------
        start : ndarray
            Feasible decisions of all leaders.
        order : list of str
            Whose turn comes after whose.

        Returns
        -------
        Path
            With the least regret met where it ends early, by time or by Ctrl-C.
        """
        path = Path(start)
        seen: list[np.ndarray] = [start]
        step = 1.0
        try:
            for number in range(1, self.most + 1):
                if self._round(path, number, order, step):
                    path.status = Status.OPTIMAL
                    return path
                if time.monotonic() > self.deadline:
                    path.status = Status.TIME_LIMIT
                    break
                back = next((i for i, old in enumerate(seen) if _apart(old, path.point)
                             <= ROW_HOLDS), None)
                seen.append(path.point)
                if back is None:
                    further = self._further(seen[-3:])
                    if further is not None:
                        self._move(path, further)
                        seen.append(further)
                    continue
                if step < 1.0 or self.game.whole:
                    path.status = Status.CYCLES
                    break
                seen, step = [np.mean(seen[back:], axis=0)], 0.5
                self._move(path, seen[0])
        except KeyboardInterrupt:
            path.status = Status.INTERRUPTED
        return self._least(path, seen)

    def _round(self, path: Path, number: int, order: list[str], step: float) -> bool:
        """One turn of each, and of those before the last that moved; whether none can gain."""
        for name in self._turns(path, order):
            found = self._respond(name, path.point)
            stays = negligible(found.regret, found.value, self.tolerance)
            moved = 0.0
            if not stays:
                after = path.point + step * (found.point - path.point)
                moved = _apart(path.point, after)
                path.point = after
                path.bounds.clear()
            if stays or step == 1.0:
                path.bounds[name] = found.bound
            path.rows.append((number, name, found.value, found.bound, found.regret, moved))
            self.tell(f"round {number}, {name}", found.value, found.bound)
        return len(path.bounds) == len(order)

    def _move(self, path: Path, z: np.ndarray) -> None:
        path.point = z
        path.bounds.clear()

    def _further(self, last: list[np.ndarray]) -> np.ndarray | None:
        """Where rounds are going that creep along a line: the limit of the geometric series."""
        if len(last) < 3 or self.game.whole:
            return None
        one, two = last[1] - last[0], last[2] - last[1]
        sizes = float(np.linalg.norm(one)), float(np.linalg.norm(two))
        if min(sizes) <= ROW_HOLDS or one @ two < _STRAIGHT * sizes[0] * sizes[1]:
            return None
        ratio = sizes[1] / sizes[0]
        steps = _MOST_STEPS if ratio >= 1.0 else min(_MOST_STEPS, ratio / (1.0 - ratio))
        steps = min(steps, self.game.room(last[2], two))
        return last[2] + steps * two if steps >= 1.0 else None

    def _turns(self, path: Path, order: list[str]) -> Iterator[str]:
        """Each leader once; who cannot gain at the present point is not asked again."""
        for name in order:
            if name not in path.bounds:
                yield name

    def _respond(self, name: str, z: np.ndarray) -> Response:
        left = None if np.isinf(self.deadline) else max(1.0, self.deadline - time.monotonic())
        return self.game.response(name, z, _GAP * self.tolerance, _ROOM * self.tolerance, left)

    def _least(self, path: Path, seen: list[np.ndarray]) -> Path:
        """The path at the least regret among its last decisions and their mean."""
        members = seen[-_MOST_MEMBERS:]
        if not self.game.whole:
            members = [*members, np.mean(members, axis=0)]
        if path.status == Status.INTERRUPTED or time.monotonic() > self.deadline:
            members = members[-1:]
        best = np.inf
        for z in members:
            found = self.regrets(z)
            worst = max(r.regret / max(abs(r.value), ABSOLUTE_GAP) for r in found.values())
            if worst < best:
                best, path.point = worst, z
                path.bounds = {name: r.bound for name, r in found.items()}
        if self.settled(path):  # met on the way
            path.status = Status.OPTIMAL
        return path

    def settled(self, path: Path) -> bool:
        """Whether nobody can gain at a path's point, by its bounds."""
        values = {name: self.game.value(name, path.point) for name in path.bounds}
        return all(negligible(value - path.bounds[name], value, self.tolerance)
                   for name, value in values.items())

    def regrets(self, z: np.ndarray) -> dict[str, Response]:
        """The response of each leader to the same decisions."""
        return {name: self._respond(name, z) for name in self.game.names}

    def joined(self, one: np.ndarray, other: np.ndarray) -> bool:
        """Whether two equilibria belong to one set: all that was tried between them are, too.

        Such is a flat valley of schedules, or a limit whose cheap side the leaders may share in
        many ways.
        """
        if _apart(one, other) <= ROW_HOLDS:
            return True
        if self.game.whole:
            return False
        between = (one + share * (other - one) for share in _BETWEEN)
        return all(negligible(r.regret, r.value, _SAME * self.tolerance)
                   for z in between for r in self.regrets(z).values())

    def same_values(self, one: np.ndarray, other: np.ndarray) -> bool:
        """Whether each leader's objective is the same at two points."""
        first, second = self.game.shared_values(one), self.game.shared_values(other)
        return all(negligible(abs(first[name] - second[name]), first[name], _SAME * self.tolerance)
                   for name in first)


def _apart(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one - other).max(initial=0.0))
