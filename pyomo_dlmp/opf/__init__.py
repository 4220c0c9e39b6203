"""The DSO's optimal power flow, composed of blocks."""

from pyomo_dlmp.opf.ac_point import fit_to_operating_point, set_operating_point
from pyomo_dlmp.opf.build import build_opf
from pyomo_dlmp.opf.options import OpfOptions
from pyomo_dlmp.opf.unbalance import Unbalance

__all__ = ["OpfOptions", "Unbalance", "build_opf", "fit_to_operating_point",
           "set_operating_point"]
