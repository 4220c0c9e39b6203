"""The feeder's drawing data: where buses lie and what joins them."""

from __future__ import annotations

import pandas as pd

from pyomo_dlmp.deprecation import renamed_arguments
from pyomo_dlmp.results.schema import BRANCHES, BUSES


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
    distance = network.distance_km()
    rows = [(name, bus.x, bus.y, distance[name]) for name, bus in network.buses.items()]
    return BUSES.frame(rows)


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
