"""The AC form on the shipped feeders: its order, and its prices at every node.

    python -m tests.benchmarks.ac_figures [FEEDER ...] [--legs N]

For each feeder: engine and model (pu); the form's voltage error at 1 and 2 % more load than that of
its rows (pu), and the loads that cross the edge of their range on the way; the greatest difference
between prices by the adjoint and the engine's marginal costs over N legs ($/MWh, all by default),
and the kinks among them.
"""

from __future__ import annotations

import argparse
import time

import pyomo_dlmp as dlmp
from tests.library.ac_differences import legs_of
from tests.library.ac_room import (
    check_adjoint_is_marginal_cost,
    check_newton_is_the_engine,
    check_second_order,
)

LARGE = 3000  # buses; from there on prices within .1 $/MWh


def row(name: str, legs: int | None) -> str:
    """Figures of a feeder as a line."""
    network = dlmp.load_feeder(name)
    begin = time.perf_counter()
    _, gap = check_newton_is_the_engine(network)
    whole, half, across = check_second_order(network)
    every = list(legs_of(network))
    chosen = every if legs is None else every[::max(1, len(every) // legs)]
    worst, kinks = check_adjoint_is_marginal_cost(
        network, tolerance=0.1 if len(network.buses) > LARGE else 0.01, legs=chosen, kinks=1.0)
    seconds = time.perf_counter() - begin
    return (f"{name}: engine {gap:.1e} pu, order {half:.1e} {whole:.1e} pu (x {whole / half:.1f}), "
            f"{len(across)} loads across, {len(chosen)} legs: {worst:.1e} $/MWh, "
            f"{len({key[:2] for key in kinks})} at kinks {sorted({key[:2] for key in kinks})[:6]} "
            f"({seconds:.0f} s)")


def main() -> None:
    """All shipped feeders, or those named."""
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("feeders", nargs="*")
    given.add_argument("--legs", type=int, default=None)
    chosen = given.parse_args()
    for name in chosen.feeders or dlmp.list_feeders()["name"]:
        print(row(name, chosen.legs), flush=True)


if __name__ == "__main__":
    main()
