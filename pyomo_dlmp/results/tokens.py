"""What language models gave, and what it cost: $ per million tokens by hour."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pyomo.environ as pyo
from pyomo.environ import value

from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.market import MarketResult
from pyomo_dlmp.network.units import KILO
from pyomo_dlmp.results.payments import payments_table
from pyomo_dlmp.results.schema import TOKENS
from pyomo_dlmp.tolerances import ROW_HOLDS

_HOUR_S = 3600.0


def tokens_table(model: Any, dso: Any = None,
                 payments: pd.DataFrame | None = None) -> pd.DataFrame:
    """Tokens, energy and cost of each service of a workload, by site and hour.

    A service bears the share of its site's payment that its power has of what the site's work
    draws: what charges the site's batteries is shared by all work there, and so is reactive power.

    Parameters
    ----------
    model : ConcreteModel or MarketResult
        What `solve_market` returned needs no other argument. A model: solved, with an
        `AggregatorBlock` somewhere in it.
    dso : Block
        Filled by `build_opf`, with values.
    payments : DataFrame
        A `payments_table` ($).

    Returns
    -------
    DataFrame
        Columns service, element (the site), period, quantity (tokens in millions, energy in MWh,
        payment in $, cost in $ per million tokens; no cost where no token is given), value, unit.
    """
    if isinstance(model, MarketResult):
        payments = payments_table(model) if payments is None else payments
        model, dso = model.model, model.dso
    if dso is None or payments is None:
        raise ModelError.at("tokens_table", "was given a model without its DSO or its payments",
                            "Give it what solve_market returned, or all three.")
    paid = payments.groupby(["element", "period"], sort=False)["value"].sum()
    hours, rows = dso.period_hours, []
    for block in model.component_data_objects(pyo.Block, descend_into=True):
        services = block.component("llm")
        if services is None or block.component("smoothing") is None:
            continue
        for name, service in services.items():
            for (site, t), power in service.power.items():
                million = value(service.tokens[site, t]) * _HOUR_S * hours
                mw, drawn = value(power), _work_of(block, dso, site, t)
                share = mw / drawn if drawn > ROW_HOLDS else 0.0
                dollars = share * float(paid.get((site, t), 0.0))
                found = [("tokens", million, "million"), ("energy", hours * mw, "MWh"),
                         ("payment", dollars, "$")]
                if million > ROW_HOLDS:
                    found.append(("cost", dollars / million, "$/million tokens"))
                rows += [(name, site, t, *each) for each in found]
    return TOKENS.frame(rows)


def _work_of(block: Any, dso: Any, site: str, t: Any) -> float:
    """What the work of a site draws, without its batteries (MW)."""
    drawn = value(dso.datacenter[site].p[t])
    for batteries in (block.ups, block.smoothing):
        if site in batteries:
            drawn += value(batteries[site].discharge[t]) - value(batteries[site].charge[t])
    return drawn


def joules_per_token(table: pd.DataFrame) -> pd.Series:
    """Energy per token at the meter.

    Parameters
    ----------
    table : DataFrame
        A `tokens_table`.

    Returns
    -------
    Series
        J, by (service, element, period).
    """
    wide = table.pivot_table(index=["service", "element", "period"], columns="quantity",
                             values="value", sort=False)
    given = wide[wide["tokens"] > 0]
    return (given["energy"] * _HOUR_S * KILO * KILO / (given["tokens"] * KILO * KILO)).rename("J")
