"""A market from outside the package: everybody pays the average price."""

from pathlib import Path

import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.market import (
    MARKETS,
    Market,
    MarketResult,
    MarketRow,
    build_bilevel,
    register_market,
    solve_market,
)
from pyomo_dlmp.results import prices_table
from pyomo_dlmp.status import Status
from pyomo_dlmp.study import read_study, run_study
from tests.market.test_markets import market


def average_price(given: Market, **options) -> MarketResult:
    """Power spread over the day; every MWh costs the mean of all active prices."""
    m = build_bilevel(given, pays="tariff")
    sites = m.dso.datacenter
    for site in sites.values():
        for t in m.dso.periods:
            site.p[t].set_value(given.workload.energy_mwh / len(sites) / _hours(m))
    answer = dlmp.solve_opf(m.dso)
    prices = prices_table(m.dso)
    rate = float(prices[prices["quantity"] == "active"]["value"].mean())
    energy = sum(site.p[t].value for site in sites.values() for t in m.dso.periods)
    hours = _hours(m) / len(list(m.dso.periods))
    return MarketResult("average price", m.dso, rate * energy * hours, Status.OPTIMAL, model=m,
                        tariff=rate, residual=answer.residual.relative)


def _hours(m) -> float:
    return len(list(m.dso.periods)) * next(iter(m.dso.bus.values())).hours


ROW = MarketRow("average price", average_price, pays="tariff")


@pytest.fixture
def average(registries):
    register_market(ROW)
    return ROW.name


def test_it_is_solved_by_its_name(average):
    outcome = solve_market(average, _market())
    assert outcome.paid == pytest.approx(outcome.tariff * 0.9)
    with pytest.raises(dlmp.ModelError, match="Did you mean 'average price'"):
        solve_market("averag price", _market())


def _market() -> Market:
    given = market()
    return Market(given.network, dlmp.Workload(energy_mwh=0.9), given.opf, tariff=45.0)


def test_it_goes_through_a_study_and_its_tables(average, tmp_path):
    file = tmp_path / "study.toml"
    file.write_text(f"""
feeder = "ieee37"
[time]
periods = 2
[dso]
price = [40.0, 44.0]
[aggregator]
energy_mwh = 0.5
tariff = 55
[market]
kinds = ["{average}", "strategic", "cooperative"]
[check]
ac = false
[[datacenter]]
name = "dc"
bus = "711"
kw = 500
[[case]]
name = "one"
""")
    done = run_study(read_study(file), results=tmp_path / "out")
    mine = done[0]
    assert mine.run.market == average and mine.tables["audit"]["passed"].all()
    assert mine.tables["payments"]["value"].sum() == pytest.approx(mine.outcome.paid)
    summary = mine.tables["summary"].set_index("quantity")["value"]
    assert "datacenters_would_pay_at_DLMPs" in summary
    cases = (tmp_path / "out" / "cases.csv").read_text()
    assert f"{average},False" in cases and "strategic,True" in cases
    markets = (tmp_path / "out" / "markets.csv").read_text()
    assert "price_of_anarchy" in markets and average in markets
    assert average in (tmp_path / "out" / "report.html").read_text()


def test_a_taken_name_is_refused():
    with pytest.raises(dlmp.ModelError, match="already"):
        register_market(MARKETS["strategic"])


def test_no_market_is_known_by_name_outside_its_room():
    """Rows of the table say what studies, tables and reports must know of a market."""
    root = Path(dlmp.__file__).parent
    wrong = [
        f"{file.relative_to(root)}: {name}"
        for file in root.rglob("*.py") if file.parent.name != "market"
        for name in MARKETS if f'"{name}"' in file.read_text(encoding="utf-8")]
    assert not wrong, wrong
