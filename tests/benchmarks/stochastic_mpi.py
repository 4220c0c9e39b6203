"""A day of scenarios by this package's own route and by mpi-sppy, side by side in one run.

    PYTHONPATH=. mpiexec --oversubscribe -n 3 python tests/benchmarks/stochastic_mpi.py
    PYTHONPATH=. python tests/benchmarks/stochastic_mpi.py      # one rank: the extensive form

IEEE 37, three sites, 24 hours (`stochastic.py`). Both get the same arrays: what condenses them is
counted once. CPU seconds of rank 0; of the others in brackets, where most is waiting. At last a
model of cost from the parts just measured: what a cluster would need (see docs/mpi.md).
"""

from __future__ import annotations

import argparse
import itertools
import math
import pickle
import sys
import time
from pathlib import Path

import numpy as np
import pyomo.environ as pyo
from mpi4py import MPI

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from pyomo_dlmp.uncertainty import mpi_sppy, solve_stochastic
from pyomo_dlmp.uncertainty.route import search
from pyomo_dlmp.uncertainty.searches import together
from pyomo_dlmp.uncertainty.shipment import pack, risk_rows
from tests.benchmarks.stochastic import cpu, market, scenarios

COMM = MPI.COMM_WORLD


def line(what: str, found, seconds: float, others: str = "") -> None:
    """One row of the comparison."""
    gap = (found.objective - found.bound) / abs(found.objective)
    print(f"{what:34} {found.objective:12.4f} {found.bound:12.4f} {gap:9.1e} {seconds:8.1f} s CPU"
          f"{others}", flush=True)


def parts_of(problem, gap: float) -> dict[str, float]:
    """CPU seconds of what a rank does for a scenario, and what is done once."""
    begin = cpu()
    shipment = pack(problem, gap)
    relaxation = cpu() - begin
    sent = len(pickle.dumps(shipment))
    risk, many = risk_rows(problem), min(4, len(problem.recourses))
    begin = cpu()
    models = [mpi_sppy.subproblem(f"scen{s}", shipment, risk) for s in range(many)]
    build = (cpu() - begin) / many
    solvers = [pyo.SolverFactory(mpi_sppy.SOLVER) for _ in models]
    first = time.process_time()
    for solver, m in zip(solvers, models, strict=True):
        solver.solve(m)
    first = (time.process_time() - first) / many
    again = time.process_time()
    for solver, m, W in zip(solvers, models, shipment.W, strict=False):
        m.objective.expr += sum(float(w) * x for w, x in zip(W, m.x.values(), strict=True))
        solver.solve(m)
    again = (time.process_time() - again) / many
    return {"relaxation": relaxation, "MB": sent / 1e6, "build": build, "first": first,
            "solve": again}


def clusters(parts: dict[str, float], condensing: float, many: int) -> None:
    """Simulated seconds on clusters of some sizes, from the parts that were measured.

    One process solves the relaxation, then each scenario twice (an answer and a bound). On a
    cluster rank 0 solves the relaxation and sends the arrays (1 GB/s); each cylinder has a third of
    the ranks, which write their scenarios' models and solve each twice, and once more for each
    iteration of hedging.
    """
    per = {key: parts[key] / many for key in ("relaxation", "MB")}
    print(f"\nparts: condensing {condensing / many:.2f} s a scenario, relaxation "
          f"{per['relaxation']:.3f} s a scenario, {per['MB']:.2f} MB a scenario sent, model "
          f"{parts['build']:.2f} s, first solve {parts['first']:.2f} s, further ones "
          f"{parts['solve']:.2f} s")
    sizes = (3, 12, 48, 192)
    print("simulated seconds after condensing; hedging of 3 and of 30 iterations\n"
          f"{'scenarios':>9} {'s a MILP':>8} {'1 process':>10}"
          + "".join(f"{f'{n} ranks':>16}" for n in sizes))
    for count, solve in itertools.product((100, 1000, 10_000), (parts["solve"], 1.0, 10.0)):
        once, row = per["relaxation"] * count, []
        for ranks in sizes:
            mine = math.ceil(count / (ranks // 3))
            begin = once + per["MB"] * count / 1000 + mine * (parts["build"] + 2 * solve)
            row.append("/".join(f"{begin + k * mine * solve:.0f}" for k in (3, 30)))
        print(f"{count:>9} {solve:>8.1f} {once + 2 * count * solve:>10.0f}"
              + "".join(f"{text:>16}" for text in row))


def main() -> None:
    """Solve by both, and print the figures."""
    given = argparse.ArgumentParser()
    given.add_argument("--scenarios", type=int, default=20)
    given.add_argument("--bundle", type=int, default=1)
    given.add_argument("--gap", type=float, default=1e-4)
    options = given.parse_args()
    with together(COMM):
        if COMM.rank:
            mpi_sppy.serve(COMM)
            COMM.gather(cpu())
            return
        of = market()
        begin = cpu()
        own = solve_stochastic(of, scenarios(options.scenarios, of), gap=1.0, audit=False)
        condensing, problem = cpu() - begin, own.problem
        assert problem is not None
        print(f"\n{options.scenarios} scenarios, {COMM.size} ranks; {own.size}; condensing "
              f"{condensing:.1f} s CPU\n{'':34} {'objective':>12} {'bound':>12} {'gap':>9}")
        begin = cpu()
        first = search(problem, options.gap)
        line("own route", first, cpu() - begin)
        begin = cpu()
        other = mpi_sppy.searcher(COMM, options.bundle)(problem, options.gap)
        seconds = cpu() - begin
        mpi_sppy.dismiss(COMM)
        busy = COMM.gather(cpu())
        assert busy is not None
        how = "extensive form" if COMM.size == 1 else f"hub and {min(3, COMM.size) - 1} spokes"
        line(f"mpi-sppy, {how}", other, seconds,
             f" ({', '.join(f'{s:.0f}' for s in busy[1:])} with imports)" if busy[1:] else "")
        apart = abs(first.objective - other.objective) / abs(first.objective)
        print(f"objectives differ by {apart:.1e}, first stages by at most "
              f"{1000 * np.abs(first.x - other.x).max():.3f} kW")
        clusters(parts_of(problem, options.gap), condensing, options.scenarios)


if __name__ == "__main__":
    main()
