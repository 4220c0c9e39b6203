"""The answer first: three sentences at the head of the page."""

from __future__ import annotations

import math

import pandas as pd

from pyomo_dlmp.report.derived import cases_of, pick, sites_of
from pyomo_dlmp.report.reading import Results
from pyomo_dlmp.report.story import energy, payment, percent
from pyomo_dlmp.report.tables import number


def opening(results: Results) -> str:
    """What datacenters pay, what they do to prices, and whether limits and checks hold.

    Parameters
    ----------
    results : Results
        Of the cases that are shown.

    Returns
    -------
    str
        At most three sentences, as plain text.
    """
    return " ".join(filter(None, (_paid(results), _prices(results), _holds(results))))


def without_sites(results: Results) -> str | None:
    """The case without datacenters, where others have some.

    Parameters
    ----------
    results : Results

    Returns
    -------
    str or None
    """
    rows = results.dispatch[results.dispatch["kind"] == "datacenter"]
    bare = [case for case in results.cases if case not in set(cases_of(rows))]
    return bare[0] if len(rows) and bare else None


def _paid(results: Results) -> str:
    paid = {case: payment(results, case) for case in results.cases}
    paid = {case: value for case, value in paid.items() if not math.isnan(value)}
    if not paid:
        return ""
    (first, base), *others = paid.items()
    used, count = energy(results, first), len(sites_of(results.dispatch))
    text = "The datacenter pays" if count == 1 else f"The {count} datacenters pay" if count else (
        "The datacenters pay")
    text += f" ${number(round(base, 2))}"
    text += f" for {number(used)} MWh" if used > 0 else ""
    text += f" in “{first}”" if len(results.cases) > 1 else ""
    changes = [(value / base - 1, case) for case, value in others] if base > 0 else []
    if len(changes) == 1:
        text += f", and {percent(changes[0][0])} in “{changes[0][1]}”"
    elif changes:
        (low, least), (high, most) = min(changes), max(changes)
        text += f"; of the others, “{least}” is {percent(low)} and “{most}” {percent(high)}"
    return text + "."


def _prices(results: Results) -> str:
    rows = pick(results.prices, quantity="active").dropna(subset=["value"])
    if rows.empty:
        return ""
    mean = {case: float(pick(rows, case=case)["value"].mean()) for case in cases_of(rows)}
    bare, first = without_sites(results), next(iter(mean))
    if bare in mean and bare != first:
        return (f"With them the mean active DLMP is {number(mean[first])} $/MWh against "
                f"{number(mean[bare])} without ({_signed(mean[first] - mean[bare])} $/MWh), the "
                f"highest {number(_top(rows, first)['value'])} against "
                f"{number(_top(rows, bare)['value'])}.")
    top = _top(rows, first)
    where = f" in “{first}”" if len(mean) > 1 else ""
    return (f"The active DLMP is {number(mean[first])} $/MWh in the mean{where}, and at most "
            f"{number(top['value'])} (bus {top['bus']}, phase {top['phase']}, hour "
            f"{top['period']}).")


def _top(rows: pd.DataFrame, case: str) -> pd.Series:
    mine = pick(rows, case=case)
    return mine.iloc[int(mine["value"].to_numpy().argmax())]


def _holds(results: Results) -> str:
    """Voltage limits in all cases, and the audit."""
    parts = []
    if (found := _voltages(results)) is not None:
        parts.append(found)
    failed = 0 if results.audit.empty else int((~results.audit["passed"].astype(bool)).sum())
    if failed:
        parts.append(f"{failed} of the audit's checks FAILED")
    elif len(results.audit):
        parts.append("the audit is passed")
    text = ", but ".join(parts) if failed else ", and ".join(parts)
    return text[:1].upper() + text[1:] + "." if text else ""


def _voltages(results: Results) -> str | None:
    counts = pick(results.summary, quantity="voltages_beyond_a_limit")
    limits = [results.number("v_min"), results.number("v_max")]
    if counts.empty or None in limits:
        return None
    span = f"{limits[0]:g} to {limits[1]:g} pu"
    beyond = {str(case): int(float(value)) for case, value in zip(
        counts["case"], counts["value"], strict=True) if float(value) > 0}
    if not beyond:
        return f"every voltage is within {span}"
    most = max(beyond, key=lambda case: beyond[case])
    count = beyond[most]
    verb = "voltage is" if count == 1 else "voltages are"
    cases = len(results.cases)
    return (f"{count:,} {verb} beyond the limits of {span}"
            + (f" in “{most}”" if cases > 1 else "")
            + (f" (some in {len(beyond)} of {cases} cases)" if len(beyond) > 1 else ""))


def _signed(value: float) -> str:
    return ("+" if value > 0 else "") + number(value)
