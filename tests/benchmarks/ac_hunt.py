"""AC OPFs of random feeders, each held against engine, NLP and other dispatches.

    python -m tests.benchmarks.ac_hunt N SEED

prints a line for each of N feeders from SEED on, and counts at the end. Where losses pay (a price
of 0 or below) the problem is not convex: another local optimum is said, not counted as a fault.
"""

from __future__ import annotations

import sys
import time
from collections import Counter

from pyomo_dlmp.errors import DlmpError
from tests.library.ac_hunt import judge
from tests.library.ac_random import ac_random


def main(count: int = 200, first: int = 0) -> None:
    """Hunt."""
    counts: Counter = Counter()
    worst: dict[str, float] = {}
    for seed in range(first, first + count):
        begin = time.perf_counter()
        try:
            network, options = ac_random(seed)
        except DlmpError as error:
            counts["no network"] += 1
            print(f"{seed}: no network: {' '.join(str(error).split())[:120]}", flush=True)
            continue
        try:
            found = judge(network, options, seed=seed)
        except Exception as error:  # a fault of any kind is what is hunted
            counts["crashed"] += 1
            print(f"{seed}: CRASHED {error!r:.300}", flush=True)
            continue
        counts["settled" if "settled" in found else
               "said why not" if "said" in found else "not settled"] += 1
        for fault in found.faults:
            counts[f"fault: {fault}"] += 1
        for key in found.bounds:
            worst[key] = max(worst.get(key, 0.0), float(found.get(key, 0.0)))
        print(f"{seed}: {found} ({time.perf_counter() - begin:.1f} s)", flush=True)
    print(dict(counts))
    print("worst", {key: f"{value:.1e}" for key, value in worst.items()})


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
