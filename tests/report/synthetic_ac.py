"""Made-up tables of an AC answer, beside those of `write_synthetic`."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from pyomo_dlmp.report.reading import TABLES

OFF = 3e-7  # $/MWh, the greatest distance of a price from its marginal cost
WORST = ("SVG", "b", 2)  # case, phase and period where it is


def write_ac(folder: Path) -> Path:
    """Add the tables of an AC answer to a folder with prices of two cases or more."""
    prices = pd.read_csv(folder / "prices.csv", dtype={"bus": str})
    cases = list(dict.fromkeys(prices["case"]))
    _certificate(folder, prices)
    _write(folder, "ac_rounds", [
        (case, loop, k, 10.0 ** -(2 * k), 5.0 ** (2 - 2 * k), 0.1**k if loop == "leader" else "",
         3600.0 + k, 1150.0 + 0.1**k if loop == "leader" else "", "")
        for case in cases for loop, most in (("dso", 4), ("leader", 3))
        for k in range(1, most + 1)])
    _write(folder, "ac_cliff", [
        (case, element, t, quantity, value, "$") for case in cases[:1] for t in (1, 2)
        for element, quantity, value in (
            ("", "payment_at_the_answer", 70.0),
            ("", "payment_just_beyond", 103.0 if t == 1 else 70.1),
            ("dc1", "cost_of_one_more_kW", 0.04), ("dc2", "cost_of_one_more_kW", 33.0))])
    _write(folder, "ac_deviations", [
        (case, k, f"dc1: {10 * k} kW from period 1 to 2", 10 * k, 1150.0 + change,
         change, 0) for case in cases for k, change in ((1, 0.4), (2, -0.02), (3, 7.0))])
    _write(folder, "neutrals", [
        (case, element, "n", t, quantity, value + t, unit)
        for case in cases for t in (1, 2) for element, quantity, value, unit in (
            ("701", "voltage", 4.0, "V"), ("l702", "current", 30.0, "A"))])
    summary = pd.read_csv(folder / "summary.csv")
    rows = [(case, f"{quantity}{suffix}", value * (0.8 if case == "SVG" else 1.0), unit)
            for case in cases for suffix in ("", "_at_high_loading")
            for quantity, value, unit in (
                ("lowest_voltage_at_datacenters", 1.2, "pu"), ("mean_VUF_at_datacenters", 0.5, "%"),
                ("mean_PVUR_at_datacenters", 0.75, "%"))]
    rows += [(case, "hours_of_high_loading", 2, "h") for case in cases]
    more = pd.DataFrame(rows, columns=list(summary.columns))
    pd.concat([summary, more]).to_csv(folder / "summary.csv", index=False)
    return folder


def _certificate(folder: Path, prices: pd.DataFrame) -> None:
    """Prices that agree with the dual to 1e-9, one of them to `OFF`; a sample of differences."""
    table = prices.rename(columns={"value": "price"})
    table["dual"] = table["price"] + 1e-9
    worst = ((table["case"] == WORST[0]) & (table["phase"] == WORST[1])
             & (table["period"] == WORST[2]) & (table["quantity"] == "active"))
    table.loc[table.index[worst][-1], "dual"] += OFF
    table["difference_quotient"] = [
        price - 1e-4 if k % 39 == 0 else "" for k, price in enumerate(table["price"])]
    table[[c.name for c in TABLES["ac_certificate"].in_file]].to_csv(
        folder / "ac_certificate.csv", index=False)


def _write(folder: Path, name: str, rows: list[tuple]) -> None:
    columns = [column.name for column in TABLES[name].in_file]
    pd.DataFrame(rows, columns=columns).to_csv(folder / f"{name}.csv", index=False)
