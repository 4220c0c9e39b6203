"""Building and compiling large feeders: CPU and memory by buses and hours, beside Pyomo's objects.

Feeders are synthetic (`tests/library/suburb.py`), form lindist, quadratic losses, soft limits. Each
run has a process of its own. `floor`: as many VarData and ConstraintData with their indices, each
row one weighted sum of two Vars, and nothing else: what any model of these rows takes in Pyomo.

    python tests/benchmarks/building.py [--buses 1000 2000 4000 --hours 1 6 24] [--old PATH]

`--old` measures another copy of the package, too. `--write` draws docs/pictures/building.svg.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve()
ROOT = HERE.parents[2]


def gigabytes() -> float:
    """Peak of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def measured(buses: int, hours: int) -> dict:
    """Build and compile one feeder, in this process."""
    import pyomo.environ as pyo

    import pyomo_dlmp as dlmp
    from pyomo_dlmp.lower.form import compile_lower
    from tests.library.suburb import suburb

    network = suburb(buses)
    before = gigabytes()
    scale = [0.6 + 0.4 * t / hours for t in range(hours)]
    start = time.process_time()
    m = pyo.ConcreteModel()
    m.dso = dlmp.LowerLevel()
    dlmp.build_opf(network, into=m.dso, periods=hours, price=50.0, load_scale=scale)
    built, gb = time.process_time(), gigabytes() - before
    form = compile_lower(m.dso)
    return {"build": built - start, "build_gb": gb, "compile": time.process_time() - built,
            "gb": gigabytes() - before, "rows": form.A.shape[0], "columns": form.A.shape[1]}


def floor(rows: int, columns: int) -> dict:
    """The bare objects of a model of that size, in one Var and one Constraint."""
    import pyomo.environ as pyo
    from pyomo.core.expr.relational_expr import EqualityExpression

    from pyomo_dlmp.blocks.horizon import GivenRows
    from pyomo_dlmp.expressions import WeightedSum

    before, start = gigabytes(), time.process_time()
    m = pyo.ConcreteModel()
    m.columns, m.rows = pyo.RangeSet(0, columns - 1), pyo.RangeSet(0, rows - 1)
    m.x = pyo.Var(m.columns, initialize=0.0)
    x, coefs = list(m.x.values()), (1.0, -1.0)
    m.row = GivenRows(m.rows, {i: EqualityExpression((WeightedSum(
        coefs, (x[i % columns], x[(i + 1) % columns])), 0.0)) for i in range(rows)})
    return {"floor": time.process_time() - start, "floor_gb": gigabytes() - before}


def apart(root: Path, *what: str) -> dict:
    """A run in a process of its own, of the package in `root`."""
    done = subprocess.run([sys.executable, str(HERE), "--one", *what], cwd=ROOT, text=True,
                          env={**os.environ, "OPENBLAS_NUM_THREADS": "1",
                               "PYTHONPATH": f"{root}{os.pathsep}{ROOT}"}, capture_output=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def run(buses: int, hours: int, root: Path = ROOT) -> dict:
    """Figures of one feeder, and of as many bare objects."""
    found = apart(root, "feeder", str(buses), str(hours))
    return {"buses": buses, "hours": hours, **found,
            **apart(ROOT, "floor", str(found["rows"]), str(found["columns"]))}


def draw(runs: list[dict], path: Path) -> None:
    """CPU and memory over bus-hours: on one line where cost grows linearly in both."""
    from pyomo_dlmp.report.figures.paper import svg_text

    path.write_text(svg_text(figure(runs)), encoding="utf-8")


def figure(runs: list[dict]):
    """The picture that `draw` writes."""
    import matplotlib
    import numpy as np

    from pyomo_dlmp.report.figures.paper import RC
    from pyomo_dlmp.report.figures.style import CASE_COLORS, CASE_MARKERS, MUTED, panels

    with matplotlib.rc_context(RC):
        drawing, axes = panels(1, 2, 3.2)
        kinds = (("processor time (s)", "floor", lambda r: r["build"] + r["compile"]),
                 ("memory (GB)", "floor_gb", lambda r: r["gb"]))
        for ax, (title, least, value) in zip(axes[0], kinds, strict=True):
            x = np.array([r["buses"] * r["hours"] / 1000 for r in runs])
            y = np.array([value(r) for r in runs])
            ends = np.array([0.0, x.max()])
            slope, start = np.polyfit(x, y, 1) if len(runs) > 1 else (0.0, y[0])
            ax.plot(ends, start + slope * ends, color=MUTED, lw=1.0, ls="--", label="straight line")
            for k, buses in enumerate(sorted({r["buses"] for r in runs})):
                mine = [i for i, r in enumerate(runs) if r["buses"] == buses]
                look = {"marker": CASE_MARKERS[k % 5], "color": CASE_COLORS[k % 5], "ls": ""}
                ax.plot(x[mine], y[mine], label=f"{buses} buses", **look)
                ax.plot(x[mine], [runs[i][least] for i in mine], mfc="none", ms=4, **look)
            ax.set_title(title)
            ax.set_xlabel("thousand bus-hours (hollow: as many bare Pyomo objects)")
            ax.set_xlim(left=0)
            ax.set_ylim(bottom=0)
        drawing.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=6)
    return drawing


def main() -> None:
    """Print a table, one row for each run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--buses", type=int, nargs="+", default=[1000, 2000, 4000])
    parser.add_argument("--hours", type=int, nargs="+", default=[1, 6, 24])
    parser.add_argument("--old", type=Path)
    parser.add_argument("--one", nargs=3)
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    if args.one:
        what, first, second = args.one
        print(json.dumps((measured if what == "feeder" else floor)(int(first), int(second))))
        return
    print("| buses | hours | package | rows | build s | compile s | GB built | GB | floor s | "
          "floor GB |\n" + "|---" * 10 + "|")
    runs = []
    for buses in args.buses:
        for hours in args.hours:
            for who, root in (("this", ROOT), *([("old", args.old)] if args.old else ())):
                r = run(buses, hours, root)
                runs += [r] if root == ROOT else []
                print(f"| {buses} | {hours} | {who} | {r['rows']} | {r['build']:.2f} | "
                      f"{r['compile']:.2f} | {r['build_gb']:.3f} | {r['gb']:.3f} | "
                      f"{r['floor']:.2f} | {r['floor_gb']:.3f} |", flush=True)
    if args.write:
        draw(runs, ROOT / "docs" / "pictures" / "building.svg")


if __name__ == "__main__":
    main()
