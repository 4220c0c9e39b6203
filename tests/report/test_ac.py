"""What the report says of an AC answer: all prices certified, rounds, limits, other schedules."""

import re

import pytest

from pyomo_dlmp.report import drawing, read_results, report_html
from pyomo_dlmp.report.ac_tables import (
    certificate_table,
    cliff_table,
    deviations_table,
    neutrals_table,
    rounds_table,
    worst_certificate,
)
from pyomo_dlmp.report.drawing import Helpers
from pyomo_dlmp.report.high_hours import loading_table
from pyomo_dlmp.report.story import headlines, points
from tests.report.synthetic import write_synthetic
from tests.report.synthetic_ac import OFF, WORST, write_ac


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = write_synthetic(tmp_path_factory.mktemp("ac"), buses=12, periods=3)
    return read_results(write_ac(folder))


def test_the_worst_of_all_prices_is_found(results):
    worst = worst_certificate(results.ac_certificate)
    assert (worst["case"], worst["phase"], worst["period"]) == WORST
    assert worst["error"] == pytest.approx(OFF, rel=0.01)


def test_the_section_says_how_many_prices_and_how_far(results, monkeypatch):
    monkeypatch.setattr(Helpers, "draw", lambda self, jobs, progress=None: [
        job.draw(*job.args, **job.kwargs) and "<svg/>" for job in jobs])
    monkeypatch.setattr(drawing, "cores", lambda: 1)
    text = report_html(results)
    own = text[text.index('<section id="ac">'):]
    own = own[:own.index("</section>")]
    many = f"{len(results.ac_certificate):,}"
    assert "Prices that are true in AC" in own and f"Each of the {many} prices" in own
    assert "3.0e−7" in own and "hour 2" in own and own.count("<table") == 3
    assert "nan" not in re.sub(r"base64,[^\"]+", "", own).lower()


def test_certificates_of_each_case_quantity_and_kind(results):
    table = certificate_table(results.ac_certificate)
    assert len(table.rows) == 2 * 2 * 2
    counted = {tuple(row[:3]): int(row[4].replace(",", "")) for row in table.rows}
    assert sum(n for key, n in counted.items() if key[2] == "dual of the balance") == len(
        results.ac_certificate)
    row = next(r for r in table.rows if r[:3] == ["SVG", "active", "dual of the balance"])
    assert row[5] == "3.0e−7" and row[-1].endswith(".b, hour 2")


def test_rounds_leave_out_what_a_loop_has_not(results):
    table = rounds_table(results.ac_rounds)
    assert len(table.rows) == 2 * (4 + 3)
    of_the_dso = table.rows[0]
    assert of_the_dso[:2] == ["no SVG, dso", "1"] and of_the_dso[-1] == "–"
    assert [row[0] for row in table.rows if row[0]] == [
        f"{case}, {loop}" for case in ("no SVG", "SVG") for loop in ("dso", "leader")]


def test_a_cliff_is_told_by_hour(results):
    table = cliff_table(results.ac_cliff)
    assert [row[1:] for row in table.rows] == [["dc2", "1", "70.00", "103.00", "33.00"]]


def test_the_best_of_other_schedules_is_named(results):
    rows = deviations_table(results.ac_deviations).rows
    assert len(rows) == 2
    assert rows[0] == ["no SVG", "dc1: 20 kW from period 1 to 2", "3", "1", "−0.02000", "7", "0"]


def test_neutrals(results):
    rows = neutrals_table(results.neutrals).rows
    assert rows[0] == ["no SVG", "voltage", "V", "6", "5.500", "701.n, hour 2"]
    assert rows[1][1:4] == ["current", "A", "32"]


def test_high_loading_beside_all_hours(results):
    rows = loading_table(results.summary).rows
    assert [row[0] for row in rows] == ["all hours", "", "", "2 hours of high loading", "", ""]
    assert rows[1][1:] == ["mean VUF (%)", "0.5000", "0.4000 (−20.0 %)"]
    words = dict(points(results))["Unbalance"]
    assert "averages, over the hours of their high loading, 0.50" in words
    card = next(one for one in headlines(results) if one.name.startswith("mean VUF"))
    assert card.values == {"no SVG": 0.5, "SVG": 0.4}


def test_without_an_ac_answer_there_is_no_such_section(tmp_path):
    results = read_results(write_synthetic(tmp_path, buses=12, periods=2))
    assert worst_certificate(results.ac_certificate) is None
    assert loading_table(results.summary) is None
    assert "high loading" not in dict(points(results))["Unbalance"]
