"""Transformations. Importing this room registers ``dlmp.*`` with Pyomo."""

from pyomo_dlmp.transform.products.linearise import BinaryExpansion, McCormick
from pyomo_dlmp.transform.single_level import (
    SingleLevelTransformation,
    bounds_table,
    single_level_data,
)
from pyomo_dlmp.transform.tightened import Tightened, tighten

__all__ = [
    "BinaryExpansion",
    "McCormick",
    "SingleLevelTransformation",
    "Tightened",
    "bounds_table",
    "single_level_data",
    "tighten",
]
