"""What is known of an AC answer: how it settled, certificates of its prices, other schedules.

A market in the AC form leaves tables with its answer (`MarketResult.ac`). Here they become tables
of results, and rows of the summary that say in a few numbers whether the prices are true in AC.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from pyomo_dlmp.results.prices import UNITS
from pyomo_dlmp.results.schema import (
    AC_CERTIFICATE,
    AC_CLIFF,
    AC_DEVIATIONS,
    AC_ROUNDS,
    DECOMPOSITION,
    SUMMARY,
    TableSchema,
)

_TABLES = {"rounds": AC_ROUNDS, "certificate": AC_CERTIFICATE, "deviations": AC_DEVIATIONS,
           "cliff": AC_CLIFF}
_PARTS = {"losses": "loss", "load response": "load_response"}  # as in the linear form
_NUMBERS = {
    "payment": ("AC_payment", "$"), "payment_beyond": ("AC_payment_just_beyond_a_limit", "$"),
    "payment_best_deviation": ("AC_payment_of_the_best_other_schedule", "$"),
    "limits_broken": ("AC_limits_broken", "count"),
    "engine_difference": ("AC_greatest_voltage_difference_from_the_engine", "pu")}


def ac_tables(ac: Any) -> dict[str, pd.DataFrame]:
    """Tables of an AC answer.

    Parameters
    ----------
    ac : object
        `MarketResult.ac`: with DataFrames `rounds`, `certificate`, `deviations`, `cliff`, each of
        which may be None.

    Returns
    -------
    dict of str to DataFrame
        By name of the file; those that are not there or empty are left out.
    """
    found = {}
    for name, schema in _TABLES.items():
        table = getattr(ac, name, None)
        if table is not None and len(table):
            found[schema.name] = _as(schema, table)
    return found


def ac_decomposition(parts: pd.DataFrame) -> pd.DataFrame:
    """Parts of AC prices as the table of parts.

    Parameters
    ----------
    parts : DataFrame
        Columns bus, phase, period, quantity, part, value.

    Returns
    -------
    DataFrame
        With the unit.
    """
    return _as(DECOMPOSITION, parts.assign(unit=parts["quantity"].map(UNITS)))


def ac_summary(ac: Any) -> pd.DataFrame:
    """An AC answer in a few numbers.

    Parameters
    ----------
    ac : object
        As of `ac_tables`, with what it has of `settled`, `payment`, `payment_beyond`,
        `payment_best_deviation` ($), `limits_broken`, `engine_difference` (pu).

    Returns
    -------
    DataFrame
        Columns quantity, value, unit.
    """
    return SUMMARY.frame(list(_summary(ac)))


def _summary(ac: Any) -> Iterator[tuple]:
    settled = getattr(ac, "settled", None)
    if settled is not None:
        yield "AC_settled", "yes" if settled else "no", ""
    tables = ac_tables(ac)
    if (rounds := tables.get(AC_ROUNDS.name)) is not None:
        for loop, mine in rounds.groupby("loop", sort=False):
            yield f"AC_rounds_of_the_{loop}", mine["round"].max(), "count"
    for name, (quantity, unit) in _NUMBERS.items():
        number = getattr(ac, name, None)
        if number is not None and not np.isnan(number):
            yield quantity, number, unit
    if (certificate := tables.get(AC_CERTIFICATE.name)) is not None:
        yield "AC_prices_certified", len(certificate), "count"
        for quantity in UNITS:
            mine = certificate[certificate["quantity"] == quantity]
            for of, column in (("the_dual", "dual"),
                               ("central_differences", "difference_quotient")):
                apart = (mine["price"] - mine[column]).abs().max()
                if not np.isnan(apart):
                    yield f"AC_greatest_{quantity}_price_error_against_{of}", apart, UNITS[quantity]


def _as(schema: TableSchema, table: pd.DataFrame) -> pd.DataFrame:
    """A table with the columns of its schema; what it does not say is NaN."""
    table = table.replace({"part": _PARTS})
    return table.reindex(columns=schema.names).reset_index(drop=True)
