"""What SVGs do to voltages and unbalance: tables of docs/studies.md and README, and its claims."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd

from pyomo_dlmp.report.tables import number
from pyomo_dlmp.results.loading import high_loading

FIRST, WYE, DELTA = "no SVG", "wye SVG", "delta SVG"
STUDIES = {"ieee37": "IEEE 37", "ieee37_heavy": "IEEE 37, loading 1.6",
           "ieee37_per_phase": "IEEE 37 by phase"}
BUSY = "_at_high_loading"
MAIN = {
    "datacenters_pay": "datacenters pay ($ a day)",
    "datacenters_pay_for_reactive_power": "of it for reactive power ($)",
    "AC_payment_just_beyond_a_limit": "payment just beyond a limit ($)",
    "lowest_voltage_at_datacenters": "lowest voltage at the datacenters (pu)",
    f"mean_VUF_at_datacenters{BUSY}": "mean VUF there, hours of high loading (%)",
    "mean_VUF_at_datacenters": "mean VUF there, all hours (%)",
    f"mean_PVUR_at_datacenters{BUSY}": "mean PVUR there, hours of high loading (%)",
    "mean_PVUR_at_datacenters": "mean PVUR there, all hours (%)",
    "greatest_VUF": "greatest VUF of any bus and hour (%)",
    "voltages_at_a_limit": "voltages at their limit (bus, phase, hour)",
    "greatest_price_spread_between_phases": "greatest price spread between phases ($/MWh)",
    "losses": "losses (MWh)"}
_MONEY = ("datacenters_pay", "datacenters_pay_for_reactive_power", "AC_payment_just_beyond_a_limit")
TRUTH = {
    "AC_settled": "settled", "AC_rounds_of_the_dso": "rounds of the DSO",
    "AC_rounds_of_the_leader": "of the leader", "AC_payment": "payment in AC ($)",
    "AC_payment_just_beyond_a_limit": "just beyond a limit ($)",
    "AC_payment_of_the_best_other_schedule": "best other schedule ($)",
    "AC_limits_broken": "limits broken",
    "AC_greatest_active_price_error_against_the_dual": "dual of the price off by ($/MWh)",
    "AC_greatest_active_price_error_against_central_differences": "central differences ($/MWh)",
    "AC_greatest_voltage_difference_from_the_engine": "voltage against the engine (pu)"}


def read(root: Path, study: str, name: str) -> pd.DataFrame:
    return pd.read_csv(root / study / f"{name}.csv", dtype={"bus": str}, keep_default_na=False,
                       na_values={"value": [""]})


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def summary(root: Path, study: str) -> pd.DataFrame:
    """Quantities as rows, cases as columns."""
    rows = read(root, study, "summary")
    return rows.pivot_table(index="quantity", columns="case", values="value", aggfunc="first",
                            sort=False)


def main_table(root: Path) -> str:
    """The main study in a few numbers, cases across."""
    wide = summary(root, "ieee37")
    rows = [[name, *(_cell(quantity, wide.loc[quantity].get(case)) for case in wide.columns)]
            for quantity, name in MAIN.items() if quantity in wide.index]
    return table(["", *wide.columns], rows)


def _cell(quantity: str, value: object) -> str:
    if value is None or pd.isna(value):
        return "–"
    x = float(str(value))
    if quantity in _MONEY:
        return f"{x if abs(x) >= 0.005 else 0.0:,.2f}".replace("-", "−")
    return number(0.0 if abs(x) < 1e-9 else x)


class Effects:
    """What each SVG changes in one study."""

    def __init__(self, root: Path, study: str):
        self.wide = summary(root, study)
        dispatch, unbalance = (read(root, study, name) for name in ("dispatch", "unbalance"))
        vuf = unbalance[unbalance["quantity"] == "VUF"]
        sites = set(dispatch[dispatch["kind"] == "datacenter"]["bus"])
        self.busy = high_loading(dispatch[dispatch["case"] == FIRST])
        self.by_hour = vuf[vuf["bus"].isin(sites)].groupby(["case", "period"])["value"].mean()
        self.by_bus = vuf.groupby(["case", "bus"])["value"].mean()
        self.vuf = vuf

    def change(self, case: str, quantity: str) -> float:
        """Relative change against no SVG."""
        return self.number(case, quantity) / self.number(FIRST, quantity) - 1

    def number(self, case: str, quantity: str) -> float:
        return float(self.wide.loc[quantity, case])

    def hours(self, case: str, busy: bool) -> tuple[int, int]:
        """(hours in which the mean VUF at the datacenters falls, of these many)."""
        less = self.by_hour[case] < self.by_hour[FIRST]
        mine = less[less.index.isin(self.busy) == busy]
        return int(mine.sum()), len(mine)

    def buses(self, case: str) -> tuple[int, int]:
        """(buses at which the mean VUF of the day falls, of these many)."""
        less = self.by_bus[case] < self.by_bus[FIRST]
        return int(less.sum()), len(less)

    def worst(self, case: str) -> tuple[str, float]:
        """Bus of the greatest VUF, and that (%)."""
        mine = self.vuf[self.vuf["case"] == case]
        row = mine.loc[mine["value"].idxmax()]
        return row["bus"], row["value"]


def changes(root: Path) -> str:
    """What wye and delta SVGs change, studies across."""
    effects = {study: Effects(root, study) for study in STUDIES}
    rows: list[list[str]] = []
    for case in (WYE, DELTA):
        for name, of in _measures(case):
            rows.append([case, name, *(of(one) for one in effects.values())])
    return table(["SVG", "change against no SVG", *(label(root, s) for s in STUDIES)], rows)


def label(root: Path, study: str) -> str:
    """Name of a study, with its form where that is the linear one."""
    keys = read(root, study, "study").set_index("key")["value"]
    return STUDIES[study] + ("" if keys.get("form") == "ac" else " (linear form)")


def _measures(case: str) -> Iterator[tuple[str, Callable[[Effects], str]]]:
    for what in ("VUF", "PVUR"):
        for when, suffix in (("hours of high loading", BUSY), ("all hours", "")):
            quantity = f"mean_{what}_at_datacenters{suffix}"
            yield (f"mean {what} at the datacenters, {when}",
                   lambda e, q=quantity: _percent(e.change(case, q)))  # type: ignore[misc]
    yield "lowest voltage at the datacenters (pu)", lambda e: " → ".join(
        number(e.number(name, "lowest_voltage_at_datacenters")) for name in (FIRST, case))
    yield "hours of high loading in which their VUF falls", lambda e: _of(*e.hours(case, True))
    yield "other hours in which it falls", lambda e: _of(*e.hours(case, False))
    yield "three-phase buses where the day's mean VUF falls", lambda e: _of(*e.buses(case))
    yield "greatest VUF of the feeder (%), bus", lambda e: " → ".join(
        f"{number(value)} ({bus})" for bus, value in (e.worst(FIRST), e.worst(case)))
    yield "payment", lambda e: _percent(e.change(case, "datacenters_pay"))


def _percent(change: float) -> str:
    return f"{100 * change:+.1f} %".replace("-", "−")


def _of(some: int, all_: int) -> str:
    return f"{some} of {all_}"


def truth(root: Path) -> str:
    """How the answers of the main studies stand in AC."""
    rows = []
    for study, feeder in STUDIES.items():
        wide = summary(root, study)
        for case in wide.columns if "AC_settled" in wide.index else ():
            mine = wide[case]
            rows.append([feeder, case, *(
                f"{float(mine[q]):,.3f}" if name.endswith("($)") and not pd.isna(mine.get(q))
                else number(mine.get(q, float("nan"))) for q, name in TRUTH.items())])
    if not rows:
        return "These results are of the linear form (`form = \"lindist\"`)."
    return table(["study", "case", *TRUTH.values()], rows)


def broken_claims(root: Path) -> list[str]:
    """Sentences of the page that these results do not show."""
    found = []
    for study in ("ieee37", "ieee37_heavy"):
        one = Effects(root, study)
        for case in (WYE, DELTA):
            for what in ("VUF", "PVUR"):
                if one.change(case, f"mean_{what}_at_datacenters{BUSY}") >= 0:
                    found.append(f"{study}: {case} lowers the mean {what} at the datacenters in "
                                 "hours of high loading")
            if one.number(case, "lowest_voltage_at_datacenters") < one.number(
                    FIRST, "lowest_voltage_at_datacenters") - 5e-4:
                found.append(f"{study}: {case} does not lower the lowest voltage")
        if one.change(WYE, "mean_VUF_at_datacenters") >= 0:
            found.append(f"{study}: wye SVGs lower the mean VUF over all hours, too")
        if one.hours(DELTA, False)[0] > one.hours(DELTA, False)[1] / 2:
            found.append(f"{study}: delta SVGs raise the VUF at the datacenters in light hours")
        if one.worst(DELTA)[1] <= one.worst(FIRST)[1] or one.worst(DELTA)[0] != "724":
            found.append(f"{study}: delta SVGs raise the greatest VUF, at bus 724")
    heavy, light = Effects(root, "ieee37_heavy"), Effects(root, "ieee37")
    quantity = f"mean_VUF_at_datacenters{BUSY}"
    if heavy.change(DELTA, quantity) >= light.change(DELTA, quantity):
        found.append("delta SVGs help more the more the datacenters draw")
    if light.change(DELTA, "mean_VUF_at_datacenters") <= 0:
        found.append("ieee37: over all hours delta SVGs raise the mean VUF at the datacenters")
    if heavy.change(DELTA, "mean_VUF_at_datacenters") >= 0:
        found.append("ieee37_heavy: over all hours delta SVGs lower it")
    phase = Effects(root, "ieee37_per_phase")
    for case in (WYE, DELTA):
        if phase.change(case, "mean_PVUR_at_datacenters") >= 0:
            found.append(f"ieee37_per_phase: {case} lowers the mean PVUR at the datacenters")
    if phase.change(DELTA, "mean_VUF_at_datacenters") > -0.5:
        found.append("ieee37_per_phase: delta SVGs more than halve the mean VUF there")
    return found
