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

    Parameters
    ----------
    network : Network
        The feeder.
    scale : float, sequence of float, mapping or "profiles"
        One number; one per period; a mapping by load name to either (1 for loads that it leaves
        out); or each load follows its own profile (1 without one).
    labels : sequence
        The periods.
    hours : float
        Length of a period (h).

    Returns
    -------
    dict of str to dict
        [load][period]: the multiplier (1).

    Raises
    ------
    NetworkError
        If a load is unknown, there are not as many numbers as periods, or the periods do not fit a
        profile.
    """
    if isinstance(scale, str):
        if scale != "profiles":
            raise NetworkError.at("load_scale", f"is {scale!r}", "Give numbers, or 'profiles'.")
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


def reactive_series(
    network: Network, scale: LoadScale, labels: Sequence[Hashable], hours: float = 1.0,
) -> dict[str, dict[Hashable, float]]:
    """Multiplier of each load's reactive power: that of `load_series`, but for `q_values`.

    Parameters
    ----------
    network, scale, labels, hours
        As of `load_series`.

    Returns
    -------
    dict of str to dict
        [load][period]: the multiplier (1), only of loads that follow a profile with `q_values`.

    Raises
    ------
    NetworkError
        If the periods do not fit a profile.
    """
    if not (isinstance(scale, str) and scale == "profiles"):
        return {}
    own = {name: dict(zip(labels, profile.reactive().series(len(labels), hours), strict=True))
           for name, profile in network.profiles.items() if profile.q_values is not None}
    return {name: own[load.profile] for name, load in network.loads.items() if load.profile in own}
