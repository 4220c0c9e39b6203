"""The feeder's drawing data: where buses lie and what joins them."""

from __future__ import annotations

import pandas as pd

from pyomo_dlmp.deprecation import renamed_arguments
from pyomo_dlmp.results.schema import BRANCHES, BUSES

REACTOR = "reactor_"
"""How the line codes of series reactors begin."""


@renamed_arguments(net="network")
def buses_table(network) -> pd.DataFrame:
    """Where the buses lie.

    Parameters
    ----------
    network : Network

    Returns
    -------
    DataFrame
        Columns bus, x, y (drawing units, empty where unknown), distance_km (km from the
        substation).
    """
    distance = distance_km(network)
    rows = [(name, bus.x, bus.y, distance[name]) for name, bus in network.buses.items()]
    return BUSES.frame(rows)


def distance_km(network) -> dict[str, float]:
    """Length of line from the substation to each bus.

    Parameters
    ----------
    network : Network

    Returns
    -------
    dict of str to float
        In km; what is no stretch of conductor (`counts_as_length`) adds nothing.
    """
    distance = {network.substation.bus: 0.0}
    for first, second, name in network.graph().edges(data="branch"):
        line = network.lines.get(name)
        counts = line is not None and counts_as_length(line)
        distance[second] = distance[first] + (line.length if counts else 0.0)
    return distance


def counts_as_length(line) -> bool:
    """Whether a line is a stretch of conductor, and no device that is held as a line.

    A series reactor is read as a line of one km, so that its impedance is that of its code.

    Parameters
    ----------
    line : Line

    Returns
    -------
    bool
    """
    return not line.code.name.startswith(REACTOR)


@renamed_arguments(net="network")
def branches_table(network) -> pd.DataFrame:
    """What joins the buses.

    Parameters
    ----------
    network : Network

    Returns
    -------
    DataFrame
        Columns branch, from_bus, to_bus.
    """
    rows = [(name, b.from_bus, b.to_bus) for name, b in network.branches.items()]
    return BRANCHES.frame(rows)
