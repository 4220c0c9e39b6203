"""Who reacts to the DSO's prices: aggregators, their workloads, and the baselines."""

from pyomo_dlmp.market.aggregator import PAYS, AggregatorBlock, AggregatorBlockData
from pyomo_dlmp.market.contracts import CapacityCharge, Contract, DemandCharge
from pyomo_dlmp.market.curtailment import Curtailable
from pyomo_dlmp.market.gpu import OperatingPoints, operating_points
from pyomo_dlmp.market.llm_models import LLM_MODELS, LlmModel, Logistic
from pyomo_dlmp.market.markets import (
    DEFAULT_MARKET,
    MARKETS,
    Market,
    MarketResult,
    MarketRow,
    build_bilevel,
    register_market,
    solve_market,
)
from pyomo_dlmp.market.workload import (
    Interactive,
    Job,
    LlmService,
    Servers,
    Smoothing,
    Training,
    Ups,
    Workload,
    scaled,
)

__all__ = [
    "DEFAULT_MARKET", "LLM_MODELS", "MARKETS", "PAYS", "AggregatorBlock", "AggregatorBlockData",
    "CapacityCharge", "Contract", "Curtailable", "DemandCharge", "Interactive", "Job", "LlmModel",
    "LlmService", "Logistic", "Market", "MarketResult", "MarketRow", "OperatingPoints", "Servers",
    "Smoothing", "Training", "Ups", "Workload", "build_bilevel", "operating_points",
    "register_market", "scaled", "solve_market",
]
