"""Scenarios of what is not known a day ahead, and decisions that are taken before it is."""

from pyomo_dlmp.uncertainty.ac_check import AcCheck, check_ac
from pyomo_dlmp.uncertainty.chance import ChanceResult, solve_chance, voltage_chance
from pyomo_dlmp.uncertainty.checking import check_scenarios, without_supply
from pyomo_dlmp.uncertainty.decision import Decision
from pyomo_dlmp.uncertainty.evaluation import Comparison, Evaluation
from pyomo_dlmp.uncertainty.frontier import RiskFrontier, risk_frontier
from pyomo_dlmp.uncertainty.out_of_sample import evaluate
from pyomo_dlmp.uncertainty.result import StochasticResult
from pyomo_dlmp.uncertainty.risk import CVaR, Wasserstein, scenario_distances
from pyomo_dlmp.uncertainty.scenarios import Scenarios
from pyomo_dlmp.uncertainty.solve import solve_stochastic

__all__ = [
    "AcCheck",
    "CVaR",
    "ChanceResult",
    "Comparison",
    "Decision",
    "Evaluation",
    "RiskFrontier",
    "Scenarios",
    "StochasticResult",
    "Wasserstein",
    "check_ac",
    "check_scenarios",
    "evaluate",
    "risk_frontier",
    "scenario_distances",
    "solve_chance",
    "solve_stochastic",
    "voltage_chance",
    "without_supply",
]
