"""CPU seconds of a repeated solve, by what changed since the last: IEEE 37 x 24 h x 3 sites.

    PYTHONPATH=. python tests/benchmarks/repeat_solve.py [--profile CASE] [--feeder ieee37]
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import sys
import time
from pathlib import Path

import pyomo.environ as pyo

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
import pyomo_dlmp as dlmp
from tests.benchmarks.strategic import build

MOST_CHANGED = 25


def changes(m) -> dict:
    """{case: what it does to the model}; prices and scales are Params."""
    price = m.dso.substation[next(iter(m.dso.substation))].price
    load = next(iter(m.dso.demand.values()))
    hours = list(m.dso.periods)

    def one_price():
        price[hours[7]] = 1.01 * pyo.value(price[hours[7]])

    def all_prices():
        for t in hours:
            price[t] = 1.01 * pyo.value(price[t])

    def one_scale():
        load.scale[hours[7]].set_value(1.01 * pyo.value(load.scale[hours[7]]))

    found = {"first": lambda: None, "nothing": lambda: None, "one price": one_price}
    if hasattr(load.scale[hours[7]], "set_value"):
        found["one load scale"] = one_scale
    return found | {"all prices": all_prices, "nothing again": lambda: None}


def main() -> None:
    """Print a line for each case."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--profile", default=None)
    parser.add_argument("--feeder", default="ieee37")
    given = parser.parse_args()
    run = {"feeder": given.feeder, "hours": 24, "sites": 3, "case": "no SVG",
           "pays": "active and reactive"}
    start = time.process_time()
    m = build(run, dlmp.LowerLevel)
    print(f"{'build':>16} {time.process_time() - start:7.3f} s")
    atlas = dlmp.Atlas()
    for case, change in changes(m).items():
        change()
        watch = cProfile.Profile() if given.profile == case else None
        start = time.process_time()
        if watch:
            watch.enable()
        r = dlmp.solve_bilevel(m, atlas=atlas, gap=1e-4)
        if watch:
            watch.disable()
        steps = {k: round(v, 3) for k, v in r.times.items()}
        print(f"{case:>16} {time.process_time() - start:7.3f} s  {r.objective:.6f}  {steps}")
        if watch:
            pstats.Stats(watch).sort_stats("cumtime").print_stats(MOST_CHANGED * 2)


if __name__ == "__main__":
    main()
