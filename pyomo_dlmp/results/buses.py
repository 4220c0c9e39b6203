"""What can be connected where: the buses of a feeder, with what one looks for in them."""

from __future__ import annotations

import math

import pandas as pd

from pyomo_dlmp.results.feeder import distance_km

COLUMNS = ["bus", "phases", "kv", "load_kw", "distance_km", "devices"]


def list_buses(network, phases: int = 1, min_kv: float = 0.0) -> pd.DataFrame:
    """The buses of a feeder.

    Parameters
    ----------
    network : Network
    phases : int
        Least number of phases of a bus; 3: where a three-phase site can stand.
    min_kv : float
        Least nominal line-to-line voltage (kV).

    Returns
    -------
    DataFrame
        By distance from the substation; columns bus, phases ("abc"; "12" of a split-phase service),
        kv (nominal, line to line, kV), load_kw (at nominal voltage, kW), distance_km (km of line
        from the substation), devices (names of what stands there but loads).
    """
    load = dict.fromkeys(network.buses, 0.0)
    for one in network.loads.values():
        load[one.bus] += math.fsum(one.kw)
    devices: dict[str, list[str]] = {name: [] for name in network.buses}
    for element in network.elements:
        at = getattr(element, "bus", None)
        if at in devices and element.name not in network.loads:
            devices[at].append(element.name)
    far = distance_km(network)
    rows = []
    for name, bus in network.buses.items():
        if len(bus.phases) >= phases and bus.kv >= min_kv:
            rows.append((name, bus.phases, bus.kv, load[name], far[name],
                         ", ".join(devices[name])))
    table = pd.DataFrame(rows, columns=COLUMNS)
    return table.sort_values("distance_km", kind="stable", ignore_index=True)
