"""The DSO's optimal power flow, composed of blocks."""

from pyomo_dlmp.opf.build import build_opf

__all__ = ["build_opf"]
