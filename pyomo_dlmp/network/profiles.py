"""Load profiles: multipliers over time, averaged to the periods of a model."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pyomo_dlmp.errors import NetworkError
from pyomo_dlmp.network.names import nearest

if TYPE_CHECKING:
    from pyomo_dlmp.network.network import Network

LoadScale = float | Sequence[float] | str | Mapping[str, float | Sequence[float]]


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Multipliers of a load's nominal power, one for each `minutes` from midnight on."""

    name: str
    values: tuple[float, ...]
    minutes: float = 60.0

    def series(self, periods: int, hours: float = 1.0) -> list[float]:
        """Means over `periods` periods of `hours` each, from the start; the profile repeats.

        NetworkError when a period is no whole number of the profile's steps.
        """
        steps = hours * 60.0 / self.minutes
        if abs(steps - round(steps)) > 1e-9 or round(steps) < 1:
            raise NetworkError.at(
                f"profile {self.name!r}", f"it has a value every {self.minutes:g} min, periods "
                f"last {60 * hours:g} min", "Choose periods of a whole number of its steps.")
        n = round(steps)
        places = np.arange(periods * n) % len(self.values)
        return np.asarray(self.values)[places].reshape(periods, n).mean(axis=1).tolist()


def load_series(
    network: Network, scale: LoadScale, labels: Sequence[Hashable], hours: float = 1.0,
) -> dict[str, dict[Hashable, float]]:
    """Multiplier of each load in each period.

    `scale`: one number; one per period; a mapping by load name to either (1 for loads that it
    leaves out); or "profiles": each load follows its own profile (1 without one). NetworkError
    naming an unknown load or a wrong number of values.
    """
    if isinstance(scale, str):
        if scale != "profiles":
            raise NetworkError.at("load_scale", f"is {scale!r}", "Give figures, or 'profiles'.")
        by_name = {
            profile.name: profile.series(len(labels), hours)
            for profile in network.profiles.values()}
        return {
            name: dict(zip(labels, by_name[load.profile] if load.profile else [1.0] * len(labels),
                           strict=True))
            for name, load in network.loads.items()}
    if isinstance(scale, Mapping) and set(scale) and not set(scale) <= set(labels):
        unknown = [name for name in scale if name not in network.loads]
        if unknown:
            raise NetworkError.at("load_scale", f"names load {unknown[0]!r}",
                                  nearest(str(unknown[0]), network.loads))
        one = dict.fromkeys(labels, 1.0)
        return {name: _series(scale[name], labels, name) if name in scale else one
                for name in network.loads}
    series = _series(scale, labels, "all loads")
    return dict.fromkeys(network.loads, series)


def _series(scale, labels: Sequence[Hashable], what: str) -> dict[Hashable, float]:
    if isinstance(scale, Mapping):
        scale = [scale[t] for t in labels if t in scale]
    if isinstance(scale, int | float):
        return dict.fromkeys(labels, float(scale))
    values = list(scale)
    if len(values) != len(labels):
        raise NetworkError.at(
            f"load_scale of {what}", f"has {len(values)} values for {len(labels)} periods",
            "Give one number, or one for each period.")
    return dict(zip(labels, map(float, values), strict=True))
