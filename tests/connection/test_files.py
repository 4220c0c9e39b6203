"""Series of a study from files: which column is meant, and what is wrong in which row."""

import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.series.one_column import series_of_file

LOAD = ("load", "kw", "share")


def of(tmp_path, text, words=LOAD, least=0.0):
    file = tmp_path / "s.csv"
    file.write_text(text)
    return series_of_file(str(file), words, least)[1]


@pytest.mark.parametrize("text", [
    "hour,kw\n0,500\n1,300\n", "kw\n500\n300\n", "500\n300\n",
    "time,whatever\n2025,500\n2026,300\n",
    "hour,KW,price\n0,500,1\n1,300,2\n", "Load,share\n500,1\n300,1\n",
    "Unnamed: 0,x\n0,500\n1,300\n", ",x\n0,500\n1,300\n"])
def test_the_column_is_meant_by_its_name_then_by_being_the_only_one(tmp_path, text):
    assert of(tmp_path, text) == [500.0, 300.0]


@pytest.mark.parametrize(("text", "said"), [
    ("hour,kw\n0,500\n1,300\n2,abc\n", r"column 'kw'.*'abc' in row 3 \(hour 2\)"),
    ("hour,kw\n0,500\n1,\n2,4\n", r"column 'kw'.*is empty in row 2 \(hour 1\)"),
    ("hour,kw\n0,500\n1,-20\n", r"column 'kw'.*is -20 in row 2 \(hour 1\)"),
    ("hour,kw\n0,n/a\n1,x\n", r"column 'kw'"),
    ("hour,a,b\n0,1,2\n", "'a'.*'b'.*none of them named 'load'"),
    ("hour\n0\n1\n", "no column but 'hour'"),
    ("hour,kw\n", "no rows")])
def test_a_cell_that_is_no_number_is_named_and_no_other_column_taken(tmp_path, text, said):
    with pytest.raises(dlmp.ModelError, match=said):
        of(tmp_path, text)


def test_faults_of_all_files_come_at_once(tmp_path):
    paths = {}
    for key, word in (("load", "kw"), ("load_scale", "load_scale"), ("price", "price")):
        paths[key] = tmp_path / f"{key}.csv"
        paths[key].write_text(f"hour,{word}\n0,1\n1,abc\n")
    with pytest.raises(dlmp.ModelError) as error:
        dlmp.connection_study(dlmp.load_feeder("ieee13"), "675", **paths)
    assert str(error.value).count("'abc' in row 2 (hour 1)") == 3
