"""The bilevel room: declares lower levels; knows nothing about power."""

from pyomo_dlmp.bilevel.guard import Notice, guard_of
from pyomo_dlmp.bilevel.lower_level import (
    LowerLevel,
    LowerLevelData,
    dual_vars_of,
    is_inside,
    levels_of,
    lower_levels,
    upper_data,
    upper_objective,
)

__all__ = ["LowerLevel", "LowerLevelData", "Notice", "dual_vars_of", "guard_of", "is_inside",
           "levels_of", "lower_levels", "upper_data", "upper_objective"]
