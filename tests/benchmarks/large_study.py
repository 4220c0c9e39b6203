"""A whole study of a feeder of 3,000 buses: time and memory by step, and the gap that is proven.

24 hours, one datacenter and one delta SVG, gap 1e-3, from the study file to the report, each run
in a process of its own. The feeder is synthetic (`tests/library/suburb.py`) and like EPRI's ckt5 in
its numbers of buses, nodes and loads; any other is measured when it is named. Besides: the
8500-node feeder, one period and a day of the OPF alone. Writes docs/benchmark_large_study.md.

    python tests/benchmarks/large_study.py [--no-page] [FEEDER.dss or folder of tables ...]
"""

from __future__ import annotations

import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve()
ROOT = HERE.parents[2]
sys.path.insert(0, str(ROOT))
STEPS = ("read", "build", "solve", "audit", "tables", "report")
# The step that a stage of a study begins; a stage that is not here belongs to the one before it.
BEGINS = {"building": "build", "compile": "solve", "audit": "audit", "tables": "tables",
          "draw": "report", "drawing": "report"}
PRICE = [32, 30, 29, 28, 28, 30, 36, 45, 52, 55, 56, 58, 57, 56, 55, 58, 65, 78, 85, 80, 70, 55,
         45, 38]
SCALE = [0.62, 0.58, 0.56, 0.55, 0.56, 0.60, 0.70, 0.78, 0.82, 0.84, 0.86, 0.88, 0.88, 0.88, 0.88,
         0.90, 0.94, 0.98, 1.00, 0.98, 0.94, 0.86, 0.76, 0.68]
STUDY = """
feeder = {feeder!r}
[dso]
price = {price}
load_scale = {scale}
[solver]
gap = 1e-3
[[datacenter]]
name = "dc"
bus = {bus!r}
kw = 1000
floor = 0.10
power_factor = 0.95
[[case]]
name = "delta SVG"
[[case.svg]]
name = "svg"
bus = {bus!r}
kvar = 300
connection = "delta"
"""
# At d4742ae on the same two cores, which did nothing else; with a generator of 400 kW besides.
BEFORE = {"ckt5": {
    "seconds": {"read": 1.5, "build": 46.2, "solve": 30.9, "audit": 10.3, "tables": 22.2,
                "report": 11.8}, "all": 122.9, "peak": 2.38, "gap": 1.6e-4, "status": "optimal"}}


def study(feeder: str) -> dict:
    """One study, in this process: CPU seconds by step, of all, wall seconds, peak memory, gap."""
    start, wall = time.process_time(), time.perf_counter()
    from pyomo_dlmp.study import read_study, run_study

    seconds = {"import": time.process_time() - start}
    with tempfile.TemporaryDirectory() as folder:
        name, bus = _feeder(feeder, folder)
        file = Path(folder) / "study.toml"
        file.write_text(STUDY.format(feeder=name, bus=bus, price=PRICE, scale=SCALE),
                        encoding="utf-8")
        last, since = "read", time.process_time()

        def seen(_run, stage, _incumbent, _bound) -> None:
            nonlocal last, since
            now = BEGINS.get(stage, last)
            if now != last:
                seconds[last] = seconds.get(last, 0.0) + time.process_time() - since
                last, since = now, time.process_time()

        wall, whole = time.perf_counter(), time.process_time()
        data = read_study(file)
        seen("", "building", None, None)
        (done,) = run_study(data, seen, Path(folder) / "results")
        seconds[last] = seconds.get(last, 0.0) + time.process_time() - since
        size = len(data.base.buses)
        report = (Path(folder) / "results" / "report.html").stat().st_size / 1e6
    found = done.solution
    return {"buses": size, "seconds": seconds, "all": time.process_time() - whole,
            "wall": time.perf_counter() - wall, "peak": _peak(), "status": str(found.status),
            "gap": found.gap, "objective": found.objective, "passed": found.audit.passed,
            "report": report}


def _feeder(feeder: str, folder: str) -> tuple[str, str]:
    """(feeder as a study file names it, a three-phase bus of medium voltage halfway out)."""
    import pyomo_dlmp as dlmp
    from pyomo_dlmp.io import find_feeder

    if feeder == "synthetic":
        from tests.library.suburb import suburb

        network = suburb()
        feeder = str(Path(folder) / "feeder")
        dlmp.write_tables(network, Path(feeder))
    else:
        feeder = str(Path(feeder).resolve())
        network = find_feeder(feeder)
    away = network.distance_km()
    wide = sorted((name for name, bus in network.buses.items()
                   if len(bus.phases) == 3 and 1 < bus.kv < 50), key=lambda name: away[name])
    return feeder, wide[2 * len(wide) // 3]


def opf(periods: int) -> dict:
    """CPU seconds to build and to solve the OPF of the 8500-node feeder alone, in this process."""
    import pyomo_dlmp as dlmp

    network = dlmp.load_feeder("ieee8500")
    start = time.process_time()
    m = dlmp.build_opf(network, periods=periods, price=PRICE[:periods],
                       load_scale=[0.8 + 0.2 * s for s in SCALE[:periods]])
    built = time.process_time()
    solution = dlmp.solve_opf(m)
    return {"build": built - start, "solve": time.process_time() - built, "peak": _peak(),
            "residual": solution.residual.relative}


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def apart(action: str, value: str) -> dict:
    """`study` or `opf` in a process of its own, at most twenty minutes."""
    done = subprocess.run([sys.executable, str(HERE), action, value], cwd=ROOT, timeout=1200,
                          env={**os.environ, "OPENBLAS_NUM_THREADS": "1"}, capture_output=True,
                          text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def row(name: str, when: str, found: dict) -> str:
    """A line of the table."""
    steps = [f"{found['seconds'].get(step, 0.0):.1f}" for step in STEPS]
    return "| " + " | ".join([
        name, when, *steps, f"{found['all']:.0f}", f"{found['peak']:.2f}", f"{found['gap']:.1e}",
        str(found["status"])]) + " |"


def main(feeders: list[str], page: bool) -> None:
    """Measure, print, write the page."""
    lines = ["| feeder | | " + " | ".join(STEPS) + " | all | peak (GB) | gap | status |",
             "|---" * (len(STEPS) + 6) + "|"]
    for feeder in feeders:
        name = Path(feeder).stem.removeprefix("Master_")
        found = apart("--study", feeder)
        print(f"{name}: {found}", flush=True)
        if name in BEFORE:
            lines.append(row(name, "before", BEFORE[name]))
        lines.append(row(name, "now", found))
    print("\n".join(lines))
    if not page:
        return
    table = ["| periods | build | solve | peak (GB) | KKT residual |", "|---|---|---|---|---|"]
    for periods in (1, 24):
        found = apart("--opf", str(periods))
        table.append(f"| {periods} | {found['build']:.1f} | {found['solve']:.1f} | "
                     f"{found['peak']:.2f} | {found['residual']:.1e} |")
    print("\n".join(table))
    (ROOT / "docs" / "benchmark_large_study.md").write_text("\n".join([
        "# Benchmark: a study of 3,000 buses", "",
        "Written by `tests/benchmarks/large_study.py` (`make bench`) on "
        f"{os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}. "
        "A day of 24 hours, one datacenter (1 MW), one delta SVG (300 kvar), gap 1e-3 on HiGHS: "
        "the whole of `pyomo-dlmp study`, from the study file to the report. CPU seconds of one "
        "core; `solve` is compilation, condensing, critical regions and search.", "",
        *lines, "",
        "`synthetic` is the feeder of `tests/library/suburb.py`: 3,000 buses, 3,430 nodes, 1,305 "
        "loads. EPRI's ckt5 (2,998 buses, 3,437 nodes, 1,379 loads), which is not shipped, is "
        "measured by `python tests/benchmarks/large_study.py synthetic Master_ckt5.dss`.", "",
        "## The 8500-node feeder, OPF alone", "",
        "`build_opf` with quadratic losses and soft voltage limits, and `solve_opf`: CPU seconds.",
        "", *table, ""]), encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--study"]:
        print(json.dumps(study(sys.argv[2])))
    elif sys.argv[1:2] == ["--opf"]:
        print(json.dumps(opf(int(sys.argv[2]))))
    else:
        named = [word for word in sys.argv[1:] if word != "--no-page"]
        main(named or ["synthetic"], "--no-page" not in sys.argv)
