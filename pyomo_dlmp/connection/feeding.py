"""Which branches feed a bus, and what is not known of their ratings."""

from __future__ import annotations

from collections.abc import Iterable

import networkx as nx

from pyomo_dlmp.connection.limits import LimitOptions
from pyomo_dlmp.network import Network
from pyomo_dlmp.network.kinds import buses_of
from pyomo_dlmp.network.ratings import known_rating

Key = tuple[str, str, str]  # what, element, phase of a limit


def branches_to(network: Network, bus: str) -> set[str]:
    """Branches that carry what a bus draws: those on a simple way to it from the substation.

    Parameters
    ----------
    network : Network
    bus : str

    Returns
    -------
    set of str
    """
    graph = nx.Graph()
    for name, branch in network.branches.items():  # parallel ones are apart
        graph.add_edges_from(((end,), ("branch", name)) for end in buses_of(branch))
    closing = (network.substation.bus,), (bus,)
    if closing[0] == closing[1]:
        return set()
    # with an edge that closes them, these ways are the block of that edge
    graph.add_edge(*closing)
    block = next(part for part in nx.biconnected_components(graph) if set(closing) <= part)
    return {node[1] for node in block if len(node) == 2}


def beside(network: Network, bus: str, broken: Iterable[Key]) -> frozenset[Key]:
    """Loadings that are broken already, of branches that do not feed a bus.

    The least that is drawn anywhere moves all voltages, and with them such a loading: it is no
    limit of what the bus may draw.

    Parameters
    ----------
    network : Network
    bus : str
    broken : iterable of (what, element, phase)

    Returns
    -------
    frozenset of (what, element, phase)
    """
    loadings = [key for key in broken if key[0] == "loading"]
    if not loadings:
        return frozenset()
    own = branches_to(network, bus)
    return frozenset(key for key in loadings if key[1] not in own)


def unrated(network: Network) -> list[str]:
    """Lines, transformers and regulators of which no rating is known.

    Parameters
    ----------
    network : Network

    Returns
    -------
    list of str
    """
    return [name for name, branch in network.branches.items()
            if known_rating(branch, network.buses) is None]


def unrated_words(network: Network, options: LimitOptions) -> str:
    """What is not checked of loadings, as a sentence; empty where all is.

    Parameters
    ----------
    network : Network
    options : LimitOptions

    Returns
    -------
    str
    """
    if not options.thermal:
        return "Loadings of lines and transformers are not checked."
    missing, every = len(unrated(network)), len(network.branches)
    return "" if not missing else (
        f"No rating of {missing:,} of {every:,} lines, regulators and transformers is known: "
        "their loading is not checked.")
