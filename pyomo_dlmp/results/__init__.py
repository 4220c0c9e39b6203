"""Results as tidy tables, one row for each value, with its unit."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyomo_dlmp.results.ac_elements import neutrals_table
    from pyomo_dlmp.results.decomposition import customer_parts, decomposition_table
    from pyomo_dlmp.results.dispatch import dispatch_table
    from pyomo_dlmp.results.emissions import emissions_table
    from pyomo_dlmp.results.feeder import branches_table, buses_table
    from pyomo_dlmp.results.line_loading import line_loading_table
    from pyomo_dlmp.results.markets import markets_table
    from pyomo_dlmp.results.outcome import dso_tables, outcome_tables
    from pyomo_dlmp.results.payments import payments_table
    from pyomo_dlmp.results.prices import customer_prices, prices_table
    from pyomo_dlmp.results.regimes import regimes_table
    from pyomo_dlmp.results.statistics import statistics_table
    from pyomo_dlmp.results.summary import summary_table
    from pyomo_dlmp.results.tokens import tokens_table
    from pyomo_dlmp.results.unbalance import unbalance_table
    from pyomo_dlmp.results.voltages import voltages_table

__all__ = [
    "branches_table", "buses_table", "customer_parts", "customer_prices", "decomposition_table",
    "dispatch_table", "dso_tables", "emissions_table", "line_loading_table", "markets_table",
    "neutrals_table", "outcome_tables", "payments_table", "prices_table", "regimes_table",
    "statistics_table", "summary_table", "tokens_table", "unbalance_table", "voltages_table",
]

# Who draws a report needs `results.schema` alone. What makes tables of a model is loaded when it is
# first asked for, because it brings Pyomo and scipy along (1.5 s).
_ELSEWHERE = {"branches_table": "feeder", "buses_table": "feeder",
              "customer_parts": "decomposition", "customer_prices": "prices",
              "dso_tables": "outcome", "outcome_tables": "outcome",
              "neutrals_table": "ac_elements"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    file = _ELSEWHERE.get(name, name.removesuffix("_table"))
    return getattr(import_module(f"{__name__}.{file}"), name)
