"""A synthetic year and a day in 288 steps on IEEE 37, and what an hour costs as the atlas fills.

    PYTHONPATH=. python tests/benchmarks/series.py [--hours 8760] [--steps 288] [--workers 2]

`--write` draws both into docs/pictures/series_*.svg.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
import pyomo_dlmp as dlmp

SITES = {"dc730": 700, "dc738": 600, "dc711": 500}
MWH = 0.6 * sum(SITES.values()) / 1000  # an hour
PICTURES = Path(__file__).resolve().parents[2] / "docs" / "pictures"
_CHUNKS = 10


def network():
    """IEEE 37 with the three datacenters of the main study and one PV plant."""
    return dlmp.load_feeder("ieee37").with_devices(
        dlmp.Generator(name="pv", bus="728", kw_max=400, cost=0.0),
        *(dlmp.Datacenter(name=name, bus=name[2:], kw=kw, floor=0.1)
          for name, kw in SITES.items()))


def table(rows: int, minutes: int) -> pd.DataFrame:
    """Prices, loads and sun with daily and yearly shapes and noise; always the same."""
    rng = np.random.default_rng(0)
    hour = np.arange(rows) * minutes / 60.0
    day, year = 2 * np.pi * hour / 24, 2 * np.pi * hour / 8760
    return pd.DataFrame({
        "time": pd.date_range("2025-01-01", periods=rows, freq=f"{minutes}min"),
        "price": np.round(48 - 14 * np.cos(day - 0.8) + 8 * np.cos(year)
                          + rng.normal(0, 6, rows), 2),
        "load_scale": np.round(0.72 - 0.16 * np.cos(day - 0.5) + 0.08 * np.cos(year)
                               + rng.normal(0, 0.02, rows), 4),
        "available.pv": np.round(np.clip(-np.cos(day) * (0.8 - 0.3 * np.cos(year)), 0, 1), 3)})


def year(hours: int, workers: int):
    """Single hours, one after another."""
    return dlmp.solve_series(dlmp.Market(network(), MWH, {"periods": 1}), table(hours, 60),
                             workers=workers)


def rolling(steps: int):
    """Steps of 5 minutes, each with the next two hours."""
    return dlmp.solve_series(dlmp.Market(network(), 2 * MWH, {"periods": 24, "hours": 1 / 12}),
                             table(steps + 23, 5), horizon=24)


def figures(found) -> dict:
    """What the page of figures shows of a series."""
    steps = found.steps
    parts = [steps.iloc[k] for k in np.array_split(np.arange(len(steps)), _CHUNKS) if len(k)]
    judged = steps["judged"].value_counts()
    return {
        "status": ", ".join(f"{n} {s}" for s, n in steps["status"].value_counts().items()),
        "payment": found.payment, "residual": float(steps["residual"].max()),
        "apart": float((steps["payment"] - steps["repriced"]).abs().max()),
        "judged": [int(judged.get(word, 0)) for word in ("passed", "failed")],
        "filling": [[int(p["problem"].iloc[0]), int(p["problem"].iloc[-1]),
                     round(1e3 * float(p["cpu_s"].mean()), 2), int((p["new"] > 0).sum())]
                    for p in parts]}


def draw(found, title: str, path: Path) -> None:
    """What a problem costs as the atlas fills, as the report of a study draws it."""
    from pyomo_dlmp.report.figures.paper import svg_text
    from pyomo_dlmp.report.figures.series import series_effort

    path.write_text(svg_text(series_effort(found.steps.assign(case=title))), encoding="utf-8")


def told(name: str, found, seconds: float) -> None:
    """Print the figures of one series."""
    shown = figures(found)
    print(f"\n{name}: {seconds:.1f} s wall, {found.steps['cpu_s'].sum():.1f} s CPU, {found!r}")
    print(f"  payment apart from the repriced one by at most {shown['apart']:.1e} $; judged: "
          "{} passed, {} failed".format(*shown["judged"]))
    print("  ms of CPU a problem, and problems with new regions, as the atlas fills:")
    for first, last, ms, new in shown["filling"]:
        print(f"    {first:>6} .. {last:>6}  {ms:8.1f}  {new:>6}")


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--hours", type=int, default=8760)
    parser.add_argument("--steps", type=int, default=288)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    for word, asked, solve in (("rolling", given.steps, lambda: rolling(given.steps)),
                               ("year", given.hours, lambda: year(given.hours, given.workers))):
        if not asked:
            continue
        start = time.monotonic()
        found = solve()
        name = f"{asked} {'hours' if word == 'year' else 'rolling steps'}"
        told(name, found, time.monotonic() - start)
        if given.write:
            draw(found, name, PICTURES / f"series_{word}.svg")


if __name__ == "__main__":
    main()
