"""A decision for IEEE 37 with three sites in many days that it was not made with.

    PYTHONPATH=. python tests/benchmarks/out_of_sample.py [--days 1000] [--train 20] [--workers 2]
                                                          [--ac 0]

The decision is made with some days of a synthetic year, and evaluated in days of other years.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
import pyomo_dlmp as dlmp
from pyomo_dlmp.uncertainty import Decision, evaluate
from tests.benchmarks.series import MWH, network, table


def market() -> dlmp.Market:
    """A day of 24 hours."""
    return dlmp.Market(network(), 24 * MWH, {"periods": 24, "hours": 1.0})


def days(count: int, seed: int) -> dlmp.Scenarios:
    """Days of the synthetic year, drawn, with noise of their own and work from .9 to 1.1."""
    rng = np.random.default_rng(seed)
    year = table(24 * 365, 60)
    which = rng.integers(365, size=count)
    of = {c: year[c].to_numpy().reshape(365, 24)[which]
          for c in ("price", "load_scale", "available.pv")}
    of["price"] = of["price"] + rng.normal(0, 4, (count, 24))
    of["load_scale"] = of["load_scale"] * rng.uniform(0.97, 1.03, (count, 1))
    return dlmp.Scenarios.of_arrays({**of, "energy_mwh": 24 * MWH * rng.uniform(0.9, 1.1, count)})


def cpu() -> float:
    """Seconds of this process and its children."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(u.ru_utime + u.ru_stime for u in used)


def main() -> None:
    """Print the figures."""
    words = argparse.ArgumentParser()
    words.add_argument("--days", type=int, default=1000)
    words.add_argument("--train", type=int, default=20)
    words.add_argument("--workers", type=int, default=2)
    words.add_argument("--ac", type=int, default=0, help="days that are checked in AC, too")
    given = words.parse_args()
    start = cpu()
    result = dlmp.solve_stochastic(market(), days(given.train, 1))
    print(result, f"{cpu() - start:.1f} s CPU")
    start, begin, new = cpu(), time.monotonic(), days(given.days, 2)
    found = result.evaluate(new, workers=given.workers)
    used, wall = cpu() - start, time.monotonic() - begin
    print(found, f"{used:.1f} s CPU, {1e3 * used / given.days:.0f} ms a day, {wall:.0f} s")
    print(found.summary.to_string(index=False))
    print(found.infeasible.head().to_string(index=False))
    flat = Decision.of_schedule(market(), {
        site: dc.kw * MWH / 1.8 for site, dc in network().datacenters.items()})
    some = new.subset(new.names[:min(given.days, 100)])
    other = evaluate(flat, market(), some, workers=given.workers, atlas=result.models.atlas)
    print("less a flat schedule:", found.compare(other))
    if given.ac:
        start = cpu()
        check = found.check_ac(list(found.decided.values)[:given.ac])
        print(check, f"{(cpu() - start) / given.ac:.1f} s CPU a day")
        print(check.summary.to_string(index=False))


if __name__ == "__main__":
    main()
