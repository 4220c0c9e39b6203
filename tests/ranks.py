"""Run a module on several MPI ranks, as a user would; for tests that skip where there is no MPI."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# Without a network's drivers one-sided messages would complain; a test runs as whoever it is, on
# fewer cores than ranks.
_SETTINGS = {"OMPI_MCA_osc": "^ucx", "OMPI_ALLOW_RUN_AS_ROOT": "1",
             "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OPENBLAS_NUM_THREADS": "1"}
SECONDS = 600  # a run takes ten; a hang takes for ever


def mpiexec() -> str:
    """The launcher beside this Python, or on the path; the test is skipped without one."""
    pytest.importorskip("mpi4py", reason="mpi4py is not installed", exc_type=ImportError)
    pytest.importorskip("mpisppy", reason="mpi-sppy is not installed")
    beside = Path(sys.executable).parent / "mpiexec"
    found = str(beside) if beside.exists() else shutil.which("mpiexec")
    if found is None:
        pytest.skip("there is no mpiexec")
    return found


def on_ranks(many: int, *arguments: str) -> subprocess.CompletedProcess:
    """Run ``python *arguments`` on some ranks; output and errors as text."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return subprocess.run(
        [mpiexec(), "--oversubscribe", "-n", str(many), sys.executable, *arguments], cwd=ROOT,
        env={**os.environ, **_SETTINGS, "PYTHONPATH": path}, capture_output=True, text=True,
        timeout=SECONDS)


def results_of(done: subprocess.CompletedProcess) -> list[dict]:
    """What a run printed after the word RESULT, one line each."""
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(line.partition(" ")[2]) for line in done.stdout.splitlines()
            if line.startswith("RESULT ")]
