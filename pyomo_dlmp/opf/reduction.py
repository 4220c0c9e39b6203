"""What the linear three-phase power flow (LinDist3Flow) can take of a network.

It is radial and has phases only: what is exact is merged or reduced, all else is refused by name.
"""

from __future__ import annotations

from pyomo_dlmp.errors import Fault, ModelError, listed
from pyomo_dlmp.network import Network
from pyomo_dlmp.network.kinds import buses_of, label
from pyomo_dlmp.network.topology import Forest

AC_FORM = "The AC power flow takes it (ac_power_flow); the linear power flow does not"


def reduced(network: Network) -> Network:
    """An equivalent radial network of phases alone.

    Parameters
    ----------
    network : Network
        Any feeder.

    Returns
    -------
    Network
        The same, if it is radial and has phases only.

    Raises
    ------
    ModelError
        With everything that cannot be reduced exactly.
    """
    faults = []
    for bus in network.buses.values():
        if bus.neutrals:
            faults.append(Fault(label(bus), f"it has the conductors {bus.neutrals!r}",
                                f"{AC_FORM}: ground the neutral at every bus, or reduce it."))
    for element in network.admittances.values():
        if len(buses_of(element)) != 2:
            faults.append(Fault(label(element), f"it joins {listed(buses_of(element))}",
                                f"{AC_FORM}."))
    forest = Forest.grow([network.substation.bus], network.buses, network.branches.values())
    for branch in forest.closing:
        faults.append(Fault(
            label(branch), f"it closes a loop of branches {listed(forest.loop(branch), 30)}",
            f"{AC_FORM}: remove one of them, or open a switch."))
    if faults:
        raise ModelError(faults)
    return network
