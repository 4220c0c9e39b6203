"""The main job: IEEE 37, 24 hours, both cases, from the shipped file to the tables."""

import pandas as pd
import pytest

from pyomo_dlmp.study import read_study, run_study

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ieee37")
    return run_study(read_study("examples/studies/ieee37.toml"), results=folder), folder


def number(result, quantity):
    return result.tables["summary"].set_index("quantity")["value"][quantity]


def test_both_cases_are_solved_to_the_gap_and_pass(done):
    for result in done[0]:
        assert result.solution.status == "optimal"
        assert result.solution.gap <= 1e-3
        assert result.tables["audit"]["passed"].all()
        assert result.solution.size["parts"] == 24 and result.solution.size["regions"] > 100


def test_energy_is_served_and_floors_hold(done):
    for result in done[0]:
        table = result.tables["dispatch"].query("kind == 'datacenter' and quantity == 'active'")
        assert table["value"].sum() == pytest.approx(25.92, abs=1e-6)
        for site, kw in (("dc730", 700), ("dc738", 600), ("dc711", 500)):
            power = table[table["element"] == site]["value"]
            assert power.min() >= 0.1 * kw / 1000 - 1e-9 and power.max() <= kw / 1000 + 1e-9


def test_the_svg_lifts_the_lowest_voltage_and_lowers_the_payment(done):
    none, svg = done[0]
    assert number(none, "voltages_at_a_limit") > 0  # something binds
    assert number(svg, "lowest_voltage_at_datacenters") > number(
        none, "lowest_voltage_at_datacenters") + 0.005
    assert number(svg, "datacenters_pay") < number(none, "datacenters_pay") - 3
    assert number(none, "datacenters_pay") == pytest.approx(1150.0, rel=2e-3)
    assert number(svg, "datacenters_pay") == pytest.approx(1145.8, rel=2e-3)


def test_tables_are_complete(done):
    prices = pd.read_csv(done[1] / "prices.csv", dtype={"bus": str})
    assert len(prices) == 2 * 38 * 3 * 24 * 2
    assert (done[1] / "report.html").stat().st_size > 100_000
