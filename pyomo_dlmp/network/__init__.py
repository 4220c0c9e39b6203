"""The feeder as pure data: elements, the checked `Network`, and the algebra of phases."""

from pyomo_dlmp.network.checks import find_faults
from pyomo_dlmp.network.elements import (
    Branch,
    Bus,
    Datacenter,
    Device,
    Element,
    Generator,
    Line,
    LineCode,
    Load,
    Regulator,
    StaticVarGenerator,
    Substation,
    Transformer,
)
from pyomo_dlmp.network.network import Network

__all__ = [
    "Branch", "Bus", "Datacenter", "Device", "Element", "Generator", "Line", "LineCode", "Load",
    "Network", "Regulator", "StaticVarGenerator", "Substation", "Transformer", "find_faults",
]
