"""Optima of the seeds that the suite runs, stored, since some need Gurobi or much time.

    python -m tests.library.families.optima      writes optima.csv anew
"""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

from tests.library.families.oracle import Answer
from tests.library.families.table import FAMILIES

STORED = Path(__file__).with_name("optima.csv")
SEEDS = range(8)
# Seeds that found a fault, run on every solver: upper Vars that nothing uses ("lp-lp", "equations
# only" 18), "unbounded" for a convex objective over free Vars (12), a cost that is rounding after
# elimination (32), a lower level solved again 1e-9 beside a point where its price jumps ("qp-qp",
# "price cap"), and "infeasible" by SCIP where a big-M row has no room ("producer, quantity")
FOUND = {"lp-lp": (10,), "equations only": (12, 18, 32), "qp-qp": (36,), "price cap": (10,),
         "producer, quantity": (44, 49), "tolls": (13,), "other units": (44,)}


@cache
def stored_answers() -> dict[tuple[str, int], Answer]:
    """{(family, seed): answer by brute force}, in the model's units."""
    with STORED.open(encoding="utf-8") as file:
        return {(row["family"], int(row["seed"])): Answer(
            row["status"], float(row["optimum"]) if row["optimum"] else None)
            for row in csv.DictReader(file)}


def write() -> None:
    """Brute force for all of them."""
    with STORED.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["family", "seed", "status", "optimum"])
        for family, build in FAMILIES.items():
            for seed in (*SEEDS, *FOUND.get(family, ())):
                answer = build(seed).answer()
                optimum = "" if answer.optimum is None else f"{_clean(answer.optimum):.10g}"
                table.writerow([family, seed, answer.status, optimum])


def _clean(value: float) -> float:
    """Without the rounding errors of a zero."""
    return 0.0 if abs(value) < 1e-8 else value


if __name__ == "__main__":
    write()
