"""The feeder as pure data: elements, the checked `Network`, and the algebra of phases."""

from pyomo_dlmp.network.admittance import NodalAdmittance
from pyomo_dlmp.network.controls import CapacitorControl, FixedControl, RegulatorControl
from pyomo_dlmp.network.device import Device, MultiphaseDevice
from pyomo_dlmp.network.devices import (
    Capacitor,
    Datacenter,
    Generator,
    Load,
    StaticVarGenerator,
    Storage,
)
from pyomo_dlmp.network.elements import Bus, Line, LineCode, Regulator, Substation
from pyomo_dlmp.network.faults.all import find_faults
from pyomo_dlmp.network.fields import Column, Range
from pyomo_dlmp.network.kinds import Branch, Element
from pyomo_dlmp.network.network import Network
from pyomo_dlmp.network.operating_point import OperatingPoint
from pyomo_dlmp.network.profiles import Profile
from pyomo_dlmp.network.transformers import CenterTappedTransformer, Transformer

__all__ = [
    "Branch", "Bus", "Capacitor", "CapacitorControl", "CenterTappedTransformer", "Column",
    "Datacenter", "Device", "Element", "FixedControl", "Generator", "Line", "LineCode", "Load",
    "MultiphaseDevice", "Network", "NodalAdmittance", "OperatingPoint", "Profile", "Range",
    "Regulator", "RegulatorControl", "StaticVarGenerator", "Storage", "Substation", "Transformer",
    "find_faults",
]
