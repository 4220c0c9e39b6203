"""Load profiles: multipliers over time, averaged to the periods of a model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyomo_dlmp.errors import NetworkError
from pyomo_dlmp.tolerances import ROUNDING


class Multiplier(float):
    """A multiplier of active power that knows the one of reactive power.

    Parameters
    ----------
    active, reactive : float
        Multipliers (1).
    """

    reactive: float

    def __new__(cls, active: float, reactive: float) -> Multiplier:
        self = super().__new__(cls, active)
        self.reactive = reactive
        return self

    def __getnewargs__(self) -> tuple[float, float]:
        return float(self), self.reactive


def reactive(multiplier: float) -> float:
    """The multiplier of reactive power.

    Parameters
    ----------
    multiplier : float
        That of active power (1).

    Returns
    -------
    float
        The same, unless it is a `Multiplier`.
    """
    return getattr(multiplier, "reactive", multiplier)


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
        Multipliers (1) of reactive power, as many; None: those of `values`.
    """

    name: str
    values: tuple[float, ...]
    minutes: float = 60.0
    q_values: tuple[float, ...] | None = None

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
            One multiplier (1) per period; each a `Multiplier` if reactive power has its own.

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
        active, *others = (
            np.asarray(values)[places].reshape(periods, n).mean(axis=1).tolist()
            for values in (self.values, self.q_values) if values is not None)
        return list(map(Multiplier, active, *others)) if others else active
