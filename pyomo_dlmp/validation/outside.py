"""Legs of loads outside the range of voltages within which their law holds."""

from __future__ import annotations

from pyomo_dlmp.network import Network, OperatingPoint
from pyomo_dlmp.network.operating_point import leg_voltage_pu


def loads_outside(network: Network, point: OperatingPoint) -> dict[str, set]:
    """Legs of loads whose voltage at an operating point is beyond `v_low` .. `v_high`.

    Parameters
    ----------
    network : Network
        The feeder.
    point : OperatingPoint
        Its voltages.

    Returns
    -------
    dict of str to set of (leg, period)
        By load; without the loads that are inside everywhere.
    """
    found: dict[str, set] = {}
    for t in point.periods:
        for name, load in network.loads.items():
            bus = network.buses[load.bus]
            for leg in load.legs:
                if not load.v_low <= leg_voltage_pu(load, bus, point, leg, t) <= load.v_high:
                    found.setdefault(name, set()).add((leg, t))
    return found
