"""KKT + complementarity of a sparse lower level: ours, Pyomo's own chain, and PAO, side by side.

The lower level has n rows with three Vars each, n bounded Vars (2 n bounds) and one upper Var for
ten rows in the right-hand sides; "QP" adds a separable convex quadratic. Each run has a process of
its own. Printed: seconds, memory above the built model (MB, peak), rows, pairs, and the ratios.

    python tests/benchmarks/bilevel_transform.py [--quick] [--pao] [--write FILE]

--pao makes an environment of its own for PAO, which needs numpy < 2 (linear lower levels only).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve()
sys.path.insert(0, str(HERE.parents[2]))
PAO_FOLDER = HERE.parents[2] / ".venv" / "pao"
SIZES = (1_000, 10_000, 50_000)


def main() -> None:
    """Run all, print the table; `--one` is a single measured run in a process of its own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--one", nargs=3, metavar=("WHO", "CLASS", "ROWS"))
    parser.add_argument("--quick", action="store_true", help="1,000 and 10,000 rows of ours only")
    parser.add_argument("--pao", action="store_true")
    parser.add_argument("--write", type=Path)
    args = parser.parse_args()
    if args.one:
        who, kind, rows = args.one
        print(json.dumps(WHO[who](kind, int(rows))))
        return
    lines = _table(_all_runs(args))
    print("\n".join(lines))
    if args.write:
        args.write.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _all_runs(args) -> list[dict]:
    runs = []
    for kind in ("QP", "LP"):
        for rows in SIZES[:2] if args.quick else SIZES:
            runs.append(_apart(sys.executable, "ours", kind, rows))
            if rows <= 10_000 and not args.quick:
                runs.append(_apart(sys.executable, "stock", kind, rows))
            if args.pao and kind == "LP" and rows <= 10_000:
                runs.append(_apart(_pao_python(), "pao", kind, rows))
    return [r for r in runs if r]


def _apart(python: str | None, who: str, kind: str, rows: int) -> dict | None:
    """One run in a process of its own."""
    if python is None:
        return None
    done = subprocess.run(
        [python, str(HERE), "--one", who, kind, str(rows)], capture_output=True, text=True,
        cwd=HERE.parents[2])
    if done.returncode:
        print(f"{who} {kind} {rows}: failed\n{done.stderr[-800:]}", file=sys.stderr)
        return None
    result = {"who": who, "class": kind, "n": rows, **json.loads(done.stdout.splitlines()[-1])}
    print(f"{who:6} {kind} {rows:6}: {result['seconds']:.2f} s, {result['MB']:.0f} MB", flush=True)
    return result


def _table(runs: list[dict]) -> list[str]:
    lines = [
        "# Benchmark: KKT conditions and complementarity of a sparse lower level", "",
        "Written by `tests/benchmarks/bilevel_transform.py`: n rows with three Vars each, n "
        "bounded Vars, one upper Var",
        "for ten rows. ours: `dlmp.single_level` with SOS1; stock: Pyomo's `core.kkt`, "
        "`mpec.simple_disjunction`, `gdp.bigm`;",
        "pao: PAO's conversion and big-M form. Each run in a process of its own; MB: peak above "
        "the built model.", "",
        "| lower rows | class | who | seconds | of it compiling the rows | MB | rows | pairs |",
        "|---|---|---|---|---|---|---|---|"]
    for r in runs:
        floor = f"{r['floor']:.2f}" if "floor" in r else ""
        lines.append(f"| {r['n']} | {r['class']} | {r['who']} | {r['seconds']:.2f} | {floor} | "
                     f"{r['MB']:.0f} | {r['rows']} | {r['pairs']} |")
    ours = {(r["class"], r["n"]): r["seconds"] for r in runs if r["who"] == "ours"}
    for r in runs:
        if r["who"] != "ours":
            factor = r["seconds"] / ours[r["class"], r["n"]]
            lines.append(
                f"\n{r['class']}, {r['n']} rows: {r['who']} takes {factor:.0f} times ours.")
    lines.append(
        "\nCompiling the rows once (its column in the table) is the floor. Of the rest, at 10,000 "
        "rows: writing\nPyomo's constraint, Var and SOS objects, 130,000 in all, about 4 "
        "microseconds each.")
    lines.append(f"\nMachine: {os.cpu_count()} cores, {platform.machine()}, "
                 f"Python {platform.python_version()}, Pyomo {_version('pyomo')}, "
                 f"numpy {_version('numpy')}.")
    return lines


def _version(package: str) -> str:
    from importlib.metadata import version

    return version(package)


def _megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0


def _fill(low, u, kind: str, n: int) -> None:
    """Rows, bounds and objective of the sparse lower level on a Pyomo block."""
    import pyomo.environ as pyo

    low.x = pyo.Var(range(n), bounds=(0, 10))
    x = low.x
    low.row = pyo.Constraint(range(n), rule=lambda _, i: (
        x[i] + 0.5 * x[(7 * i + 1) % n] - 0.25 * x[(13 * i + 2) % n] - 0.1 * u[i // 10]
        >= 1 + 0.001 * (i % 97)))
    linear = sum((1 + (i % 5)) * x[i] for i in range(n))
    square = sum(0.5 * (1 + (i % 3)) * x[i] ** 2 for i in range(n)) if kind == "QP" else 0.0
    low.cost = pyo.Objective(expr=linear + square)


def _model(kind: str, n: int, block):
    import pyomo.environ as pyo
    from pyomo.common.gc_manager import PauseGC

    with PauseGC():
        m = pyo.ConcreteModel()
        m.u = pyo.Var(range(n // 10), bounds=(0, 1))
        m.low = block()
        _fill(m.low, m.u, kind, n)
        m.goal = pyo.Objective(expr=sum(m.u.values()) - m.low.x[0])
    return m


def _ours(kind: str, n: int) -> dict:
    import pyomo.environ as pyo

    import pyomo_dlmp as dlmp
    from pyomo_dlmp.lower.form import compile_lower

    m = _model(kind, n, dlmp.LowerLevel)
    before = _megabytes()
    start = time.perf_counter()
    pyo.TransformationFactory("dlmp.single_level").apply_to(m, complementarity="sos1")
    seconds = time.perf_counter() - start
    peak = _megabytes() - before
    pairs = len(m.dlmp_single_level.lower[m.low.name].sos_pairs)
    rows = _rows(m)
    start = time.perf_counter()
    compile_lower(m.low) if m.low.cost.activate() is None else None
    return {"seconds": seconds, "MB": peak, "rows": rows, "pairs": pairs,
            "floor": time.perf_counter() - start}


def _stock(kind: str, n: int) -> dict:
    import pyomo.environ as pyo

    m = _model(kind, n, pyo.Block)
    goal = m.goal
    goal.deactivate()
    before = _megabytes()
    start = time.perf_counter()
    pyo.TransformationFactory("core.kkt").apply_to(m.low, parameterize_wrt=list(m.u.values()))
    pyo.TransformationFactory("mpec.simple_disjunction").apply_to(m)
    pyo.TransformationFactory("gdp.bigm").apply_to(m, bigM=1e5)
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "MB": _megabytes() - before, "rows": _rows(m),
            "pairs": sum(1 for v in m.component_data_objects(pyo.Var) if v.is_binary())}


def _rows(m) -> int:
    import pyomo.environ as pyo

    return sum(1 for _ in m.component_data_objects(
        pyo.Constraint, active=True, descend_into=pyo.Block))


def _pao(kind: str, n: int) -> dict:
    """PAO's conversion to its linear bilevel form and its big-M single level, without the solve."""
    import pao
    import pyomo.environ as pyo

    m = pyo.ConcreteModel()
    m.u = pyo.Var(range(n // 10), bounds=(0, 1))
    m.low = pao.pyomo.SubModel(fixed=list(m.u.values()))
    _fill(m.low, m.u, kind, n)
    m.goal = pyo.Objective(expr=sum(m.u.values()) - m.low.x[0])
    before = _megabytes()
    start = time.perf_counter()
    from pao.mpr.convert_repn import convert_to_standard_form
    from pao.mpr.solvers.fa import LinearMultilevelSolver_FA
    from pao.pyomo.convert import convert_pyomo2MultilevelProblem

    problem, *_ = convert_pyomo2MultilevelProblem(m)
    standard, _ = convert_to_standard_form(problem, inequalities=False)
    single = LinearMultilevelSolver_FA()._create_pyomo_model(standard, 1e5)
    return {"seconds": time.perf_counter() - start, "MB": _megabytes() - before,
            "rows": _rows(single),
            "pairs": sum(1 for v in single.component_data_objects(pyo.Var) if v.is_binary())}


def _pao_python() -> str | None:
    """Interpreter of an environment with PAO; None, with the reason printed, where it fails."""
    python = PAO_FOLDER / "bin" / "python"
    if not python.exists():
        steps = ([sys.executable, "-m", "venv", str(PAO_FOLDER)],
                 [str(python), "-m", "pip", "install", "--quiet", "pao", "numpy<2", "pyomo<6.8",
                  "setuptools<70", "pyutilib"])
        for step in steps:
            done = subprocess.run(step, capture_output=True, text=True)
            if done.returncode:
                print(f"PAO cannot be installed here: {done.stderr[-400:]}", file=sys.stderr)
                return None
    return str(python)


WHO = {"ours": _ours, "stock": _stock, "pao": _pao}

if __name__ == "__main__":
    main()
