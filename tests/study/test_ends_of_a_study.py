"""Ctrl-C, errors and kills at each stage of a study: what is written, what is said."""

import gc
import os
import signal
import weakref
from io import StringIO

import pytest
from rich.console import Console

from pyomo_dlmp.cli import main
from pyomo_dlmp.cli.screen import StudyScreen
from pyomo_dlmp.cli.stages import Stages
from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.numerics import limits
from pyomo_dlmp.results import outcome
from pyomo_dlmp.status import Status
from pyomo_dlmp.study import answer, output, read_study, run_study
from pyomo_dlmp.study import folder as folder_module
from pyomo_dlmp.study import run as run_module
from pyomo_dlmp.study.journal import MARK
from pyomo_dlmp.study.lock import locked
from pyomo_dlmp.validation import ac_report
from tests.study.tiny import TEXT, cases, checked, draw, is_whole, said, solve, write_tiny


def press() -> None:
    """Ctrl-C, handled before it returns."""
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(1000):  # the handler runs between two bytecodes
        pass


@pytest.fixture(autouse=True)
def _the_handler_is_restored_and_no_lock_is_left(tmp_path):
    before = signal.getsignal(signal.SIGINT)
    yield
    assert signal.getsignal(signal.SIGINT) is before
    assert not list(tmp_path.glob("*.lock*"))


@pytest.fixture(autouse=True)
def _no_engine(monkeypatch):
    """The report is not drawn, and AC is not computed: what is tested is when."""
    monkeypatch.setattr(run_module, "write_report", draw)
    monkeypatch.setattr(answer, "ac_report", checked)


def after(count, function, then):
    """The function, which from its `count`-th call on is another one."""
    calls = iter(range(10**6))

    def call(*args, **kwargs):
        return (then if next(calls) >= count else function)(*args, **kwargs)
    return call


def presses(times, function):
    """The function, after Ctrl-C."""
    def call(*args, **kwargs):
        for _ in range(times):
            press()
        return function(*args, **kwargs)
    return call


def test_an_undisturbed_study(tmp_path, capsys):
    assert solve(tmp_path) == 0
    is_whole(tmp_path / "out")
    text = said(capsys)
    for word in ("reading", "building", "tables", "decomposition", "AC check", "drawing"):
        assert word in text


def test_a_terminal_shows_each_stage(tmp_path):
    console = Console(file=StringIO(), force_terminal=True, width=100)
    with Stages(console) as stage:
        study = read_study(write_tiny(tmp_path), stage)
        stage.bar.refresh()
    with StudyScreen(console, study, stage.start) as screen:
        def progress(*values):
            screen.progress(*values)
            screen.bar.refresh()
        run_study(study, progress, tmp_path / "out")
    text = console.file.getvalue()
    for words in ("placing its devices", "checking SVG", "building", "AC check", "0/2", "1/2",
                  "2/2", "drawing"):
        assert words in text


def test_stages_of_reading_are_told(tmp_path):
    told = []
    read_study(write_tiny(tmp_path), told.append)
    assert told == [f"reading {(tmp_path / 'feeder').as_posix()}", "placing its devices"]


def test_the_answer_is_written_before_what_may_be_long(tmp_path):
    seen = {}

    def look(run, stage, *_):
        folder = tmp_path / "out"
        if run == "SVG" and stage in ("decomposition", "AC check"):
            seen[stage] = {name: cases(folder, name) for name in (
                "prices", "payments", "summary", "audit", "dispatch", "decomposition")}

    run_study(read_study(write_tiny(tmp_path)), look, tmp_path / "out")
    both = ["no SVG", "SVG"]
    answered = dict.fromkeys(("prices", "payments", "summary", "audit", "dispatch"), both)
    assert seen == {"decomposition": {**answered, "decomposition": ["no SVG"]},
                    "AC check": {**answered, "decomposition": both}}


def test_the_first_ctrl_c_in_a_search_keeps_the_incumbent(tmp_path, capsys):
    folder = tmp_path / "out"

    def at(run, stage, incumbent, bound):
        if run == "SVG" and incumbent is not None and stage not in ("written", "tables"):
            at.times, times = 0, at.times
            for _ in range(times):
                press()

    at.times = 1
    study = read_study(write_tiny(tmp_path))
    done = run_study(study, at, folder)
    assert done.interrupted and not done.finished and not done.missing
    assert [r.outcome.status for r in done] == ["optimal", "interrupted"]
    assert cases(folder) == ["no SVG", "SVG"] and (folder / MARK).exists()
    assert solve(tmp_path) == 1 and "holds an unfinished study (1 run whole)" in said(capsys)
    assert solve(tmp_path, "--resume") == 0
    text = said(capsys)
    assert "no SVG kept" in text and "no SVG building" not in text and "SVG building" in text
    is_whole(folder)


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_in_the_ac_check(tmp_path, capsys, monkeypatch, times):
    """The first one ends the check, a second one the study: here while its report is drawn."""
    monkeypatch.setattr(answer, "ac_report", after(1, checked, presses(1, checked)))
    true = run_module.write_report
    monkeypatch.setattr(run_module, "write_report", presses(times - 1, true))
    assert solve(tmp_path) == 130
    folder, text = tmp_path / "out", said(capsys)
    assert cases(folder) == cases(folder, "decomposition") == ["no SVG", "SVG"]
    assert (folder / "report.html").exists() == (times == 1)
    if times == 1:
        assert "SVG, AC check is missing: interrupted" in text and "--resume" in text
    else:
        assert "1 of 2 runs are whole" in text
        assert "of 'SVG' the answer is written, without AC check. --resume" in text
    monkeypatch.setattr(answer, "ac_report", checked)
    monkeypatch.setattr(run_module, "write_report", true)
    assert solve(tmp_path, "--resume") == 0
    is_whole(folder)


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_while_tables_are_made(tmp_path, capsys, monkeypatch, times):
    """The first one waits until the answer is written."""
    true = outcome.balance_duals
    monkeypatch.setattr(outcome, "balance_duals", presses(times, true))
    assert solve(tmp_path) == 130
    folder, text = tmp_path / "out", said(capsys)
    if times == 1:
        assert cases(folder) == ["no SVG"] and "no SVG, AC check is missing: interrupted" in text
        assert "no SVG, decomposition is missing: interrupted" in text
    else:
        assert "Nothing was written" in text and not folder.exists()
    monkeypatch.setattr(outcome, "balance_duals", true)
    assert solve(tmp_path, "--resume") == 0
    is_whole(folder)


@pytest.mark.parametrize("times", [1, 2, 3])
@pytest.mark.parametrize("file", [0, 3, 7, 9, 12])
def test_no_file_is_cut_by_ctrl_c(tmp_path, capsys, monkeypatch, times, file):
    true = output._text
    monkeypatch.setattr(output, "_text", after(file, true, after(1, presses(times, true), true)))
    code = solve(tmp_path)
    assert code == 130
    folder = tmp_path / "out"
    assert cases(folder) == ["no SVG"] and (folder / "study.csv").exists()
    text = said(capsys)
    assert not list(folder.glob("*.part")) and ("the answer is written" in text) == (times > 1)
    assert ("AC check is missing: interrupted" in text) == (times == 1 and file < 12)
    assert "--resume" in text
    monkeypatch.setattr(output, "_text", true)
    assert solve(tmp_path, "--overwrite") == 0
    is_whole(folder)


def test_ctrl_c_while_the_report_is_drawn(tmp_path, capsys, monkeypatch):
    true = run_module.write_report
    monkeypatch.setattr(run_module, "write_report", presses(1, true))
    assert solve(tmp_path) == 130
    text = said(capsys)
    assert "report.html is missing: interrupted" in text and "unfinished" not in text
    is_whole(tmp_path / "out")
    monkeypatch.setattr(run_module, "write_report", true)
    assert solve(tmp_path, "--resume") == 0  # draws it
    assert (tmp_path / "out" / "report.html").exists()


@pytest.mark.parametrize("method", ["keep", "finish"])
def test_ctrl_c_at_the_very_end_changes_nothing(tmp_path, monkeypatch, method):
    true = getattr(folder_module.Place, method)
    late = after(method == "keep", true, presses(1, true))
    monkeypatch.setattr(folder_module.Place, method, lambda *args: late(*args))
    done = run_study(read_study(write_tiny(tmp_path)), results=tmp_path / "out")
    assert done.finished
    is_whole(tmp_path / "out")


def test_ctrl_c_before_there_is_anything_leaves_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(run_module, "solve_market", presses(1, run_module.solve_market))
    assert solve(tmp_path) == 130
    assert "Nothing was written" in said(capsys) and not (tmp_path / "out").exists()


@pytest.mark.parametrize("stage", ["decomposition", "AC check", "report.html"])
def test_a_later_stage_that_fails_loses_nothing(tmp_path, capsys, monkeypatch, stage):
    def fails(*_, **__):
        raise MemoryError("no room")

    owner, name = {"decomposition": (outcome, "decomposition_table"),
                   "AC check": (answer, "ac_report"),
                   "report.html": (run_module, "write_report")}[stage]
    monkeypatch.setattr(owner, name, fails)
    assert solve(tmp_path) == 1
    text, folder = said(capsys), tmp_path / "out"
    assert f"{stage} is missing: MemoryError: no room" in text
    assert cases(folder) == ["no SVG", "SVG"] and not (folder / MARK).exists()


def test_a_later_stage_keeps_the_time_limit_and_the_answer_stays(tmp_path, capsys, monkeypatch):
    def endless(*_, **__):
        assert limits.last_left() <= 60.0  # of the study file
        raise limits.Stopped(Status.TIME_LIMIT)

    monkeypatch.setattr(outcome, "decomposition_table", endless)
    path = write_tiny(tmp_path, TEXT.replace("[check]", "[solver]\ntime_limit = 60\n[check]"))
    assert main(["study", str(path), "--results", str(tmp_path / "out")]) == 1
    text, folder = said(capsys), tmp_path / "out"
    assert "decomposition is missing: the time limit was passed" in text
    assert cases(folder) == ["no SVG", "SVG"] and not (folder / MARK).exists()


def test_an_error_in_a_run_says_what_is_written(tmp_path, capsys, monkeypatch):
    def fails(*_, **__):
        raise ModelError.at("run", "is broken")

    monkeypatch.setattr(run_module, "solve_market", after(1, run_module.solve_market, fails))
    assert solve(tmp_path) == 1
    assert "run: is broken" in (text := said(capsys)) and "1 of 2 runs are whole" in text
    assert cases(tmp_path / "out") == ["no SVG"]


def test_old_results_stay_until_the_new_ones_are_whole(tmp_path, capsys, monkeypatch):
    folder, new = tmp_path / "out", tmp_path / "out.unfinished"
    assert solve(tmp_path) == 0
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    monkeypatch.setattr(answer, "ac_report", after(1, checked, presses(1, checked)))
    assert solve(tmp_path, "--overwrite") == 130
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert cases(new) == ["no SVG", "SVG"]
    text = said(capsys)
    assert "out.unfinished/report.html" in text and "earlier results, which stay in" in text
    assert solve(tmp_path) == 1 and "out.unfinished: holds an unfinished" in said(capsys)
    monkeypatch.setattr(answer, "ac_report", checked)
    assert solve(tmp_path, "--resume") == 0
    is_whole(folder)
    assert folder.joinpath("summary.csv").read_bytes() != before["summary.csv"]


def test_the_command_does_not_keep_the_models(tmp_path, monkeypatch):
    seen, true = [], run_module.solve_market

    def solved(*args, **kwargs):
        outcome = true(*args, **kwargs)
        gc.collect()
        assert not [ref for ref in seen if ref() is not None]
        seen.append(weakref.ref(outcome.model))
        return outcome

    monkeypatch.setattr(run_module, "solve_market", solved)
    assert solve(tmp_path) == 0 and len(seen) == 2


def test_an_unfinished_study_is_shown(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(answer, "ac_report", after(1, checked, presses(1, checked)))
    assert solve(tmp_path) == 130
    monkeypatch.setattr("pyomo_dlmp.report.write_report", lambda results, cases, pictures, **_: "")
    assert main(["show", str(tmp_path / "out")]) == 0
    assert "The study is unfinished (1 run whole)" in said(capsys)


def test_results_that_are_whole_are_not_solved_again(tmp_path, capsys, monkeypatch):
    assert solve(tmp_path) == 0
    first = said(capsys)
    monkeypatch.setattr(run_module, "solve_market", None)
    assert solve(tmp_path, "--resume") == 0
    second = said(capsys)
    assert first[first.index("quantity"):] == second[second.index("quantity"):]
    write_tiny(tmp_path, TEXT.replace("[30, 60]", "[31, 60]"))
    path = str(tmp_path / "tiny.toml")
    assert main(["study", path, "--results", str(tmp_path / "out"), "--resume"]) == 1
    assert "another study file or feeder" in said(capsys)


def test_a_folder_that_cannot_be_made_is_an_error_in_words(tmp_path, capsys):
    path = write_tiny(tmp_path)
    assert main(["study", str(path), "--results", str(path / "out")]) == 1
    assert "cannot be written (" in said(capsys)


def test_a_second_study_in_the_same_folder_is_refused(tmp_path, capsys):
    with locked(tmp_path / "out"):
        assert solve(tmp_path) == 1
    text = said(capsys)
    assert f"another study writes into it (process {os.getpid()})" in text
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["link", "."])
def test_a_folder_by_another_name_is_the_same(tmp_path, monkeypatch, name):
    write_tiny(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "link").symlink_to("out")
    monkeypatch.chdir(tmp_path / "out" if name == "." else tmp_path)
    study = read_study(tmp_path / "tiny.toml")
    run_study(study, results=name)
    with locked(tmp_path / "out"), pytest.raises(Exception, match="another study writes"):
        run_study(study, results=name, overwrite=True)
    run_study(study, results=name, overwrite=True)
    assert (tmp_path / "link").is_symlink() and not list(tmp_path.glob("*.unfinished"))
    assert cases(tmp_path / "out") == ["no SVG", "SVG"]


def test_the_real_check_and_report(tmp_path, monkeypatch):
    pytest.importorskip("dss", reason="the extra 'opendss' is not installed")
    monkeypatch.setattr(answer, "ac_report", ac_report)
    done = run_study(read_study(write_tiny(tmp_path)), results=tmp_path / "out")
    summary = done[0].tables["summary"].set_index("quantity")["value"]
    assert summary["AC_check_greatest_voltage_error"] < 0.01 and not done.missing
