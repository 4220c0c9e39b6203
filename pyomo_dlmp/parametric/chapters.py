"""States of one structure, over its rows before any were left out: the same rows in every hour.

A part leaves out rows that its numbers keep from their limits (`condensed.screen`). In a state of
another hour such a row must be inactive, and one that is always beyond a soft limit must be beyond.
A state is stored as its rows that are not inactive: 2 x position, + 1 where beyond.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from pyomo_dlmp.parametric.active_sets import ACTIVE_ROW, INACTIVE, VIOLATED_SOFT
from pyomo_dlmp.parametric.condensed import CondensedQp

MOST_STATES = 20_000  # of a structure; the oldest go
_LEFT_OUT, _ALWAYS = -1, -2


class Chapter:
    """The states that are known of a structure.

    Parameters
    ----------
    pairs
        Number of its rows before any were left out.

    Attributes
    ----------
    titles
        {fingerprint of the places of entries: title} of the parts that were seen.
    """

    def __init__(self, pairs: int):
        self.pairs = pairs
        self.titles: dict[bytes, str] = {}
        self._codes: dict[bytes, np.ndarray] = {}
        self._stacked: tuple[np.ndarray, np.ndarray] | None = None

    def __len__(self) -> int:
        """Number of states."""
        return len(self._codes)

    def stacked(self) -> tuple[np.ndarray, np.ndarray]:
        """(codes of all states one after the other, number of codes of each)."""
        if self._stacked is None:
            codes = list(self._codes.values())
            self._stacked = (np.concatenate([np.empty(0, np.int32), *codes]),
                             np.array([len(code) for code in codes], dtype=np.int64))
        return self._stacked

    def take(self, codes: Iterable[np.ndarray]) -> None:
        """Know these states, too: arrays of codes, sorted."""
        for code in codes:
            key = code.tobytes()
            if key in self._codes:
                continue
            if len(self._codes) >= MOST_STATES:
                self._codes.pop(next(iter(self._codes)))
            self._codes[key] = code
            self._stacked = None

    def update(self, other: Chapter) -> None:
        """Know what another chapter of the same structure knows."""
        self.titles.update(other.titles)
        self.take(other._codes.values())

    def add(self, part: CondensedQp, states: Iterable[np.ndarray]) -> None:
        """Know states of a part, each of its rows, shape (rows,)."""
        self.titles.setdefault(part.shape.entries, part.shape.title)
        always = 2 * part.always + 1
        found = []
        for state in states:
            rows = np.flatnonzero(state != INACTIVE)
            code = np.concatenate([2 * part.place[rows] + (state[rows] == VIOLATED_SOFT), always])
            found.append(np.sort(code).astype(np.int32))
        self.take(found)

    def states_for(self, part: CondensedQp) -> np.ndarray:
        """The known states over the rows of a part, without those that it cannot have.

        Parameters
        ----------
        part
            A part of this structure.

        Returns
        -------
        ndarray
            Shape (k, rows).
        """
        codes, lengths = self.stacked()
        row_of = np.full(self.pairs, _LEFT_OUT)
        row_of[part.place] = np.arange(len(part.place))
        row_of[part.always] = _ALWAYS
        number = np.repeat(np.arange(len(lengths)), lengths)
        row, beyond = row_of[codes >> 1], (codes & 1).astype(bool)
        always = (row == _ALWAYS) & beyond
        wrong = np.bincount(number[(row < 0) & ~always], minlength=len(lengths))
        met = np.bincount(number[always], minlength=len(lengths))
        fits = (wrong == 0) & (met == len(part.always))
        place = np.cumsum(fits) - 1
        used = fits[number] & (row >= 0)
        states = np.full((int(fits.sum()), len(part.place)), INACTIVE)
        states[place[number[used]], row[used]] = np.where(beyond[used], VIOLATED_SOFT, ACTIVE_ROW)
        return states
