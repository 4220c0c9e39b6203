"""Charts of the page: plotly knows all their keys, numbers are those of the tables, sizes hold."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from pyomo_dlmp.report import read_results, sections, write_report
from pyomo_dlmp.report.derived import pick, sites_of, totals
from pyomo_dlmp.report.figures.regimes import split_regimes
from pyomo_dlmp.report.figures.style import CASE_COLORS, CASE_MARKERS, SITE_COLORS, site_colors
from pyomo_dlmp.report.live import charts
from pyomo_dlmp.report.live.compare import market_chart, sweep_chart
from pyomo_dlmp.report.live.encoding import compact, plotly_script
from pyomo_dlmp.report.live.feeder import feeder_data
from pyomo_dlmp.report.live.names import LETTER, boxes, common, labelled, scaled
from pyomo_dlmp.report.live.panels import Chart
from pyomo_dlmp.report.live.proofs import certificate_chart, regime_chart
from pyomo_dlmp.report.page import FeederMap
from pyomo_dlmp.report.tables import of_the_solver
from tests.report.synthetic import frame, write_synthetic

CASES = ("no SVG", "SVG")
MEGABYTE = 1e6


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = write_synthetic(tmp_path_factory.mktemp("r"), buses=12, periods=3, cases=CASES)
    loading = [(case, "l701", "a", t, "loading", 40.0 + 10 * t + (case == "SVG"), "%")
               for case in CASES for t in (1, 2, 3)]
    parts = [(case, "701", phase, t, "active", part, value, "$/MWh") for case in CASES
             for phase in "abc" for t in (1, 2, 3)
             for part, value in (("energy", 30.0), ("loss", 1.5), ("voltage", 0.0))]
    frame("line_loading", loading).to_csv(made / "line_loading.csv", index=False)
    frame("decomposition", parts).to_csv(made / "decomposition.csv", index=False)
    return made


@pytest.fixture(scope="module")
def results(folder):
    return read_results(folder)


@pytest.fixture(scope="module")
def items(results):
    return [item for section in sections.sections_of(results, results.cases)
            for item in section.items]


def regimes() -> pd.DataFrame:
    square = ((0.1, 0.1), (0.5, 0.1), (0.5, 0.4), (0.1, 0.4))
    rows = [(case, 2, region, words, k, "dc1", "dc2", x + 0.4 * (region - 1), y, 50.0 + region, 40)
            for case in CASES for region, words in ((1, "low voltage '7<01>'.a"), (2, "nothing"))
            for k, (x, y) in enumerate(square, 1)]
    rows += [(case, 2, 1, "", 0, "dc1", "dc2", 0.3, 0.2, 51.0, 40.0) for case in CASES]
    return frame("regimes", rows)


def certificate() -> pd.DataFrame:
    rows = [("A", "701", "a", t, quantity, 50.0, 50.0 + error, np.nan, "$/MWh")
            for quantity in ("active", "reactive") for t, error in enumerate((0.0, 1e-6, 1e-3))]
    return frame("ac_certificate", rows)


def test_plotly_knows_every_key_and_value(items):
    found = [item for item in items if isinstance(item, Chart)]
    assert len(found) == 7
    for chart in [*found, regime_chart(regimes()), certificate_chart(certificate())]:
        figure = go.Figure(json.loads(compact(chart.figure)))  # refuses a key that it does not know
        assert len(figure.data) and chart.height > 150


def markets(kinds: int) -> pd.DataFrame:
    rows = [("no SVG", 1.0, f"kind {k}", quantity, value * (1 + k), "$") for k in range(kinds)
            for quantity, value in (("datacenters_pay", 100.0), ("lowest_voltage", 0.01))]
    return pd.DataFrame(rows, columns=["base", "loading", "market", "quantity", "value", "unit"])


def test_markets_and_loadings_are_charts():
    chart = market_chart(markets(7))
    assert len({trace["marker"]["color"] for trace in chart.figure["data"]}) == 7
    of_one = [t for t in chart.figure["data"] if t["name"] == "kind 2"]
    assert [t["y"].tolist() for t in of_one] == [[300.0], [0.03]]
    runs = [(f"{base}, x{x:g}", base, x) for base in CASES for x in (0.5, 1.0)]
    cases = pd.DataFrame(runs, columns=["case", "base", "loading"]).assign(market="strategic")
    summary = pd.DataFrame([(case, "datacenters_pay", 100 * x + (base == "SVG"), "$")
                            for case, base, x in runs],
                           columns=["case", "quantity", "value", "unit"])
    swept = sweep_chart(summary, cases)
    lines = {t["name"]: (list(t["x"]), list(t["y"])) for t in swept.figure["data"]}
    assert lines == {"no SVG": ([0.5, 1.0], [50.0, 100.0]), "SVG": ([0.5, 1.0], [51.0, 101.0])}
    for one in (chart, swept):
        go.Figure(json.loads(compact(one.figure)))


def test_colours_of_cases_and_sites_are_all_different():
    colours = [colour.lower() for colour in (*SITE_COLORS, *CASE_COLORS)]
    assert len(set(colours)) == len(colours) and len(SITE_COLORS) > 7 and len(CASE_COLORS) > 7
    assert len(set(CASE_MARKERS)) == len(CASE_MARKERS) == len(CASE_COLORS)


def test_step_lines_reach_from_edge_to_edge(results):
    chart = charts.import_chart(results.dispatch)
    power = totals(results.dispatch, "substation").query("case == 'SVG'").groupby("period")["value"]
    line = next(t for t in chart.figure["data"] if t["name"] == "SVG")
    assert line["x"] == [0.51, 1, 2, 3, 3.49]
    wanted = power.sum().tolist()
    assert line["y"] == pytest.approx([wanted[0], *wanted, wanted[-1]])
    axis = chart.figure["layout"]["xaxis"]
    assert axis["range"] == [0.5, 3.5]
    assert format(3.49, axis["hoverformat"]) == "3" and format(0.51, axis["hoverformat"]) == "1"


def test_cases_of_one_region_are_told_in_words():
    table = regimes()
    alone = table[~((table["case"] == "SVG") & (table["region"] == 2))]
    rest, words = split_regimes(alone)
    assert set(rest["case"]) == {"no SVG"}
    assert words.startswith("Over all powers of dc1 and dc2 there is one region alone in “SVG”")
    assert split_regimes(table)[1] == ""
    one = alone[alone["case"] == "SVG"]
    assert len(split_regimes(one)[0]) == len(one)  # its picture says what binds
    assert split_regimes(table.iloc[:0])[1] == ""


def test_the_map_holds_the_tables_numbers(results):
    data = json.loads(compact(feeder_data(results)))
    assert [layer["name"] for layer in data["layers"]] == [
        "active price", "reactive price", "voltage", "line loading", "unbalance (VUF)",
        "unbalance (PVUR)"]
    tables = {"active price": (results.prices, "active"), "voltage": (
        results.voltages, "line_to_neutral"), "unbalance (VUF)": (results.unbalance, "VUF")}
    for layer in data["layers"]:
        if layer["name"] not in tables:
            continue
        table, quantity = tables[layer["name"]]
        rows = pick(table, quantity=quantity)
        seen = 0
        for phase, grid in layer["phases"].items():
            for case, by_period in grid["values"].items():
                for t, row in zip(data["periods"], by_period, strict=True):
                    wanted = pick(rows, case=case, period=t)
                    wanted = pick(wanted, phase=phase) if phase else wanted
                    value = dict(zip(wanted["bus"], wanted["value"], strict=True))
                    shown = dict(zip((data["buses"][k] for k in grid["at"]), row, strict=True))
                    near = 1e-4 if layer["unit"] == "pu" else 5.1e-4  # five digits, or four
                    assert shown == pytest.approx(value, rel=near)
                    seen += len(shown)
        assert seen == len(rows)
    loading = data["layers"][3]["phases"]["a"]
    assert [data["branches"][k] for k in loading["at"]] == ["l701"]
    assert loading["values"]["SVG"] == [[51], [61], [71]]
    assert data["parts"]["names"] == ["energy", "loss"]  # without what is zero everywhere
    assert data["parts"]["phases"]["a"]["values"]["SVG"]["loss"] == [[1.5]] * 3


def test_parts_beyond_a_size_are_those_of_the_datacenters(results, monkeypatch):
    monkeypatch.setattr("pyomo_dlmp.report.live.feeder.MOST_PARTS", 0)
    assert feeder_data(results)["parts"]["names"] == []  # bus 701 has none


def test_a_site_has_one_colour_everywhere(items, results):
    colors = site_colors(list(sites_of(results.dispatch)))
    (view,) = [item for item in items if isinstance(item, FeederMap)]
    marks = {m["name"]: m["color"] for m in view.data["marks"] if m["kind"] == "datacenter"}
    assert marks == colors
    power = charts.power_chart(results.dispatch, results.payments, 1.0)
    bars = {trace["name"].split(" ")[0]: trace["marker"]["color"]
            for trace in power.figure["data"] if trace.get("type") == "bar"}
    assert bars == colors


def test_names_of_marks_cover_no_mark_and_no_other_name():
    """Of a row of datacenters that are closer than their names are long."""
    points = np.array([[0.0, 0.0], [1.0, 0.0], [1.3, 0.0], [1.6, 0.0], [2.0, 8.0]])
    names = ["substation", "dc738", "dc711", "dc741"]
    marks = [{"name": name, "at": k, "named": True, "label": ""} for k, name in enumerate(names)]
    marks.append({"name": "g", "at": 4, "named": False, "label": ""})
    placed = labelled(marks, points)
    found = [boxes(scaled(points)[m["at"]], LETTER * len(m["name"]))[m["label"]]
             for m in placed if m["named"]]
    near = [(x - 10, y - 10, x + 10, y + 10) for x, y in scaled(points)]
    for k, box in enumerate(found):
        assert not any(common(box, other) for other in found[k + 1:])
        assert not any(common(box, other) for j, other in enumerate(near) if j != k)


def test_the_solvers_own_numbers_stand_in_a_section_of_their_own():
    names = ["cost_of_the_DSO", "status", "proven_gap", "wall_time", "peak_memory", "regions",
             "AC_check_losses_in_AC", "expected_cost_under_uncertainty"]
    summary = pd.DataFrame({"case": ["A"] * 8 + ["B"] * 8, "quantity": names * 2})
    assert of_the_solver(summary).tolist() == 2 * [
        False, False, True, True, True, True, False, False]


@pytest.mark.parametrize(("value", "text"), [
    ([1.23456789, float("nan"), -0.00001234567], "[1.2346,null,-1.2346e-05]"),
    ({"a": np.array([[1.0, 2.5]]), 2: ("x", None, True)}, '{"a":[[1,2.5]],"2":["x",null,true]}'),
    (["</script>", 7, np.float64(0.5)], '["\\u003c/script>",7,0.5]'), ({}, "{}"), ([], "[]")])
def test_numbers_are_short_and_texts_end_no_script(value, text):
    assert compact(value) == text
    json.loads(text)


def test_sizes(tmp_path):
    day = write_report(write_synthetic(tmp_path / "37", cases=("a", "b", "c")))
    assert day.stat().st_size < 8 * MEGABYTE
    large = write_synthetic(tmp_path / "3000", buses=3000, periods=4, cases=("a",))
    own = write_report(large).stat().st_size - len(plotly_script())
    assert 6 * own < 10.2 * MEGABYTE  # of 24 hours: under 15 MB with the library


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs a browser")
def test_a_browser_draws_every_chart(folder, tmp_path):
    path = write_report(folder)
    done = subprocess.run(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=6000",
         f"--user-data-dir={tmp_path}", "--enable-logging=stderr", "--dump-dom", path.as_uri()],
        capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        pytest.skip("the browser does not start here")
    assert "CONSOLE" not in done.stderr  # no error, nothing that the policy had to refuse
    shown = re.findall(r'<div class="chart[^"]* js-plotly-plot"', done.stdout)
    assert len(shown) == 7 + 3
    assert re.search(r'<option value="0">active price', done.stdout)
