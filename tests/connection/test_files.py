"""Series of a study from files: which column is meant, and what is wrong in which row."""

import os
import signal

import pandas as pd
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.series.one_column import series_of_file
from tests.connection.test_capacity import two_buses

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


def test_faults_of_the_command_name_its_options(capsys, tmp_path):
    from pyomo_dlmp.cli.command import main
    folder = ["--out", str(tmp_path / "o")]
    assert main(["connect", "ieee13", "--bus", "675", "--kw", "-5", "--power-factor", "0",
                 *folder]) == 1
    said = capsys.readouterr().out
    assert "connect, --kw" in said and "-5" in said and "connect, --power-factor" in said
    assert "max_kw" not in said and not (tmp_path / "o").exists()
    assert main(["connect", "ieee13", "--bus", "611", *folder]) == 1
    said = capsys.readouterr().out
    assert "'671'" in said and "another of" in said


def test_rows_of_a_map_stay_when_it_is_interrupted(tmp_path, capsys, monkeypatch):
    from pyomo_dlmp.cli.command import main
    from pyomo_dlmp.connection import hosting
    whole, count = hosting._figures, []

    def third_interrupted(*args):
        count.append(1)
        if len(count) == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return whole(*args)

    monkeypatch.setattr(hosting, "_figures", third_interrupted)
    out = tmp_path / "map"
    assert main(["connect", "ieee13", "--all", "--v-max", "none", "--out", str(out)]) == 130
    assert len(pd.read_csv(out / "hosting.csv")) == 2
    assert "2 buses are in" in capsys.readouterr().out
    assert "interrupted" in (out / "report.html").read_text()
    assert main(["show", str(out)]) == 1
    assert "is a connection study" in " ".join(capsys.readouterr().out.split())


def test_a_map_tells_buses_without_a_limit_apart():
    free = dlmp.connection.hosting_map(two_buses(), v_min=None, v_max=None, max_kw=100.0)
    assert "nothing limits 'end' up to 100 kW" in repr(free) and "firm" not in repr(free)
