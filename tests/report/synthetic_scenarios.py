"""Made-up tables of decisions under uncertainty, beside those of `write_synthetic`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from pyomo_dlmp.report.reading import TABLES

SITES = ("dc730", "dc738", "dc711")


def write_scenarios(folder: Path, count: int = 20, periods: int = 24, frontier: bool = True,
                    worth: bool = True, sites: tuple[str, ...] = SITES) -> Path:
    """Add the tables of decisions under uncertainty to a folder with prices of a case or more."""
    cases = list(dict.fromkeys(pd.read_csv(folder / "prices.csv", dtype={"bus": str})["case"]))
    rng = np.random.default_rng(3)
    names = [f"2025-{1 + k // 28:02d}-{1 + k % 28:02d}" for k in range(count)]
    chances = rng.uniform(0.2, 1.0, count)
    chances /= chances.sum()
    hour = np.arange(periods)
    rows: dict[str, list] = {name: [] for name in (
        "scenarios", "first_stage", "scenario_costs", "scenario_schedule", "scenario_prices",
        "uncertainty", "risk_frontier")}
    for n, case in enumerate(cases):
        level = rng.normal(0, 1, count)
        price = 50 - 12 * np.cos(2 * np.pi * hour / 24) + 9 * level[:, None] + rng.normal(
            0, 2, (count, periods))
        cost = 1000 + 120 * level + 15 * level**2 - 40 * n
        for k, name in enumerate(names):
            rows["scenarios"] += [(case, name, t, "price", price[k, t], "$/MWh") for t in hour]
            rows["scenario_prices"] += [
                (case, name, "701", phase, t, "active", 1.04 * price[k, t] + j, "$/MWh")
                for t in hour for j, phase in enumerate("abc")]
            parts = {"probability": (chances[k], "1"), "cost": (cost[k], "$")}
            parts |= {"alone": (cost[k] - 12, "$"), "mean": (cost[k] + 9 + 8 * abs(level[k]), "$"),
                      } if worth else {}
            rows["scenario_costs"] += [(case, name, q, x, unit) for q, (x, unit) in parts.items()]
        for i, site in enumerate(sites):
            plan = 300 + 120 * np.cos(2 * np.pi * (hour + 2 * i) / 24)
            rows["first_stage"] += [(case, "schedule", site, t, plan[t], "kW") for t in hour]
            for k, name in enumerate(names):
                kw = np.clip(plan + 40 * level[k] + rng.normal(0, 15, periods), 0, None)
                rows["scenario_schedule"] += [(case, name, site, t, "power", kw[t], "kW")
                                              for t in hour]
        mean = float(chances @ cost)
        rows["uncertainty"] += [(case, "status", "optimal", "", "", ""),
                                (case, "objective", mean, mean - 0.01, mean, "$"),
                                (case, "expected_cost", mean, "", "", "$"),
                                (case, "proven_gap", 0.001, "", "", "%")]
        rows["uncertainty"] += [(case, "EVPI", 12.0, 11.9, 12.1, "$"),
                                (case, "VSS", 15.0, 14.9, 15.1, "$")] if worth else []
        for w in (0.0, 0.25, 0.5, 1.0) if frontier else ():
            rows["risk_frontier"] += [
                (case, w, 0.9, "expected", mean + 12 * w**2, "$"),
                (case, w, 0.9, "cvar", mean + 200 - 30 * np.sqrt(w), "$")]
    for name, lines in rows.items():
        if lines:
            columns = [column.name for column in TABLES[name].in_file]
            pd.DataFrame(lines, columns=columns).to_csv(folder / f"{name}.csv", index=False)
    return folder
