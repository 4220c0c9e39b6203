"""Every applicable (solver, mode) pair runs all problems: the known optimum, or a reason.

Never an "optimal" that differs, never an "infeasible" that is not so.
"""

from functools import cache

import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.solvers import SOLVERS, get_solver
from pyomo_dlmp.transform.complementarity import MODES
from tests.conftest import OUTCOMES
from tests.library.prices import price_problems
from tests.library.textbook import textbook

_LOCAL = ("ipopt", "pounce")


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


def outcome(result, optimum) -> str:
    """agreed | infeasible, rightly | not proven; anything else is a wrong answer."""
    if result.status == "infeasible":
        assert optimum is None, f"called infeasible, optimum {optimum}"
        return "infeasible, rightly"
    if result.status == "optimal":
        assert optimum is not None, f"called optimal ({result.objective}), is infeasible"
        assert result.objective == pytest.approx(optimum, rel=1e-5, abs=1e-5)
        return "agreed"
    if result.bound is not None and optimum is not None:
        assert result.bound <= optimum + 1e-4 * max(1.0, abs(optimum)), "not a bound"
    if result.status == "locally optimal":
        assert result.objective >= optimum - 1e-3 * max(1.0, abs(optimum)), "better than best"
        near = result.objective <= optimum + 1e-5 * max(1.0, abs(optimum))
        return "locally optimal, the optimum" if near else "locally optimal"
    return "not proven (said so)"


@pytest.mark.parametrize("name", list(SOLVERS))
@pytest.mark.parametrize("mode", ["auto", "sos1", "bigm", "strong_duality", "product"])
def test_all_problems(name, mode):
    try:
        route = get_solver(name)
    except dlmp.SolverError as err:
        pytest.skip(str(err))
    if mode != "auto" and not MODES[mode].needs & route.capabilities:
        pytest.skip(f"{name} cannot run {mode}")
    if name in _LOCAL and mode != "product":
        pytest.skip("local solvers are run with one mode, for time")
    wrong = []
    for problem, make, optimum in problems():
        try:
            result = dlmp.solve_bilevel(
                make(), solver=name, complementarity=mode, gap=1e-6, time_limit=20, explain=False)
            OUTCOMES[outcome(result, optimum)] += 1
        except dlmp.DlmpError as err:
            OUTCOMES[f"refused ({type(err).__name__})"] += 1
        except AssertionError as err:
            OUTCOMES["WRONG"] += 1
            wrong.append(f"{problem}: {err}")
    assert not wrong, "\n".join(wrong)
