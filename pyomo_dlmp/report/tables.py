"""The report's tables: cases side by side, then what changed. Cells are text, ready to show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from pyomo_dlmp.report.derived import all_cases, cases_of, pick, totals
from pyomo_dlmp.results.flags import below_one
from pyomo_dlmp.tolerances import ROUNDING, SAME_MONEY

_OF_THE_ANSWER = ("scenarios", "expected_cost_under_uncertainty",
                  "expected_value_of_perfect_information", "value_of_the_stochastic_solution")
_OF_THE_SEARCH = ("proven_gap", "proven_gap_under_uncertainty", "bound_of_the_payment",
                  "rounds_of_the_price_taker")
_FEW = 3  # cases that stand side by side in the audit's table
_OF_THE_LOOP = ("AC_settled", "AC_rounds_of", "AC_greatest_", "AC_prices_certified")


@dataclass(frozen=True)
class Table:
    """A table of texts with its caption.

    Attributes
    ----------
    head : sequence of str
        Names of the columns.
    rows : sequence of sequence of str
        A row with an empty first cell goes on with the group of the row above.
    words : int
        So many columns, from the left, hold words; the others numbers, set to the right.
    caption : str
        What it shows.
    changes : int
        So many columns, from the right, hold changes against the first case: where there are many
        columns, a narrow screen leaves them out.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: int
    caption: str
    changes: int = 0

    @property
    def grouped(self) -> bool:
        """Whether rows come in groups, each named in the first cell of its first row."""
        return any(not row[0] for row in self.rows)


def number(value: object) -> str:
    """A number with four significant digits and thousands separators; words as they are.

    Parameters
    ----------
    value : object
        A number, a text that holds one, or any other text.

    Returns
    -------
    str
        With a true minus sign; a dash for NaN; 0 for what rounding alone leaves (below 1e-9).
    """
    try:
        x = float(str(value))
    except ValueError:
        return str(value)
    if math.isnan(x):
        return "–"
    if math.isinf(x):
        return "∞" if x > 0 else "−∞"
    size = abs(x)
    if size < ROUNDING:
        text = "0"
    elif x == round(x) and size < 1e15:
        text = f"{x:,.0f}"
    elif size < 0.0001:
        mantissa, exponent = f"{x:.1e}".split("e")
        text = f"{mantissa}e{int(exponent)}"
    else:
        text = f"{x:,.{min(6, max(0, 3 - math.floor(math.log10(size))))}f}"
    return text.replace("-", "−")


def error(value: float) -> str:
    """A distance from what should be equal: one that is not zero but rounding is said to be below.

    Parameters
    ----------
    value : float
        Not negative.

    Returns
    -------
    str
        "<1e−9" below that, otherwise as `number` writes it.
    """
    return f"<{ROUNDING:.0e}".replace("e-0", "e−") if 0 < value < ROUNDING else number(value)


def signed(change: float, scale: float) -> str:
    """A difference with its sign; below a millionth of `scale` it is nothing.

    Parameters
    ----------
    change : float
        The difference, in the unit of its table.
    scale : float
        The size of what is compared, in the same unit.

    Returns
    -------
    str
        As `number` writes it, with + or −; "0" for nothing, a dash for NaN.
    """
    if math.isnan(change):
        return "–"
    if abs(change) <= SAME_MONEY * abs(scale):
        return "0"
    return ("+" if change > 0 else "") + number(change)


def summary_table(summary: pd.DataFrame, changes: bool = True) -> Table:
    """Quantities as rows, cases as columns; with several cases, each minus the first.

    Parameters
    ----------
    summary : DataFrame
        Columns case, quantity, value, unit.
    changes : bool
        Whether there are columns of each case minus the first.

    Returns
    -------
    Table
    """
    cases = all_cases(summary)
    first, others = cases[0], cases[1:] if changes else []
    rows = []
    for (quantity, unit), part in summary.groupby(["quantity", "unit"], sort=False):
        value = dict(zip(part["case"].tolist(), part["value"].tolist(), strict=True))
        cells = [_words(str(quantity)), str(unit)]
        cells += [number(value.get(case, "–")) for case in cases]
        cells += [_change(value.get(first), value.get(case)) for case in others]
        rows.append(cells)
    head = ["quantity", "unit", *cases, *[f"{case} minus {first}" for case in others]]
    return Table(head, rows, 2, "The study in numbers, case by case.", len(others))


def of_the_solver(summary: pd.DataFrame) -> pd.Series:
    """Which rows of a summary are of the search and the machine, not of the answer.

    Parameters
    ----------
    summary : DataFrame
        Columns case, quantity, value, unit; sizes of the problem, whose names differ from one
        strategy to another, follow `wall_time` in each case, as a study writes them.

    Returns
    -------
    Series of bool
    """
    name = summary["quantity"].astype(str)
    sizes = (name == "wall_time").groupby(summary["case"], observed=True).cumsum() > 0
    answer = name.str.startswith("AC_check") | name.isin(_OF_THE_ANSWER)
    return (sizes & ~answer | name.isin(_OF_THE_SEARCH)
            | name.str.startswith(_OF_THE_LOOP))


PAID = (
    *("energy (MWh)", "payment for active power ($)", "payment for reactive power ($)"),
    *("charges beside energy ($)", "payment in all ($)", "average active price ($/MWh)"),
)
_CHARGES = 3  # its place, of a study without contracts left out


def payments_table(payments: pd.DataFrame, dispatch: pd.DataFrame, hours: float = 1.0) -> Table:
    """Energy, payments and average price of each datacenter over all periods, case by case.

    Parameters
    ----------
    payments : DataFrame
        Columns case, element, bus, period, quantity, value ($), unit.
    dispatch : DataFrame
        Columns case, kind, element, bus, phase, period, quantity, value (MW, Mvar), unit.
    hours : float
        Length of a period (h).

    Returns
    -------
    Table
        A group of rows for each site, and with several sites one for all together.
    """
    cases = cases_of(payments)
    first, *others = cases
    power = totals(dispatch, "datacenter")
    sites = list(dict.fromkeys(payments["element"].tolist()))
    rows: list[list[str]] = []
    for site in [*sites, ""] if len(sites) > 1 else sites:
        mine = pick(payments, element=site) if site else payments
        used = pick(power, element=site) if site else power
        columns = {case: _paid(pick(mine, case=case), pick(used, case=case), hours)
                   for case in cases_of(payments)}
        group = f"{site} (bus {mine['bus'].iloc[0]})" if site else "all sites"
        charged = (~mine["quantity"].isin(("active", "reactive"))).any()
        for k, name in enumerate(PAID):
            if k == _CHARGES and not charged:
                continue
            values = {case: column[k] for case, column in columns.items()}
            cells = [group if k == 0 else "", name]
            cells += [number(values.get(case, math.nan)) for case in cases]
            rows.append(cells + [_change(values.get(first), values.get(case)) for case in others])
    head = ["site", "quantity", *cases, *[f"{case} minus {first}" for case in others]]
    return Table(head, rows, 2, "What each datacenter uses and pays over all hours.", len(others))


def _paid(payments: pd.DataFrame, power: pd.DataFrame, hours: float) -> list[float]:
    """The numbers of `PAID` from the rows of one case."""
    energy = hours * float(power["value"].sum()) if len(power) else math.nan
    active, reactive = (float(pick(payments, quantity=quantity)["value"].sum())
                        for quantity in ("active", "reactive"))
    whole = float(payments["value"].sum())
    return [energy, active, reactive, whole - active - reactive, whole,
            active / energy if energy else math.nan]


def markets_table(markets: pd.DataFrame) -> Table:
    """A group of rows for each case and loading, figures as rows, markets across.

    Parameters
    ----------
    markets : DataFrame
        Columns base, loading, market, quantity, value, unit.

    Returns
    -------
    Table
    """
    kinds = list(dict.fromkeys(markets["market"]))
    rows = []
    for (base, loading), part in markets.groupby(["base", "loading"], sort=False):
        for k, (quantity, mine) in enumerate(part.groupby("quantity", sort=False)):
            value = dict(zip(mine["market"], mine["value"], strict=True))
            rows.append([f"{base}, x{loading:g}" if k == 0 else "", _words(str(quantity)),
                         str(mine["unit"].iloc[0]),
                         *(number(value.get(kind, math.nan)) for kind in kinds)])
    return Table(["case", "quantity", "unit", *kinds], rows, 3,
                 "The markets on the same data. Price of anarchy: the DSO's cost over that of the "
                 f"cooperative market. {below_one(markets)}".rstrip())


def audit_table(audit: pd.DataFrame) -> Table:
    """Checks as rows; for each case whether it is within the limit, and the value.

    Parameters
    ----------
    audit : DataFrame
        Columns case, check, value, limit, unit, passed.

    Returns
    -------
    Table
        Verdicts begin with ✓ or ✗. Of many cases it has the one that is worst in each check.
    """
    cases = cases_of(audit)
    few = len(cases) <= _FEW
    rows = []
    for (check, unit), part in audit.groupby(["check", "unit"], sort=False):
        limits = list(dict.fromkeys(_limit(x) for x in part["limit"].tolist()))
        rows.append([_words(str(check)), str(unit), " / ".join(limits),
                     *(_verdicts(part, cases) if few else _worst(part))])
    if few:
        return Table(["check", "unit", "limit", *cases], rows, 2,
                     "Checks of each case: ✓ passed, ✗ failed, with value and limit.")
    return Table(["check", "unit", "limit", "passed in", "greatest", "in the case"], rows, 2,
                 f"Checks of all {len(cases)} cases with their limits, and each check's greatest "
                 "value, of the cases that fail where some do.")


def _verdicts(part: pd.DataFrame, cases: Sequence[str]) -> list[str]:
    """A cell for each case."""
    cells = []
    for case in cases:
        mine = pick(part, case=case)
        passed = "✓" if mine["passed"].all() else "✗ FAIL"
        cells.append(f"{passed} {error(mine['value'].iloc[0])}" if len(mine) else "–")
    return cells


def _worst(part: pd.DataFrame) -> list[str]:
    """In how many cases a check is passed, and the greatest value with its case."""
    failed = part[~part["passed"].astype(bool)]
    mark = f"✗ FAIL in {len(failed)}" if len(failed) else f"✓ {len(part)}"
    among = (failed if len(failed) else part).dropna(subset=["value"])
    if among.empty:
        return [f"{mark} of {len(part)}", "–", ""]
    values = among["value"].to_numpy(dtype=float)
    top = among.iloc[int(values.argmax())]
    return [f"{mark} of {len(part)}", error(top["value"]), str(top["case"]) if values.any() else ""]


def _change(old: object, new: object) -> str:
    try:
        a, b = float(str(old)), float(str(new))
    except ValueError:
        return "–"
    return signed(b - a, max(abs(a), abs(b)))


def _limit(value: float) -> str:
    """A limit as it was given, without the zeros that `number` adds."""
    return f"{value:g}".replace("e-0", "e-").replace("-", "−") if math.isfinite(value) else "–"


def _words(name: str) -> str:
    return name.replace("_", " ")
