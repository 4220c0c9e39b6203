"""The report's section on language models: $ per million tokens, by hour and by service."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from pyomo_dlmp.report.derived import all_cases, cases_of, periods_of, pick
from pyomo_dlmp.report.figures.style import case_color, case_width
from pyomo_dlmp.report.figures.tokens import cost_by_hour, token_cost
from pyomo_dlmp.report.live.panels import Chart, Panels
from pyomo_dlmp.report.page import Plan, both
from pyomo_dlmp.report.tables import Table, number

TOKENS = (
    "A service pays its share of its site's bill: that of its power in what the site's work draws. "
    "Only energy is counted, not the hardware."
)
_J_PER_MWH = 3.6e9
_MILLION = 1e6


def token_items(tokens: pd.DataFrame) -> Iterator[Chart | Plan | Table]:
    """A table over all hours, and the cost by hour.

    Parameters
    ----------
    tokens : DataFrame
        Rows of ``tokens.csv``.

    Yields
    ------
    Chart, Plan or Table
    """
    if not (pick(tokens, quantity="tokens")["value"] > 0).any():
        return
    yield tokens_table(tokens)
    yield from both(token_chart(tokens), cost_by_hour, tokens)


def tokens_table(tokens: pd.DataFrame) -> Table:
    """For each service and case over all hours: tokens, energy, payment, $ per million, J.

    Parameters
    ----------
    tokens : DataFrame
        Columns case, service, element, period, quantity, value, unit.

    Returns
    -------
    Table
    """
    rows = []
    for service in dict.fromkeys(tokens["service"]):
        for k, case in enumerate(cases_of(tokens)):
            mine = pick(tokens, service=service, case=case)
            given, used, paid = (float(pick(mine, quantity=name)["value"].sum())
                                 for name in ("tokens", "energy", "payment"))
            each = [paid / given, used * _J_PER_MWH / (given * _MILLION)] if given > 0 else [
                float("nan")] * 2
            rows.append(["" if k else str(service), case,
                         *map(number, (given, used, paid, *each))])
    head = ["service", "case", "tokens (million)", "energy (MWh)", "payment ($)",
            "$ per million tokens", "J per token"]
    return Table(head, rows, 2, "Tokens of each language model's service over all hours and sites, "
                 "and what their energy costs.")


def token_chart(tokens: pd.DataFrame) -> Chart:
    """$ per million tokens by hour, a panel per service.

    Parameters
    ----------
    tokens : DataFrame
        Columns as of `tokens_table`.

    Returns
    -------
    Chart
    """
    services, cases = list(dict.fromkeys(tokens["service"])), all_cases(tokens)
    periods = periods_of(tokens)
    panels = Panels([f"service {service}" for service in services], each=170)
    for row, service in enumerate(services):
        for case in cases_of(tokens):
            mine = token_cost(pick(tokens, service=service, case=case))
            panels.steps(row, case, periods, mine.set_index("period")["value"],
                         case_color(cases, case), width=case_width(cases, case))
    return panels.chart(
        ["$"] * len(services),
        "What a million tokens cost ($) by hour: payment for their power over all sites; no line "
        "where no token is given.",
        "Step lines of $ per million tokens by hour, a panel per service and a line per case.")
