"""Tables of results of the AC form: named as those of the linear one, and true in the engine."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.ac_opf.parts import price_parts
from pyomo_dlmp.results import (
    dispatch_table,
    payments_table,
    prices_table,
    summary_table,
    unbalance_table,
    voltages_table,
)
from pyomo_dlmp.results.ac import ac_decomposition, ac_summary, ac_tables
from pyomo_dlmp.results.ac_elements import ac_losses, neutrals_table
from pyomo_dlmp.results.payments import device_prices

KEYS = ["bus", "phase", "period", "quantity"]


@pytest.fixture(scope="module")
def net():
    return dlmp.load_feeder("ieee37").with_devices(
        dlmp.Datacenter(name="dc", bus="738", kw=600, power_factor=0.95),
        dlmp.Datacenter(name="legs", bus="711", kw=300, balanced=False, connection="delta"),
        dlmp.StaticVarGenerator(name="svg", bus="738", kvar=300, connection="delta"))


@pytest.fixture(scope="module")
def answer(net):
    return dlmp.solve_ac_opf(net, periods=2, price=[30, 60], load_scale=[0.7, 1.0])


def test_prices_are_those_of_the_adjoint_also_where_nothing_grounds(answer):
    mine = prices_table(answer.model).merge(answer.prices, on=KEYS)
    assert len(mine) == len(answer.prices) == 38 * 3 * 2 * 2
    assert (mine["value_x"] - mine["value_y"]).abs().max() < 1e-9


def test_parts_add_up_to_the_prices_and_have_the_linear_forms_names(answer):
    parts = ac_decomposition(price_parts(answer.loop))
    assert set(parts["part"]) <= {"energy", "loss", "voltage", "congestion", "unbalance",
                                  "load_response"}
    whole = parts.groupby(KEYS)["value"].sum()
    price = prices_table(answer.model).set_index(KEYS)["value"]
    assert (whole - price).abs().max() < 1e-6


def test_voltages_and_losses_are_those_of_the_engine(answer):
    point, table = answer.ac.point, voltages_table(answer.model)
    rows = table[table["quantity"] == "line_to_neutral"]
    assert max(abs(abs(point.voltages[r.bus, r.phase, r.period]) - r.value)
               for r in rows.itertuples()) < 1e-7
    lost = dict(zip(answer.model.periods, ac_losses(answer.model), strict=True))
    assert lost == pytest.approx(point.losses, abs=1e-6)


def test_a_balanced_site_pays_the_mean_of_its_legs_and_another_each_leg(net, answer):
    m = answer.model
    dispatch, prices = dispatch_table(m, net), device_prices(m, net)
    paid = payments_table(prices_table(m), dispatch, net, 1.0, of_devices=prices)
    assert set(prices[prices["element"] == "legs"]["phase"]) == {"ab", "bc", "ca"}
    energy = dispatch[(dispatch["element"] == "dc") & (dispatch["phase"] == "")]
    price = prices[prices["element"] == "dc"]
    both = energy.merge(price, on=["period", "quantity"])
    assert paid[paid["element"] == "dc"]["value"].sum() == pytest.approx(
        (both["value_x"] * both["value_y"]).sum())
    by_nominal_angles = payments_table(prices_table(m), dispatch, net, 1.0)["value"].sum()
    assert paid["value"].sum() == pytest.approx(by_nominal_angles, rel=2e-3)
    assert paid["value"].sum() != pytest.approx(by_nominal_angles, rel=1e-6)


def test_the_summary_has_the_rows_of_the_linear_form(net, answer):
    m = answer.model
    tables = {"prices": prices_table(m), "voltages": voltages_table(m),
              "unbalance": unbalance_table(m), "dispatch": dispatch_table(m, net)}
    tables["payments"] = payments_table(
        tables["prices"], tables["dispatch"], net, 1.0, of_devices=device_prices(m, net))
    rows = summary_table(m, net, tables, busy=[1]).set_index("quantity")["value"]
    assert rows["hours_of_high_loading"] == 1
    assert rows["losses"] == pytest.approx(sum(answer.ac.point.losses.values()), abs=1e-6)
    vuf = tables["unbalance"].query("quantity == 'VUF' and bus in ('738', '711')")
    assert rows["mean_VUF_at_datacenters"] == pytest.approx(vuf["value"].mean())
    assert rows["mean_VUF_at_datacenters_at_high_loading"] == pytest.approx(
        vuf[vuf["period"] == 1]["value"].mean())
    assert {"lowest_voltage", "greatest_PVUR", "datacenters_pay"} <= set(rows.index)


def test_an_ac_answer_in_tables_and_numbers(answer):
    ac = SimpleNamespace(
        rounds=answer.rounds.rename(columns={"voltage_change_pu": "voltage_change"}).assign(
            loop="dso"), certificate=answer.certificate, deviations=None,
        cliff=pd.DataFrame(), settled=answer.settled, payment=1160.157, payment_beyond=np.nan)
    tables = ac_tables(ac)
    assert set(tables) == {"ac_rounds", "ac_certificate"}
    assert tables["ac_rounds"]["voltage_change"].iloc[-1] < 1e-6
    assert tables["ac_certificate"]["difference_quotient"].isna().all()
    rows = ac_summary(ac).set_index("quantity")["value"]
    assert rows["AC_settled"] == "yes" and rows["AC_payment"] == 1160.157
    assert rows["AC_greatest_active_price_error_against_the_dual"] < 1e-5
    assert "AC_payment_just_beyond_a_limit" not in rows.index


def test_neutrals_have_a_voltage_and_branches_a_current_in_them():
    """A single-phase load of 30 kW to a neutral whose only ground is at the head: I = P / U."""
    code = dlmp.LineCode(name="four", r=np.diag([0.2] * 4).tolist(), x=np.zeros((4, 4)).tolist())
    head = dlmp.Bus(name="head", kv=0.4, neutrals="n", ground_r=0.0, ground_x=0.0)
    net = dlmp.Network("four", [
        head, dlmp.Bus(name="end", kv=0.4, neutrals="n"), dlmp.Substation(name="grid", bus="head"),
        dlmp.Line(name="cable", from_bus="head", to_bus="end", phases="abcn", code=code,
                  length=0.1),
        dlmp.Load(name="house", bus="end", legs=("an",), kw=(3.0,), kvar=(0.0,))])
    answer = dlmp.solve_ac_opf(net, check=False)
    rows = neutrals_table(answer.model).set_index(["element", "quantity"])["value"]
    v = voltages_table(answer.model).query("bus == 'end' and phase == 'a'")["value"].iloc[0]
    volt = rows["end", "voltage"]
    amps = 3000.0 / (v * 400 / 3**0.5 - volt)
    assert volt == pytest.approx(amps * 0.02, rel=1e-6)
    assert ("head", "voltage") not in rows.index
    assert rows["cable", "current"] == pytest.approx(amps, rel=1e-6)
