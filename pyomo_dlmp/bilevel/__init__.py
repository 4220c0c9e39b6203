"""The bilevel room: declares lower levels; knows nothing about power."""

from pyomo_dlmp.bilevel.lower_level import LowerLevel, LowerLevelData, lower_levels

__all__ = ["LowerLevel", "LowerLevelData", "lower_levels"]
