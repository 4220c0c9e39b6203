"""Bounds of the slacks and multipliers of pairs, with provenance, state and certificates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from pyomo_dlmp.errors import BoundError, Fault
from pyomo_dlmp.lower.kkt_system import KktSystem
from pyomo_dlmp.numerics.certificates import Certificate
from pyomo_dlmp.tolerances import ENTRY, ROUNDING, SAME_MONEY
from pyomo_dlmp.transform.bounds.labels import PairState, Source


@dataclass
class PairBounds:
    """What is proved of a KKT system.

    Per pair: `slack`, `mu` (greatest values), `slack_source`, `mu_source` (`Source`), `state`
    (`PairState`). `x_lo .. y_hi`: ranges of columns and equality duals.
    `certificates`: {("slack" or "mu", pair): proof} of the bounds from linear programs.
    """

    slack: np.ndarray
    mu: np.ndarray
    slack_source: np.ndarray
    mu_source: np.ndarray
    x_lo: np.ndarray
    x_hi: np.ndarray
    y_lo: np.ndarray
    y_hi: np.ndarray
    certificates: dict[tuple[str, int], Certificate] = field(default_factory=dict)

    @property
    def state(self) -> np.ndarray:
        """State of each pair, see the class."""
        state = np.full(len(self.mu), PairState.OPEN, dtype=object)
        state[self.slack <= ROUNDING] = PairState.ALWAYS_BINDS
        state[self.mu <= 0.0] = PairState.NEVER_BINDS
        return state

    def lower_slack(self, value: np.ndarray, source: str) -> None:
        """Take the smaller bounds of slacks, with their provenance."""
        _lower(self.slack, self.slack_source, value, source)

    def lower_mu(self, value: np.ndarray, source: str) -> None:
        """Take the smaller bounds of multipliers, with their provenance."""
        _lower(self.mu, self.mu_source, value, source)

    def mark_cutoff(self) -> None:
        """Say of proofs that they used a cutoff: they hold for points at least that good."""
        for source in (self.mu_source, self.slack_source):
            for kind in (Source.INTERVAL, Source.LP):
                source[source == kind] = Source(f"{kind}, cutoff")

    def require_finite(self, kkt: KktSystem, needed_by: Sequence) -> None:
        """Raise BoundError naming every pair that lacks a bound which its mode needs.

        needed_by: of each pair the complementarity mode that needs finite bounds, or None.
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
    """Open pairs without a finite bound of their slack or multiplier."""
    return (bounds.state == PairState.OPEN) & ~(np.isfinite(bounds.mu) & np.isfinite(bounds.slack))


def _lower(bound: np.ndarray, sources: np.ndarray, value: np.ndarray, source: str) -> None:
    better = value < bound * (1 - SAME_MONEY) - ENTRY
    better |= np.isinf(bound) & np.isfinite(value)
    bound[better] = value[better]
    sources[better] = source
