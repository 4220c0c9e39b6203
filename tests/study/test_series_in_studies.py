"""Numbers from CSV files in a study file, and its table [series]."""

import pandas as pd
import pytest

from pyomo_dlmp.errors import ModelError, StudyFileError
from pyomo_dlmp.study import read_study, run_study
from pyomo_dlmp.study.provenance import input_hash
from tests.study.tiny import TEXT, draw, write_tiny

PRICES = "hour,price,scale\n0,30,0.5\n1,60,0.8\n2,45,1.0\n"
FROM_FILE = TEXT.replace(
    "price = [30, 60]",
    'price = {{csv = "day.csv", column = "price", rows = [1, 2]}}\n'
    'load_scale = {{"*" = {{csv = "day.csv", column = "scale", rows = [2, 3]}}, a = 0.3}}')


def study(tmp_path, text=FROM_FILE, csv=PRICES):
    (tmp_path / "day.csv").write_text(csv)
    return write_tiny(tmp_path, text)


def faults(tmp_path, text=FROM_FILE, csv=PRICES):
    with pytest.raises(StudyFileError) as err:
        read_study(study(tmp_path, text, csv))
    return "\n".join(map(str, err.value.faults))


def test_numbers_come_from_a_file_beside_the_study(tmp_path):
    read = read_study(study(tmp_path))
    assert read.dso["price"] == [30.0, 60.0]
    assert read.dso["load_scale"] == {"*": [0.8, 1.0], "a": 0.3}
    typed = read_study(write_tiny(tmp_path, TEXT))
    assert typed.dso["price"] == [30, 60]


def test_a_column_that_is_not_named_is_that_of_the_key_or_the_only_one(tmp_path):
    read = read_study(study(tmp_path, FROM_FILE.replace('column = "price", ', "")))
    assert read.dso["price"] == [30.0, 60.0]
    text = FROM_FILE.replace('column = "price", ', "")
    read = read_study(study(tmp_path, text.replace('column = "scale", ', ""),
                            csv="hour,anything\n0,30\n1,60\n2,45\n"))
    assert read.dso["price"] == [30.0, 60.0] and read.dso["load_scale"]["*"] == [60.0, 45.0]


def test_numbers_of_elements_come_from_files(tmp_path):
    text = FROM_FILE + """
[[generator]]
name = "pv"
bus = "middle"
kw_max = 200
cost = 0
"""
    text = text.replace("a = 0.3", "a = 0.3, pv = {{csv = \"sun.csv\"}}").replace(
        "energy_share = 0.5",
        'energy_share = 0.5\nmost_kw = {{dc = {{csv = "sun.csv", column = "sun"}}}}')
    (tmp_path / "sun.csv").write_text("sun\n0\n1\n")
    with pytest.raises(ModelError, match="dc can use"):
        run_study(read_study(study(tmp_path, text)), results=tmp_path / "r")
    read = read_study(study(tmp_path, text))
    assert read.dso["load_scale"]["pv"] == [0.0, 1.0]
    assert read.market(read.runs[0]).limits_kw == {"dc": (0.0, [0.0, 1.0])}


@pytest.mark.parametrize("old, new, words", [
    ("day.csv\", column = \"price\"", "dya.csv\", column = \"price\"",
     "[dso]"),
    ("column = \"price\"", "column = \"prize\"",
     "dso, price, file 'day.csv': has no column 'prize'. Did you mean 'price'?"),
    (", column = \"scale\"", "", "dso, load_scale, *, file 'day.csv': names no column"),
    ("rows = [1, 2]", "rows = [1, 9]", "has rows [1, 9]"),
    ("rows = [1, 2]", "row = [1, 2]", "unknown key 'row'. Did you mean 'rows'?"),
    ("price\", rows = [1, 2]", "price\"", "has 3 values for 2 periods"),
])
def test_faults_name_file_and_column(tmp_path, old, new, words):
    said = faults(tmp_path, FROM_FILE.replace(old, new, 1))
    assert words.replace("[dso]", "dso, price: file 'dya.csv' is neither beside") in said


@pytest.mark.parametrize("cell, words", [
    ("", "file 'day.csv', column 'price', row 2: is empty"),
    ("sixty", "column 'price', row 2: holds 'sixty'"), ("nan", "row 2: holds 'nan'")])
def test_faults_name_the_row(tmp_path, cell, words):
    assert words in faults(tmp_path, csv=PRICES.replace("1,60", f"1,{cell}"))


def test_another_file_is_another_input(tmp_path):
    first = input_hash(read_study(study(tmp_path)))
    assert first == input_hash(read_study(study(tmp_path)))
    assert first != input_hash(read_study(study(tmp_path, csv=PRICES.replace("60", "61"))))


SERIES = TEXT.replace("[check]\nac = true", """[check]
ac = false
[series]
file = "year.csv"
columns = {{EPEX = "price", note = ""}}""").split("[[case]]")[0]
YEAR = "time,EPEX,note\n" + "".join(
    f"2025-01-01 {h:02d}:00,{30 + 5 * h},x\n" for h in range(6))


def test_a_series_is_solved_beside_each_run(tmp_path, monkeypatch):
    monkeypatch.setattr("pyomo_dlmp.study.run.write_report", draw)
    (tmp_path / "year.csv").write_text(YEAR)
    results = run_study(read_study(study(tmp_path, SERIES)), results=tmp_path / "results")
    assert not results.missing
    steps = pd.read_csv(tmp_path / "results" / "series_steps.csv")
    assert steps["case"].tolist() == ["study"] * 3
    assert steps["status"].tolist() == ["optimal"] * 3
    assert steps["time"].tolist() == [f"2025-01-01 {h:02d}:00:00" for h in (0, 2, 4)]
    assert steps["payment"].tolist() == pytest.approx(steps["repriced"].tolist(), rel=1e-4)
    assert len(pd.read_csv(tmp_path / "results" / "series_dispatch.csv")) == 12
    assert not (tmp_path / "results.series").exists()


def test_an_interrupted_series_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr("pyomo_dlmp.study.run.write_report", draw)
    (tmp_path / "year.csv").write_text(YEAR)
    read = read_study(study(tmp_path, SERIES))
    said = []

    def stop(run, stage, *_):
        said.append(stage)
        if stage.startswith("series: 2 of 3"):
            raise KeyboardInterrupt

    first = run_study(read, stop, results=tmp_path / "results")
    assert first.interrupted and first.missing == {"study, series": "interrupted"}
    said.clear()
    whole = run_study(read, lambda run, stage, *_: said.append(stage),
                      results=tmp_path / "results", resume=True)
    assert not whole.missing
    assert "series: 2 of 3" in said  # kept
    assert len(pd.read_csv(tmp_path / "results" / "series_steps.csv")) == 3


@pytest.mark.parametrize("old, new, words", [
    ("EPEX = ", "EPX = ", "[series], columns: names 'EPX'"),
    ("year.csv", "yaer.csv", "there is no file"),
    ("file = \"year.csv\"", "file = \"year.csv\"\nhorizon = 0", "[series] horizon: is 0"),
    ("file = \"year.csv\"", "step = 2", "[series]: has no file"),
    ("file = \"year.csv\"", "file = \"year.csv\"\nhorizn = 2", "Did you mean 'horizon'?"),
])
def test_faults_of_a_series_are_told_before_any_search(tmp_path, old, new, words):
    (tmp_path / "year.csv").write_text(YEAR)
    with pytest.raises(StudyFileError) as err:
        run_study(read_study(study(tmp_path, SERIES.replace(old, new))),
                  results=tmp_path / "results")
    assert words in str(err.value)
