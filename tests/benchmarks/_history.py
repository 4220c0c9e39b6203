"""A made-up history: hours of price, load and work on days that differ.

    python tests/benchmarks/_history.py      writes examples/studies/ieee37_days.csv

The day of examples/studies/ieee37.toml (its price and its load, hour by hour), and on each day

    price   x (1 + 0.15 z1) + 2.5 e_t, less up to 32 $/MWh around noon by how sunny the day is
            elsewhere, and on one day in eight a spike of 60 to 150 $/MWh for two or three hours of
            the evening (e_t: noise of each hour that fades by 0.7 from hour to hour)
    load    x (1 + 0.07 (0.5 z1 + 0.87 z2)): dear days are rather loaded ones
    work    25.9 MWh x (1 + 0.05 z3): what arrives in a day, in equal shares of its hours

with z standard normal, cut at 2.5. No measured data: the shape is the study's, the spreads are
chosen to be of the size that day-ahead prices and feeders' loads have.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[2]
PRICE = (32, 30, 29, 28, 28, 30, 36, 45, 52, 55, 56, 58, 57, 56, 55, 58, 65, 78, 85, 80, 70, 55, 45,
         38)
LOAD = (0.62, 0.58, 0.56, 0.55, 0.56, 0.60, 0.70, 0.78, 0.82, 0.84, 0.86, 0.88, 0.88, 0.88, 0.88,
        0.90, 0.94, 0.98, 1.00, 0.98, 0.94, 0.86, 0.76, 0.68)
WORK = 25.9


def history(days: int = 120, seed: int = 37, work: float = WORK) -> pd.DataFrame:
    """Hours of price ($/MWh), load_scale and energy_mwh."""
    rng = np.random.default_rng(seed)
    z = np.clip(rng.normal(size=(3, days)), -2.5, 2.5)
    noise = np.zeros((days, 24))
    for t in range(1, 24):
        noise[:, t] = 0.7 * noise[:, t - 1] + rng.normal(size=days)
    sun = np.clip(np.sin((np.arange(24) - 6.5) * np.pi / 12), 0, None)
    price = np.array(PRICE) * (1 + 0.15 * z[0])[:, None] + 2.5 * noise
    price -= 32 * rng.uniform(0, 1, days)[:, None] * sun
    for day in np.flatnonzero(rng.random(days) < 1 / 8):
        start, length = rng.integers(17, 20), rng.integers(2, 4)
        price[day, start:start + length] += rng.uniform(60, 150)
    load = np.array(LOAD) * (1 + 0.07 * (0.5 * z[0] + 0.87 * z[1]))[:, None]
    energy = np.repeat(work * (1 + 0.05 * z[2]) / 24, 24)
    return pd.DataFrame({
        "time": pd.date_range("2025-01-01", periods=24 * days, freq="h"),
        "price": price.ravel().round(2), "load_scale": load.ravel().round(3),
        "energy_mwh": energy.round(4)})


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else (
        ROOT / "examples" / "studies" / "ieee37_days.csv")
    lines = ["# A made-up history; tests/benchmarks/_history.py has its formulas.\n"]
    lines.append(history().to_csv(index=False, date_format="%Y-%m-%d %H:%M"))
    target.write_text("".join(lines))
