"""How much of its nominal power each load draws in each period."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

from pyomo_dlmp.errors import NetworkError, nearest
from pyomo_dlmp.network import Network
from pyomo_dlmp.network.series import by_period

LoadScale = float | Sequence[float] | str | Mapping[str, float | Sequence[float]]


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
        return {name: by_period(scale[name], labels, f"load_scale of {name}", NetworkError)
                if name in scale else one for name in network.loads}
    series = by_period(scale, labels, "load_scale of all loads", NetworkError)
    return dict.fromkeys(network.loads, series)
