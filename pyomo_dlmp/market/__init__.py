"""Who reacts to the DSO's prices: aggregators, their workloads, and the baselines."""

from pyomo_dlmp.market.aggregator import PAYS, AggregatorBlock, AggregatorBlockData
from pyomo_dlmp.market.workload import Interactive, Job, Servers, Ups, Workload

__all__ = [
    "PAYS", "AggregatorBlock", "AggregatorBlockData", "Interactive", "Job", "Servers", "Ups",
    "Workload",
]
