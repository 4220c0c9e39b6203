"""Random bilevel families: the optimum of brute force, or infeasible, or unbounded, is due.

No refusal counts as success here, and no open end: each seed has a right answer.
"""

import pytest

from tests.library.families import FAMILIES
from tests.library.families.optima import FOUND, SEEDS, stored_answers
from tests.library.families.verdict import judge
from tests.models import solver_or_skip

GAP = 1e-6


def check_family(family: str, solver: str, seeds) -> None:
    """AssertionError with every seed whose answer is not the right one."""
    faults = []
    for seed in seeds:
        answer = stored_answers()[family, seed]
        verdict = judge(FAMILIES[family](seed), answer, solver, gap=GAP)
        if verdict.word != "right":
            faults.append(f"seed {seed}: {verdict.word}: {verdict.why}")
    assert not faults, f"{len(faults)} of {len(seeds)}\n" + "\n".join(faults)


@pytest.mark.parametrize("family", FAMILIES)
def test_highs_has_the_optimum(family):
    check_family(family, "highs", SEEDS[:6])


@pytest.mark.parametrize("family", FAMILIES)
def test_gurobi_has_the_optimum(family):
    check_family(family, solver_or_skip("gurobi"), SEEDS[6:])


@pytest.mark.parametrize("solver", ["highs", "gurobi", "scip"])
@pytest.mark.parametrize("family", FOUND)
def test_seeds_that_once_found_a_fault(family, solver):
    check_family(family, solver_or_skip(solver), FOUND[family])


def test_there_are_optima_of_all_kinds():
    assert len(FAMILIES) >= 14
    kinds = [answer.status for answer in stored_answers().values()]
    assert len(kinds) >= len(FAMILIES) * len(SEEDS)
    assert kinds.count("optimal") >= 0.8 * len(kinds)
    assert kinds.count("infeasible") >= 8 and kinds.count("unbounded") >= 8
