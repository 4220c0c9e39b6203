"""Load profiles: multipliers over time, averaged to the periods of a model."""

from __future__ import annotations

from dataclasses import dataclass

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
    """

    name: str
    values: tuple[float, ...]
    minutes: float = 60.0

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
