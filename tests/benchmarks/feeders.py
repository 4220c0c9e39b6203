"""Read, build and solve large feeders, beside distopf in an environment of its own.

Prints one table, and writes it to docs/benchmark_feeders.md. Both read the same OpenDSS file (ours,
written from the shipped tables), build the one-period LP of the least substation power, and solve
it with HiGHS. The 24-period build is ours alone. distopf is installed into .venv-distopf once.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

import pyomo_dlmp as dlmp

ROOT = Path(__file__).resolve().parents[2]
PEER = ROOT / ".venv-distopf"
FEEDERS = ("ieee123", "eulv906", "ieee8500")


def ours(path: Path) -> dict:
    clock = time.perf_counter
    start = clock()
    net = dlmp.read_opendss(path)
    seconds = {"read": clock() - start}
    start = clock()
    m = dlmp.build_opf(net, losses=None, voltage_limits="hard", v_min=0.5, v_max=1.5)
    seconds["build"] = clock() - start
    start = clock()
    dlmp.solve_opf(m)
    seconds["solve"] = clock() - start
    return seconds


def theirs(path: Path) -> dict:
    python = PEER / "bin" / "python"
    if not python.exists():
        venv.create(PEER, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "distopf", "highspy",
                        "opendssdirect.py"], check=True)
    script = Path(__file__).with_name("_distopf_case.py")
    done = subprocess.run([python, script, path], capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    return json.loads(lines[-1]) if lines else {"status": done.stderr.strip().splitlines()[-1]}


def day() -> tuple[float, float]:
    """Seconds and peak GB of building 24 periods of the 8500-node feeder, in a fresh process."""
    code = ("import time, resource, pyomo_dlmp as d; n = d.load_feeder('ieee8500'); "
            "s = time.perf_counter(); d.build_opf(n, periods=24, losses=None, "
            "price=list(range(24)), load_scale=[.5 + .02 * h for h in range(24)]); "
            "print(time.perf_counter() - s, "
            "resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6)")
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds, memory = map(float, out.stdout.split())
    return seconds, memory


def main() -> None:
    rows = []
    for name in FEEDERS:
        with tempfile.TemporaryDirectory() as folder:
            path = dlmp.write_opendss(dlmp.load_feeder(name), Path(folder) / f"{name}.dss")
            mine, peer = ours(path), theirs(path)
        for who, found in (("pyomo_dlmp", mine), ("distopf", peer)):
            cells = [f"{found[key]:.2f}" if key in found else "-"
                     for key in ("read", "build", "solve")]
            rows.append([name, who, *cells, found.get("status", "optimal")])
            print("  ".join(rows[-1]), flush=True)
    seconds, memory = day()
    print(f"ieee8500, 24 periods: built in {seconds:.1f} s, peak {memory:.2f} GB")
    lines = [
        "# Benchmark: large feeders, compared with distopf", "",
        f"Written by `tests/benchmarks/feeders.py` (`make bench`) on {os.cpu_count()} cores "
        f"({platform.machine()}), Python {platform.python_version()}, pyomo_dlmp "
        f"{dlmp.__version__}. Seconds; the solve is everything after the build: compiling, HiGHS, "
        "and here also the check of the KKT residual and the prices.", "",
        "| feeder | tool | read OpenDSS | build | solve | status |", "|---|---|---|---|---|---|",
        *(f"| {' | '.join(row)} |" for row in rows), "",
        f"ieee8500 with 24 periods: built in {seconds:.1f} s, peak memory {memory:.2f} GB.", ""]
    (ROOT / "docs" / "benchmark_feeders.md").write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
