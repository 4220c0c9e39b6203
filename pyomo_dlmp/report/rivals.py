"""The report's section on several owners: the certificate, all equilibria found, how they came."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from pyomo_dlmp.report.derived import cases_of, pick
from pyomo_dlmp.report.drawing import Job
from pyomo_dlmp.report.figures.rivals import regret_by_round
from pyomo_dlmp.report.page import Plan
from pyomo_dlmp.report.reading import Results
from pyomo_dlmp.report.tables import Table, number

OWNERS = (
    "Each owner foresees the prices and knows the others' schedules. Its regret is what it pays "
    "less the proven bound of its best response: what it could gain by itself at most. Where all "
    "regrets are negligible the schedules are a Nash equilibrium; there may be others."
)


def owners_items(results: Results) -> Iterator[Plan | Table]:
    """The tables and the picture.

    Parameters
    ----------
    results : Results

    Yields
    ------
    Plan or Table
    """
    if results.regret.empty:
        return
    yield regret_table(results.regret)
    if len(results.equilibria) and results.equilibria["number"].max() > 1:
        yield equilibria_table(results.equilibria)
    if len(results.best_responses):
        yield Plan(
            Job(regret_by_round, (results.best_responses,)),
            "What the owner whose turn it is could gain, as a share of what it pays, turn by turn "
            "from each start; turns without a gain are drawn at the foot. Filled: it moves.",
            "Lines of falling regret by turn, one colour per owner, a panel per case and start.")


def regret_table(regret: pd.DataFrame) -> Table:
    """The certificate, owner by owner.

    Parameters
    ----------
    regret : DataFrame
        Rows of ``regret.csv``.

    Returns
    -------
    Table
    """
    rows = []
    for case in cases_of(regret):
        for row in pick(regret, case=case).to_dict("records"):
            share = row["regret"] / max(abs(row["cost"]), 1.0)
            rows.append([case, str(row["owner"]), f"{row['cost']:,.4f}",
                         f"{row['best_response_bound']:,.4f}", number(row["regret"]),
                         number(share)])
    return Table(["case", "owner", "pays ($)", "no response below ($)", "regret ($)",
                  "of the payment"], rows, 2,
                 "What each owner pays, by the DSO's problem solved apart, and the proven bound of "
                 "its best response to the others' schedules.")


def equilibria_table(equilibria: pd.DataFrame) -> Table:
    """All equilibria found, each with what the owners pay.

    Parameters
    ----------
    equilibria : DataFrame
        Rows of ``equilibria.csv``.

    Returns
    -------
    Table
    """
    rows = []
    for case in cases_of(equilibria):
        for key, mine in pick(equilibria, case=case).groupby("number", sort=True):
            paid = "; ".join(f"{row['owner']} {row['cost']:,.2f}"
                             for row in mine.to_dict("records"))
            rows.append([case, number(float(key)), number(mine["set"].iloc[0]), paid,  # type: ignore[arg-type]
                         f"{mine['cost'].sum():,.2f}", number(mine["starts"].iloc[0])])
    return Table(["case", "number", "set", "owners pay ($)", "together ($)", "starts"],
                 rows, 2,
                 "Equilibria found; those of one set are joined by others, as where owners share "
                 "the cheap side of a limit in many ways. The first one is the answer.")
