"""Made-up tables of a market along a series, beside those of `write_synthetic`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from pyomo_dlmp.report.reading import TABLES


def write_series(folder: Path, rows: int, minutes: int = 60, offset: str = "",
                 stamps: bool = True) -> Path:
    """Add the tables of a series to a folder with prices of a case or more.

    The first problem of all has no solution, the last one is not judged, all others are.
    """
    prices = pd.read_csv(folder / "prices.csv", dtype={"bus": str})
    rng = np.random.default_rng(1)
    hour = np.arange(rows) * minutes / 60
    dates = pd.date_range("2025-01-01", periods=rows, freq=f"{minutes}min")
    times = [f"{t}{offset}" for t in dates] if stamps else list(range(rows))
    steps, tidy = [], []
    for n, case in enumerate(dict.fromkeys(prices["case"])):
        price = (50 - 12 * np.cos(2 * np.pi * hour / 24) + 9 * np.cos(2 * np.pi * hour / 8760)
                 + rng.normal(0, 4, rows) - 3 * n)
        new = rng.random(rows) < 0.9 * np.exp(-np.arange(rows) / 20) + 0.01
        for k, t in enumerate(times):
            bad = k == 0
            paid = "" if bad else 0.8 * price[k]
            steps.append((case, k, t, 1, "infeasible" if bad else "optimal", paid, paid, paid, paid,
                          "" if bad else 0, "" if bad else 1e-10, int(not new[k]), int(new[k]),
                          "" if bad or k == rows - 1 else "passed",
                          0.02 + 0.2 * new[k] + 0.004 * rng.random(), ""))
            tidy += [] if bad else [(case, t, "701", phase, "active", price[k] + j, "$/MWh")
                                    for j, phase in enumerate("abc")]
    for name, rows_ in (("series_steps", steps), ("series_prices", tidy)):
        columns = [column.name for column in TABLES[name].in_file]
        pd.DataFrame(rows_, columns=columns).to_csv(folder / f"{name}.csv", index=False)
    return folder
