"""Load profiles: multipliers over time, averaged to the periods of a model."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pyomo_dlmp.errors import NetworkError
from pyomo_dlmp.tolerances import ROUNDING


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
    minutes: float = 60.0
    q_values: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if self.q_values is not None and len(self.q_values) != len(self.values):
            raise NetworkError.at(
                f"profile {self.name!r}",
                f"it has {len(self.values)} values and {len(self.q_values)} q_values",
                "Give one of each for every step, or leave q_values out.")

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
            If a period is not a whole number of the profile's steps.
        """
        steps = hours * 60.0 / self.minutes
        if abs(steps - round(steps)) > ROUNDING or round(steps) < 1:
            raise NetworkError.at(
                f"profile {self.name!r}", f"it has a value every {self.minutes:g} min, periods "
                f"last {60 * hours:g} min", "Choose periods of a whole number of its steps.")
        n = round(steps)
        places = np.arange(periods * n) % len(self.values)
        return np.asarray(self.values)[places].reshape(periods, n).mean(axis=1).tolist()
