"""Voltage and unbalance at the datacenters, in all hours and in those of high loading."""

from __future__ import annotations

import pandas as pd

from pyomo_dlmp.report.derived import all_cases
from pyomo_dlmp.report.tables import Table, number

ROWS = (
    ("lowest voltage (pu)", "lowest_voltage_at_datacenters"),
    ("mean VUF (%)", "mean_VUF_at_datacenters"),
    ("mean PVUR (%)", "mean_PVUR_at_datacenters"),
)
BUSY = "_at_high_loading"


def loading_table(summary: pd.DataFrame) -> Table | None:
    """Cases side by side, the others with their change from the first in percent.

    Parameters
    ----------
    summary : DataFrame
        Columns case, quantity, value, unit.

    Returns
    -------
    Table or None
        None where a summary has no such rows.
    """
    cases = all_cases(summary)
    numbers = {(case, quantity): float(value) for case, quantity, value in zip(
        summary["case"], summary["quantity"], summary["value"], strict=True)
        if str(quantity).startswith(("mean_", "lowest_", "hours_of"))}
    rows = []
    hours = numbers.get((cases[0], "hours_of_high_loading"), 0.0)
    busy = f"{hours:g} hour{'s' * (hours != 1)} of high loading"
    for group, suffix in (("all hours", ""), (busy, BUSY)):
        for k, (name, quantity) in enumerate(ROWS):
            found = [numbers.get((case, quantity + suffix)) for case in cases]
            if found[0] is not None:
                rows.append([group if k == 0 else "", name, number(found[0]), *(
                    _beside(found[0], x, relative=k > 0) for x in found[1:])])
    if not rows:
        return None
    return Table(["", "at the datacenters", *cases], rows, 2,
                 "Voltage and unbalance at the datacenters' buses. Hours of high loading: those in "
                 f"which all datacenters together draw at least 90 % of their greatest power in "
                 f"“{cases[0]}”; the same hours for all cases.")


def _beside(first: float, value: float | None, relative: bool) -> str:
    if value is None:
        return "–"
    if not relative or not first:
        return number(value)
    return f"{number(value)} ({100 * (value / first - 1):+.1f} %)".replace("-", "−")
