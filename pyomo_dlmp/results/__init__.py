"""Results as tidy tables, one row for each value, with its unit."""

from pyomo_dlmp.results.decomposition import customer_parts, decomposition_table
from pyomo_dlmp.results.dispatch import dispatch_table
from pyomo_dlmp.results.feeder import branches_table, buses_table
from pyomo_dlmp.results.markets import markets_table
from pyomo_dlmp.results.payments import payments_table
from pyomo_dlmp.results.prices import customer_prices, prices_table
from pyomo_dlmp.results.summary import summary_table
from pyomo_dlmp.results.unbalance import unbalance_table
from pyomo_dlmp.results.voltages import voltages_table

__all__ = [
    "branches_table", "buses_table", "customer_parts", "customer_prices", "decomposition_table",
    "dispatch_table", "markets_table", "payments_table", "prices_table",
    "summary_table", "unbalance_table", "voltages_table",
]
