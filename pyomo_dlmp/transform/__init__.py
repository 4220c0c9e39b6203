"""Transformations. Importing this room registers ``dlmp.*`` with Pyomo."""

from pyomo_dlmp.bounds.proved_bounds import ProvedBounds, tighten
from pyomo_dlmp.transform.products.linearise import BinaryExpansion, McCormick
from pyomo_dlmp.transform.record import single_level_data
from pyomo_dlmp.transform.single_level import SingleLevelTransformation, bounds_table

__all__ = [
    "BinaryExpansion",
    "McCormick",
    "ProvedBounds",
    "SingleLevelTransformation",
    "bounds_table",
    "single_level_data",
    "tighten",
]
