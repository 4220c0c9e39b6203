"""Repeated solves, series, large feeders and reports, beside the first version that had them all.

The version of commit ab0e15b is installed from this repository's history into an environment of
its own, and each measurement runs in both, one after the other, in a process of its own. Writes
docs/benchmark_structure.md.

    python -m tests.benchmarks.structure [--only NAME ...] [--without-older]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MEASURES = Path(__file__).with_name("_structure_measures.py")
KEPT = Path(__file__).with_name("_structure.json")
PAGE = ROOT / "docs" / "benchmark_structure.md"
PICTURES = ROOT / "docs" / "pictures"
COMMIT = "ab0e15b"
_LONGEST = 900  # s of one measurement
AC_STUDY = ROOT / "examples" / "studies" / "ieee37.toml"
# name: (arguments, whether the older version has it, what it is)
PLAN = {
    "import": ((), True, "`import pyomo_dlmp`"),
    "repeats": ((), True, "IEEE 37, 24 h, three sites, one model solved again and again"),
    "study": (("{linear}", "{folder}"), True, "two cases of IEEE 37, linear: `pyomo-dlmp study`"),
    "study_ac": (("{ac}", "{folder}"), False, "three cases of IEEE 37, AC: `pyomo-dlmp study`"),
    "large": (("24",), True, "8500 nodes, 24 h, three sites, linear, to the audited answer"),
    "large_ac": (("24",), False, "the same in the AC form, with its loop"),
    "many_limits": (("600",), False, "the same, linear, within .95 .. 1.05 pu"),
    "year": (("{benchmarks}", "{pictures}", "8760", "2"), False,
             "IEEE 37, three sites, 8,760 single hours, two processes"),
    "rolling": (("{benchmarks}", "{pictures}", "288"), False,
                "IEEE 37, three sites, a day in 288 steps, each with the next two hours"),
    "building": (("{benchmarks}", "{pictures}"), False,
                 "synthetic feeders of 1,000 .. 4,000 buses over 1 .. 24 h, built and compiled"),
}


def older(folder: Path) -> Path:
    """Python of an environment that holds the older version."""
    source, env = folder / "source", folder / "env"
    source.mkdir()
    archive = subprocess.run(["git", "archive", COMMIT], cwd=ROOT, check=True, capture_output=True)
    subprocess.run(["tar", "x", "-C", str(source)], input=archive.stdout, check=True)
    subprocess.run([sys.executable, "-m", "venv", str(env)], check=True)
    python = env / ("Scripts" if os.name == "nt" else "bin") / "python"
    subprocess.run([str(python), "-m", "pip", "install", "-q", str(source)], check=True)
    return python


def measured(python: Path, name: str, arguments: tuple[str, ...], folder: Path) -> dict:
    """One measurement in a process of its own, outside the repository."""
    measure = {"study_ac": "study"}.get(name, name)
    linear = folder / "linear.toml"
    text = subprocess.run(["git", "show", f"{COMMIT}:studies/ieee37.toml"], cwd=ROOT, check=True,
                          capture_output=True, text=True).stdout
    linear.write_text(text)
    with tempfile.TemporaryDirectory(dir=folder) as results:
        given = [a.format(linear=linear, ac=AC_STUDY, folder=Path(results) / "results",
                          benchmarks=MEASURES.parent, pictures=PICTURES) for a in arguments]
        try:
            run = subprocess.run([str(python), str(MEASURES), measure, *given], cwd=folder,
                                 capture_output=True, text=True, timeout=_LONGEST,
                                 env={**os.environ, "OPENBLAS_NUM_THREADS": "1"})
        except subprocess.TimeoutExpired:
            return {"failed": f"not in {_LONGEST} s"}
    try:
        return json.loads(run.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        return {"failed": (run.stderr.strip().splitlines() or ["no output"])[-1][:200]}


def page(found: dict) -> str:
    """The page's text."""
    lines = [
        "# Benchmark: one structure, many numbers", "",
        f"Written by `python -m tests.benchmarks.structure` on {os.cpu_count()} cores "
        f"({platform.machine()}), Python {platform.python_version()}, " + ", ".join(
            f"{name} {version(name)}" for name in ("pyomo", "highspy", "numpy", "scipy"))
        + f". *before* is commit {COMMIT}, installed in an environment of its own and measured in "
        "the same run; each measurement has a process of its own. Seconds are of the wall, and of "
        "the processor with all child processes.", "",
        "| what | before: wall | CPU | now: wall | CPU | |", "|---|---|---|---|---|---|"]
    for name, (_, _, what) in PLAN.items():
        both = found.get(name, {})
        old, new = both.get("before", {}), both.get("now", {})
        if name == "repeats" and new and "failed" not in new:
            lines.append(f"| {what} | | | | | |")
            lines += [_row(f"... {key}", old.get(key, {}), new[key]) for key in new]
        elif new:
            lines.append(_row(what, old, new))
    return "\n".join([*lines, *_filling(found), *_growth(found), ""])


def _now(found: dict, name: str) -> dict:
    now = found.get(name, {}).get("now", {})
    return {} if "failed" in now else now


def _filling(found: dict) -> list[str]:
    """What a problem of a series costs as the atlas fills."""
    series = {name: now for name in ("year", "rolling") if (now := _now(found, name))}
    if not series:
        return []
    lines = ["", "## Time per problem as the atlas fills", ""]
    for name, now in series.items():
        passed, failed = now["judged"]
        lines += [f"- {PLAN[name][2]}: {now['status']}; greatest KKT residual "
                  f"{now['residual']:.1e}; payments recomputed from prices and powers "
                  f"{now['apart']:.1e} $ apart at most; the full audit saw {passed + failed}, "
                  f"{passed} passed."]
    for name, now in series.items():
        lines += ["", f"![{PLAN[name][2]}](pictures/series_{name}.svg)", "",
                  f"| {name}: problems | ms of CPU each | with new regions |", "|---|---|---|"]
        lines += [f"| {first} .. {last} | {ms:.1f} | {new} |"
                  for first, last, ms, new in now["filling"]]
    return lines


def _growth(found: dict) -> list[str]:
    """What building costs by buses and hours."""
    runs = _now(found, "building").get("runs", [])
    if not runs:
        return []
    return ["", "## Cost grows linearly in hours and buses", "",
            "Form lindist, quadratic losses, soft limits. The floor: as many bare Pyomo objects.",
            "", "![Processor time and memory over bus-hours](pictures/building.svg)", "",
            "| buses | hours | rows | build s | compile s | GB | floor s | floor GB |",
            "|---|---|---|---|---|---|---|---|",
            *(f"| {r['buses']} | {r['hours']} | {r['rows']} | {r['build']:.2f} | "
              f"{r['compile']:.2f} | {r['gb']:.3f} | {r['floor']:.2f} | {r['floor_gb']:.3f} |"
              for r in runs)]


def _row(what: str, old: dict, new: dict) -> str:
    cells = [f"{part[key]:.2f}" if key in part else part.get("failed", "")
             for part in (old, new) for key in ("wall", "cpu")]
    said = [f"{word} {part['gb']:.2f} GB" for word, part in (("before", old), ("now", new))
            if "gb" in part]
    said += [f"gap {new['gap']:.1e}"] if new.get("gap") is not None else []
    said += [new["status"]] if "status" in new else []
    return f"| {what} | " + " | ".join(cells) + " | " + ", ".join(said) + " |"


def main() -> None:
    """Measure, keep the figures, write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", default=list(PLAN), choices=list(PLAN))
    parser.add_argument("--without-older", action="store_true")
    asked = parser.parse_args()
    found = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        python = None if asked.without_older else older(folder)
        for measure in asked.only:
            arguments, both, _ = PLAN[measure]
            mine = found.setdefault(measure, {})
            if python is not None and both:
                mine["before"] = measured(python, measure, arguments, folder)
            mine["now"] = measured(Path(sys.executable), measure, arguments, folder)
            print(measure, json.dumps(mine, indent=1), flush=True)
            KEPT.write_text(json.dumps(found, indent=1) + "\n")
            PAGE.write_text(page(found))


if __name__ == "__main__":
    main()
