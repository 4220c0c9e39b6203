"""The same model takes the same way and gives the same answer however busy the machine is.

Each model is solved alone, and again beside busy processes. Stages, sizes, status, objective and
bound must be the same to the last digit; only the seconds may differ.

    python tests/benchmarks/load_independence.py [busy processes, 16]
"""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))


def models() -> dict[str, tuple[Callable, dict]]:
    """{name: (builder, options of solve_bilevel)}."""
    import pyomo_dlmp as dlmp
    from tests.benchmarks import strategic
    from tests.models import consumer, day_market

    def day(case: str) -> Callable:
        run = {"feeder": "ieee37", "hours": 24, "sites": 3, "case": case,
               "pays": "active and reactive"}
        return lambda: strategic.build(run, dlmp.LowerLevel)

    return {
        "consumer": (consumer, {}),
        "market of four hours by periods": (
            day_market, {"complementarity": "bigm", "periods": True, "gap": 1e-4}),
        "IEEE 37, regions": (day("no SVG"), {"gap": 1e-4}),
        "IEEE 37, KKT": (day("no SVG"), {"gap": 1e-4, "search": "single_level"}),
        # past the patience of branch and bound: decomposition, then branch and bound again
        "IEEE 37 with SVG, KKT": (day("delta SVG"), {"gap": 2e-4, "search": "single_level"}),
    }


def route(build: Callable, options: dict) -> tuple[dict, float]:
    """What must not depend on load, and the seconds."""
    import pyomo_dlmp as dlmp

    model, steps = build(), []

    def seen(stage, incumbent, bound):
        if not steps or steps[-1] != stage:
            steps.append(stage)

    start = time.perf_counter()
    result = dlmp.solve_bilevel(model, progress=seen, **options)
    return {"stages": list(result.times), "rounds": [s for s in steps if s != "branch and bound"],
            "size": result.size, "status": str(result.status), "objective": result.objective,
            "bound": result.bound, "notes": result.notes}, time.perf_counter() - start


@contextmanager
def busy(processes: int):
    """Processes that compute without end beside what is inside the `with`."""
    workers = [multiprocessing.Process(target=_compute, daemon=True) for _ in range(processes)]
    for worker in workers:
        worker.start()
    try:
        yield
    finally:
        for worker in workers:
            worker.terminate()


def _compute() -> None:
    while True:
        sum(range(100_000))


def main() -> int:
    """Print both runs of each model; 1 where one of them differs."""
    processes, differs = int(sys.argv[1]) if len(sys.argv) > 1 else 16, 0
    wanted = sys.argv[2] if len(sys.argv) > 2 else ""
    for name, (build, options) in models().items():
        if wanted not in name:
            continue
        alone, first = route(build, options)
        with busy(processes):
            beside, second = route(build, options)
        unlike = [key for key in alone if alone[key] != beside[key]]
        differs |= bool(unlike)
        print(f"{name}: {alone['status']}, objective {alone['objective']!r}, bound "
              f"{alone['bound']!r}; {first:.1f} s alone, {second:.1f} s beside {processes}: "
              + (f"DIFFERENT in {unlike}" if unlike else "the same"), flush=True)
        for key in unlike:
            print("   alone ", key, alone[key], "\n   beside", key, beside[key])
    return differs


if __name__ == "__main__":
    sys.exit(main())
