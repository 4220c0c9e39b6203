"""Upper levels: who reacts to the DSO's prices."""

from pyomo_dlmp.market.aggregator import AggregatorBlock, AggregatorBlockData

__all__ = ["AggregatorBlock", "AggregatorBlockData"]
