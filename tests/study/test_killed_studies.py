"""A study in a process of its own that is killed, or gets Ctrl-C twice, at each stage."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pyomo_dlmp.study import answer
from pyomo_dlmp.study import run as run_module
from pyomo_dlmp.study.journal import MARK
from tests.study.tiny import cases, checked, draw, is_whole, said, solve, write_tiny


@pytest.fixture(autouse=True)
def _no_engine(monkeypatch):
    monkeypatch.setattr(run_module, "write_report", draw)
    monkeypatch.setattr(answer, "ac_report", checked)


CHILD = """
import os, signal, sys
import pyomo_dlmp.study.run as run
from pyomo_dlmp import cli
from pyomo_dlmp.cli import screen
from pyomo_dlmp.study import answer
from tests.study.tiny import checked, draw

number, times, run_name, wanted, *arguments = sys.argv[1:]
answer.ac_report = checked
run.write_report = draw
true = screen.StudyScreen.progress

def progress(self, case, stage, *values):
    true(self, case, stage, *values)
    if (case, stage) == (run_name, wanted):
        for _ in range(int(times)):
            os.kill(os.getpid(), int(number))
            sum(range(1000))

screen.StudyScreen.progress = progress
sys.exit(cli.main(arguments))
"""


def child(tmp_path, number, times, run, stage, *options):
    """The command in a process that gets a signal at a stage."""
    path = write_tiny(tmp_path)
    return subprocess.run(
        [sys.executable, "-c", CHILD, str(int(number)), str(times), run, stage, "study", str(path),
         "--results", str(tmp_path / "out"), *options], capture_output=True, text=True,
        cwd=Path(__file__).parents[2])


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal")
@pytest.mark.parametrize(("run", "stage", "whole"), [
    pytest.param("no SVG", "building", 0, marks=pytest.mark.large), ("SVG", "AC check", 1),
    pytest.param("SVG", "drawing", 2, marks=pytest.mark.large)])
def test_a_kill_of_the_first_and_of_a_second_study(tmp_path, run, stage, whole, capsys):
    folder = tmp_path / "out"
    assert child(tmp_path, signal.SIGKILL, 1, run, stage).returncode == -signal.SIGKILL
    assert (tmp_path / "out.lock").exists()  # of a process that is no more
    assert solve(tmp_path, "--resume") == 0
    assert said(capsys).count(" kept ") == whole
    is_whole(folder)
    if whole != 1:  # a process takes seconds to start
        return
    before = (folder / "prices.csv").read_bytes()
    assert child(tmp_path, signal.SIGKILL, 1, run, stage,
                 "--overwrite").returncode == -signal.SIGKILL
    assert (folder / "prices.csv").read_bytes() == before and not (folder / MARK).exists()
    assert solve(tmp_path, "--overwrite") == 0
    is_whole(folder)


@pytest.mark.parametrize(("stage", "times"), [
    ("search", 2), pytest.param("building", 2, marks=pytest.mark.large),
    pytest.param("drawing", 3, marks=pytest.mark.large)])
def test_a_second_ctrl_c_is_clean(tmp_path, stage, times):
    done = child(tmp_path, signal.SIGINT, times, "SVG", stage)
    assert done.returncode == 130 and done.stderr == ""
    assert "Traceback" not in done.stdout and "pyomo-dlmp: interrupted." in done.stdout
    assert cases(tmp_path / "out")[0] == "no SVG" and not list(tmp_path.glob("*.lock*"))
