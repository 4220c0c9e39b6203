"""Families of small random bilevel models whose optimum is known by brute force.

`FAMILIES[name](seed)` is an `Instance`: a Pyomo model, the arrays that it was written from, and the
optimistic optimum, found from these arrays apart from the package.
"""

from tests.library.families.table import FAMILIES, Instance

__all__ = ["FAMILIES", "Instance"]
