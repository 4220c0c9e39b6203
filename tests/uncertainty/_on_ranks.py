"""What tests run on several ranks: ``python -m tests.uncertainty._on_ranks CASE ...``."""

import json
import os
import signal
import sys
from dataclasses import replace

import numpy as np
from mpi4py import MPI

import pyomo_dlmp as dlmp
from pyomo_dlmp.uncertainty.searches import searched_by, together
from tests.uncertainty import tiny

GAP = 1e-6
FOUR = {"probabilities": (0.1, 0.25, 0.3, 0.35), "names": ("a", "b", "c", "d"),
        "price": ((40.0, 55.0), (70.0, 44.0), (52.0, 61.0), (48.0, 45.0)),
        "sun": ((1.0, 0.4), (0.2, 0.8), (0.6, 0.6), (0.9, 0.1)), "mwh": (1.0, 1.2, 1.1, 0.9)}


def solve(many=4, **terms):
    """A day of two hours with two or four scenarios."""
    given = tiny.scenarios(**FOUR) if many == 4 else tiny.scenarios()
    return dlmp.solve_stochastic(tiny.market(), given, **{
        "flexibility": 0.1, "deviation_price": 8.0, "gap": GAP, **terms})


def blank(shipment):
    """A shipment without what the relaxation found: the engine has to find it."""
    problem = shipment.problem
    tangents = [problem.recourse_hull(s).centers() for s in range(len(problem.recourses))]
    return replace(shipment, tangents=tangents, bound=-np.inf, W=np.zeros_like(shipment.W),
                   x=np.full_like(shipment.x, 0.5))


def show(result) -> None:
    print("RESULT", json.dumps({
        "status": str(result.status), "objective": result.objective, "bound": result.bound,
        "x": result.found.x.tolist(), "audit": bool(result.audit.passed)}), flush=True)


def main(cases: list[str]) -> None:
    comm = MPI.COMM_WORLD
    if "raises" in cases or "killed" in cases:
        with together(comm):
            if comm.rank == 1 and "raises" in cases:
                raise ValueError("rank 1 does not like it")
            if comm.rank == 1:
                os.kill(os.getpid(), signal.SIGKILL)
            comm.bcast(None, root=1)  # waits for a rank that never comes
        return
    from pyomo_dlmp.uncertainty import mpi_sppy

    with together(comm):
        if comm.rank:
            mpi_sppy.serve(comm)
            return
        pack = mpi_sppy.pack
        for case in cases:
            if case == "blank":
                mpi_sppy.pack, mpi_sppy.ITERATIONS = lambda *args: blank(pack(*args)), 20
            with searched_by(mpi_sppy.searcher(comm, 2 if case == "bundles" else 1)):
                show(solve())
        mpi_sppy.dismiss(comm)


if __name__ == "__main__":
    main(sys.argv[1:])
