"""Hours of high loading: of the first case, the same for all."""

import subprocess
import sys

import pandas as pd
import pytest

from pyomo_dlmp.results.loading import high_loading
from pyomo_dlmp.results.schema import DISPATCH
from pyomo_dlmp.study import read_study, run_study
from tests.study.tiny import TEXT, write_tiny


def drawn(powers: dict[str, list[float]]) -> pd.DataFrame:
    """A table of dispatch of datacenters by name."""
    return DISPATCH.frame([
        ("datacenter", name, "b", "", t, "active", p, "MW")
        for name, values in powers.items() for t, p in enumerate(values)])


def test_the_joint_power_of_all_datacenters_counts():
    table = drawn({"one": [1.0, 0.1, 0.5, 0.9], "other": [0.0, 0.9, 0.5, 0.0]})
    assert high_loading(table) == [0, 1, 2, 3]  # each of one MW, or nearly
    assert high_loading(drawn({"one": [1.0, 0.89, 0.91, 0.0]})) == [0, 2]


def test_totals_count_once_and_idle_datacenters_have_no_such_hours():
    table = drawn({"one": [1.0, 0.5]})
    legs = table.assign(phase="a", value=[9.0, 90.0])
    assert high_loading(pd.concat([table, legs])) == [0]
    assert high_loading(drawn({"one": [0.0, 0.0]})) == high_loading(drawn({})) == []


def test_a_case_is_compared_over_the_hours_of_the_first(tmp_path, monkeypatch):
    """The second case has another price: its datacenter works in the other hour."""
    monkeypatch.setattr("pyomo_dlmp.study.run.write_report", lambda folder, **_: None)
    text = TEXT.replace("ac = true", "ac = false").replace(
        'name = "SVG"\n', 'name = "SVG"\n[case.dso]\nprice = [60, 30]\n')
    first, second = run_study(read_study(write_tiny(tmp_path, text)), results=tmp_path / "out")
    assert high_loading(first.tables["dispatch"]) == [0]
    assert high_loading(second.tables["dispatch"]) == [1]
    for result in (first, second):
        rows = result.tables["summary"].set_index("quantity")["value"]
        vuf = result.tables["unbalance"].query("quantity == 'VUF' and bus == 'end'")
        vuf = vuf.set_index("period")["value"]
        assert rows["hours_of_high_loading"] == 1
        assert rows["mean_VUF_at_datacenters_at_high_loading"] == pytest.approx(vuf[0])
        assert rows["mean_VUF_at_datacenters"] == pytest.approx(vuf.mean())


WITHOUT_ENGINE = """
import sys
sys.modules["dss"] = sys.modules["dss_python_backend"] = None  # as where it has no wheel
import pyomo_dlmp as dlmp
from pyomo_dlmp.study import build_case, read_study
net = dlmp.load_feeder("ieee4_yy")
assert dlmp.solve_opf(dlmp.build_opf(net)).residual.relative < 1e-6
assert read_study("ieee37_svg").cases
try:
    dlmp.solve_ac_opf(net)
except dlmp.DlmpError as error:
    assert "pip install dss-python" in str(error), error
else:
    raise AssertionError("an AC answer without its engine")
"""


def test_the_linear_form_and_studies_need_no_engine():
    done = subprocess.run([sys.executable, "-c", WITHOUT_ENGINE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
