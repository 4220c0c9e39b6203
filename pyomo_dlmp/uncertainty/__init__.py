"""Scenarios of what is not known a day ahead, and decisions that are taken before it is."""

from pyomo_dlmp.uncertainty.ac_check import check_ac
from pyomo_dlmp.uncertainty.checking import check_scenarios, without_supply
from pyomo_dlmp.uncertainty.result import StochasticResult
from pyomo_dlmp.uncertainty.risk import CVaR, Wasserstein, scenario_distances
from pyomo_dlmp.uncertainty.scenarios import Scenarios
from pyomo_dlmp.uncertainty.solve import solve_stochastic

__all__ = [
    "CVaR",
    "Scenarios",
    "StochasticResult",
    "Wasserstein",
    "check_ac",
    "check_scenarios",
    "scenario_distances",
    "solve_stochastic",
    "without_supply",
]
