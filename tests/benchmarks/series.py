"""A synthetic year and a day in 288 steps on IEEE 37, and what an hour costs as the atlas fills.

    PYTHONPATH=. python tests/benchmarks/series.py [--hours 8760] [--steps 288] [--workers 2]
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


def told(name: str, found, seconds: float) -> None:
    """Print the figures of one series."""
    cpu = found.steps["cpu_s"].to_numpy()
    print(f"\n{name}: {seconds:.1f} s wall, {cpu.sum():.1f} s CPU, {found!r}")
    apart = (found.steps["payment"] - found.steps["repriced"]).abs().max()
    print(f"  payment apart from the repriced one by at most {apart:.1e} $; judged "
          f"{(found.steps['judged'] == 'passed').sum()}, failed "
          f"{(found.steps['judged'] == 'failed').sum()}")
    print("  ms of CPU a problem, and problems with new regions, as the atlas fills:")
    for part in np.array_split(np.arange(len(cpu)), _CHUNKS):
        if len(part):
            print(f"    {part[0]:>6} .. {part[-1]:>6}  {1e3 * np.median(cpu[part]):8.1f}"
                  f"  {int((found.steps['new'].to_numpy()[part] > 0).sum()):>6}")


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--hours", type=int, default=8760)
    parser.add_argument("--steps", type=int, default=288)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    mw = 0.6 * sum(SITES.values()) / 1000
    if given.steps:
        start = time.monotonic()
        day = dlmp.solve_series(
            dlmp.Market(network(), 2 * mw, {"periods": 24, "hours": 1 / 12}),
            table(given.steps + 23, 5), horizon=24)
        told(f"{given.steps} rolling steps", day, time.monotonic() - start)
    if given.hours:
        start = time.monotonic()
        year = dlmp.solve_series(dlmp.Market(network(), mw, {"periods": 1}),
                                 table(given.hours, 60), workers=given.workers)
        told(f"{given.hours} hours", year, time.monotonic() - start)


if __name__ == "__main__":
    main()
