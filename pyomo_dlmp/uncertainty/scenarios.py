"""Scenarios: what may come, with which probability, as numbers by scenario and period."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Scenarios:
    """Equally long futures of a market's data.

    Parameters
    ----------
    names : tuple of str
        Of the scenarios, each once.
    probabilities : ndarray
        Their sum is 1; shape (scenarios,).
    numbers : dict of str to ndarray
        By column, as of a table of `solve_series` (price, load_scale, load_scale.<load or profile>,
        available.<generator>, energy_mwh, kw.<datacenter> ...), shape (scenarios, periods). What
        has no column is as the market has it. Energy of a scenario is the sum of its row.
    outages : dict of str to tuple of str
        Elements of the feeder that are out of service in a scenario, all its periods.
    """

    names: tuple[str, ...]
    probabilities: np.ndarray
    numbers: dict[str, np.ndarray]
    outages: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Number of scenarios."""
        return len(self.names)

    def of(self, name: str) -> dict[str, np.ndarray]:
        """Numbers of a scenario by column, shape (periods,) each.

        Parameters
        ----------
        name : str

        Returns
        -------
        dict of str to ndarray
        """
        k = self.names.index(name)
        return {column: values[k] for column, values in self.numbers.items()}

    def subset(self, names: Iterable[str]) -> Scenarios:
        """Some of the scenarios, with probabilities in the same proportion.

        Parameters
        ----------
        names : iterable of str

        Returns
        -------
        Scenarios
        """
        chosen = [self.names.index(name) for name in names]
        weights = self.probabilities[chosen]
        return Scenarios(
            tuple(self.names[k] for k in chosen), weights / weights.sum(),
            {column: values[chosen] for column, values in self.numbers.items()},
            {name: out for name, out in self.outages.items()
             if name in {self.names[k] for k in chosen}})

    def mean(self) -> Scenarios:
        """The one scenario of expected numbers, with nothing out of service.

        Returns
        -------
        Scenarios
        """
        return Scenarios(("mean",), np.ones(1), {
            column: (self.probabilities @ values)[None, :]
            for column, values in self.numbers.items()})
