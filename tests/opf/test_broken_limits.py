"""Soft voltage limits that do not hold are said wherever prices are read."""

import warnings

import pandas as pd
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.cli import main
from pyomo_dlmp.opf.soft_limits import broken_limits
from pyomo_dlmp.report import read_results
from pyomo_dlmp.report.story import points
from pyomo_dlmp.results import prices_table
from tests.study.tiny import TEXT, draw, said, write_tiny


def _solved(tmp_path, **options):
    write_tiny(tmp_path)
    m = dlmp.build_opf(dlmp.read_tables(tmp_path / "feeder"), price=50, **options)
    dlmp.solve_opf(m)
    return m


def test_prices_with_a_penalty_are_said_with_the_furthest_node(tmp_path):
    m = _solved(tmp_path, v_min=0.9999)
    broken = broken_limits(m)
    assert (broken.count, broken.of) == (6, 6)
    w = {(name, k): bus.w[k].value for name, bus in m.bus.items() if name != "head" for k in bus.w}
    (bus, (phase, period)), least = min(w.items(), key=lambda item: item[1])
    assert (broken.bus, broken.phase, broken.period) == (bus, phase, period)
    assert broken.voltage == pytest.approx(least**0.5)
    assert broken.limit == pytest.approx(0.9999)
    with pytest.warns(UserWarning, match=r"6 of 6 voltages .* < 0.9999 pu.*contain the penalty"):
        prices_table(m)


@pytest.mark.parametrize("options", [{}, {"voltage_limits": "hard"}, {"voltage_limits": None}])
def test_limits_that_hold_or_are_not_there_are_silent(tmp_path, options):
    m = _solved(tmp_path, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        prices_table(m)


def test_a_study_says_it_in_its_terminal_notes_and_summary(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("pyomo_dlmp.study.run.write_report", draw)
    text = TEXT.replace("[dso]", "[dso]\nv_min = 0.999").replace("ac = true", "ac = false")
    path = write_tiny(tmp_path, text)
    assert main(["study", str(path), "--results", str(tmp_path / "out")]) == 0
    assert "no SVG: WARNING: 12 of 12 voltages are beyond their soft limit" in said(capsys)
    summary = pd.read_csv(tmp_path / "out" / "summary.csv").set_index(["case", "quantity"])
    assert float(summary.loc[("no SVG", "voltages_beyond_a_limit"), "value"]) == 12
    assert summary.loc[("no SVG", "voltage_furthest_beyond_its_limit"), "value"].startswith("end.")
    told = dict(points(read_results(tmp_path / "out")))["Beyond limits"]
    assert "Beyond their soft limits are 12 voltages in “no SVG”" in told
    assert "PENALTY" in told
