"""The first case without its datacenters, beside the others; the loading of lines of each run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.errors import StudyFileError
from pyomo_dlmp.results import line_loading_table, prices_table
from pyomo_dlmp.study import read_study, run_study
from tests.study import tiny

RATED = 400.0  # kVA per phase
WITH = tiny.TEXT.replace("ac = true", "ac = false") + "[report]\nwithout_datacenters = true\n"


def rated(folder):
    """The tiny feeder with a rating on its line to the end."""
    network = dlmp.read_tables(folder / "feeder")
    return network.replacing(replace(network.lines["l2"], rating_kva=RATED))


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    path = tiny.write_tiny(folder, WITH)
    dlmp.write_tables(rated(folder), folder / "feeder")
    study = read_study(path)
    return study, run_study(study, results=folder / "r")


def test_it_is_the_last_run_and_nothing_is_paid_in_it(done):
    _, results = done
    assert [r.run.name for r in results] == ["no SVG", "SVG", "without datacenters"]
    assert not results.missing
    assert not len(results[-1].tables["payments"])
    assert not results[-1].tables["summary"]["quantity"].str.contains("pay").any()
    assert set(results[-1].tables["dispatch"]["kind"]) == {"substation"}
    assert results[-1].tables["audit"]["passed"].all()
    page = (results.folder / "report.html").read_text("utf-8")
    assert "without datacenters" in page


def test_its_prices_are_those_of_the_feeder_alone(done):
    study, results = done
    dso = dlmp.build_opf(study.base, **study.options(study.runs[0]))
    dlmp.solve_opf(dso)
    keys = ["bus", "phase", "period", "quantity"]
    both = prices_table(dso).merge(results[-1].tables["prices"], on=keys)
    assert len(both) == len(results[-1].tables["prices"]) > 0
    assert np.allclose(both["value_x"], both["value_y"], atol=1e-6)


def test_lines_are_loaded_by_what_they_carry(done):
    _, results = done
    table = pd.concat([r.tables["line_loading"].assign(case=r.run.name) for r in results])
    assert set(table["element"]) == {"l2"} and set(table["unit"]) == {"%"}
    alone = table[table["case"] == "without datacenters"]
    assert alone["value"].to_numpy() == pytest.approx(100 * np.hypot(100, 30) / RATED, rel=1e-6)
    power = results[0].tables["dispatch"].query("element == 'dc' and phase == ''").pivot(
        index="period", columns="quantity", values="value")  # MW, over three phases
    carried = np.hypot(100 + 1e3 * power["active"] / 3, 30 + 1e3 * power["reactive"] / 3)
    for t, kva in carried.items():
        mine = table[(table["case"] == "no SVG") & (table["period"] == t)]
        assert mine["value"].to_numpy() == pytest.approx(100 * kva / RATED, rel=1e-6)


def test_in_ac_it_is_the_current_that_is_loaded(done, tmp_path):
    tiny.write_tiny(tmp_path)
    network = rated(tmp_path)
    answer = dlmp.solve_ac_opf(network, periods=1, price=30)
    table = line_loading_table(answer.model, network).set_index("phase")["value"]
    bus = answer.model.bus["end"]
    for phase in "abc":  # a line without charging has one current: that of the load at its end
        v = abs(complex(bus.vr[phase, 0].value, bus.vi[phase, 0].value))
        assert table[phase] == pytest.approx(100 * np.hypot(100, 30) / v / RATED, rel=1e-5)


def test_the_key_is_true_or_false(tmp_path):
    path = tiny.write_tiny(tmp_path, WITH.replace("datacenters = true", 'datacenters = "yes"'))
    with pytest.raises(StudyFileError, match=r"\[report\] without_datacenters.*true or false"):
        read_study(path)


def test_ratings_of_the_feeder_are_limits_where_the_study_says_so(tmp_path):
    path = tiny.write_tiny(tmp_path, WITH)
    network = rated(tmp_path)
    dlmp.write_tables(network.replacing(replace(network.lines["l2"], rated=False)),
                      tmp_path / "feeder")
    assert not read_study(path).base.lines["l2"].rated
    path.write_text(path.read_text("utf-8").replace("feeder = ", "ratings = true\nfeeder = ", 1))
    assert read_study(path).base.lines["l2"].rated
    path.write_text(path.read_text("utf-8").replace("ratings = true", 'ratings = "yes"', 1))
    with pytest.raises(StudyFileError, match=r"ratings: is 'yes'\. Write true or false"):
        read_study(path)


def test_regulators_and_transformers_are_loaded_by_their_nameplate():
    """In both forms; in AC against the currents of the engine."""
    network = dlmp.load_feeder("ieee13")
    answer = dlmp.solve_ac_opf(network, periods=1, price=30, v_min=0.9, v_max=1.1)
    table = line_loading_table(answer.model, network).set_index(["element", "phase"])["value"]
    point = dlmp.ac_power_flow(network).point
    for name, bus, phase, amps in (
            ("reg3", "650", "c", 1666 / network.buses["650"].kv_ln),
            ("xfm1", "633", "a", 500 / 3 / network.buses["633"].kv_ln),
            ("sub", "650", "c", 5000 / 3 / network.buses["650"].kv_ln)):
        engine = 100 * abs(point.currents[name, bus, phase, 0]) / amps
        assert table[name, phase] == pytest.approx(engine, rel=1e-4)
    linear = dlmp.build_opf(network, periods=1)
    dlmp.solve_opf(linear)
    assert {"reg1", "reg2", "reg3", "xfm1", "sub"} <= set(
        line_loading_table(linear, network)["element"])
