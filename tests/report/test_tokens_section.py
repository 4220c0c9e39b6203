"""What tokens cost: table, chart and picture of tokens.csv, by service, case and hour."""

from __future__ import annotations

import json

import plotly.graph_objects as go
import pytest

from pyomo_dlmp.report import read_results
from pyomo_dlmp.report.figures.tokens import cost_by_hour
from pyomo_dlmp.report.live.encoding import compact
from pyomo_dlmp.report.page import Plan
from pyomo_dlmp.report.tokens import token_chart, token_items, tokens_table
from tests.report.synthetic import frame, write_synthetic

CASES = ("no SVG", "SVG")
GIVEN = {("chat", "dc1"): (100.0, 300.0, 0.0), ("chat", "dc2"): (100.0, 100.0, 0.0),
         ("code", "dc1"): (50.0, 50.0, 50.0)}  # million tokens in each of three hours
PRICE = {"no SVG": 0.02, "SVG": 0.01}  # $ per million and hour's number


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    folder = write_synthetic(tmp_path_factory.mktemp("r"), buses=12, periods=3, cases=CASES)
    rows = []
    for case in CASES:
        for (service, site), by_hour in GIVEN.items():
            for t, million in enumerate(by_hour, 1):
                dearer = 3.0 if site == "dc2" else 1.0
                for quantity, value, unit in (
                        ("tokens", million, "million"), ("energy", million / 1000, "MWh"),
                        ("payment", dearer * PRICE[case] * t * million, "$")):
                    rows.append((case, service, site, t, quantity, value, unit))
    frame("tokens", rows).to_csv(folder / "tokens.csv", index=False)
    return read_results(folder).tokens


def test_the_table_adds_up_sites_and_hours(tokens):
    rows = tokens_table(tokens).rows
    assert [row[:2] for row in rows] == [
        ["chat", "no SVG"], ["", "SVG"], ["code", "no SVG"], ["", "SVG"]]
    # dc1: 100 x 0.02 + 300 x 0.04 = 14 $; dc2: three times 100 x 0.02 + 100 x 0.04 = 18 $
    assert rows[0][2:5] == ["600", "0.6000", "32"]
    assert rows[0][5] == "0.05333"  # 32 $ over 600 million
    assert rows[0][6] == "3.600"  # 0.6 MWh are 2.16e9 J, over 6e8 tokens
    assert rows[3][5] == "0.02000"


def test_the_chart_has_the_cost_by_hour(tokens):
    chart = token_chart(tokens)
    go.Figure(json.loads(compact(chart.figure)))
    lines = {(trace["name"], trace["yaxis"]): trace["y"] for trace in chart.figure["data"]}
    chat = lines["no SVG", "y"]
    assert chat[:3].tolist() == pytest.approx([0.04, 0.04, 0.06]) and chat[3] != chat[3]  # no token
    assert lines["SVG", "y2"].tolist() == pytest.approx([0.01, 0.01, 0.02, 0.03, 0.03])


def test_the_section_has_table_chart_and_picture(tokens):
    table, chart, picture = token_items(tokens)
    assert "million" in chart.caption and table.head[0] == "service"
    assert isinstance(picture, Plan) and picture.paper
    titles = [ax.get_title(loc="left") for ax in cost_by_hour(tokens).axes]
    assert titles == ["service chat", "service code"]
    assert list(token_items(tokens.iloc[:0])) == []
