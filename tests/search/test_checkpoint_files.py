"""Checkpoint files that are foreign, broken or cannot be written."""

import json

import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp
from tests.models import bard


def written(tmp_path):
    path = tmp_path / "point.json"
    dlmp.solve_bilevel(bard(), checkpoint=path)
    return path


def test_a_point_comes_back(tmp_path):
    m = bard()
    assert dlmp.load_checkpoint(m, written(tmp_path))["recomputed"] == pytest.approx(-12)
    assert dlmp.audit(m).passed


@pytest.mark.parametrize("text, words", [
    ("", "is no checkpoint"), ("{\"upper\": {\"x\"", "is no checkpoint"), ("[1, 2]", "no entry"),
    ("{\"a\": 1}", "no entry 'upper'"), ("{\"upper\": 3}", "no entry 'upper'"),
    ("{\"upper\": {\"x\": NaN}}", "the value nan of 'x'"),
    ("{\"upper\": {\"x\": \"a\"}}", "the value 'a' of 'x'"),
    ("{\"upper\": {\"x\": null}}", "the value None of 'x'"),
    ("{\"upper\": {\"x\": 1, \"z\": 2}}", "variable 'z', which model"),
    ("{\"upper\": {\"x\": 1, \"low.rows[1]\": 2}}", "'low.rows[1]', which is no Var"),
    ("{\"upper\": {\"x\": 1, \"low.y\": 2}}", "'low.y', which is no Var of the upper level"),
    ("{\"upper\": {}}", "has no value for 'x'"),
])
def test_what_is_no_checkpoint_of_this_model_changes_nothing(tmp_path, text, words):
    path, m = tmp_path / "point.json", bard()
    m.x.set_value(3.0)
    path.write_text(text)
    with pytest.raises(dlmp.ModelError) as error:
        dlmp.load_checkpoint(m, path)
    assert words in str(error.value) and error.value.faults[0].cure
    assert m.x.value == 3.0 and m.low.y.value is None


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe\x00binary")
    for name in ("bytes.json", "missing.json", "."):
        with pytest.raises(dlmp.ModelError, match=r"no checkpoint|cannot be read"):
            dlmp.load_checkpoint(bard(), tmp_path / name)


@pytest.mark.parametrize("name", ["", "folder", "nowhere/point.json", "x" * 300])
def test_a_path_that_cannot_be_written_is_refused_before_the_search(tmp_path, name, monkeypatch):
    (tmp_path / "folder").mkdir()
    monkeypatch.setattr("pyomo_dlmp.solve.bilevel.run_strategies", lambda *_: pytest.fail("begun"))
    with pytest.raises(dlmp.ModelError, match="checkpoint"):
        dlmp.solve_bilevel(bard(), checkpoint=tmp_path / name if name else "")
    assert [f.name for f in tmp_path.iterdir()] == ["folder"]


def test_a_later_error_is_a_note_not_a_lost_answer(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pyomo_dlmp.search.checkpoint.os.replace", full)
    result = dlmp.solve_bilevel(bard(), checkpoint=tmp_path / "point.json")
    assert result.status == "optimal" and result.objective == pytest.approx(-12)
    assert any("could not be written (No space left" in note for note in result.notes)


def test_the_file_names_every_upper_var(tmp_path):
    m = bard()
    m.more = pyo.Var([1, 2], bounds=(0, 1))
    m.row = pyo.Constraint(expr=m.more[1] + m.more[2] >= 1)
    dlmp.solve_bilevel(m, checkpoint=tmp_path / "p.json")
    assert set(json.loads((tmp_path / "p.json").read_text())["upper"]) == {
        "x", "more[1]", "more[2]"}
