"""Random bilevel families on a solver, compared with brute force (by hand).

    python tests/benchmarks/families.py --solver highs --seeds 0-49 --jobs 2 --out highs.csv
    python tests/benchmarks/families.py --page highs.csv gurobi.csv scip.csv

The first form solves and prints a table, a row for each family; brute force needs gurobipy where a
goal is quadratic. The second writes the tables of such CSV files between the markers of
docs/benchmark_families.md.
"""

from __future__ import annotations

import argparse
import multiprocessing
import re
import sys
import time
from dataclasses import asdict
from pathlib import Path

import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[2]))

PAGE = Path(__file__).parents[2] / "docs" / "benchmark_families.md"
WORDS = ("right", "wrong", "refused", "unproved", "crashed")


def run_one(task: dict) -> dict:
    """One instance, in a process of its own where there are several."""
    import logging

    from tests.library.families import FAMILIES
    from tests.library.families.verdict import Verdict, judge

    logging.disable(logging.WARNING)
    options = dict(task)
    family, seed, solver = (options.pop(key) for key in ("family", "seed", "solver"))
    instance = FAMILIES[family](seed)
    began = time.perf_counter()
    answer = instance.answer()
    brute = time.perf_counter() - began
    try:
        verdict = judge(instance, answer, solver, **options)
    except Exception as err:  # of the judge itself: to be seen, not to end the run
        verdict = Verdict("crashed", f"after the solve, {type(err).__name__}: {err}")
    return {"family": family, "seed": seed, "solver": solver, "true_status": answer.status,
            "optimum": answer.optimum, "brute_force_s": brute, **asdict(verdict)}


def run(tasks: list[dict], jobs: int, out: str | None) -> pd.DataFrame:
    """All instances; each is written to `out` as it ends."""
    found = []
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        for row in pool.imap_unordered(run_one, tasks):
            found.append(row)
            if row["word"] in ("wrong", "crashed"):
                print(f"{row['family']} {row['seed']}: {row['word']}: {row['why']}", flush=True)
            if out and len(found) % 20 == 0:
                pd.DataFrame(found).to_csv(out, index=False)
    data = pd.DataFrame(found)
    order = {family: k for k, family in enumerate(dict.fromkeys(t["family"] for t in tasks))}
    data = data.sort_values(["family", "seed"], key=lambda c: c.map(order) if c.name == "family"
                            else c).reset_index(drop=True)
    if out:
        data.to_csv(out, index=False)
    return data


def table(data: pd.DataFrame) -> str:
    """Counts and seconds by family as a Markdown table."""
    lines = ["| family | " + " | ".join(WORDS) + " | median s | max s |",
             "|" + "---|" * (len(WORDS) + 3)]
    for family, part in [*data.groupby("family", sort=False), ("**all**", data)]:
        counts = " | ".join(str(int((part["word"] == word).sum())) for word in WORDS)
        lines.append(f"| {family} | {counts} | {part['seconds'].median():.2f} "
                     f"| {part['seconds'].max():.2f} |")
    return "\n".join(lines)


def reasons(data: pd.DataFrame) -> str:
    """How often each reason of a refusal or of an open end came, by family."""
    open_ = data[data["word"].isin(["refused", "unproved"])]
    counts = open_.groupby(["word", "why"])["family"].agg(
        lambda part: ", ".join(f"{name} {n}" for name, n in part.value_counts().items()))
    return "\n".join(f"{word}: {why}: {who}" for (word, why), who in counts.items())


def write_page(files: list[str]) -> None:
    """Fill the marked tables of the page, one for each solver."""
    from tests.library.families.table import described

    found = {"families": "\n".join(["| family | what is drawn |", "|---|---|", *(
        f"| {name} | {what} |" for name, what in described().items())])}
    for file in files:
        data = pd.read_csv(file)
        found[f"families_{data['solver'].iloc[0]}"] = table(data)
    text = PAGE.read_text(encoding="utf-8")
    for name, content in found.items():
        pattern = rf"(<!-- table {name} -->\n)(?:(?!<!--).)*(<!-- end -->)"
        assert re.search(pattern, text, re.S), f"{PAGE} has no place for {name}"
        text = re.sub(pattern, lambda m, c=content: m[1] + c + "\n" + m[2], text, flags=re.S)
    PAGE.write_text(text, encoding="utf-8")


def main() -> None:
    from tests.library.families import FAMILIES

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--solver", default="highs")
    parser.add_argument("--mode", help="complementarity")
    parser.add_argument("--search", help="search strategy")
    parser.add_argument("--seeds", default="0-4", help="first-last")
    parser.add_argument("--families", nargs="*", default=list(FAMILIES))
    parser.add_argument("--gap", type=float, default=1e-4)
    parser.add_argument("--time-limit", type=float, default=20.0)
    parser.add_argument("--jobs", type=int, choices=(1, 2), default=1)
    parser.add_argument("--out", help="CSV file")
    parser.add_argument("--page", nargs="*", metavar="CSV", help="write the page's tables")
    args = parser.parse_args()
    if args.page is not None:
        write_page(args.page)
        return
    first, last = map(int, args.seeds.split("-"))
    common = {"solver": args.solver, "gap": args.gap, "time_limit": args.time_limit}
    if args.mode:
        common["complementarity"] = args.mode
    if args.search:
        common["search"] = args.search
    tasks = [{"family": family, "seed": seed, **common}
             for family in args.families for seed in range(first, last + 1)]
    data = run(tasks, args.jobs, args.out)
    print(table(data))
    print(reasons(data))


if __name__ == "__main__":
    main()
