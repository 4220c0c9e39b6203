"""Who draws a picture does not matter: one process or two, or a helper that ends early."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pyomo_dlmp.report import drawing, read_results, voltage_by_hour, write_report
from pyomo_dlmp.report.drawing import FEWEST, Helpers, Job
from tests.report.synthetic import write_synthetic

SMALL = {"buses": 6, "periods": 2, "cases": ("one",)}


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    voltages = read_results(write_synthetic(tmp_path_factory.mktemp("r"), **SMALL)).voltages
    return [Job(voltage_by_hour, (voltages,), {"limits": (0.9 + k / 100, 1.05)})
            for k in range(FEWEST)]


@pytest.fixture(scope="module")
def alone(jobs):
    return Helpers(0).draw(jobs)


def test_drawing_tells_how_far_it_is(jobs, alone):
    told = []
    assert Helpers(0).draw(jobs, lambda k, of: told.append((k, of))) == alone
    assert told == [(k + 1, len(jobs)) for k in range(len(jobs))]


def test_two_processes_draw_the_same_bytes(jobs, alone):
    with Helpers(1) as helpers:
        (process,) = helpers._processes
        assert helpers.draw(jobs) == alone
    assert process.returncode is not None and process.stdin.closed and process.stdout.closed


@pytest.mark.parametrize("does", ["pass", "import sys; sys.stdin.buffer.read(9); print(1)",
                                  "raise SystemExit(3)"])
def test_a_helper_that_ends_early_is_not_missed(jobs, alone, monkeypatch, does):
    monkeypatch.setattr(drawing, "_SERVE", does)
    with Helpers(1) as helpers:
        assert helpers.draw(jobs) == alone


def test_a_python_that_cannot_be_started_again_draws_alone(jobs, alone, monkeypatch):
    monkeypatch.setattr(sys, "executable", "")
    with Helpers(1) as helpers:
        assert not helpers._processes and helpers.draw(jobs) == alone


def test_figures_that_cannot_be_sent_are_drawn_here(jobs, alone):
    own = [Job(lambda *args, **kwargs: voltage_by_hour(*args, **kwargs), job.args, job.kwargs)
           for job in jobs]
    with Helpers(1) as helpers:
        assert helpers.draw(own) == alone


def test_a_wrong_figure_is_an_error_whoever_draws_it(jobs):
    with Helpers(1) as helpers, pytest.raises(TypeError):
        helpers.draw([*jobs, Job(voltage_by_hour, ())])


def test_a_page_that_shows_these_tables_is_not_drawn_again(tmp_path, monkeypatch):
    folder = write_synthetic(tmp_path, **SMALL)
    path = write_report(folder, processes=1)
    first = path.stat().st_mtime_ns
    assert write_report(folder).stat().st_mtime_ns == first
    drawn = []
    monkeypatch.setattr(Helpers, "draw", lambda self, jobs, progress=None: (
        drawn.append(1) or [""] * len(jobs)))
    write_report(folder, ["one"], processes=1)  # other cases: another page
    with (folder / "prices.csv").open("a") as file:
        file.write("one,b1,a,1,active,30.0,$/MWh\n")
    write_report(folder, ["one"], processes=1)
    assert len(drawn) == 2


def test_pyplot_and_all_of_scipy_stay_away():
    code = ("import sys, pyomo_dlmp.report; "
            "print(*{'matplotlib.pyplot', 'scipy.stats', 'highspy'} & sys.modules.keys()); "
            "from pyomo.common.dependencies import scipy, scipy_available; "
            "assert scipy_available and scipy.stats.norm.cdf(0.0) == 0.5")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
