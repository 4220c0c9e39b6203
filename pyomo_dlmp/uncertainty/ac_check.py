"""A decision of the linear form in AC: each scenario's DSO by its AC OPF at the schedule found.

The schedule stays; the DSO dispatches its own devices by the AC equations, and prices are theirs.
What is proven of the decision is proven in the linear form: this says how far AC is from it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from pyomo_dlmp.ac_opf import solve_ac_opf
from pyomo_dlmp.errors import DlmpError, ModelError, nearest
from pyomo_dlmp.market.ac_checks import count_broken
from pyomo_dlmp.results import dispatch_table, payments_table
from pyomo_dlmp.results.payments import device_prices

COLUMNS = ["scenario", "settled", "payment", "payment_ac", "v_min", "v_max", "limits_broken",
           "engine_difference", "note"]
_OWN = ("form", "losses", "periods", "operating_point")


def check_ac(result: Any, scenarios: Iterable[str] | None = None,
             engine: bool = True) -> pd.DataFrame:
    """The scenarios of a decision in AC.

    Parameters
    ----------
    result : StochasticResult
        With a decision.
    scenarios : iterable of str, optional
        Names of those that are checked; None: all.
    engine : bool
        Whether the OpenDSS engine confirms each power flow.

    Returns
    -------
    DataFrame
        Columns scenario, settled (whether the AC OPF has converged), payment and payment_ac ($, at
        linear and at AC prices), v_min, v_max (pu, of all phases in all periods), limits_broken
        (voltages beyond their limits by more than 1e-5 pu), engine_difference (pu), note (why there
        is no answer).

    Raises
    ------
    ModelError
        There is no decision, or no such scenario.
    """
    if result.problem is None:
        raise ModelError.at("check_ac", f"has no decision ({result.status})", "Solve it first.")
    linear = result.by_scenario.set_index("scenario")["payment"]
    names = list(linear.index) if scenarios is None else list(scenarios)
    for name in names:
        if name not in linear.index:
            raise ModelError.at("check_ac", f"names scenario {name!r}",
                                nearest(name, list(linear.index)))
    return pd.DataFrame([_row(result, name, float(linear[name]), engine) for name in names],
                        columns=COLUMNS)


def _row(result: Any, name: str, paid: float, engine: bool) -> tuple:
    market = result.models.market_of(name)
    mine = result.schedule[result.schedule["scenario"] == name]
    kw = {site: rows["kw"].tolist() for site, rows in mine.groupby("site")
          if site in market.network.datacenters}
    labels = result.models.labels
    options = {key: x for key, x in market.opf.items() if key not in _OWN}
    try:
        found = solve_ac_opf(market.network, periods=labels, datacenter_kw=kw, check=engine,
                             **options)
    except DlmpError as err:
        return (name, False, paid, *[float("nan")] * 3, 0, float("nan"), str(err))
    hours = float(market.opf.get("hours", 1.0))
    table = payments_table(
        found.prices, dispatch_table(found.model, market.network), market.network, hours,
        market.pays, market.tariff, device_prices(found.model, market.network))
    volts = np.abs(list(found.loop.point.voltages.values()))
    return (name, found.settled, paid, float(table["value"].sum()), float(volts.min()),
            float(volts.max()), count_broken(found.model), found.engine_difference, "")
