"""What a solver's outcome is worth against the optimum of brute force."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

import pyomo_dlmp as dlmp
from pyomo_dlmp.status import Status
from pyomo_dlmp.testing import assert_bilevel_feasible
from tests.library.families.oracle import Answer
from tests.library.families.table import Instance

SLACK = 1e-5  # relative, beside the gap that was asked for
_SAID = {Status.INFEASIBLE: "infeasible", Status.UNBOUNDED: "unbounded"}


@dataclass
class Verdict:
    """right | wrong | refused | unproved | crashed, why, and the seconds of the solve."""

    word: str
    why: str = ""
    seconds: float = 0.0
    status: str = ""
    objective: float | None = None


def judge(instance: Instance, answer: Answer, solver: str, *, gap: float = 1e-4,
          time_limit: float = 20.0, **options) -> Verdict:
    """Solve a model of the instance, and compare."""
    model = instance.model()
    began = time.perf_counter()
    try:
        result = dlmp.solve_bilevel(model, solver=solver, gap=gap, time_limit=time_limit,
                                    explain=False, **options)
    except dlmp.DlmpError as err:
        return Verdict("refused", f"{err.code} {_reason(err)}", time.perf_counter() - began)
    except Exception as err:
        return Verdict("crashed", f"{type(err).__name__}: {err}", time.perf_counter() - began)
    spent = time.perf_counter() - began
    word, why = compared(result, answer, gap, instance.drawn.sense)
    if word == "right" and result.objective is not None:
        try:
            assert_bilevel_feasible(model, result)
        except AssertionError as err:
            word, why = "wrong", f"the point: {err}"
        except Exception as err:
            word, why = "crashed", f"{type(err).__name__} in assert_bilevel_feasible: {err}"
    return Verdict(word, why, spent, str(result.status), result.objective)


def compared(result, answer: Answer, gap: float, sense: int) -> tuple[str, str]:
    """(right | wrong | unproved, why) of a result; sense of the upper level: +1 min, -1 max."""
    said = "optimal" if result.status == Status.OPTIMAL else _SAID.get(result.status)
    found = f"{result.status}, {result.objective}, bound {result.bound}"
    truth = answer.status if answer.optimum is None else f"optimal, {answer.optimum}"
    if said is not None and said != answer.status:
        return "wrong", f"said {found}; it is {truth}"
    if result.status == Status.INFEASIBLE_OR_UNBOUNDED and answer.status == "optimal":
        return "wrong", f"said {found}; it is {truth}"
    if answer.optimum is None:
        if answer.status == "infeasible" and result.objective is not None:
            return "wrong", f"said {found}; it is {truth}"
        return ("right", "") if said else ("unproved", str(result.status))
    size = max(1.0, abs(answer.optimum))
    room = SLACK * size
    above = None if result.objective is None else sense * (result.objective - answer.optimum)
    if above is not None and above < -room:
        return "wrong", f"said {found}, better than {truth}"
    if result.bound is not None and sense * (result.bound - answer.optimum) > room:
        return "wrong", f"said {found}, which is no bound: it is {truth}"
    if said is None:
        return "unproved", str(result.status)
    if above > gap * size + room:
        return "wrong", f"said {found}; it is {truth}"
    return "right", ""


def _reason(err: dlmp.DlmpError) -> str:
    """The first fault without names and numbers, so that equal reasons are counted together."""
    what = re.sub(r"\([^()]*\)|'[^']*'", "..", err.faults[0].what)
    what = re.sub(r"\bin [\w.\[\]]+\[?.*", "in ..", what)
    return re.sub(r"-?\d[\d.e+-]*", "#", what)[:80]
