"""What broken limits make of the prices of an OPF: of a site, and of all buses."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np

from pyomo_dlmp.ac_opf import AcOpf


class Penalties:
    """Parts of the active prices of an OPF that are penalties, by limit.

    Parameters
    ----------
    answer : AcOpf
    """

    def __init__(self, answer: AcOpf):
        circuit = answer.loop.circuit
        self.found = answer.limit_penalties()
        self.nodes = [circuit.nodes[i] for i in circuit.phase_nodes]

    def at(self, bus: str, phases: str, period: Hashable) -> tuple[float, str]:
        """Penalty in a price, mean over phases ($/MWh), and the limit that makes most of it."""
        at = [i for i, (name, phase) in enumerate(self.nodes) if name == bus and phase in phases]
        return self._of(self.found[period].parts[:, at].mean(axis=1), period)

    def of_buses(self) -> tuple[dict[str, float], dict[str, str]]:
        """By bus: mean over phases and periods ($/MWh), and the limit of the period with the most.
        """
        names = [bus for bus, _ in self.nodes]
        buses = list(dict.fromkeys(names))
        place = {bus: i for i, bus in enumerate(buses)}
        own = np.array([place[bus] for bus in names])
        count = np.bincount(own)
        mean, most = np.zeros(len(buses)), np.zeros(len(buses))
        words: dict[str, str] = {}
        for period, one in self.found.items():
            if not one.limits:
                continue
            by_bus = np.array([np.bincount(own, row) for row in one.parts]) / count
            total = by_bus.sum(axis=0)
            mean += total / len(self.found)
            for i in np.flatnonzero(np.abs(total) > most):
                words[buses[i]] = self._of(by_bus[:, i], period)[1] + (
                    f", period {period}" if len(self.found) > 1 else "")
            most = np.maximum(most, np.abs(total))
        return dict(zip(buses, mean.tolist(), strict=True)), words

    def _of(self, parts: np.ndarray, period: Hashable) -> tuple[float, str]:
        """Sum of parts by limit, and the greatest in words."""
        if not len(parts):
            return 0.0, ""
        total = float(parts.sum())
        most = int(np.argmax(parts * np.sign(total)))
        more = f" and {len(parts) - 1} more" if len(parts) > 1 else ""
        return total, self.found[period].limits[most] + more
