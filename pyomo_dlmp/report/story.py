"""What the numbers say: a few headline figures, and points that go into them case by case."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from pyomo_dlmp.report.derived import cases_of, periods_of, pick, sites_of, totals
from pyomo_dlmp.report.figures.profiles import lowest
from pyomo_dlmp.report.penalties import flag_sentence
from pyomo_dlmp.report.reading import Results
from pyomo_dlmp.report.tables import number

_OF_LIMITS = {"voltage": "voltage limits make", "congestion": "ratings make",
              "unbalance": "unbalance makes"}
_WORTH_A_WORD = 0.2  # share of a price
_FULL, _MOST = 100.05, 4  # % of a rating; branches that are named
_UNLIKE, _FEW = 3.0, 0.1  # times the median; share of the buses


@dataclass(frozen=True)
class Headline:
    """One figure of the page's head: `name` with unit, and its value for each case."""

    name: str
    values: dict[str, float]


def payment(results: Results, case: str) -> float:
    """What all datacenters pay in one case.

    Parameters
    ----------
    results : Results
    case : str
        Name of the case.

    Returns
    -------
    float
        In $; NaN where no payments are given.
    """
    rows = pick(results.payments, case=case)
    return float(rows["value"].sum()) if len(rows) else math.nan


def energy(results: Results, case: str) -> float:
    """Energy of all datacenters in one case.

    Parameters
    ----------
    results : Results
    case : str
        Name of the case.

    Returns
    -------
    float
        In MWh; NaN where there is none.
    """
    rows = pick(totals(results.dispatch, "datacenter"), case=case)
    hours = results.number("period_hours") or 1.0
    return hours * float(rows["value"].sum()) if len(rows) else math.nan


def headlines(results: Results) -> list[Headline]:
    """Payment, mean DLMP, lowest voltage, greatest unbalance; those that the tables hold.

    Parameters
    ----------
    results : Results

    Returns
    -------
    list of Headline
    """

    def extreme(table: pd.DataFrame, quantity: str, how: str) -> Callable[[str], float]:
        def of(case: str) -> float:
            values = pick(table, quantity=quantity, case=case)["value"]
            return float(getattr(values, how)()) if len(values) else math.nan

        return of

    def of_summary(quantity: str) -> Callable[[str], float]:
        rows = pick(results.summary, quantity=quantity)
        values = dict(zip(rows["case"], rows["value"], strict=True))
        return lambda case: float(values.get(case, math.nan))

    wanted: list[tuple[str, Callable[[str], float]]] = [
        ("datacenters pay ($)", lambda case: payment(results, case)),
        ("mean active DLMP ($/MWh)", extreme(results.prices, "active", "mean")),
        ("lowest voltage (pu)", extreme(results.voltages, "line_to_neutral", "min")),
        ("greatest VUF (%)", extreme(results.unbalance, "VUF", "max")),
        ("mean VUF at datacenters, high loading (%)",
         of_summary("mean_VUF_at_datacenters_at_high_loading")),
    ]
    made = [Headline(name, {case: of(case) for case in results.cases}) for name, of in wanted]
    return [one for one in made if not all(math.isnan(x) for x in one.values.values())]


def points(results: Results) -> list[tuple[str, str]]:
    """What the study found, subject by subject.

    Parameters
    ----------
    results : Results

    Returns
    -------
    list of (str, str)
        A subject in a word, and what is said of it, as plain text; without those of which the
        tables say nothing.
    """
    found = [("Studied", [_setting(results)]), ("Payments", _payments(results)),
             ("Prices", _prices(results)), ("Voltages", _voltages(results)),
             ("Beyond limits", _beyond(results) + _overloaded(results)),
             ("Penalties in prices", [x for x in [flag_sentence(results)] if x]),
             ("Unbalance", _unbalance(results)), ("Audit", _audit(results))]
    return [(subject, " ".join(sentences)) for subject, sentences in found if sentences]


def _setting(results: Results) -> str:
    feeder = results.study.get("feeder", "")
    periods = len(periods_of(results.prices)) or len(periods_of(results.voltages))
    sites, svgs = sites_of(results.dispatch), sites_of(results.dispatch, "svg")
    text = f"The feeder{f' {feeder}' if feeder else ''} ({_count(len(results.buses), 'bus')}) "
    text += f"is studied over {_count(periods, 'hour')}"
    if sites:
        text += f" with {_count(len(sites), 'datacenter')}"
        text += f" at {_buses(sorted(set(sites.values())))}"
    if svgs:
        text += f", {'and ' if sites else 'with '}{_count(len(svgs), 'static var generator')}"
        text += f" (SVG) at {_buses(sorted(set(svgs.values())))}"
    if len(results.cases) > 1:
        text += ", in the cases " + _listed([f"“{case}”" for case in results.cases])
    return text + "."


def _payments(results: Results) -> list[str]:
    parts, first = [], math.nan
    for case in results.cases:
        paid, used = payment(results, case), energy(results, case)
        if math.isnan(paid):
            continue
        text = f"${number(round(paid, 2))}"
        if used > 0:
            active = float(pick(results.payments, case=case, quantity="active")["value"].sum())
            text += f" for {number(used)} MWh (active power at {number(active / used)} $/MWh)"
        if not math.isnan(first) and first > 0:
            text += f", {percent(paid / first - 1)},"
        first = paid if math.isnan(first) else first
        parts.append(text + f" in “{case}”")
    return [f"The datacenters pay {_listed(parts)}."] if parts else []


def _prices(results: Results) -> list[str]:
    rows = pick(results.prices, quantity="active").dropna(subset=["value"])
    if rows.empty:
        return []
    means = [
        f"{number(float(pick(rows, case=case)['value'].mean()))} $/MWh in “{case}”"
        for case in cases_of(rows)
    ]
    top = rows.iloc[int(rows["value"].to_numpy().argmax())]
    where = f"bus {top['bus']}, phase {top['phase']}, hour {top['period']}"
    return [
        f"The active DLMP, averaged over buses, phases and hours, is {_listed(means)}; "
        f"the highest is {number(top['value'])} $/MWh at {where} (“{top['case']}”)"
        f"{_made_of(results, top)}." + _far_above(rows, top)
    ]


def _made_of(results: Results, top: pd.Series) -> str:
    """Which limit makes a price, where that is most of it beside the energy."""
    parts = pick(results.decomposition, quantity="active", **{
        key: top[key] for key in ("case", "bus", "phase", "period")})
    made = parts[parts["part"].isin(_OF_LIMITS)]
    if made.empty:
        return ""
    most = made.sort_values("value", key=abs).iloc[-1]
    if abs(most["value"]) <= _WORTH_A_WORD * abs(top["value"]):
        return ""
    return f", of which {_OF_LIMITS[most['part']]} {number(most['value'])} $/MWh"


def _far_above(rows: pd.DataFrame, top: pd.Series) -> str:
    """That a few buses have prices unlike all others, whose mean says little then."""
    case = pick(rows, case=top["case"])
    median = float(case["value"].median())
    high = case[case["value"] > _UNLIKE * abs(median)]
    buses, all_ = high["bus"].nunique(), case["bus"].nunique()
    if not 0 < buses <= _FEW * all_:
        return ""
    names = f"at {_buses(sorted(map(str, high['bus'].unique())))}"
    return (f" Only {names} of {all_:,} are prices above {_UNLIKE:g} times the median, which is "
            f"{number(median)} $/MWh.")


def _voltages(results: Results) -> list[str]:
    parts = []
    for case in cases_of(results.voltages):
        worst = lowest(pick(results.voltages, case=case))
        if worst is not None:
            where = f"bus {worst['bus']}, phase {worst['phase']}, hour {worst['period']}"
            parts.append(f"{worst['value']:.4f} pu in “{case}” ({where})")
    limit = results.number("v_min")
    against = f", against a limit of {limit:g} pu" if limit is not None else ""
    return [f"The lowest voltage is {_listed(parts)}{against}."] if parts else []


def _beyond(results: Results) -> list[str]:
    """Soft limits that are broken: prices are then no longer costs of power alone."""
    parts = []
    for case in results.cases:
        rows = pick(results.summary, case=case).set_index("quantity")["value"]
        count = float(rows.get("voltages_beyond_a_limit", 0))
        if count > 0:
            where = rows.get("voltage_furthest_beyond_its_limit", "")
            parts.append(f"{_count(int(count), 'voltage')} in “{case}” (the furthest: {where})")
    return [f"Beyond their soft limits are {_listed(parts)}: PRICES THERE CONTAIN THE PENALTY for "
            "that, not only the cost of power."] if parts else []


def _overloaded(results: Results) -> list[str]:
    """Branches beyond their rating, whether that is a limit of the model or not."""
    over = results.line_loading[results.line_loading["value"] > _FULL]
    parts = []
    for case in cases_of(over):
        rows = pick(over, case=case)
        worst = rows.loc[rows.groupby("element")["value"].idxmax()].sort_values(
            "value", ascending=False)
        named = [f"{row['element']} {row['value']:.1f}\u00a0% (phase {row['phase']}, hour "
                 f"{row['period']})" for row in worst.head(_MOST).to_dict("records")]
        more = [f"{len(worst) - _MOST} more"] if len(worst) > _MOST else []
        parts.append(f"{_listed(named + more)} in “{case}”")
    return [f"Beyond their rating, which need not be a limit of the model, are {'; '.join(parts)}."
            ] if parts else []


def _unbalance(results: Results) -> list[str]:
    rows = pick(results.unbalance, quantity="VUF").dropna(subset=["value"])
    parts = []
    for case in cases_of(rows):
        mine = pick(rows, case=case)
        worst = mine.iloc[int(mine["value"].to_numpy().argmax())]
        parts.append(f"{worst['value']:.2f}\u00a0% in “{case}” (bus {worst['bus']})")
    told = [f"The voltage unbalance factor reaches {_listed(parts)}."] if parts else []
    return told + _at_datacenters(results)


def _at_datacenters(results: Results) -> list[str]:
    """Mean unbalance at the datacenters in the hours of high loading, against the first case."""
    rows = pick(results.summary, quantity="mean_VUF_at_datacenters_at_high_loading")
    value = {str(case): float(x) for case, x in zip(rows["case"], rows["value"], strict=True)}
    first = results.cases[0]
    if not value.get(first, 0.0) > 0:
        return []
    parts = [f"{value[case]:.2f}\u00a0% in “{case}”" + (
        f" ({percent(value[case] / value[first] - 1)})" if case != first else "")
        for case in results.cases if case in value]
    return ["At the datacenters it averages, over the hours of their high loading, "
            f"{_listed(parts)}."]


def _audit(results: Results) -> list[str]:
    if results.audit.empty:
        return []
    passed, all_ = int(results.audit["passed"].sum()), len(results.audit)
    if passed == all_:
        return [f"All {all_} checks of the audit are passed." if all_ > 1 else "The audit passed."]
    return [f"Of the audit's {all_} checks, {all_ - passed} FAILED: read the audit first."]


def _count(n: int, thing: str) -> str:
    many = thing + ("es" if thing.endswith("s") else "s")
    return f"{n:,} {thing if n == 1 else many}"


def _buses(names: list[str]) -> str:
    if len(names) > 8:
        return f"{len(names)} buses"
    return ("bus " if len(names) == 1 else "buses ") + _listed(names)


def _listed(words: list[str]) -> str:
    if len(words) < 3:
        return " and ".join(words)
    return ", ".join(words[:-1]) + " and " + words[-1]


def percent(change: float) -> str:
    """A change as a share of what it is from, in words.

    Parameters
    ----------
    change : float
        Such as 0.1 for a tenth more.

    Returns
    -------
    str
    """
    if abs(change) < 0.00005:
        return "the same"
    return f"{abs(100 * change):.{1 if abs(change) >= 0.001 else 2}f}\u00a0% " + (
        "more" if change > 0 else "less"
    )
