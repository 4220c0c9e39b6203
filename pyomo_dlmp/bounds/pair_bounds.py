"""Bounds of the slacks and multipliers of pairs, with provenance, state and certificates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from pyomo_dlmp.bounds.labels import PairState, Source
from pyomo_dlmp.errors import BoundError, Fault
from pyomo_dlmp.lower.kkt_system import KktSystem
from pyomo_dlmp.numerics.certificates import Certificate
from pyomo_dlmp.tolerances import ENTRY, ROUNDING, SAME_MONEY


@dataclass
class PairBounds:
    """What is proved of a KKT system.

    Attributes
    ----------
    slack, mu
        Greatest slack (unit of its row) and multiplier (lower cost per unit of the row) of each
        pair, infinite where there is no bound, shape (pairs,).
    slack_source, mu_source
        Where each bound comes from, a `Source`, shape (pairs,).
    u_lo, u_hi, x_lo, x_hi, y_lo, y_hi
        Ranges of the upper Vars, the columns and the equality duals, shapes (m,), (n,) and (e,).
    certificates
        {("slack" or "mu", pair): certificate} of the bounds from linear programs.
    settled_at
        A solution of the lower level where its upper decisions are given (`bounds.settled`), shape
        (n,): no pair needs complementarity; None where they are not.
    """

    slack: np.ndarray
    mu: np.ndarray
    slack_source: np.ndarray
    mu_source: np.ndarray
    u_lo: np.ndarray
    u_hi: np.ndarray
    x_lo: np.ndarray
    x_hi: np.ndarray
    y_lo: np.ndarray
    y_hi: np.ndarray
    certificates: dict[tuple[str, int], Certificate] = field(default_factory=dict)
    settled_at: np.ndarray | None = None

    @property
    def state(self) -> np.ndarray:
        """`PairState` of each pair, shape (pairs,)."""
        rest = PairState.OPEN if self.settled_at is None else PairState.SETTLED
        state = np.full(len(self.mu), rest, dtype=object)
        state[self.slack <= ROUNDING] = PairState.ALWAYS_BINDS
        state[self.mu <= 0.0] = PairState.NEVER_BINDS
        return state

    @property
    def of_some_duals(self) -> np.ndarray:
        """Mask of the bounds of multipliers that some optimal dual obeys, but not each."""
        return np.isin(self.mu_source, (Source.VERTEX, Source.VERTEX_CUTOFF))

    def lower_slack(self, value: np.ndarray, source: str) -> None:
        """Take the smaller bounds of slacks.

        Parameters
        ----------
        value
            Candidates, shape (pairs,).
        source
            Where they come from, kept for those that are taken.
        """
        self._lower("slack", self.slack, self.slack_source, value, source)

    def lower_mu(self, value: np.ndarray, source: str) -> None:
        """Take the smaller bounds of multipliers, as `lower_slack` does those of slacks."""
        self._lower("mu", self.mu, self.mu_source, value, source)

    def _lower(self, kind: str, bound: np.ndarray, sources: np.ndarray, value: np.ndarray,
               source: str) -> None:
        better = value < bound * (1 - SAME_MONEY) - ENTRY
        better |= np.isinf(bound) & np.isfinite(value)
        bound[better] = value[better]
        sources[better] = source
        for p in np.flatnonzero(better):
            self.certificates.pop((kind, int(p)), None)  # of the bound before

    def mark_cutoff(self) -> None:
        """Mark proofs as relying on a cutoff: they hold for points at least that good."""
        for source in (self.mu_source, self.slack_source):
            for kind in (Source.INTERVAL, Source.LP, Source.VERTEX):
                source[source == kind] = Source(f"{kind}, cutoff")

    def require_finite(self, kkt: KktSystem, needed_by: Sequence) -> None:
        """Check that every pair has the bounds that its complementarity mode needs.

        Parameters
        ----------
        kkt
            The lower level.
        needed_by
            For each pair the mode that needs finite bounds, or None.

        Raises
        ------
        BoundError
            Some lack one; names all of them.
        """
        missing: dict[tuple, list[str]] = {}
        for p, mode in enumerate(needed_by):
            if mode is None:
                continue
            owner = kkt.owner(p)
            for value, what in ((self.mu[p], "multiplier"), (self.slack[p], "slack")):
                if not np.isfinite(value):
                    key = (owner.parent_component().name, what, mode)
                    missing.setdefault(key, []).append(kkt.label[p])
        if missing:
            raise BoundError(
                Fault(name, f"{mode.name} needs a bound of its {what} and none could be proved "
                      f"({_some(labels)})",
                      f"{_CURE[what].format(name)}, or {mode.without_bounds}.")
                for (name, what, mode), labels in missing.items())


_CURE = {
    "multiplier": "Give one with bounds={{'{}': value}}, make the limit soft at a stated penalty",
    "slack": "Give the Vars of '{}' finite bounds",
}


def _some(labels: list[str]) -> str:
    more = f" and {len(labels) - 1} more" if len(labels) > 1 else ""
    return labels[0] + more


def unbounded(bounds: PairBounds) -> np.ndarray:
    """Mask of the open pairs without a finite bound of slack or multiplier, shape (pairs,)."""
    return (bounds.state == PairState.OPEN) & ~(np.isfinite(bounds.mu) & np.isfinite(bounds.slack))
