"""What branches may carry: the limit that a model holds, and what is known of them.

A rating is a current, given as the apparent power (kVA) of a phase at its nominal voltage. That of
a transformer is its windings': the current of a wye winding is that of its line, so a transformer
with a wye winding is looked at there; the line current of a closed delta is sqrt(3) times that of
its windings, of an open delta it is that of a winding. A nameplate counts, no overload above it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from pyomo_dlmp.network.admittance import NodalAdmittance
from pyomo_dlmp.network.elements import Bus, Line, Regulator
from pyomo_dlmp.network.kinds import Branch
from pyomo_dlmp.network.network import Network
from pyomo_dlmp.network.phases import NEUTRALS, SPLIT, between_phases
from pyomo_dlmp.network.transformers import CenterTappedTransformer, Transformer
from pyomo_dlmp.network.windings import rated_kv


class Rating(NamedTuple):
    """What a branch may carry.

    Attributes
    ----------
    bus : str
        At which of its ends.
    kva : dict of str to float
        [phase]: rated current times the nominal phase voltage of that bus (kVA).
    """

    bus: str
    kva: dict[str, float]


def limit_kva(branch: Branch | None) -> float | None:
    """What a model limits a branch's apparent power to.

    Parameters
    ----------
    branch : Branch or None
        Of a network.

    Returns
    -------
    float or None
        kVA per phase of its to-bus; None: no limit, whatever its rating.
    """
    if isinstance(branch, Line) and branch.rated:
        return branch.rating_kva
    if isinstance(branch, Transformer | CenterTappedTransformer) and branch.rated:
        return branch.kva / len(branch.to_phases)
    return None


def known_rating(branch: Branch | None, buses: Mapping[str, Bus]) -> Rating | None:
    """What is known of what a branch may carry, whether a model limits it or not.

    Parameters
    ----------
    branch : Branch or None
    buses : mapping of str to Bus
        Of the network.

    Returns
    -------
    Rating or None
        None: nothing is known.
    """
    if branch is None:
        return None
    if isinstance(branch, CenterTappedTransformer):
        low = buses[branch.to_bus]
        share = (low.kv_ln / branch.to_kv if branch.to_kv else 1.0) / 2.0
        return Rating(low.name, dict.fromkeys(SPLIT, branch.kva * share))
    if isinstance(branch, Transformer):
        return _of_windings(branch, buses)
    bus = buses[branch.from_bus]
    if isinstance(branch, Line) and branch.rating_kva is not None:
        kva, phases = branch.rating_kva, branch.from_phases
    elif isinstance(branch, Regulator) and branch.kva is not None:
        # of the phase that each unit raises; at the voltage between phases it has less current
        delta = branch.connection == "open_delta"
        kva = branch.kva / (math.sqrt(3.0) if delta else 1.0)
        phases = "".join(leg[0] for leg in branch.taps)
    elif isinstance(branch, NodalAdmittance) and branch.rating_kva is not None:
        phases = branch.from_phases
        kva = branch.rating_kva / max(1, sum(k in bus.phases for k in phases))
    else:
        return None
    return Rating(bus.name, {k: kva for k in phases if k in bus.phases})


def with_limits(network: Network) -> Network:
    """A network whose ratings of lines and transformers are limits of models.

    Parameters
    ----------
    network : Network

    Returns
    -------
    Network
    """
    return network.replacing(*(
        replace(branch, rated=True) for branch in network.branches.values()
        if isinstance(branch, Line | Transformer | CenterTappedTransformer)
        and not branch.rated))


def _of_windings(branch: Transformer, buses: Mapping[str, Bus]) -> Rating:
    first, second = branch.legs
    legs, bus, given = first, buses[branch.from_bus], branch.from_kv
    if any(between_phases(leg) for leg in first) and not any(
            between_phases(leg) for leg in second):
        legs, bus, given = second, buses[branch.to_bus], branch.to_kv
    amps = branch.kva / len(legs) / float(rated_kv(given, legs, bus))
    closed = math.sqrt(3.0) if _closed(legs) else 1.0
    return Rating(bus.name, {k: amps * closed * bus.kv_ln for leg in legs for k in leg
                             if k not in NEUTRALS and k in bus.phases})


def _closed(legs: Sequence[str]) -> bool:
    return len(legs) == 3 and all(between_phases(leg) for leg in legs)
