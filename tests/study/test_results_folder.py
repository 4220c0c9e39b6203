"""Results are the old or the new ones whatever ends a study, and nothing of others is touched."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from pyomo_dlmp.errors import StudyFileError
from pyomo_dlmp.study import folder as place_module
from pyomo_dlmp.study.folder import open_place
from pyomo_dlmp.study.journal import MARK, KeptRun, read_journal
from pyomo_dlmp.study.lock import locked

KEY = {"input_sha256": "1", "pyomo_dlmp_version": "0"}
RUN = KeptRun("optimal", 1.0, 2.0, ["a note"], {})


class Killed(BaseException):
    """Stands for the end of the process: none of the code below it handles it."""


def write(path: Path, word: str) -> None:
    """The tables of one run."""
    for name in ("prices.csv", "study.csv"):
        (path / name).write_text(
            f"key,value\ntitle,{word}\ninput_sha256,1\npyomo_dlmp_version,0\n")


def study(folder: Path, word: str, **options):
    """All that a study of one run does to its folder."""
    place = open_place(folder, KEY, **options)
    write(place.path, word)
    place.keep("run", RUN)
    place.finish()
    return place


def what(folder: Path) -> str:
    """The word in every table of a folder."""
    (word,) = {(folder / name).read_text().split(",")[2].split("\n")[0]
               for name in ("prices.csv", "study.csv")}
    return word


@pytest.fixture
def killed_at(monkeypatch):
    """Ends the process at the n-th change of the disk, before or after it."""
    def at(n: int, after: bool):
        count = iter(range(10**6))

        def wrapped(true):
            def change(*args, **kwargs):
                last = next(count) == n
                if last and not after:
                    raise Killed
                value = true(*args, **kwargs)
                if last:
                    raise Killed
                return value
            return change

        patch = pytest.MonkeyPatch()
        for owner, name in ((os, "replace"), (os, "truncate"), (Path, "unlink"), (Path, "rmdir"),
                            (Path, "mkdir"), (Path, "write_text"),
                            (place_module, "_change_places")):
            patch.setattr(owner, name, wrapped(getattr(owner, name)))
        return patch
    return at


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize("options", [{"overwrite": True}, {"resume": True}])
def test_after_a_kill_at_any_moment_the_old_or_the_new_is_there(
        tmp_path, monkeypatch, killed_at, after, at_once, options):
    if not at_once:
        monkeypatch.setattr(place_module, "_change_places", lambda one, other: False)
    elif not sys.platform.startswith("linux"):
        pytest.skip("two folders change places in one step on Linux only")
    ended = n = 0
    while not ended:
        folder = tmp_path / str(n) / "out"
        study(folder, "1")
        patch = killed_at(n, after)
        try:
            study(folder, "2", overwrite=True)
            ended = 1
        except Killed:
            pass
        finally:
            patch.undo()
        if at_once:
            assert what(folder) in ("1", "2")
        word = what(folder) if folder.exists() else ""
        with contextlib.suppress(StudyFileError):  # it puts in its place what is whole
            open_place(folder, KEY)
        assert what(folder) in ({"1", "2"} if not word else {word, "2"})
        place = open_place(folder, KEY, **options)
        if not place.journal.complete:
            if "run" not in place.journal.runs:
                write(place.path, "3")
                place.keep("run", RUN)
            place.finish()
        assert what(folder) in (("3",) if "overwrite" in options else {word, "2", "3"})
        left = {path.name for path in folder.parent.iterdir()}
        assert left == {"out"} and MARK not in os.listdir(folder), n
        n += 1
    assert n > 8


def test_a_killed_first_write_is_continued_from_its_whole_runs(tmp_path):
    folder = tmp_path / "out"
    place = open_place(folder, KEY)
    write(folder, "1")
    place.keep("one", RUN)
    whole = (folder / "prices.csv").read_bytes()
    with (folder / "prices.csv").open("a") as file:
        file.write("half a ro")  # the process ends here
    (folder / "voltages.csv").write_text("of the second run")
    (folder / "study.csv.part").write_text("half")
    with pytest.raises(StudyFileError, match=r"unfinished study \(1 run whole\).*--resume"):
        open_place(folder, KEY)
    place = open_place(folder, KEY, resume=True)
    assert list(place.journal.runs) == ["one"] and place.journal.runs["one"] == RUN
    assert (folder / "prices.csv").read_bytes() == whole
    assert sorted(os.listdir(folder)) == ["prices.csv", "study.csv", MARK]


def test_what_is_of_another_study_is_not_continued(tmp_path):
    folder = tmp_path / "out"
    open_place(folder, KEY).keep("one", RUN)
    with pytest.raises(StudyFileError, match="another study file or feeder"):
        open_place(folder, {**KEY, "input_sha256": "2"}, resume=True)
    with pytest.raises(StudyFileError, match="version 0 of the package"):
        open_place(folder, {**KEY, "pyomo_dlmp_version": "1"}, resume=True)
    assert list(read_journal(folder).runs) == ["one"]


@pytest.mark.parametrize("left", [
    {"prices.csv": "case,bus\nhalf"}, {MARK: ""}, {MARK: "{"}, {MARK: "[]"}, {MARK + ".part": "{"},
    {"prices.csv": "", MARK: '{"key": 3}'}, {"report.html.part": "<html"}])
@pytest.mark.parametrize("options", [{"overwrite": True}, {"resume": True}])
def test_whatever_a_killed_process_leaves_can_be_written_over(tmp_path, left, options):
    folder = tmp_path / "out"
    folder.mkdir()
    for name, text in left.items():
        (folder / name).write_text(text)
    study(folder, "2", **options)
    assert what(folder) == "2" and sorted(os.listdir(tmp_path)) == ["out"]
    assert sorted(os.listdir(folder)) == ["prices.csv", "study.csv"]


@pytest.mark.parametrize("where", ["out", "out.unfinished"])
@pytest.mark.parametrize("options", [{}, {"overwrite": True}, {"resume": True}])
def test_a_folder_with_something_of_others_is_refused_by_name(tmp_path, where, options):
    study(tmp_path / "out", "1")
    (tmp_path / where / "pictures").mkdir(parents=True)
    (tmp_path / where / "pictures" / "mine.svg").write_text("mine")
    with pytest.raises(StudyFileError, match=rf"{where}: holds 'pictures', which no study"):
        open_place(tmp_path / "out", KEY, **options)
    assert (tmp_path / where / "pictures" / "mine.svg").exists() and what(tmp_path / "out") == "1"


@pytest.mark.parametrize("options", [{}, {"overwrite": True}, {"resume": True}])
def test_results_where_new_ones_are_to_lie_are_not_touched(tmp_path, options):
    study(tmp_path / "out.unfinished", "1")
    with pytest.raises(StudyFileError, match=r"out\.unfinished: holds results, where new ones"):
        open_place(tmp_path / "out", KEY, **options)
    assert what(tmp_path / "out.unfinished") == "1"


def test_what_appears_in_the_old_folder_meanwhile_is_kept(tmp_path):
    folder = tmp_path / "out"
    study(folder, "1")
    place = open_place(folder, KEY, overwrite=True)
    write(place.path, "2")
    (folder / "notes.txt").write_text("mine")
    place.keep("run", RUN)
    place.finish()
    assert what(folder) == "2"
    (found,) = tmp_path.rglob("notes.txt")
    with pytest.raises(StudyFileError, match=r"'notes\.txt', which no study"):
        open_place(folder, KEY, overwrite=True)
    assert found.read_text() == "mine"


def test_one_of_overwrite_and_resume(tmp_path):
    with pytest.raises(StudyFileError, match="Give one of the two"):
        open_place(tmp_path / "out", KEY, overwrite=True, resume=True)


def test_an_empty_folder_of_the_users_stays(tmp_path):
    place = open_place(tmp_path, KEY)
    with pytest.raises(ZeroDivisionError), place.begun():
        raise ZeroDivisionError
    assert tmp_path.is_dir() and not os.listdir(tmp_path)


# ------------------------------------------------------------------ the lock

HOLDER = """
import os, signal, sys
from pathlib import Path
from pyomo_dlmp.study.lock import locked
with locked(Path(sys.argv[1])):
    print(os.getpid(), flush=True)
    sys.stdin.read()
    if len(sys.argv) > 2:
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("killed", [False, True])
def test_a_second_process_is_refused_and_a_dead_one_taken_over(tmp_path, killed):
    folder = tmp_path / "out"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, folder, *["x"] * killed],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    pid = holder.stdout.readline().strip()
    with pytest.raises(StudyFileError) as refused, locked(folder):
        pass
    assert f"process {pid}" in str(refused.value) and "out.lock" in str(refused.value)
    assert os.listdir(tmp_path) == ["out.lock"]
    holder.communicate()
    assert os.listdir(tmp_path) == ["out.lock"] * killed
    with locked(folder):
        assert json.loads((tmp_path / "out.lock").read_text())["pid"] == os.getpid()
    assert not os.listdir(tmp_path)


def test_the_same_process_is_refused_too(tmp_path):
    with locked(tmp_path / "out"):
        with pytest.raises(StudyFileError, match=f"process {os.getpid()}"), locked(
                tmp_path / "out"):
            pass
        assert os.listdir(tmp_path) == ["out.lock"]


def test_a_process_with_the_number_of_a_dead_one_holds_nothing(tmp_path):
    started = psutil.Process().create_time()
    with locked(tmp_path / "out") as path:
        data = json.loads(path.read_text())
    path.write_text(json.dumps({**data, "started": started - 1000}))
    with locked(tmp_path / "out"):
        pass
    path.write_text(json.dumps({**data, "host": "elsewhere"}))
    with pytest.raises(StudyFileError, match=r"on elsewhere.*delete"), locked(tmp_path / "out"):
        pass


def test_what_a_process_left_that_was_killed_at_the_lock_is_deleted(tmp_path):
    for name in ("out.lock.4194305", "out.lock.4194305.stale", "out.lock.x", "other.lock.4194305"):
        (tmp_path / name).write_text("")  # above the greatest number of a process
    with locked(tmp_path / "out"):
        pass
    assert sorted(os.listdir(tmp_path)) == ["other.lock.4194305", "out.lock.x"]


def test_no_lock_is_left_after_an_error_or_without_links(tmp_path, monkeypatch):
    with pytest.raises(ZeroDivisionError), locked(tmp_path / "out"):
        raise ZeroDivisionError

    def no_links(*_):
        raise PermissionError

    monkeypatch.setattr(os, "link", no_links)
    with locked(tmp_path / "out"), pytest.raises(StudyFileError), locked(tmp_path / "out"):
        pass
    assert not os.listdir(tmp_path)
