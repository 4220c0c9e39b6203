"""Markets with a contract in a study file: tables, audit, faults."""

import pandas as pd
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.study import read_study, run_study
from tests.study.tiny import TEXT, draw, write_tiny

CONTRACTS = """
[market]
kinds = ["demand charge", "two-part tariff", "two-part DLMP", "curtailable subscription",
         "cooperative"]
[market.demand_charge]
price = 0.02
peak_kw = {dc = 100.0}
[market.capacity_charge]
price = 0.01
excess_price = 0.03
kw = 120
[market.curtailable]
share = 0.4
price = 0.01
compensation = 20.0
backup_cost = 60.0
"""
PLAIN = TEXT.split("[[case]]", maxsplit=1)[0].replace("ac = true", "ac = false")


def _file(folder, contracts=CONTRACTS):
    dc = 'peak_kw = {{dc = 100.0}}'  # the text is a format
    return write_tiny(folder, PLAIN.replace("[[datacenter]]", contracts.replace(
        "peak_kw = {dc = 100.0}", dc) + "[[datacenter]]"))


def test_they_are_paid_in_the_tables_as_by_the_model(tmp_path, monkeypatch):
    monkeypatch.setattr("pyomo_dlmp.study.run.write_report", draw, raising=False)
    done = {d.run.market: d for d in run_study(
        read_study(_file(tmp_path)), results=tmp_path / "out")}
    for name, one in done.items():
        assert one.tables["audit"]["passed"].all(), name
        if name != "cooperative":
            assert one.tables["payments"]["value"].sum() == pytest.approx(one.outcome.paid)
    paid = {name: one.tables["payments"].groupby("quantity")["value"].sum()
            for name, one in done.items()}
    assert set(paid["demand charge"].index) == {"active", "demand charge"}
    assert set(paid["two-part tariff"].index) == {"active", "capacity charge", "excess charge"}
    assert paid["two-part DLMP"]["capacity charge"] == pytest.approx(0.01 * 120)
    assert {"subscription", "compensation", "backup", "not delivered"} <= set(
        paid["curtailable subscription"].index)
    curtailed = paid["curtailable subscription"]
    assert curtailed["compensation"] < 0
    assert curtailed["backup"] == pytest.approx(-3 * curtailed["compensation"])
    markets = pd.read_csv(tmp_path / "out" / "markets.csv")
    anarchy = markets[markets["quantity"] == "price_of_anarchy"].set_index("market")["value"]
    assert (anarchy >= 1 - 1e-6).all() and len(anarchy) == 5
    cost = done["curtailable subscription"].tables["summary"].set_index("quantity")["value"]
    social = cost["cost_of_the_DSO"] + curtailed["compensation"] + curtailed["backup"]
    least = done["cooperative"].tables["summary"].set_index("quantity")["value"]
    assert anarchy["curtailable subscription"] == pytest.approx(
        social / least["cost_of_the_DSO"])


def test_faults_name_the_table(tmp_path):
    wrong = CONTRACTS.replace("price = 0.02", "prize = 0.02").replace("dc = 100", "d = 100")
    wrong = wrong.replace("share = 0.4", "share = 4").replace("[market.capacity_charge]", "[no]")
    with pytest.raises(dlmp.DlmpError) as err:
        read_study(_file(tmp_path, wrong.replace("{d = 100.0}", "{{d = 100.0}}")))
    text = str(err.value)
    for part in ("[market.demand_charge]: has no key 'prize'", "has no price",
                 "[market.curtailable] share", "[market.capacity_charge]: is missing"):
        assert part in text, text


def test_powers_of_a_contract_grow_with_the_datacenters(tmp_path):
    study = read_study(_file(tmp_path, CONTRACTS + "[sweep]\nloading = [1.0, 2.0]\n"))
    twice = study.market(next(run for run in study.runs if run.loading == 2.0))
    assert twice.demand_charge.peak_kw == {"dc": 200.0} and twice.capacity_charge.kw == 240.0
