"""Critical regions: few decisions, the lower level's solution by pieces, one small MILP."""

from pyomo_dlmp.parametric.atlas import Atlas
from pyomo_dlmp.parametric.condensed import CondensedQp, NotExplicit
from pyomo_dlmp.parametric.condensing import condense
from pyomo_dlmp.parametric.critical_regions import Region, Regions, enumerate_regions
from pyomo_dlmp.parametric.explicit import solve_explicit
from pyomo_dlmp.parametric.instance import Answer, Instance, LowerAnswer
from pyomo_dlmp.parametric.region_costs import RegionCost, costs_over_regions, refuse_answers
from pyomo_dlmp.parametric.upper_terms import RegionObjective, UpperTerms, assign_terms, read_upper

__all__ = [
    "Answer",
    "Atlas",
    "CondensedQp",
    "Instance",
    "LowerAnswer",
    "NotExplicit",
    "Region",
    "RegionCost",
    "RegionObjective",
    "Regions",
    "UpperTerms",
    "assign_terms",
    "condense",
    "costs_over_regions",
    "enumerate_regions",
    "read_upper",
    "refuse_answers",
    "solve_explicit",
]
