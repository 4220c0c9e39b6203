"""How much of its nominal power each load draws, each generator can make, in each period."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from pyomo_dlmp.errors import NetworkError, nearest, shown
from pyomo_dlmp.network import Generator, Load, Network
from pyomo_dlmp.network.profiles import HOURS
from pyomo_dlmp.network.series import Finding, fault_list, series_findings

OTHERS = "*"
"""In a mapping by load: those that it does not name."""

LoadScale = float | Sequence[float] | str | Mapping[str, float | Sequence[float]]


def load_scale_findings(scale: Any, labels: Sequence[Hashable], hours: Any = 1.0,
                        network: Network | None = None) -> list[Finding]:
    """What is wrong with multipliers of loads.

    Parameters
    ----------
    scale : object
        As of `load_series`.
    labels : sequence
        The periods.
    hours : float
        Length of a period (h); if it is none, profiles are not compared with it.
    network : Network, optional
        None: names of loads and profiles are not judged.

    Returns
    -------
    list of (str, str)
        What is wrong, with cures.
    """
    if isinstance(scale, str):
        if scale != "profiles":
            near = nearest(scale, ["profiles"])
            return [(f"is {shown(scale)}", "Give numbers, or 'profiles'."
                     + (f" {near}" if near.startswith("Did") else ""))]
        if network is None or HOURS.finding(hours):
            return []
        used = dict.fromkeys(d.profile for d in _followers(network).values() if d.profile)
        return [(f"follows profile {name!r}: {what}", cure) for name in used
                for what, cure in network.profiles[name].fit_findings(hours)]
    if not _by_load(scale, labels):
        return series_findings(scale, labels, 0.0)[1]
    found = []
    known = {} if network is None else _scalable(network)
    for name, values in scale.items():
        if network is not None and name != OTHERS and not (
                isinstance(name, str) and name in known):
            found.append((f"names load {shown(name)}",
                          nearest(name, known) or "There is no load."))
        found += [(f"of load {shown(name)} {what}", cure)
                  for what, cure in series_findings(values, labels, 0.0)[1]]
    return found


def _by_load(scale: Any, labels: Sequence[Hashable]) -> bool:
    """Whether a mapping is by load, not by period."""
    return isinstance(scale, Mapping) and bool(scale) and not set(scale) <= set(labels)


def _scalable(network: Network) -> list[str]:
    """Names that a mapping may have."""
    return [*network.loads, *network.devices_of("generator")]


def _followers(network: Network) -> dict[str, Load | Generator]:
    """Loads, and generators that have a profile."""
    return {**network.loads, **{name: device for name, device in network.devices.items()
                                if isinstance(device, Generator) and device.profile}}


def load_series(
    network: Network, scale: LoadScale, labels: Sequence[Hashable], hours: float = 1.0,
) -> dict[str, dict[Hashable, float]]:
    """Multiplier of each load, and of each generator that follows its profile, in each period.

    Parameters
    ----------
    network : Network
        The feeder.
    scale : float, sequence of float, mapping or "profiles"
        One number of at least 0; one per period; a mapping by load name to either, or by that of a
        generator, whose `kw_max` it multiplies (for loads that it leaves out that of ``"*"``, or
        1); or each load follows its own profile (1 without one), and so does each
        generator that has one.
    labels : sequence
        The periods.
    hours : float
        Length of a period (h).

    Returns
    -------
    dict of str to dict
        [load or generator][period]: the multiplier (1).

    Raises
    ------
    NetworkError
        If loads are unknown, there are not as many numbers as periods, a number is below 0 or not
        finite, or the periods do not fit a profile; it lists all of these.
    """
    faults = fault_list("load_scale", load_scale_findings(scale, labels, hours, network))
    if finding := HOURS.finding(hours):
        faults += fault_list("hours", [finding])
    if faults:
        raise NetworkError(faults)
    if isinstance(scale, str):
        found = _followers(network)
        used = {device.profile for device in found.values()}
        by_name = {profile.name: profile.series(len(labels), hours)
                   for profile in network.profiles.values() if profile.name in used}
        return {
            name: dict(zip(labels, by_name[d.profile] if d.profile else [1.0] * len(labels),
                           strict=True))
            for name, d in found.items()}
    if isinstance(scale, Mapping) and _by_load(scale, labels):
        others = series_findings(scale.get(OTHERS, 1.0), labels)[0]
        return {name: series_findings(scale[name], labels)[0] if name in scale else others
                for name in (*network.loads, *(g for g in scale if g in network.devices_of(
                    "generator")))}
    return dict.fromkeys(network.loads, series_findings(scale, labels)[0])


def reactive_series(
    network: Network, scale: LoadScale, labels: Sequence[Hashable], hours: float = 1.0,
) -> dict[str, dict[Hashable, float]]:
    """Multiplier of reactive powers: that of `load_series`, but for `q_values`.

    Parameters
    ----------
    network, scale, labels, hours
        As of `load_series`.

    Returns
    -------
    dict of str to dict
        [load or generator][period]: the multiplier (1), only of those that follow a profile with
        `q_values`.

    Raises
    ------
    NetworkError
        If the periods do not fit a profile.
    """
    if not (isinstance(scale, str) and scale == "profiles"):
        return {}
    own = {name: dict(zip(labels, profile.reactive().series(len(labels), hours), strict=True))
           for name, profile in network.profiles.items() if profile.q_values is not None}
    return {name: own[device.profile] for name, device in _followers(network).items()
            if device.profile in own}
