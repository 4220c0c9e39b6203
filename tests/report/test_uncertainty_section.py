"""The report's section on decisions under uncertainty."""

import numpy as np
import pandas as pd
import pytest

from pyomo_dlmp.report import read_results
from pyomo_dlmp.report.derived import cvar, weighted_quantile
from pyomo_dlmp.report.page import Plan
from pyomo_dlmp.report.reading import TABLES
from pyomo_dlmp.report.tables import Table
from pyomo_dlmp.report.uncertain import uncertainty_items, uncertainty_words
from tests.report.synthetic import write_synthetic
from tests.report.synthetic_scenarios import write_scenarios


def results(folder, **how):
    return read_results(write_scenarios(write_synthetic(folder, buses=12, periods=2), **how))


def drawn(found):
    """The pictures by name; each is drawn."""
    plans = [x for x in uncertainty_items(found) if isinstance(x, Plan)]
    assert all("<svg" in plan.job.svg() for plan in plans)
    return {plan.job.draw.__name__: plan.job.draw(*plan.job.args) for plan in plans}


def test_without_scenarios_there_is_no_such_section(tmp_path):
    found = read_results(write_synthetic(tmp_path, buses=12, periods=2))
    assert list(uncertainty_items(found)) == [] and uncertainty_words(found.uncertainty) == ""


def test_all_of_it(tmp_path):
    found = results(tmp_path, count=6, periods=4)
    pictures = drawn(found)
    assert list(pictures) == ["cost_distribution", "price_fans", "schedule_fans", "risk_frontier"]
    cases = found.cases
    assert len([ax for ax in pictures["schedule_fans"].axes if ax.get_visible()]) == 3 * len(cases)
    table = next(x for x in uncertainty_items(found) if isinstance(x, Table))
    assert [row[0] for row in table.rows] == cases
    assert table.rows[0][3] == "11.90 to 12.10"
    words = uncertainty_words(found.uncertainty)
    assert "knowing the scenario a day ahead would save 11.90 to 12.10\u00a0$" in words
    assert "mean scenario alone would cost a further 14.90 to 15.10" in words


def test_without_the_value_of_information(tmp_path):
    found = results(tmp_path, count=3, periods=2, worth=False, frontier=False)
    assert list(drawn(found)) == ["cost_distribution", "price_fans", "schedule_fans"]
    words = uncertainty_words(found.uncertainty)
    assert "on average." in words and "save" not in words


def test_two_settlements_are_a_table(tmp_path):
    folder = write_scenarios(write_synthetic(tmp_path, buses=12, periods=2), count=2, periods=1)
    cases = list(dict.fromkeys(pd.read_csv(folder / "uncertainty.csv")["case"]))
    names = list(dict.fromkeys(pd.read_csv(folder / "scenario_costs.csv")["scenario"]))
    rows = [(case, word, scenario, "dc730", 0, "payment", paid, "$") for case in cases
            for word, scenario, paid in (("day ahead", "", 10.0), ("real time", names[0], 4.0),
                                         ("real time", names[1], 4.0))]
    pd.DataFrame(rows, columns=[c.name for c in TABLES["settlements"].in_file]).to_csv(
        folder / "settlements.csv", index=False)
    tables = [x for x in uncertainty_items(read_results(folder)) if isinstance(x, Table)]
    assert [float(x) for x in tables[1].rows[0][2:]] == pytest.approx([10, 4, 14])
    assert [row[0] for row in tables[1].rows] == cases


def test_one_scenario_and_many_sites(tmp_path):
    found = results(tmp_path, count=1, periods=1, sites=tuple(f"dc{k}" for k in range(8)))
    axes = [ax for ax in drawn(found)["schedule_fans"].axes if ax.get_visible()]
    assert len(axes) == 6 * len(found.cases)


@pytest.mark.parametrize("level", [0.0, 0.25, 0.5, 0.9])
def test_cvar_is_its_definition(level):
    rng = np.random.default_rng(2)
    costs, p = rng.normal(100, 20, 12), rng.uniform(0.1, 1, 12)
    p /= p.sum()
    # least over eta of eta + E[(cost - eta)+] / (1 - level); the least is at one of the costs
    by_definition = min(eta + p @ np.maximum(costs - eta, 0) / (1 - level) for eta in costs)
    assert cvar(costs, p, level) == pytest.approx(by_definition)
    assert cvar(costs, p, 0.0) == pytest.approx(p @ costs)
    assert cvar(costs, p, 1 - p[costs.argmax()] / 2) == pytest.approx(costs.max())


def test_quantiles_of_weighted_values():
    values, p = np.array([3.0, 1.0, 2.0]), np.array([0.2, 0.5, 0.3])
    assert [weighted_quantile(values, p, q) for q in (0, 0.5, 0.51, 0.8, 0.81, 1)] == [
        1, 1, 2, 2, 3, 3]
