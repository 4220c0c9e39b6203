"""`pyomo-dlmp explain`: the parts of a price in words, which add up, and what binds."""

import re

import pytest

from pyomo_dlmp.cli import main
from pyomo_dlmp.errors import ResultsFileError
from pyomo_dlmp.report import read_results
from pyomo_dlmp.report.explain import explain_price
from pyomo_dlmp.report.penalties import flagged_prices
from pyomo_dlmp.report.story import points


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small linear study whose far end breaks a soft limit."""
    place = tmp_path_factory.mktemp("explain")
    study = place / "study.toml"
    study.write_text(f"""
feeder = "ieee37"
results = "{place / 'results'}"
[time]
periods = 2
[dso]
price = [30.0, 80.0]
load_scale = [0.3, 1.0]
losses = "quadratic"
voltage_limits = "soft"
v_min = 0.99
v_max = 1.05
penalty = 2000
[aggregator]
energy_share = 0.6
[[datacenter]]
name = "dc1"
bus = "738"
kw = 300
""")
    assert main(["study", str(study)]) == 0
    return place / "results"


def test_the_parts_of_a_price_add_up_to_it(folder):
    results = read_results(folder)
    text = "\n".join(explain_price(results, "738", "1"))
    price = float(re.search(r"one more MWh costs (-?[\d.]+) \$", text)[1])
    parts = [float(value) for value in re.findall(r"([+-][\d.]+) \$/MWh", text)]
    rows = results.prices[(results.prices["bus"].astype(str) == "738")
                          & (results.prices["period"].astype(str) == "1")
                          & (results.prices["quantity"] == "active")]
    assert price == pytest.approx(rows["value"].mean(), abs=5e-3)
    assert sum(parts) == pytest.approx(price, abs=0.01 * (1 + len(parts)))


def test_a_penalty_in_a_price_is_said_with_the_limit_that_makes_it(folder):
    results = read_results(folder)
    text = "\n".join(explain_price(results, "738", "1"))
    low = results.voltages[(results.voltages["quantity"] == "line_to_neutral")
                           & (results.voltages["period"].astype(str) == "1")]
    worst = low.loc[low["value"].idxmin()]
    assert worst["value"] < 0.99 - 1e-4
    assert f"{worst['bus']}.{worst['phase']} {worst['value']:.4f} pu" in text
    assert "PENALTY (2000 $ per pu^2 and hour)" in text


def test_prices_that_are_penalty_to_a_large_part_are_flagged_with_their_limit(folder, capsys):
    """By hand from the tables: the voltage part over the price, in hours with broken limits."""
    results = read_results(folder)
    table = flagged_prices(results)
    active = {name: t[t["quantity"] == "active"].astype({"bus": str, "period": str})
              for name, t in (("price", results.prices), ("parts", results.decomposition))}
    v = results.voltages[results.voltages["quantity"] == "line_to_neutral"].astype(
        {"period": str})
    expected = 0
    for (case, bus, period), rows in active["price"].groupby(["case", "bus", "period"],
                                                             observed=True):
        own = active["parts"]
        own = own[(own["case"] == case) & (own["bus"] == bus) & (own["period"] == period)
                  & (own["part"].astype(str) == "voltage")]
        broken = v[(v["case"] == case) & (v["period"] == period)]["value"].min() < .99 - 1e-6
        share = abs(own["value"].mean()) / abs(rows["value"].mean()) if len(own) else 0.0
        expected += bool(broken and share > .2)
    assert len(table) == expected > 0
    worst = table.iloc[0]
    text = "\n".join(explain_price(results, worst["bus"], worst["period"]))
    assert f"{100 * worst['share']:.0f} % of this price" in text
    assert "pu < 0.99 pu" in worst["limit"] and worst["limit"] in str(points(results))
    assert main(["show", str(folder)]) == 0
    assert "WARNING" in (said := capsys.readouterr().out) and worst["limit"] in said


def test_nothing_binds_at_light_load(folder):
    results = read_results(folder)
    low = results.voltages[(results.voltages["quantity"] == "line_to_neutral")
                           & (results.voltages["period"].astype(str) == "0")]
    text = "\n".join(explain_price(results, "701", "0"))
    assert ("No voltage is at its limit" in text) == bool(
        low["value"].between(0.99 + 1e-5, 1.05 - 1e-5).all())


@pytest.mark.parametrize(("bus", "period", "case", "said"), [
    ("73b", "0", None, "has no bus '73b'. Did you mean"), ("738", "7", None, "has no period '7'"),
    ("738", "0", "none", "has no case 'none'")])
def test_what_is_not_there(folder, bus, period, case, said):
    with pytest.raises(ResultsFileError, match=re.escape(said)):
        explain_price(read_results(folder), bus, period, case)


def test_the_command_prints_it(folder, capsys):
    assert main(["explain", str(folder), "738", "1"]) == 0
    assert "the price of energy at the substation" in capsys.readouterr().out
