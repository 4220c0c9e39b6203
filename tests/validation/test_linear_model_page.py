"""docs/linear_model.md: every claim of order is in its table, and holds."""

import re
from pathlib import Path

import pytest

import pyomo_dlmp as dlmp
from tests.feeders import engine

PAGE = Path(__file__).parents[2] / "docs" / "linear_model.md"
BELOW = 1e-7  # pu: the engine's own error


def table(heading):
    """Rows of the first table under a heading, by their first cell."""
    part = PAGE.read_text(encoding="utf-8").split(f"## {heading}")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")]
            for line in part.splitlines() if line.startswith("|")]
    return {row[0]: row[1:] for row in rows[2:]}


def test_the_error_of_the_ac_form_quarters_when_the_change_is_halved():
    order = table("Order of the AC form")
    assert set(order) == set(dlmp.list_feeders()["name"])
    for name, (whole, half, ratio, across) in order.items():
        if float(whole) >= BELOW and across == "0":
            assert float(whole) >= 3.5 * float(half), name
            assert float(ratio) == pytest.approx(float(whole) / float(half), rel=.1)
    assert float(order["ieee34"][0]) <= 5e-5


def test_no_other_page_claims_an_order():
    """"Second order" stands where it is measured, or where a test says so."""
    docs = PAGE.parent
    claims = {path.relative_to(docs).as_posix() for path in docs.rglob("*.md")
              if re.search(r"second[- ]order", path.read_text(encoding="utf-8"))}
    assert claims <= {"linear_model.md", *MEASURED_ELSEWHERE}, claims


MEASURED_ELSEWHERE = {"blocks/ac.md", "blocks/losses.md"}  # by the test that follows


@pytest.mark.parametrize("name", ["ieee13", "ieee4_gyd", "ieee4_yy"])
def test_exact_at_the_point_and_second_order_beside_it(name):
    engine()
    errors, _ = dlmp.validate_feeder(dlmp.load_feeder(name), predicted=(.98, .99, 1.01, 1.02))
    exact = errors[errors["form"] == "AC"]
    by = dict(zip(exact["load"], exact["max_error"], strict=True))
    assert by[1.0] < BELOW and not errors["legs_across"].any()
    assert by[.98] >= 3.5 * by[.99] and by[1.02] >= 3.5 * by[1.01]


def test_the_page_is_what_is_measured():
    """One row, measured again: voltages, prices and order of ieee13."""
    engine()
    errors, _ = dlmp.validate_feeder(dlmp.load_feeder("ieee13"), predicted=(1.02,))
    row = table("Voltages and prices at nominal load")["ieee13"]
    linear = errors[errors["form"] == "with losses"].iloc[0]
    assert float(row[0]) == pytest.approx(linear["max_error"], abs=1e-4) and row[1] == linear["at"]
    assert float(row[4]) == pytest.approx(linear["price_error"], abs=.01)
