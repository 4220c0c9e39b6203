"""Who reacts to the DSO's prices: aggregators, their workloads, and the baselines."""

from pyomo_dlmp.market.aggregator import PAYS, AggregatorBlock, AggregatorBlockData
from pyomo_dlmp.market.markets import (
    MARKETS,
    Market,
    MarketResult,
    build_bilevel,
    solve_market,
)
from pyomo_dlmp.market.workload import Interactive, Job, Servers, Ups, Workload, scaled

__all__ = [
    "MARKETS", "PAYS", "AggregatorBlock", "AggregatorBlockData", "Interactive", "Job", "Market",
    "MarketResult", "Servers", "Ups", "Workload", "build_bilevel", "scaled", "solve_market",
]
