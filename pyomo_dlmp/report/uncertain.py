"""The report's section on decisions under uncertainty: in words, as a table, in pictures."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from pyomo_dlmp.report.derived import cases_of, pick, sites_of
from pyomo_dlmp.report.drawing import Job
from pyomo_dlmp.report.figures import fans
from pyomo_dlmp.report.page import Plan
from pyomo_dlmp.report.reading import Results
from pyomo_dlmp.report.tables import Table, number
from pyomo_dlmp.tolerances import PRINTED

LEVEL = 0.9
"""Of the CVaR that is drawn where no other was asked for."""
_INTERVALS = {"objective": "objective ($)", "EVPI": "EVPI ($)", "VSS": "VSS ($)"}


def uncertainty_words(table: pd.DataFrame) -> str:
    """What uncertainty costs, and what planning with it is worth, in sentences.

    Parameters
    ----------
    table : DataFrame
        Rows of ``uncertainty.csv``.

    Returns
    -------
    str
    """
    words = []
    for case in cases_of(table):
        cost, _, _ = _ends(table, case, "expected_cost")
        whole, _, _ = _ends(table, case, "objective")
        averse = whole == whole and abs(whole - cost) > PRINTED * max(1.0, abs(cost))
        parts = [f"with the weight of the worst days the objective is {number(whole)}\u00a0$"
                 ] if averse else []
        of, base = (" of the objective", whole) if averse else ("", cost)
        for quantity, knowing in (
                ("EVPI", "knowing the scenario a day ahead would save"),
                ("VSS", "planning for the mean scenario alone would cost a further")):
            value, least, greatest = _ends(table, case, quantity)
            if greatest != greatest:
                continue
            if greatest == float("inf"):
                parts.append("the schedule of the mean scenario leaves a scenario without an "
                             "answer")
                continue
            share = (f" ({100 * value / abs(base):.2g}\u00a0%{of})"
                     if base and value == value else "")
            parts.append(f"{knowing} {_interval(least, greatest)}\u00a0${share}")
        if cost == cost:
            words.append(f"In “{case}” the day costs {number(cost)}\u00a0$ on average"
                         + "".join(f"; {part}" for part in parts) + ".")
    return " ".join(words)


def uncertainty_items(results: Results) -> Iterator[Plan | Table]:
    """The table and the pictures.

    Parameters
    ----------
    results : Results

    Yields
    ------
    Plan or Table
    """
    if results.uncertainty.empty:
        return
    yield _table(results.uncertainty)
    if len(results.settlements):
        yield _settlements_table(results.settlements, results.scenario_costs)
    costs = results.scenario_costs
    if costs.empty:
        return
    level = _level(results.uncertainty)
    yield Plan(
        Job(fans.cost_distribution, (costs, level)),
        "Distribution of the cost over the scenarios: the probability that it stays below an "
        f"amount, its mean, and the mean of its worst {100 * (1 - level):.3g} % (CVaR, of the red "
        "part).",
        "Distribution functions of the cost by case, with mean and CVaR marked.")
    if len(pick(results.scenario_prices, quantity="active")):
        yield Plan(
            Job(fans.price_fans, (results.scenario_prices, results.scenarios, costs)),
            "Active DLMP ($/MWh) by hour, mean of the datacenters' buses and phases: the bands "
            "hold the scenarios' middle shares by probability.",
            "Fans of the active price over the scenarios by hour, a panel per case.")
    if len(results.scenario_schedule):
        yield Plan(
            Job(fans.schedule_fans, (
                results.scenario_schedule, results.first_stage, costs,
                tuple(sites_of(results.dispatch)))),
            "Power of the datacenters (kW) by hour: what is drawn in the scenarios around what is "
            "decided before it is known which of them comes.",
            "Fans of datacenter power over the scenarios with the first-stage schedule.")
    if len(results.risk_frontier):
        yield Plan(
            Job(fans.risk_frontier, (results.risk_frontier,)),
            "What aversion to risk changes: from the least expected cost to the least CVaR.",
            "Expected cost against CVaR for several weights of the CVaR.")


def _level(table: pd.DataFrame) -> float:
    rows = pd.to_numeric(pick(table, quantity="CVaR_level")["value"], errors="coerce").dropna()
    return float(rows.iloc[0]) if len(rows) else LEVEL


def _ends(table: pd.DataFrame, case: str, quantity: str) -> tuple[float, float, float]:
    """Value, least and greatest of a quantity; nan where there is none."""
    rows = pick(table, case=case, quantity=quantity)
    if rows.empty:
        return (float("nan"),) * 3
    row = rows.iloc[0]
    return (float(pd.to_numeric(row["value"], errors="coerce")), float(row["least"]),
            float(row["greatest"]))


def _interval(least: float, greatest: float) -> str:
    low, high = number(least), number(greatest)
    return low if low == high else f"{low} to {high}"


def _table(table: pd.DataFrame) -> Table:
    rows = []
    for case in cases_of(table):
        mine = pick(table, case=case).set_index("quantity")
        cells = [case, str(mine["value"].get("status", "–"))]
        for quantity in _INTERVALS:
            _, least, greatest = _ends(table, case, quantity)
            cells.append("–" if greatest != greatest else _interval(least, greatest))
        rows.append([*cells, number(mine["value"].get("proven_gap", "–"))])
    return Table(["case", "status", *_INTERVALS.values(), "gap (%)"], rows, 2,
                 "Decisions that are taken before it is known which scenario comes. EVPI: what "
                 "knowing it would be worth. VSS: what planning with all scenarios is worth "
                 "against planning with their mean; infinite where the mean's schedule leaves a "
                 "scenario without an answer. All amounts are proven to lie within the intervals "
                 "that are shown.")


def _settlements_table(table: pd.DataFrame, costs: pd.DataFrame) -> Table:
    """What each datacenter pays day ahead, and in real time on average."""
    rows = []
    paid = pick(table, quantity="payment")
    for case in cases_of(paid):
        mine = pick(paid, case=case)
        chances = pick(costs, case=case, quantity="probability").set_index("scenario")["value"]
        weight = mine["scenario"].map(chances).where(mine["settlement"] != "day ahead", 1.0)
        sums = (mine["value"] * weight).groupby([mine["element"], mine["settlement"]]).sum()
        for k, site in enumerate(dict.fromkeys(mine["element"])):
            ahead, real = (float(sums.get((site, word), 0.0)) for word in (
                "day ahead", "real time"))
            rows.append(["" if k else case, site, *map(number, (ahead, real, ahead + real))])
    return Table(["case", "datacenter", "day ahead ($)", "real time ($)", "together ($)"], rows, 2,
                 "Two settlements: the schedule at day-ahead prices, what leaves it at those of "
                 "real time, on average over the scenarios.")
