"""The main job: IEEE 37, 24 hours, its cases in AC, from the shipped file to the tables."""

import pandas as pd
import pytest

from pyomo_dlmp.study import read_study, run_study

pytestmark = pytest.mark.slow
BUSY = "_at_high_loading"


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ieee37")
    *cases, alone = run_study(read_study("examples/studies/ieee37.toml"), results=folder)
    assert alone.run.name == "without datacenters" and len(cases) == 3
    return cases, folder


def number(result, quantity):
    return result.tables["summary"].set_index("quantity")["value"][quantity]


def test_all_cases_are_solved_to_the_gap_and_pass(done):
    for result in done[0]:
        assert result.solution.status == "optimal"
        assert result.solution.gap <= 1e-4
        assert result.tables["audit"]["passed"].all()
        assert result.solution.size["parts"] == 24 and result.solution.size["regions"] > 24
        assert not result.missing


def test_energy_is_served_and_floors_hold(done):
    for result in done[0]:
        table = result.tables["dispatch"].query("kind == 'datacenter' and quantity == 'active'")
        table = table[table["phase"] == ""]
        assert table["value"].sum() == pytest.approx(25.92, abs=1e-6)
        for site, kw in (("dc730", 700), ("dc738", 600), ("dc711", 500)):
            power = table[table["element"] == site]["value"]
            assert power.min() >= 0.1 * kw / 1000 - 1e-9 and power.max() <= kw / 1000 + 1e-9


def test_it_is_true_in_ac(done):
    """Limits, prices and voltages; the payments of an independent prototype, 1,160.157 without."""
    for result in done[0]:
        assert number(result, "AC_settled") == "yes" and number(result, "AC_limits_broken") == 0
        assert number(result, "AC_greatest_voltage_difference_from_the_engine") < 1e-7
        for quantity in ("active", "reactive"):
            assert number(result, f"AC_greatest_{quantity}_price_error_against_the_dual") < 1e-5
        assert number(result, "AC_rounds_of_the_leader") <= 8
        assert number(result, "AC_payment_of_the_best_other_schedule") > number(
            result, "datacenters_pay") - 1e-3
    none, _, delta = done[0]
    assert number(none, "datacenters_pay") == pytest.approx(1160.157, abs=0.05)
    assert number(delta, "datacenters_pay") == pytest.approx(1153.100, abs=0.05)


def test_without_svg_the_schedule_stands_on_an_edge(done):
    none, wye, _ = done[0]
    assert number(none, "AC_payment_just_beyond_a_limit") > number(none, "datacenters_pay") + 30
    assert "AC_payment_just_beyond_a_limit" not in set(wye.tables["summary"]["quantity"])


def test_svgs_help_at_the_datacenters_under_high_loading(done):
    none, *others = done[0]
    assert number(none, "voltages_at_a_limit") > 0  # something binds
    for svg in others:
        assert number(svg, "hours_of_high_loading") == number(none, "hours_of_high_loading") == 10
        assert number(svg, "lowest_voltage_at_datacenters") > number(
            none, "lowest_voltage_at_datacenters") + 0.005
        assert number(svg, "datacenters_pay") < number(none, "datacenters_pay") - 3
        for what in ("VUF", "PVUR"):
            assert number(svg, f"mean_{what}_at_datacenters{BUSY}") < 0.97 * number(
                none, f"mean_{what}_at_datacenters{BUSY}")


def test_parts_add_up_to_the_prices(done):
    keys = ["case", "bus", "phase", "period", "quantity"]
    parts, prices = (pd.read_csv(done[1] / f"{name}.csv", dtype={"bus": str})
                     for name in ("decomposition", "prices"))
    apart = parts.groupby(keys)["value"].sum() - prices.set_index(keys)["value"]
    assert len(prices) == 4 * 38 * 3 * 24 * 2 and apart.abs().max() < 1e-6


def test_the_report_is_drawn(done):
    text = (done[1] / "report.html").read_text(encoding="utf-8")
    assert len(text) < 8e6 and "With them the mean active DLMP is" in text
    assert len(text) > 100_000 and "Prices that are true in AC" in text
