"""A call that is ended before its search returns the feasible point that it knows, audited."""

import os
import signal

import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.numerics import limits
from pyomo_dlmp.search import first_answer
from pyomo_dlmp.solve import attempts
from pyomo_dlmp.status import Status
from pyomo_dlmp.study import read_study
from pyomo_dlmp.study.run import build_case
from tests.study.tiny import TEXT, write_tiny


def _time(*_):
    raise limits.Stopped(Status.TIME_LIMIT)


def _ctrl_c(*_):
    os.kill(os.getpid(), signal.SIGINT)
    raise AssertionError("Ctrl-C ends it here")


@pytest.mark.parametrize(("end", "status"), [
    (_time, Status.TIME_LIMIT), (_ctrl_c, Status.INTERRUPTED)])
def test_an_end_while_bounds_are_proved_gives_the_first_point(tmp_path, monkeypatch, end, status):
    monkeypatch.setattr(first_answer, "_LARGE", 0)
    study = read_study(write_tiny(tmp_path))
    m, _ = build_case(study, study.cases[0])
    best = dlmp.solve_bilevel(m)
    monkeypatch.setattr(attempts, "_transform", end)
    stages = []
    first = dlmp.solve_bilevel(m, search="single_level",
                               progress=lambda stage, *_: stages.append(stage))
    assert first.status == status
    assert first.audit.passed
    assert first.objective >= best.objective - 1e-6 * abs(best.objective)
    assert "first feasible one" in " ".join(first.notes)
    assert list(dict.fromkeys(stages)) == ["first point", "compile and bounds", "audit"]


def test_how_many_bounds_are_proved_is_told(tmp_path):
    study = read_study(write_tiny(tmp_path, TEXT.replace("[dso]", "[dso]\nv_min = 0.99")))
    m, _ = build_case(study, study.cases[1])
    stages = []
    dlmp.solve_bilevel(m, search="single_level", tighten="all",
                       progress=lambda stage, *_: stages.append(stage))
    told = [stage for stage in stages if stage.startswith("compile and bounds: bound 1 of ")]
    assert told
