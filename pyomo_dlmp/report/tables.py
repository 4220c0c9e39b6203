"""The report's tables, as HTML: cases side by side, then what changed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import pandas as pd

from pyomo_dlmp.report.derived import all_cases, cases_of, pick, totals
from pyomo_dlmp.tolerances import SAME_MONEY


def number(value: object) -> str:
    """A number with four significant digits and thousands separators; words as they are."""
    try:
        x = float(str(value))
    except ValueError:
        return str(value)
    if math.isnan(x):
        return "–"
    if math.isinf(x):
        return "∞" if x > 0 else "−∞"
    size = abs(x)
    if size == 0:
        text = "0"
    elif x == round(x) and size < 1e15:
        text = f"{x:,.0f}"
    elif size < 0.0001:
        mantissa, exponent = f"{x:.1e}".split("e")
        text = f"{mantissa}e{int(exponent)}"
    else:
        text = f"{x:,.{min(6, max(0, 3 - math.floor(math.log10(size))))}f}"
    return text.replace("-", "−")


def signed(change: float, scale: float) -> str:
    """A difference with its sign; below a millionth of `scale` it is nothing."""
    if math.isnan(change):
        return "–"
    if abs(change) <= SAME_MONEY * abs(scale):
        return "0"
    return ("+" if change > 0 else "") + number(change)


def summary_table(summary: pd.DataFrame) -> str:
    """Quantities as rows, cases as columns; with several cases, each minus the first."""
    cases = all_cases(summary)
    first, others = cases[0], cases[1:]
    rows = []
    for (quantity, unit), part in summary.groupby(["quantity", "unit"], sort=False):
        value = dict(zip(part["case"].tolist(), part["value"].tolist(), strict=True))
        cells = [_words(str(quantity)), str(unit)]
        cells += [number(value.get(case, "–")) for case in cases]
        cells += [_change(value.get(first), value.get(case)) for case in others]
        rows.append(cells)
    head = ["quantity", "unit", *cases, *[f"{case} minus {first}" for case in others]]
    return table(head, rows, words=2)


def payments_table(payments: pd.DataFrame, dispatch: pd.DataFrame, hours: float = 1.0) -> str:
    """Energy, payments and average price of each datacenter over all periods, case by case."""
    cases = all_cases(payments)
    first, *others = cases
    power = totals(dispatch, "datacenter")
    names = [
        *("energy (MWh)", "payment for active power ($)", "payment for reactive power ($)"),
        *("payment in all ($)", "average active price ($/MWh)"),
    ]
    sites = list(dict.fromkeys(payments["element"].tolist()))
    rows: list[list[str]] = []
    for site in [*sites, ""] if len(sites) > 1 else sites:
        columns = {}
        for case in cases_of(payments):
            mine, used = pick(payments, case=case), pick(power, case=case)
            if site:
                mine, used = pick(mine, element=site), pick(used, element=site)
            energy = hours * float(used["value"].sum()) if len(used) else math.nan
            active = float(pick(mine, quantity="active")["value"].sum())
            reactive = float(pick(mine, quantity="reactive")["value"].sum())
            price = active / energy if energy else math.nan
            columns[case] = [energy, active, reactive, active + reactive, price]
        bus = pick(payments, element=site)["bus"].tolist()
        for k, name in enumerate(names):
            label = (f"{site} (bus {bus[0]})" if site else "all sites") if k == 0 else ""
            values = {case: column[k] for case, column in columns.items()}
            cells = [label, name, *[number(values.get(case, math.nan)) for case in cases]]
            rows.append(cells + [_change(values.get(first), values.get(case)) for case in others])
    head = ["site", "quantity", *cases, *[f"{case} minus {first}" for case in others]]
    return table(head, rows, words=2)


def audit_table(audit: pd.DataFrame) -> str:
    """Checks as rows; per case the value and whether it is within the limit."""
    cases = cases_of(audit)
    rows = []
    for (check, unit), part in audit.groupby(["check", "unit"], sort=False):
        limits = list(dict.fromkeys(_limit(x) for x in part["limit"].tolist()))
        cells = [_words(str(check)), str(unit), " / ".join(limits)]
        for case in cases:
            mine = pick(part, case=case)
            if mine.empty:
                cells += ["–", "–"]
                continue
            cells.append(number(mine["value"].iloc[0]))
            cells.append("✓ pass" if mine["passed"].all() else "✗ FAIL")
        rows.append(cells)
    head = ["check", "unit", "limit"]
    for case in cases:
        head += [case, "verdict"]
    return table(head, rows, words=2)


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, words: int) -> str:
    """An HTML table whose first `words` columns are text, the others numbers set to the right.

    A row with an empty first cell goes on with the group of the row above.
    """
    grouped = any(not cells[0] for cells in rows)

    def row(cells: Sequence[str], tag: str) -> str:
        parts = []
        for k, cell in enumerate(cells):
            kind = "word" if k < words else "num"
            if cell.startswith("✓"):
                kind += " pass"
            elif cell.startswith("✗"):
                kind += " fail"
            scope = ' scope="col"' if tag == "th" else ""
            parts.append(f'<{tag}{scope} class="{kind}">{escape(str(cell))}</{tag}>')
        group = ' class="group"' if grouped and tag == "td" and cells[0] else ""
        return f"<tr{group}>{''.join(parts)}</tr>"

    body = "\n".join(row(cells, "td") for cells in rows)
    return (
        f'<div class="wide"><table>\n<thead>{row(head, "th")}</thead>\n'
        f"<tbody>\n{body}\n</tbody></table></div>"
    )


def _change(old: object, new: object) -> str:
    try:
        a, b = float(str(old)), float(str(new))
    except ValueError:
        return "–"
    return signed(b - a, max(abs(a), abs(b)))


def _limit(value: float) -> str:
    """A limit as it was given, without the zeros that `number` adds."""
    return "–" if math.isnan(value) else f"{value:g}".replace("e-0", "e-").replace("-", "−")


def _words(name: str) -> str:
    return name.replace("_", " ")
