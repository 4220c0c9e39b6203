"""Load profiles: multipliers over time, averaged to the periods of a model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np

from pyomo_dlmp.errors import NetworkError, shown
from pyomo_dlmp.network.fields import Range, field_findings
from pyomo_dlmp.network.series import MOST_PERIODS, Finding, fault_list
from pyomo_dlmp.tolerances import ROUNDING

_MOST_STEPS = 1e6  # in a period: more than one a second for eleven days
HOURS = Range(0, 8784, "h", above=True)  # of a period: up to a year


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Multipliers of a load's nominal power, from midnight on.

    Parameters
    ----------
    name : str
    values : tuple of float
        The multipliers (1).
    minutes : float
        Duration of each (min).
    q_values : tuple of float or None
        Multipliers of the reactive power, as many; None: those of the active power.
    """

    name: str
    values: tuple[float, ...]
    minutes: Annotated[float, Range(0, unit="min", above=True)] = 60.0
    q_values: tuple[float, ...] | None = None

    def findings(self) -> list[Finding]:
        """What is wrong with it by itself: types, numbers, no values.

        Returns
        -------
        list of (str, str)
            What is wrong, with cures.
        """
        found = field_findings(self)
        if isinstance(self.values, tuple | list) and not self.values:
            found.append(("values is empty", "Give at least one multiplier."))
        if not found and self.q_values is not None and len(self.q_values) != len(self.values):
            found.append((f"it has {len(self.values)} values and {len(self.q_values)} q_values",
                          "Give one of each for every step, or leave q_values out."))
        return found

    def fit_findings(self, hours: float) -> list[Finding]:
        """Whether periods of a model are a whole number of its steps.

        Parameters
        ----------
        hours : float
            Length of a period (h).

        Returns
        -------
        list of (str, str)
            What is wrong, and its cure.
        """
        steps = hours * 60.0 / self.minutes
        if steps <= _MOST_STEPS and abs(steps - round(steps)) <= ROUNDING and round(steps) >= 1:
            return []
        return [(f"it has a value every {self.minutes:g} min, periods last {60 * hours:g} min",
                 "Choose periods of a whole number of its steps.")]

    def reactive(self) -> Profile:
        """The profile of the reactive power.

        Returns
        -------
        Profile
            With `q_values` for its values; the same where it has none.
        """
        return self if self.q_values is None else replace(
            self, values=self.q_values, q_values=None)

    def series(self, periods: int, hours: float = 1.0) -> list[float]:
        """Means of the multipliers over the periods of a model; the profile repeats.

        Parameters
        ----------
        periods : int
            Number of periods.
        hours : float
            Length of a period (h).

        Returns
        -------
        list of float
            One multiplier (1) per period.

        Raises
        ------
        NetworkError
            If a period is not a whole number of the profile's steps, or a number is not one.
        """
        where = f"profile {shown(self.name)}"
        found = self.findings()
        found += [finding for finding in (
            Range(1, MOST_PERIODS).finding(periods, whole=True),
            HOURS.finding(hours)) if finding]
        if found := found or self.fit_findings(hours):
            raise NetworkError(fault_list(where, found))
        n = round(hours * 60.0 / self.minutes)
        values, places = np.asarray(self.values, dtype=float), np.arange(n)
        return [float(values[(t * n + places) % len(values)].mean()) for t in range(periods)]
