"""The points at the head of a report: which bus the highest price is of, and what makes it."""

from dataclasses import replace

import pandas as pd

from pyomo_dlmp.report import read_results
from pyomo_dlmp.report.story import points
from tests.report.synthetic import write_synthetic


def with_price(results, factor: float, voltage_share: float):
    """The results with one price `factor` times the highest, of which a share is a limit's."""
    prices = results.prices.copy()
    at = prices.loc[prices["quantity"] == "active", "value"].idxmax()
    prices.loc[at, "value"] *= factor
    top = prices.loc[at]
    parts = pd.DataFrame([
        {**top, "part": "energy", "value": (1 - voltage_share) * top["value"]},
        {**top, "part": "voltage", "value": voltage_share * top["value"]}])
    return replace(results, prices=prices, decomposition=parts), top


def test_a_price_that_a_limit_makes_says_so_and_where(tmp_path):
    results, top = with_price(
        read_results(write_synthetic(tmp_path, buses=12, periods=3)), 100.0, 0.9)
    words = " ".join(said for _, said in points(results))
    assert f"at bus {top['bus']}, phase {top['phase']}, hour {top['period']}" in words
    assert "of which voltage limits make" in words
    assert f"Only at bus {top['bus']} of 12 are prices above 3 times the median" in words


def test_a_price_of_energy_says_nothing_of_limits(tmp_path):
    results, _ = with_price(
        read_results(write_synthetic(tmp_path, buses=12, periods=3)), 1.0, 0.0)
    words = " ".join(said for _, said in points(results))
    assert "of which" not in words and "times the median" not in words


def test_what_is_beyond_its_rating_is_said_limited_or_not(tmp_path):
    results = read_results(write_synthetic(tmp_path, buses=12, periods=3))
    case = results.cases[0]

    def said(percent):
        table = pd.DataFrame([{
            "case": case, "element": "xfm1", "phase": k, "period": t, "quantity": "loading",
            "value": percent - t, "unit": "%"} for k in "ab" for t in range(3)])
        return dict(points(replace(results, line_loading=table))).get("Beyond limits", "")

    assert f"xfm1 119.0\u00a0% (phase a, hour 0) in “{case}”" in said(119.0)
    assert "rating" not in said(100.0)
