"""Scenarios of what is not known a day ahead, and decisions that are taken before it is."""

from pyomo_dlmp.uncertainty.checking import check_scenarios, without_supply
from pyomo_dlmp.uncertainty.decision import Decision
from pyomo_dlmp.uncertainty.evaluation import Comparison, Evaluation
from pyomo_dlmp.uncertainty.in_ac import AcCheck
from pyomo_dlmp.uncertainty.out_of_sample import evaluate
from pyomo_dlmp.uncertainty.result import StochasticResult
from pyomo_dlmp.uncertainty.risk import CVaR, Wasserstein, scenario_distances
from pyomo_dlmp.uncertainty.scenarios import Scenarios
from pyomo_dlmp.uncertainty.solve import solve_stochastic

__all__ = [
    "AcCheck",
    "CVaR",
    "Comparison",
    "Decision",
    "Evaluation",
    "Scenarios",
    "StochasticResult",
    "Wasserstein",
    "check_scenarios",
    "evaluate",
    "scenario_distances",
    "solve_stochastic",
    "without_supply",
]
