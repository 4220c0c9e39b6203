"""Ctrl-C at any moment: the best point, or KeyboardInterrupt, and a model as it was."""

import contextlib
import os
import signal
import threading

import numpy as np
import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.auditing import lower_checks
from pyomo_dlmp.numerics import limits
from pyomo_dlmp.search import by_pyomo
from pyomo_dlmp.search.checkpoint import Checkpoint
from pyomo_dlmp.transform.record import single_level_data
from tests.models import bard, consumer, day_market, solver_or_skip

MODES = ["explicit", "bigm"]


def press() -> None:
    """Ctrl-C, handled before it returns."""
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(1000):  # the handler runs between two bytecodes
        pass


class At:
    """A `progress` call that presses Ctrl-C at a stage, or at the first point."""

    def __init__(self, stage: str, times: int = 1):
        self.stage, self.times = stage, times

    def __call__(self, stage, incumbent, bound):
        known = incumbent is not None and np.isfinite(incumbent)
        if self.times and (stage == self.stage or (self.stage == "point" and known)):
            for _ in range(self.times):
                press()
            self.times = 0


def state(model) -> list:
    """All that a solve may change and must restore: activity, bounds, components."""
    found: list = [(c.name, c.active) for c in model.component_data_objects(
        (pyo.Objective, pyo.Constraint, pyo.Block), descend_into=True)]
    found += [(v.name, v.lb, v.ub, v.fixed, str(v.domain)) for v in model.component_data_objects(
        pyo.Var, descend_into=True)]
    return found


@pytest.fixture(autouse=True)
def _the_handler_is_restored():
    before = signal.getsignal(signal.SIGINT)
    yield
    assert signal.getsignal(signal.SIGINT) is before
    assert not limits._handling


@pytest.mark.parametrize(("mode", "stage"), [
    ("explicit", "compile"), ("explicit", "condense"), ("explicit", "regions"),
    ("explicit", "region costs"), ("bigm", "first point")])
def test_before_a_point_it_is_raised_and_the_model_is_the_users(mode, stage):
    m = day_market()
    before = state(m)
    with pytest.raises(KeyboardInterrupt):
        dlmp.solve_bilevel(m, complementarity=mode, progress=At(stage))
    assert state(m) == before and single_level_data(m) is None
    assert dlmp.solve_bilevel(m, complementarity=mode, gap=1e-3).status == "optimal"


@pytest.mark.parametrize("stage", ["compile and bounds", "reduce"])
def test_before_the_search_the_first_feasible_point_is_returned_audited(stage):
    m = day_market()
    before = state(m)
    result = dlmp.solve_bilevel(m, complementarity="bigm", progress=At(stage))
    assert result.status == "interrupted"
    assert result.objective is not None and result.audit.passed
    assert "first feasible one" in " ".join(result.notes)
    assert state(m) == before and single_level_data(m) is None


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("stage", ["point", "audit"])
def test_with_a_point_it_is_returned_audited(mode, stage):
    m = day_market()
    result = dlmp.solve_bilevel(m, complementarity=mode, gap=1e-9, progress=At(stage))
    assert result.status == "interrupted"
    assert result.objective is not None and result.audit.passed
    assert result.bound <= result.objective * (1 + 1e-9)
    assert single_level_data(m) is None


def test_in_the_rounds_of_the_decomposition():
    seen = At("periods, round 2")
    result = dlmp.solve_bilevel(day_market(), complementarity="bigm", periods=True, gap=1e-12,
                                progress=seen)
    assert not seen.times
    assert result.status == "interrupted" and result.audit.passed


def test_inside_a_milp_that_would_go_on(monkeypatch, tmp_path):
    """From a thread, once HiGHS has a point: a market split, whose gap does not close soon."""
    rng = np.random.default_rng(1)
    m = bard()
    m.b = pyo.Var(range(40), domain=pyo.Binary)
    m.over = pyo.Var(range(5), domain=pyo.NonNegativeReals)
    m.under = pyo.Var(range(5), domain=pyo.NonNegativeReals)
    weights = rng.integers(1, 100, (5, 40))
    m.split = pyo.Constraint(range(5), rule=lambda _, i: sum(
        int(w) * m.b[j] for j, w in enumerate(weights[i])) + m.over[i] - m.under[i]
        == int(weights[i].sum()) // 2)
    m.cost.set_value(m.cost.expr + sum(m.over.values()) + sum(m.under.values()))
    timers = []

    def found(*_):
        if not timers:
            timers.append(threading.Timer(0.05, press))
            timers[0].start()

    monkeypatch.setattr(Checkpoint, "keep", found)
    result = dlmp.solve_bilevel(m, complementarity="bigm", gap=0.0, periods=False, time_limit=60,
                                checkpoint=tmp_path / "point.json")
    timers[0].join()
    assert result.status == "interrupted"
    assert result.objective is not None and result.audit.passed


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("stage", ["point", "audit"])
def test_twice_ends_at_once_and_restores_the_model(mode, stage, tmp_path):
    m, file = day_market(), tmp_path / "point.json"
    before = state(m)
    with pytest.raises(KeyboardInterrupt):
        dlmp.solve_bilevel(m, complementarity=mode, progress=At(stage, times=2), checkpoint=file)
    assert state(m) == before
    assert not list(tmp_path.glob("*.part"))


def test_in_the_second_attempt_the_first_ones_point_is_returned():
    """User bounds are checked by a second solve, and Ctrl-C comes while that one compiles."""
    stages = []

    def seen(stage, incumbent, bound):
        stages.append(stage)
        if stages.count("compile and bounds") == 2 and stage == "compile and bounds":
            press()

    m = bard()
    bounds = {c.name: 50.0 for c in m.low.component_data_objects((pyo.Constraint, pyo.Var))}
    result = dlmp.solve_bilevel(m, complementarity="bigm", bounds=bounds, tighten="off",
                                progress=seen, start=False)
    assert result.status == "interrupted" and result.objective == pytest.approx(-12)
    assert any("not checked" in note for note in result.notes)


def test_in_the_ranges_of_prices_it_is_a_note(monkeypatch):
    def pressed(*args):
        press()
        limits.check()

    monkeypatch.setattr(lower_checks, "price_ranges", pressed)
    result = dlmp.solve_bilevel(consumer())
    assert result.status == "interrupted" and result.audit.passed
    assert any("not known" in note for note in result.notes)


def test_a_check_of_ones_own_point_raises():
    m = consumer()
    dlmp.solve_bilevel(m)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(lower_checks, "price_ranges", lambda *_: press())
        dlmp.audit(m)


def test_while_a_solver_of_pyomo_runs_the_start_is_kept(monkeypatch):
    """Nothing in such a solver asks for a Ctrl-C: it is raised there, and the start audited."""
    name = solver_or_skip("gurobi")
    monkeypatch.setattr(by_pyomo, "solve_by_pyomo", lambda *_, **__: press())
    m = consumer(pays=(0,))
    result = dlmp.solve_bilevel(m, name)
    assert result.status == "interrupted" and result.audit.passed
    with pytest.raises(KeyboardInterrupt):
        dlmp.solve_bilevel(consumer(), name, start=False)


def test_a_solver_that_fails_after_ctrl_c_was_interrupted(monkeypatch):
    def failing(*_, **__):
        with contextlib.suppress(KeyboardInterrupt):  # as in a solver's own handling
            press()
        raise ValueError("bad status")

    name = solver_or_skip("gurobi")
    monkeypatch.setattr(by_pyomo, "solve_by_pyomo", failing)
    assert dlmp.solve_bilevel(consumer(pays=(0,)), name).status == "interrupted"
    with pytest.raises(KeyboardInterrupt):
        dlmp.solve_bilevel(consumer(pays=(0,)), name, start=False)


def test_outside_the_main_thread():
    """There is no handler to install there; a solve is as ever."""
    found = []
    thread = threading.Thread(target=lambda: found.append(dlmp.solve_bilevel(consumer())))
    thread.start()
    thread.join()
    assert found[0].status == "optimal"


def test_a_handler_of_the_users_is_called_too():
    calls = []
    before = signal.signal(signal.SIGINT, lambda *_: calls.append(1))
    try:
        result = dlmp.solve_bilevel(day_market(), complementarity="bigm", gap=1e-9,
                                    progress=At("audit"))
    finally:
        signal.signal(signal.SIGINT, before)
    assert result.status == "interrupted" and calls == [1]


def test_an_ignored_ctrl_c_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert dlmp.solve_bilevel(consumer(), progress=At("audit")).status == "optimal"
    finally:
        signal.signal(signal.SIGINT, before)


def test_what_must_be_done_whole_delays_it():
    done = []
    with limits.call(None), contextlib.suppress(KeyboardInterrupt):
        with limits.shield():
            press()
            done.append(1)
        done.append(2)
    assert done == [1]
