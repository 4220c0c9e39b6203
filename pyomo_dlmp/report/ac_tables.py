"""Tables of the report about AC: certificates of prices, rounds, limits, other schedules."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from pyomo_dlmp.report.derived import cases_of, pick
from pyomo_dlmp.report.tables import Table, error, number
from pyomo_dlmp.tolerances import SAME_MONEY

CHECKS = {"dual": "dual of the balance", "difference_quotient": "AC central differences"}
AT, BEYOND, MORE = "payment_at_the_answer", "payment_just_beyond", "cost_of_one_more_kW"
_JUMP = 0.01  # share of an hour's payment from which it stands on an edge


def worst_certificate(certificate: pd.DataFrame) -> pd.Series | None:
    """The price whose dual is furthest from the marginal cost of the AC equations.

    Parameters
    ----------
    certificate : DataFrame
        Columns case, bus, phase, period, quantity, price, dual, difference_quotient, unit.

    Returns
    -------
    Series or None
        Its row, with `error` ($/MWh, $/Mvarh); None without any.
    """
    rows = certificate.assign(error=(certificate["price"] - certificate["dual"]).abs())
    rows = rows.dropna(subset=["error"])
    return rows.iloc[int(rows["error"].to_numpy().argmax())] if len(rows) else None


def certificate_table(certificate: pd.DataFrame) -> Table:
    """For each case and quantity: how many prices are checked, and the furthest one.

    Parameters
    ----------
    certificate : DataFrame
        Columns as of `worst_certificate`.

    Returns
    -------
    Table
    """
    rows = []
    for case in cases_of(certificate):
        for quantity in ("active", "reactive"):
            for column, name in CHECKS.items():
                mine = pick(certificate, case=case, quantity=quantity).dropna(subset=[column])
                if mine.empty:
                    continue
                apart = (mine["price"] - mine[column]).abs()
                at = mine.iloc[int(apart.to_numpy().argmax())]
                rows.append([case, quantity, name, str(mine["unit"].iloc[0]), f"{len(mine):,}",
                             error(float(apart.max())), error(float(apart.median())),
                             f"{at['bus']}.{at['phase']}, hour {at['period']}"])
    return Table(["case", "price", "against", "unit", "prices", "greatest error", "median error",
                  "greatest at"], rows, 4,
                 "Every price as the marginal cost of the AC equations at the answer (their "
                 "adjoint, found without the balances' duals) against the dual of the balance"
                 + (", and a sample against AC power flows with a little more and less load."
                    if certificate["difference_quotient"].notna().any() else "."))


def _money(value: float, digits: int = 2) -> str:
    return "–" if value != value else f"{value:,.{digits}f}"


def rounds_table(rounds: pd.DataFrame) -> Table:
    """Rounds of each loop, case by case.

    Parameters
    ----------
    rounds : DataFrame
        Columns case, loop, round, voltage_change (pu), price_change ($/MWh), schedule_change (MW),
        cost ($), payment ($), gap (relative).

    Returns
    -------
    Table
    """
    columns = {"voltage_change": "voltage (pu)", "price_change": "price ($/MWh)",
               "schedule_change": "schedule (MW)", "cost": "cost ($)", "payment": "payment ($)",
               "gap": "gap"}
    shown = [column for column in columns if rounds[column].notna().any()]
    rows, last = [], ("", "")
    for case in cases_of(rounds):
        for row in pick(rounds, case=case).to_dict("records"):
            here = (case, str(row["loop"]))
            rows.append([f"{case}, {here[1]}" if here != last else "", number(row["round"]), *(
                _money(row[column]) if column in ("cost", "payment") else error(row[column])
                for column in shown)])
            last = here
    return Table(["case and loop", "round", *(columns[column] for column in shown)], rows, 1,
                 "From one AC operating point to the next: the greatest distance of a voltage from "
                 "AC, and the greatest changes of prices and of the datacenters' powers.")


def cliff_table(cliff: pd.DataFrame) -> Table:
    """Hours that stand at a limit: what is paid there, and just beyond it.

    Parameters
    ----------
    cliff : DataFrame
        Columns case, element, period, quantity, value ($), unit.

    Returns
    -------
    Table
    """
    rows = []
    for case in cases_of(cliff):
        mine = pick(cliff, case=case)
        paid, beyond = (pick(mine, quantity=quantity).groupby("period")["value"].max()
                        for quantity in (AT, BEYOND))
        more = pick(mine, quantity=MORE)
        for period in paid.index[beyond.reindex(paid.index) > (1 + _JUMP) * paid]:
            here = pick(more, period=period).dropna(subset=["value"])
            dearest = here.iloc[int(here["value"].to_numpy().argmax())] if len(here) else None
            rows.append([case, "" if dearest is None else str(dearest["element"]), str(period),
                         _money(paid[period]), _money(beyond[period]),
                         "–" if dearest is None else _money(dearest["value"])])
    return Table(["case", "dearest at", "hour", "paid at the answer ($)", "just beyond ($)",
                  "1 kW more costs ($)"], rows, 2,
                 "Hours in which the schedule stands at a limit: beyond it the price contains the "
                 "limit's multiplier, and all of the power of the hour is paid at it.")


def deviations_table(deviations: pd.DataFrame) -> Table:
    """Other schedules of each case in a few numbers, and the best of them.

    Parameters
    ----------
    deviations : DataFrame
        Columns case, deviation, move, kw, payment ($), change ($), limits_broken (count).

    Returns
    -------
    Table
    """
    return Table(["case", "best move", "schedules tried", "of these better",
                  "least change of the payment ($)", "greatest ($)", "limits broken by the best"],
                 list(_deviations(deviations)), 2,
                 "Other schedules near the answer, each solved and paid for in AC. Work is moved "
                 "between hours or sites; a negative change would be a better schedule.")


def _deviations(deviations: pd.DataFrame) -> Iterator[list[str]]:
    for case in cases_of(deviations):
        mine = pick(deviations, case=case).dropna(subset=["change"])
        if mine.empty:
            continue
        best = mine.iloc[int(mine["change"].to_numpy().argmin())]
        tiny = SAME_MONEY * mine["payment"].abs()
        yield [case, str(best["move"]), f"{len(mine):,}", str(int((mine["change"] < -tiny).sum())),
               number(best["change"]), number(mine["change"].max()), number(best["limits_broken"])]


def neutrals_table(neutrals: pd.DataFrame) -> Table:
    """The greatest voltages and currents of neutrals, case by case.

    Parameters
    ----------
    neutrals : DataFrame
        Columns case, element, conductor, period, quantity (voltage, current), value (V, A), unit.

    Returns
    -------
    Table
    """
    rows = []
    for case in cases_of(neutrals):
        for quantity, mine in pick(neutrals, case=case).groupby("quantity", sort=False):
            top = mine.iloc[int(mine["value"].to_numpy().argmax())]
            rows.append([case, str(quantity), str(top["unit"]), number(top["value"]),
                         number(float(mine["value"].mean())),
                         f"{top['element']}.{top['conductor']}, hour {top['period']}"])
    return Table(["case", "of neutrals", "unit", "greatest", "mean", "greatest at"], rows, 3,
                 "Voltages of neutrals to ground and currents in them, over all hours.")
