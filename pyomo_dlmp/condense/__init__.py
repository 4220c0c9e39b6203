"""Condensed lower levels: few decisions, critical regions, the upper level's cost in pieces."""

from pyomo_dlmp.condense.part import CannotCondense, Part, condense
from pyomo_dlmp.condense.pieces import Piece, pieces_of, refuse_answers
from pyomo_dlmp.condense.regions import Region, Regions, enumerate_regions
from pyomo_dlmp.condense.upper import Upper, Worth, read_upper, share_out

__all__ = [
    "CannotCondense", "Part", "Piece", "Region", "Regions", "Upper", "Worth", "condense",
    "enumerate_regions", "pieces_of", "read_upper", "refuse_answers",
    "share_out",
]
