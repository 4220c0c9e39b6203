"""Scenarios of what is not known a day ahead, and decisions that are taken before it is."""

from pyomo_dlmp.uncertainty.checking import check_scenarios, without_supply
from pyomo_dlmp.uncertainty.scenarios import Scenarios

__all__ = ["Scenarios", "check_scenarios", "without_supply"]
