"""Answers of connection studies that once were wrong, with their right values."""

import numpy as np
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.connection import applicants, hosting_map
from pyomo_dlmp.connection.answer import curtailment
from pyomo_dlmp.connection.capacity import Capacities
from pyomo_dlmp.connection.curve import along_scale
from pyomo_dlmp.tolerances import WORSENED
from tests.connection.test_capacity import closed_form, two_buses


@pytest.mark.parametrize("v_max", [1.005, 1.012, 1.015])
def test_the_peak_at_the_rating_of_a_static_var_generator_is_not_passed_over(v_max):
    """Voltages rise up to 150 kW and fall beyond: 3,500 kW keep v_max again."""
    study = dlmp.connection_study(two_buses(r=.05, x=2.0), "end", power_factor=1.0, svg=150,
                                  v_min=.9, v_max=v_max)
    assert study.firm_kw < 150 and study.check.passed
    free = dlmp.connection_study(two_buses(r=.05, x=2.0), "end", power_factor=1.0, svg=150,
                                 v_min=.9, v_max=1.05, check=False)
    assert free.firm_kw > 3000


def test_no_contract_is_greater_than_what_was_looked_for():
    """Half of a contract is drawn: 1.2 times what fits may be contracted, and no more was asked."""
    full = closed_form(.95, .95)
    study = dlmp.connection_study(two_buses(), "end", load=.5, max_kw=1.2 * full)
    assert study.firm_kw == pytest.approx(1.2 * full) and study.binding.what == "no limit"
    assert study.check.keeps and study.check.breaks is None
    row = hosting_map(two_buses(), load=.5, max_kw=1.2 * full).table.iloc[0]
    assert row["firm_kw"] == row["flexible_kw"] == study.firm_kw and row["what"] == "no limit"
    more = dlmp.connection_study(two_buses(), "end", load=.5, max_kw=3 * full, check=False)
    assert more.firm_kw == pytest.approx(2 * full, rel=1e-4)


def test_flexible_kw_are_no_more_than_what_was_looked_for():
    study = dlmp.connection_study(two_buses(), "end", load=[100.0, 400.0], check=False)
    for allowed in ({"hours": 1}, {"energy_share": .3}):
        found = study.flexible(**allowed)
        assert (found.kw, found.hours, found.curtailed_kwh) == (400, 0, 0)


def test_cvar_counts_the_last_of_the_worst_hours_in_part():
    """5 % of 24 hours are 1.2 hours: the worst, and a fifth of the next."""
    found = curtailment(np.full(24, 100.0), np.r_[np.full(22, .5), 1.0, .9], 120.0, 1.0)
    assert found.cvar_kw == pytest.approx((20 + .2 * 8) / 1.2)
    assert curtailment(np.full(6, 100.0), np.r_[np.full(5, .5), 1.0], 120.0, 1.0).cvar_kw == 20


def test_hours_of_curtailment_of_a_map_are_a_number_of_at_least_0():
    with pytest.raises(dlmp.ModelError, match="hours_per_year"):
        hosting_map(two_buses(), hours_per_year=-1)


def regulated(taps=0):
    """Two lines with a regulator between them."""
    code = dlmp.LineCode(name="c", r=np.diag([.1] * 3), x=np.diag([.2] * 3))
    return dlmp.Network("regulated", [
        *(dlmp.Bus(name=name, kv=4.16) for name in ("s", "in", "out", "end")),
        dlmp.Substation(name="grid", bus="s"),
        dlmp.Line(name="first", from_bus="s", to_bus="in", code=code, length=1.0),
        dlmp.Regulator(name="reg", from_bus="in", to_bus="out", taps=dict.fromkeys("abc", taps)),
        dlmp.Line(name="last", from_bus="out", to_bus="end", code=code, length=1.0)])


@pytest.mark.parametrize(("taps", "v_max"), [(0, 1.01), (2, 1.005)])
def test_taps_that_break_a_limit_without_the_site_are_no_remedy(taps, v_max):
    """Two steps are 1.25 %: more than v_max allows, or beyond where it is broken already."""
    study = dlmp.connection_study(regulated(taps=taps), "end", v_max=v_max, load_scale=[1.0, .5],
                                  check=False)
    assert len(study.existing) == (6 if taps else 0)
    taps_ = study.remedies().set_index("remedy").loc["regulator taps"]
    assert np.isnan(taps_["firm_kw"]) and ("not allowed" if taps else "does not help") in (
        taps_["note"])
    wide = dlmp.connection_study(regulated(taps=taps), "end", v_max=1.1, check=False).remedies()
    by_hand = dlmp.connection_study(regulated(taps=taps + 2), "end", v_max=1.1, check=False)
    raised = wide[wide["remedy"] == "regulator taps"]["kw_in_limiting_hour"].iloc[0]
    assert raised == pytest.approx(by_hand.firm_kw, abs=.05)


def test_what_fits_needs_no_remedy():
    study = dlmp.connection_study(two_buses(), "end", max_kw=100, check=False)
    assert not len(study.remedies())


def test_each_applicant_finds_those_before_it_and_not_those_after():
    """By hand: the first as a load of the network, in a series of its own."""
    network, shape = dlmp.load_feeder("ieee13"), [1.0, .4]
    common = {"v_min": .93, "v_max": None, "load": shape}
    first, second = applicants(network, ["675", "671"], [300.0, None], load_scale=[.5, .7],
                               check=True, **common)
    assert first.check.keeps and second.check.passed
    alone = dlmp.connection_study(network, "675", max_kw=300, load_scale=[.5, .7], check=False,
                                  **common)
    own = dlmp.Load(name="own", bus="675", legs=("a", "b", "c"), kw=(100.0,) * 3,
                    kvar=(100 * np.tan(np.arccos(.95)),) * 3, v_low=.5, v_high=1.5)
    with_first = dlmp.connection_study(network.with_devices(own), "671", check=False,
                                       load_scale={"*": [.5, .7], "own": shape}, **common)
    assert second.firm_kw == pytest.approx(with_first.firm_kw, abs=.02)
    for found, right in ((first, alone), (second, with_first)):
        for key in ("hour", "kw", "lowest_pu_before", "losses_kw_before", "losses_kw"):
            assert found.effects[key].to_numpy(float) == pytest.approx(
                right.effects[key].to_numpy(float), rel=1e-4)
    columns = ["kw_in_limiting_hour", "firm_kw"]
    assert second.remedies(most=1)[columns].to_numpy() == pytest.approx(
        with_first.remedies(most=1)[columns].to_numpy(), abs=.05, nan_ok=True)
    assert second.prices().price == pytest.approx(with_first.prices().price, abs=1e-3)


def test_a_limit_that_is_kept_by_a_generator_is_no_penalty_in_its_period():
    """Period 0: the generator keeps the limit at 200 $/MWh; period 1: it cannot."""
    full = closed_form(.95, .95)
    network = two_buses().with_devices(dlmp.Generator(name="g", bus="end", kw_max=600, cost=200.0))
    impact = dlmp.price_impact(network, "end", [1.1 * full, 1.5 * full])
    assert impact.hourly["after"][0] == pytest.approx(200, abs=.01)
    assert impact.hourly["penalty_share"][0] == 0 and impact.hourly["limit"][0] == ""
    assert impact.flagged["period"].tolist() == [1]
    assert impact.hourly["limit"][1].startswith("end.")
    assert "period 1" in impact.table.set_index("bus")["limit"]["end"]


def test_a_limit_broken_before_that_a_site_moves_by_microvolts_does_not_end_its_answer():
    """rg60.a and rg60.c are at 1.056 pu; a static var generator lifts them by 1e-5 pu."""
    network = dlmp.load_feeder("ieee13")
    study = dlmp.connection_study(network, "675", svg=600, load_scale=.9)
    assert study.existing and study.check.passed and study.firm_kw > 100
    assert study.binding.element != "rg60"


def test_the_answer_says_that_a_limit_broken_before_ends_it():
    from pyomo_dlmp.connection.pages import lead_words
    low = two_buses(v_min=1.02)
    study = dlmp.connection_study(low, "end")
    said = lead_words(study)
    # 0.0005 pu below what there is without the site
    assert study.firm_kw == pytest.approx(closed_form(1 - WORSENED, .95), rel=.01)
    assert study.binding.before == pytest.approx(1.0) and study.check.passed
    assert "broken before: 1.0000 pu" in said and "--leave-out-broken" in said
    assert "every limit is kept" not in said
    out = dlmp.connection_study(low, "end", existing="left out", v_min=None)
    assert out.firm_kw > 1000 and "not counted" in lead_words(out)


def test_where_the_power_flow_ends_the_engine_confirms_the_firm_kw():
    study = dlmp.connection_study(two_buses(), "end", v_min=None, v_max=None)
    assert study.binding.what == "no solution" and study.check.passed


def test_what_is_kept_is_told_from_what_is_broken_by_its_digits():
    study = dlmp.connection_study(dlmp.load_feeder("ieee13"), "675", vuf=2, v_min=None, v_max=None)
    kept, broken = study.check.worst, study.check.worst_above
    assert kept.split()[0] == "unbalance" and kept.split()[1] != broken.split()[1]


def test_hours_that_allow_the_least_contracts_are_computed_themselves():
    """Their capacities are not the least: it is the share that is drawn that makes them bind."""
    def solved(hours):
        x = scale[hours]
        kw = 100 - 30 * x + .1 * np.sin(40 * x)
        return Capacities(kw, np.zeros(len(x), dtype=int), np.zeros((1, len(x))),
                          np.zeros(len(x), dtype=bool))

    scale = np.linspace(0, 1, 5000)
    share = np.where(np.arange(5000) % 500 == 37, 1.0, .4)
    kw, _, _, known = along_scale(scale, solved, share)
    assert set(np.flatnonzero(share == 1.0)) <= set(known)
    exact = solved(np.arange(5000)).kw
    assert (kw / share).min() == (exact / share).min()


def test_prices_of_a_study_without_ratings_have_no_penalty_of_ratings():
    free = dlmp.connection_study(two_buses(), "end", check=False)
    rated = dlmp.connection_study(two_buses(100.0), "end", thermal=False, check=False)
    assert rated.firm_kw == free.firm_kw
    price = rated.prices()
    assert price.price == pytest.approx(free.prices().price, abs=1e-3)
    assert not len(price.flagged)


def test_a_site_of_two_phases_stands_between_them_where_nothing_grounds_a_bus():
    network, t = dlmp.load_feeder("ieee37"), np.tan(np.arccos(.95))
    study = dlmp.connection_study(network, "713", phases="ca", voltage_legs="line")
    assert study.check.passed
    least = []
    for kw in (study.firm_kw, 1.02 * study.firm_kw):
        load = dlmp.Load(name="own", bus="713", legs=("ca",), kw=(kw,), kvar=(kw * t,),
                         connection="delta", v_low=.5, v_high=1.5)
        volts = dlmp.ac_power_flow(network.with_devices(load)).point.voltages
        least.append(min(abs(volts[bus, "c", 0] - volts[bus, "a", 0]) for bus in network.buses)
                     / 3**.5)
    assert least[0] == pytest.approx(.95, abs=2e-6) and least[1] < .95 - 1e-4
    with pytest.raises(dlmp.ModelError, match="--phases ab"):
        dlmp.connection_study(network, "713", phases="a")


def test_without_limits_a_feeder_ends_where_its_power_flow_does():
    """Newton's method finds solutions of low voltages beyond: 8,000 kW, where the engine has none.

    By the engine: 7,100 kW have a power flow, 7,400 kW have none.
    """
    study = dlmp.connection_study(
        dlmp.load_feeder("ieee13"), "675", v_min=None, v_max=None, thermal=False)
    assert study.binding.what == "no solution" and 6900 < study.firm_kw < 7400
    assert study.check.keeps
