"""Critical regions: few decisions, their pieces of the lower level's answer, one small MILP."""

from pyomo_dlmp.parametric.cache import Reuse
from pyomo_dlmp.parametric.condensed import CannotCondense, Part, condense
from pyomo_dlmp.parametric.critical_regions import Region, Regions, enumerate_regions
from pyomo_dlmp.parametric.explicit import solve_explicit
from pyomo_dlmp.parametric.region_costs import Piece, pieces_of, refuse_answers
from pyomo_dlmp.parametric.upper_terms import Upper, Worth, read_upper, share_out

__all__ = [
    "CannotCondense", "Part", "Piece", "Region", "Regions", "Reuse", "Upper", "Worth", "condense",
    "enumerate_regions", "pieces_of", "read_upper", "refuse_answers",
    "share_out", "solve_explicit",
]
