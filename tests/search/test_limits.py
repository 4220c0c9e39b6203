"""Limits of time and memory, checkpoints: the best point, its bound and an audit are kept."""

import json

import numpy as np
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.numerics import effort, limits, memory, outer_approximation
from pyomo_dlmp.parametric import explicit, master
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
