"""Limits of time and memory, checkpoints: the best point, its bound and an audit are kept."""

import itertools
import json
import time

import numpy as np
import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.numerics import effort, limits, memory, outer_approximation
from pyomo_dlmp.parametric import explicit, master
from pyomo_dlmp.search import branch_and_bound
from tests.models import consumer, day_market


class Jumping:
    """A clock that stands still until it is told to jump beyond every limit."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def jump(self) -> None:
        self.now = 1e6


@pytest.mark.parametrize("mode", ["explicit", "bigm"])
def test_the_least_time_still_leaves_a_point_a_bound_and_an_audit(mode, monkeypatch):
    """What comes before a point has some more time; the search itself ends at once."""
    clock = Jumping()
    for module in (limits, effort, explicit, master, outer_approximation):
        monkeypatch.setattr(module, "time", clock)

    def seen(stage, incumbent, bound):
        if stage == "audit" or (incumbent is not None and np.isfinite(incumbent)):
            clock.jump()

    result = dlmp.solve_bilevel(day_market(), complementarity=mode, time_limit=0.0, gap=1e-9,
                                progress=seen)
    assert result.status == "time limit"
    assert result.objective is not None and np.isfinite(result.bound)
    assert result.bound <= result.objective * (1 + 1e-9)
    assert result.audit.passed


@pytest.mark.parametrize("mode", ["explicit", "bigm"])
def test_a_checkpoint_brings_the_point_back(mode, tmp_path):
    file = tmp_path / "point.json"
    result = dlmp.solve_bilevel(day_market(), complementarity=mode, checkpoint=file, gap=1e-3)
    held = json.loads(file.read_text())
    assert held["status"] == result.status
    assert held["objective"] == pytest.approx(result.objective)
    m = day_market()
    again = dlmp.load_checkpoint(m, file)
    assert again["recomputed"] == pytest.approx(result.objective, rel=1e-6)
    assert dlmp.audit(m).passed
    assert not list(tmp_path.glob("*.part"))


def test_a_broken_off_run_leaves_its_last_point(tmp_path):
    file = tmp_path / "point.json"

    def stop(stage, incumbent, bound):
        if incumbent is not None and np.isfinite(incumbent) and file.exists():
            raise RuntimeError("the power is gone")

    with pytest.raises(RuntimeError, match="power"):
        dlmp.solve_bilevel(day_market(), complementarity="bigm", checkpoint=file, progress=stop,
                           periods=True)
    m = day_market()
    held = dlmp.load_checkpoint(m, file)
    assert held["status"] == "searching"
    assert held["recomputed"] == pytest.approx(held["objective"], rel=1e-5)
    assert held["bound"] <= held["objective"]


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    file = tmp_path / "point.json"
    dlmp.solve_bilevel(consumer(), checkpoint=file)
    with pytest.raises(dlmp.ModelError, match="does not have"):
        dlmp.load_checkpoint(day_market(), file)


@pytest.mark.parametrize("mode", ["explicit", "bigm"])
def test_a_memory_limit_that_is_passed_from_the_start(mode):
    result = dlmp.solve_bilevel(consumer(), complementarity=mode, memory_limit=0.001)
    assert result.status == "memory limit" and result.objective is None
    assert "GB" in result.notes[0]


def test_a_memory_limit_that_is_passed_in_the_search_keeps_the_point(monkeypatch):
    """Used memory as told by a test: it grows beyond the limit once a point is known."""
    points = []
    monkeypatch.setattr(memory, "used", lambda: 10.0 if points else 0.1)
    monkeypatch.setattr(memory, "_EVERY", 0.0)

    def seen(stage, incumbent, bound):
        if incumbent is not None and np.isfinite(incumbent):
            points.append(incumbent)

    result = dlmp.solve_bilevel(day_market(), complementarity="bigm", periods=True, gap=1e-12,
                                memory_limit=1.0, progress=seen)
    assert result.status == "memory limit"
    assert result.objective is not None and result.audit.passed


def test_enough_memory_changes_nothing():
    assert dlmp.solve_bilevel(consumer(), memory_limit=100.0).status == "optimal"
    assert not memory.over_limit()


@pytest.mark.parametrize(("mode", "stage"), [
    ("explicit", "compile"), ("explicit", "regions"), ("explicit", "region costs"),
    ("explicit", "search"), ("bigm", "compile and bounds"), ("bigm", "reduce"),
    ("bigm", "first point"), ("bigm", "search")])
def test_the_time_is_over_in_any_stage(mode, stage, monkeypatch):
    """From there on nothing begins that could be left out; without a point the notes say where."""
    clock, after, m = Jumping(), [], day_market()
    for module in (limits, effort, explicit, master, outer_approximation):
        monkeypatch.setattr(module, "time", clock)

    def seen(name, incumbent, bound):
        after.extend([name] if clock.now else [])
        if name == stage:
            clock.jump()

    result = dlmp.solve_bilevel(m, complementarity=mode, time_limit=5.0, gap=1e-9, progress=seen)
    assert result.status == "time limit"
    assert set(after) <= {"search", "audit"}  # which end at once
    if result.objective is None:
        assert any("before a point was known" in note for note in result.notes)
    else:
        assert result.audit.passed and result.audit.optimistic is None
        assert any("not known" in note for note in result.notes)
    assert dlmp.solve_bilevel(m, complementarity=mode, gap=1e-3).objective is not None


def test_why_infeasible_has_the_rest_of_the_time(monkeypatch):
    clock, m = Jumping(), consumer()
    monkeypatch.setattr(limits, "time", clock)
    m.never = pyo.Constraint(expr=m.low.g[0, 0] >= 3.5)

    def seen(name, *_):
        if name == "why infeasible":
            clock.jump()

    result = dlmp.solve_bilevel(m, time_limit=5.0, progress=seen)
    assert result.status == "infeasible" and "time limit was passed" in result.notes[-1]
    assert "time limit" in dlmp.why_infeasible(m, time_limit=0.0)[-1] or clock.now


def route(build, options, clock=None) -> dict:
    """All of a solve but its seconds."""
    steps = []
    with pytest.MonkeyPatch.context() as patch:
        if clock is not None:
            patch.setattr(time, "monotonic", clock)
        result = dlmp.solve_bilevel(build(), progress=lambda stage, *_: steps.append(stage),
                                    **options)
    audit = result.audit
    return {"steps": [s for s in steps if s != "branch and bound"], "size": result.size,
            "status": result.status, "objective": result.objective, "bound": result.bound,
            "notes": result.notes, "stages": list(result.times),
            "range": audit and (audit.optimistic, audit.pessimistic)}


def infeasible():
    m = consumer()
    m.never = pyo.Constraint(expr=m.low.g[0, 0] >= 3.5)
    return m


@pytest.mark.parametrize(("build", "options"), [
    (consumer, {}), (day_market, {"complementarity": "explicit"}),
    (day_market, {"complementarity": "bigm", "gap": 1e-3}),
    (day_market, {"complementarity": "bigm", "periods": True, "gap": 0.1}),
    (lambda: consumer(pays=(0,)), {"search": "single_level", "products": "binary_expansion"}),
    (infeasible, {})])
def test_no_way_depends_on_the_clock(build, options):
    """A minute passes between two looks at the clock: every limit in seconds would be reached."""
    now = itertools.count(0.0, 60.0)
    assert route(build, options, lambda: next(now)) == route(build, options)


def test_patience_is_work(monkeypatch):
    """Branch and bound gives way to the decomposition after some work, whatever the clock."""
    monkeypatch.setattr(branch_and_bound, "_PATIENCE", 0.0)
    now = itertools.count(0.0, 60.0)
    options = {"complementarity": "bigm", "gap": 0.1}
    slow, plain = route(day_market, options, lambda: next(now)), route(day_market, options)
    assert slow == plain
    assert any(step.startswith("periods") for step in plain["steps"])
