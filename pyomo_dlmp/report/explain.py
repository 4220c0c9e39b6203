"""Why a price is what it is, in words: from the tables of a results folder alone."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from pyomo_dlmp.errors import ResultsFileError, nearest
from pyomo_dlmp.report.penalties import flagged_prices
from pyomo_dlmp.report.reading import Results
from pyomo_dlmp.results.flags import CURE
from pyomo_dlmp.tolerances import SAME_VOLTAGE

MEANING = {
    "energy": "the price of energy at the substation",
    "loss": "losses: what one more MWh here loses on its way, at the margin",
    "voltage": "voltage limits that bind, or are broken",
    "congestion": "ratings of lines and transformers that bind",
    "unbalance": "limits or prices of unbalance",
    "load_response": "loads and shunts that draw more or less as voltages move",
    "other": "rows of further devices",
}
_SMALL = 0.005  # $/MWh: what prints as 0.00
_NAMED = 4  # limits that are named, nearest first


@dataclass(frozen=True)
class _Place:
    """Which price: of a bus and period of a case."""

    case: str
    bus: str
    period: str

    def of(self, table: pd.DataFrame) -> pd.DataFrame:
        """Rows of a table at this place."""
        return table[(table["case"] == self.case) & (table["bus"].astype(str) == self.bus)
                     & (table["period"].astype(str) == self.period)]


def explain_price(results: Results, bus: str, period: str, case: str | None = None) -> list[str]:
    """Sentences that say why the price of a bus in a period is what it is.

    Parameters
    ----------
    results : Results
    bus, period : str
    case : str, optional
        By default all cases, one after another.

    Returns
    -------
    list of str
        Paragraphs.

    Raises
    ------
    ResultsFileError
        If the case, the bus or the period is not there; with the nearest names.
    """
    where = str(results.folder)
    for what, wanted, known in (
            ("case", case, results.cases),
            ("bus", bus, results.prices["bus"].astype(str).unique()),
            ("period", period, results.prices["period"].astype(str).unique())):
        if wanted is not None and wanted not in set(known):
            cure = nearest(wanted, known) if what != "period" or len(known) < 2 else (
                f"Periods are {known[0]} to {known[-1]}.")
            raise ResultsFileError.at(where, f"has no {what} {wanted!r}", cure)
    found = []
    for one in results.cases if case is None else [case]:
        found += _of_case(results, _Place(one, bus, period))
    return found


def _of_case(results: Results, place: _Place) -> list[str]:
    rows = place.of(results.prices)
    active = rows[rows["quantity"] == "active"].set_index("phase")["value"].astype(float)
    if not len(active):
        return [f"“{place.case}” has no price at bus {place.bus} in period {place.period}."]
    phases = ", ".join(f"{phase} {value:.2f}" for phase, value in active.items())
    lines = [f"“{place.case}”: at bus {place.bus} in period {place.period} one more MWh costs "
             f"{active.mean():.2f} $ on average over its phases ({phases})."]
    reactive = rows[rows["quantity"] == "reactive"]["value"].astype(float)
    lines += [*_parts(results, place, float(active.mean())), *_limits(results, place)]
    if len(reactive):
        lines.append(f"One more Mvarh costs {reactive.mean():.2f} $ there.")
    return lines


def _parts(results: Results, place: _Place, price: float) -> list[str]:
    rows = place.of(results.decomposition)
    rows = rows[rows["quantity"] == "active"]
    if not len(rows):
        return ["Its parts are not in this folder."]
    parts = rows.groupby(rows["part"].astype(str))["value"].mean()
    parts = parts[parts.abs() >= _SMALL].sort_values(key=abs, ascending=False)
    lines = ["It is made of:"]
    for part, value in parts.items():
        lines.append(f"  {value:+9.2f} $/MWh  {MEANING.get(str(part), str(part))}")
    around = _around(results, place)
    if around is not None:
        share = price - around
        lines.append(
            f"The average over all buses in this period is {around:.2f} $/MWh; this bus is "
            f"{abs(share):.2f} {'above' if share >= 0 else 'below'} it.")
    return lines


def _around(results: Results, place: _Place) -> float | None:
    """The average active price of all buses in the period of a place ($/MWh)."""
    rows = results.prices
    rows = rows[(rows["case"] == place.case) & (rows["quantity"] == "active")
                & (rows["period"].astype(str) == place.period)]
    return float(rows["value"].mean()) if len(rows) else None


def _limits(results: Results, place: _Place) -> list[str]:
    """Voltages at or beyond the study's limits in the period, worst first."""
    rows = results.voltages
    rows = rows[(rows["case"] == place.case) & (rows["period"].astype(str) == place.period)
                & (rows["quantity"] == "line_to_neutral")]
    low, high = results.number("v_min"), results.number("v_max")
    if not len(rows) or (low is None and high is None):
        return []
    v = rows["value"].astype(float)
    beyond = pd.concat([*([low - v] if low is not None else []),
                        *([v - high] if high is not None else [])], axis=1).max(axis=1)
    at = beyond[beyond >= -SAME_VOLTAGE].sort_values(ascending=False)
    if not len(at):
        return ["No voltage is at its limit in this period."]
    named = [f"{rows.loc[k, 'bus']}.{rows.loc[k, 'phase']} {v[k]:.4f} pu"
             for k in at.index[:_NAMED]]
    more = f" and {len(at) - _NAMED} more" if len(at) > _NAMED else ""
    limits = " .. ".join(f"{x:g}" for x in (low, high) if x is not None)
    lines = [f"At or beyond the voltage limits ({limits} pu) in this period: "
             f"{', '.join(named)}{more}."]
    broken = int((at > SAME_VOLTAGE).sum())
    if broken and results.study.get("voltage_limits") == "soft":
        flagged = place.of(flagged_prices(results))
        share = f", {100 * flagged['share'].iloc[0]:.0f} % of this price" if len(flagged) else ""
        lines.append(f"{broken} of them are broken: the voltage part above is a PENALTY "
                     f"({results.study.get('penalty', '?')} $ per pu^2 and hour){share}, not a "
                     f"cost of power. {CURE}")
    return lines
