"""The report's section on a market along a series."""

import pytest

from pyomo_dlmp.report import read_results
from pyomo_dlmp.report.along import series_items, series_table
from pyomo_dlmp.report.page import Plan
from tests.report.synthetic import write_synthetic
from tests.report.synthetic_series import write_series


def results(folder, *series, **how):
    folder = write_synthetic(folder, buses=12, periods=2)
    return read_results(write_series(folder, *series, **how) if series else folder)


def drawn(found):
    """The names of the pictures, and these; each is drawn."""
    plans = [x for x in series_items(found.series_steps, found.series_prices)
             if isinstance(x, Plan)]
    assert all("<svg" in plan.job.svg() for plan in plans)
    return {plan.job.draw.__name__: plan.job.draw(*plan.job.args) for plan in plans}


def test_without_a_series_there_is_no_such_section(tmp_path):
    found = results(tmp_path)
    assert list(series_items(found.series_steps, found.series_prices)) == []


def test_a_short_series_is_drawn_over_time(tmp_path):
    found = drawn(results(tmp_path, 24))
    assert list(found) == ["series_lines", "series_effort"]
    price, paid = found["series_lines"].axes
    steps = price.get_lines()[0].get_ydata()
    assert len(steps) == 23 and len(paid.get_lines()) == 2  # the first hour has no price
    assert "of 24" in found["series_effort"].axes[1].get_title()


@pytest.mark.parametrize("offset", ["", "+00:00"])
def test_a_long_one_by_its_duration_and_calendar(tmp_path, offset):
    found = drawn(results(tmp_path, 24 * 15, offset=offset))
    assert list(found) == ["series_curves", "series_calendar", "series_effort"]
    first = found["series_calendar"].axes[0].images[0].get_array()
    assert first.shape == (24, 15)
    assert first.mask.sum() == 1 and first.mask[0, 0]


def test_rows_without_stamps_have_no_calendar(tmp_path):
    assert list(drawn(results(tmp_path, 360, stamps=False))) == ["series_curves", "series_effort"]


def test_the_table_counts_how_problems_ended(tmp_path):
    steps = results(tmp_path, 24).series_steps
    table = series_table(steps)
    row = table.rows[0]
    assert row[1] == "23 optimal, 1 infeasible" and row[2] == "24"
    assert float(row[3].replace(",", "")) == pytest.approx(
        steps[steps["case"] == row[0]]["payment"].sum(), rel=1e-3)
    assert row[4] == "0" and row[6] == "22 of 22"


def test_no_problem_has_a_solution(tmp_path):
    found = results(tmp_path, 1)
    assert list(drawn(found)) == ["series_effort"]
    assert series_table(found.series_steps).rows[0][1] == "1 infeasible"
