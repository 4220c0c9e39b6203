"""Every applicable (solver, mode) pair runs all problems: the known optimum, or a reason.

Never an "optimal" that differs, never an "infeasible" that is not so; and, by the committed table
`floors.csv`, never fewer proved optima than before and never more refusals: a search that ends
without a proof everywhere is a fault too. HiGHS runs every problem, the other solvers a sample, and
every problem in `make test-all`.
"""

import csv
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.solvers import SOLVERS, get_solver
from pyomo_dlmp.transform.complementarity import MODES
from tests.conftest import OUTCOMES
from tests.library.prices import price_problems
from tests.library.textbook import textbook
from tests.models import solver_or_skip

PROVED = ("agreed", "infeasible, rightly")
EVERY = 6  # the sample: one problem in six, of a local solver one in 24 (it takes seconds for each)
# A duality gap that is a quadratic row holds to the solver's feasibility tolerance (1e-6), and the
# decision then to its square root; other modes have rows of first order, and so has HiGHS.
_QUADRATIC_GAP = 1e-4
with Path(__file__).with_name("floors.csv").open(encoding="utf-8") as table:
    FLOORS = {(row["solver"], row["mode"], row["problems"]): row for row in csv.DictReader(table)}


@cache
def problems():
    """(name, maker of the model, known optimum or None where infeasible)."""
    known = [(p.name, p.model, p.optimum) for p in textbook()]
    for p in price_problems():
        best, _ = p.small.brute(p.points)
        known.append((p.name, p.model, best))
    return known


def test_the_library_is_whole():
    assert len(textbook()) == 36
    assert len(price_problems()) >= 8


def check_outcome(result, optimum, mode: str) -> str:
    """agreed | infeasible, rightly | not proven; anything else is a wrong answer."""
    if result.status == "infeasible":
        assert optimum is None, f"called infeasible, optimum {optimum}"
        return "infeasible, rightly"
    if result.status == "optimal":
        assert optimum is not None, f"called optimal ({result.objective}), is infeasible"
        loose = mode == "strong_duality" and result.solver != "highs"
        assert result.objective == pytest.approx(
            optimum, rel=_QUADRATIC_GAP if loose else 1e-5, abs=1e-5)
        return "agreed"
    if result.bound is not None and optimum is not None:
        assert result.bound <= optimum + 1e-4 * max(1.0, abs(optimum)), "not a bound"
    if result.status == "locally optimal":
        assert result.objective >= optimum - 1e-3 * max(1.0, abs(optimum)), "better than best"
        near = result.objective <= optimum + 1e-5 * max(1.0, abs(optimum))
        return "agreed" if near else "locally optimal"
    return "not proven (said so)"


def check_problems(solver: str, mode: str, chosen) -> Counter:
    """How often each outcome came; AssertionError with every wrong answer."""
    counts, wrong = Counter(), []
    for problem, make, optimum in chosen:
        try:
            result = dlmp.solve_bilevel(
                make(), solver=solver, complementarity=mode, gap=1e-6, time_limit=120,
                explain=False)
            counts[check_outcome(result, optimum, mode)] += 1
        except dlmp.DlmpError:
            counts["refused"] += 1
        except AssertionError as err:
            wrong.append(f"{problem}: {err}")
    assert not wrong, "\n".join(wrong)
    return counts


def check_floor(solver: str, mode: str, which: str, counts: Counter) -> None:
    """No fewer proved answers and no more refusals than the committed table says."""
    floor = FLOORS[solver, mode, which]
    proved = sum(counts[outcome] for outcome in PROVED)
    said = ", ".join(f"{n} {outcome}" for outcome, n in counts.most_common())
    assert proved >= int(floor["least_proved"]), f"{solver} {mode}, {which}: {said}"
    assert counts["refused"] <= int(floor["most_refused"]), f"{solver} {mode}, {which}: {said}"


def pairs_to_run():
    """A parameter for each (solver, mode, all or sample); all of other solvers is large."""
    for solver in SOLVERS:
        for mode in ("auto", "sos1", "indicator", "bigm", "strong_duality", "product"):
            if solver == "highs":
                yield pytest.param(solver, mode, "all")
            else:
                yield pytest.param(solver, mode, "sample")
                yield pytest.param(solver, mode, "all", marks=pytest.mark.large)


@pytest.mark.parametrize("name, mode, which", list(pairs_to_run()))
def test_problems(name, mode, which):
    interface = get_solver(solver_or_skip(name))
    if mode != "auto" and not MODES[mode].needs & interface.capabilities:
        assert name != "highs" or (name, mode, which) not in FLOORS, f"{name} could run {mode}"
        pytest.skip(f"{name} cannot run {mode}")
    if "nlp" in interface.capabilities and mode != "product":
        pytest.skip("local solvers are run with one mode, for time")
    step = 1 if which == "all" else 4 * EVERY if "nlp" in interface.capabilities else EVERY
    counts = check_problems(name, mode, problems()[::step])
    OUTCOMES.update(counts)
    check_floor(name, mode, which, counts)


def test_a_search_that_proves_nothing_is_seen(monkeypatch):
    """The floors' own test: a judge that always leaves the gap open gives no wrong answer."""
    def unproved(*args, **options):
        result = solve(*args, **options)
        if result.status == "optimal":
            result.status = "gap not reached"
        return result

    solve = dlmp.solve_bilevel
    monkeypatch.setattr(dlmp, "solve_bilevel", unproved)
    counts = check_problems("highs", "bigm", problems()[::EVERY])
    assert counts["agreed"] == 0
    with pytest.raises(AssertionError, match="not proven"):
        check_floor("highs", "bigm", "all", counts)
