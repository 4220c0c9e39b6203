"""Flexible kW, applicants, maps, prices, remedies; what is refused and how."""

import numpy as np
import pandas as pd
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.connection import applicants
from pyomo_dlmp.connection.answer import curtailment, flexible_energy, flexible_hours
from pyomo_dlmp.connection.remedies import battery_contract
from tests.connection.test_capacity import DAY, closed_form, two_buses


@pytest.fixture(scope="module")
def day():
    return dlmp.connection_study(dlmp.load_feeder("ieee13"), "675", load_scale=DAY, v_min=.93,
                                 v_max=None, load=list(np.linspace(.6, 1, 24)))


def test_flexible_kw_are_those_of_brute_force(day):
    kw, share = day.hourly.kw, day.hours.share
    grid = np.arange(day.firm_kw - 5, day.firm_kw + 900, .02)
    curtailed = np.array([(share * x > kw + 1e-9).sum() for x in grid])
    for hours in (0, 1, 3, 7):
        best = grid[curtailed <= hours].max()
        assert day.flexible(hours=hours).kw == pytest.approx(best, abs=.03)
    lost = np.array([np.maximum(share * x - kw, 0).sum() / (share * x).sum() for x in grid])
    for allowed in (0.0, .001, .01, .03):
        best = grid[lost <= allowed + 1e-12].max()
        found = day.flexible(energy_share=allowed)
        assert found.kw == pytest.approx(best, abs=.03)
        assert found.share <= allowed + 1e-9


def test_flexible_kw_of_random_envelopes():
    rng = np.random.default_rng(1)
    for _ in range(50):
        kw, share = rng.uniform(50, 300, 30), rng.uniform(0, 1, 30)
        share[rng.integers(30)] = 0.0
        allowed = rng.uniform(0, .2)
        found = flexible_energy(kw, share, allowed, 1.0)
        assert found.share <= allowed + 1e-9
        assert curtailment(kw, share, found.kw + .1, 1.0).share > allowed
        count = int(rng.integers(0, 10))
        found = flexible_hours(kw, share, count, 1.0)
        assert found.hours <= count < curtailment(kw, share, found.kw + 1e-6, 1.0).hours


def test_cvar_is_the_mean_of_the_worst_hours():
    found = curtailment(np.full(40, 100.0), np.r_[np.full(38, .5), 1.0, .9], 120.0, 1.0)
    assert (found.worst_kw, found.cvar_kw) == pytest.approx((20.0, 14.0))  # 20 and 8
    assert found.hours == 2 and found.curtailed_kwh == pytest.approx(28.0)


def test_kw_by_hour_are_a_shape_and_what_is_asked_for():
    study = dlmp.connection_study(two_buses(), "end", load=[100.0, 400.0], check=False)
    assert study.firm_kw == 400 and study.binding.what == "no limit"
    assert study.envelope["firm_kw"].tolist() == [100.0, 400.0]


def test_the_envelope_is_tidy(day):
    table = day.envelope
    assert list(table.columns) == ["hour", "kw", "firm_kw", "what", "element", "phase"]
    assert (table["firm_kw"] <= table["kw"] + .01).all() and len(table) == 24
    assert day.bindings["hours"].sum() == 24
    effects = day.effects
    assert (effects["losses_kw"] > effects["losses_kw_before"]).all()
    flow = dlmp.ac_power_flow(day.network, load_scale=DAY[int(effects["hour"][1])])
    assert effects["losses_kw_before"][1] == pytest.approx(1e3 * flow.losses[0], rel=1e-5)


def test_voltages_by_bus_are_those_of_the_power_flow(day):
    table = day.voltages
    own = table[table["hour"] == day.binding.hour].set_index(["bus", "phase"])
    kw = day.firm_kw * day.hours.share[day.binding.hour]
    flow = dlmp.ac_power_flow(day.network.with_devices(
        dlmp.Datacenter(name="dc", bus="675", kw=kw)), load_scale=DAY[day.binding.hour])
    for (bus, phase), row in own.iterrows():
        assert row["after_pu"] == pytest.approx(abs(flow.point.voltages[bus, phase, 0]), abs=1e-5)
    assert own.loc["675", "a"]["change_pu"] < -.01 and own.loc["675", "a"]["loads"] > 0


def test_applicants_share_what_one_would_have():
    network = two_buses()
    whole = closed_form(.95, .95)
    first, second, third = applicants(network, ["end"] * 3, [300, None, None])
    assert first.firm_kw == 300
    assert first.firm_kw + second.firm_kw == pytest.approx(whole, rel=1e-3)
    assert third.firm_kw == pytest.approx(0, abs=.1)


def test_applicants_with_a_series_leave_what_they_do_not_draw():
    network = two_buses()
    both = applicants(network, ["end", "end"], [200, None], load=[1.0, .5], load_scale=[1, 1])
    whole = closed_form(.95, .95)
    assert both[1].hourly.kw == pytest.approx([whole - 200, whole - 100], rel=2e-3)


def test_a_map_has_what_single_studies_have():
    network = dlmp.load_feeder("ieee13")
    options = {"load_scale": DAY, "v_min": .93, "v_max": None}
    found = dlmp.connection.hosting_map(network, hours_per_year=8760 / 12, **options)
    assert set(found.table["bus"]) == {
        b for b, x in network.buses.items() if x.phases == "abc" and b != network.substation.bus}
    for bus in ("675", "633"):
        row = found.table.set_index("bus").loc[bus]
        study = dlmp.connection_study(network, bus, check=False, **options)
        assert row["firm_kw"] == pytest.approx(study.firm_kw, abs=.05)
        assert row["flexible_kw"] == pytest.approx(study.flexible(hours=2).kw, abs=.05)
        assert row["element"] == study.binding.element


def test_prices_are_those_of_opfs_apart():
    network = dlmp.load_feeder("ieee13")
    impact = dlmp.price_impact(network, "675", 200.0, price=40.0, v_min=.9, v_max=1.1)
    dc = dlmp.Datacenter(name="dc", bus="675", kw=200)
    for side, net in (("before", network), ("after", network.with_devices(dc))):
        prices = dlmp.solve_ac_opf(net, price=40.0, v_min=.9, v_max=1.1).prices
        own = prices[(prices["bus"] == "675") & (prices["quantity"] == "active")]["value"].mean()
        assert impact.hourly[side][0] == pytest.approx(own, abs=1e-3)
    assert impact.price > impact.price_before > 40 and not len(impact.flagged)
    assert impact.hourly["paid"][0] == pytest.approx(.2 * impact.price)
    assert "pay" in impact.sentence


def test_a_price_of_penalties_is_flagged_with_its_limit():
    impact = dlmp.price_impact(two_buses(), "end", 1.3 * closed_form(.95, .95))
    assert len(impact.flagged) == 1
    assert impact.hourly["limit"][0].startswith("end.") and "WARNING" in impact.sentence


def test_the_limit_that_is_named_is_the_one_whose_penalty_is_in_the_price():
    """rg60.c is broken further (1.056 pu), but before already: 611.c and 675.c make the price."""
    impact = dlmp.price_impact(dlmp.load_feeder("ieee13"), "675", 500)
    row = impact.hourly.iloc[0]
    assert row["limit"].startswith("675.c 0.94") and row["penalty_share_before"] < .02
    wide = dlmp.price_impact(dlmp.load_feeder("ieee13"), "675", 500, v_min=.93)
    assert wide.price == pytest.approx((1 - row["penalty_share"]) * impact.price, rel=.02)
    parts = impact.after.price_parts()
    voltage = parts[(parts["part"] == "voltage") & (parts["quantity"] == "active")]
    made, nodes = impact.after.limit_penalties()[0], impact.after.loop.circuit
    nodes = [nodes.nodes[i] for i in nodes.phase_nodes]
    total = dict(zip(nodes, made.parts.sum(axis=0), strict=True))
    for bus, phase, value in zip(voltage["bus"], voltage["phase"], voltage["value"], strict=True):
        assert total[bus, phase] == pytest.approx(value, abs=1e-6)


def test_a_penalty_before_the_site_is_told_too():
    own = two_buses(v_min=.998).with_devices(dlmp.Load(
        name="own", bus="end", legs=("a", "b", "c"), kw=(100,) * 3, kvar=(40,) * 3))
    impact = dlmp.price_impact(own, "end", 1.0)
    assert impact.hourly["penalty_share_before"][0] > .2 and "without it" in impact.sentence
    assert impact.hourly["limit_before"][0].startswith("end.") and "before are penalt" in (
        impact.sentence)


def test_periods_follow_from_the_series_and_small_powers_are_shown():
    impact = dlmp.price_impact(two_buses(), "end", .5, load_scale=[1, 1], price=[40, 60])
    assert len(impact.hourly) == 2 and impact.sentence.startswith("0.5 kW at bus end")


def test_the_kw_asked_for_are_answered():
    full = closed_form(.95, .95)
    loads = {"load": [1.0, .5, .9], "load_scale": [1, 1, 1]}
    study = dlmp.connection_study(two_buses(), "end", max_kw=1.2 * full, **loads)
    asked = study.at(1.2 * full)
    lost = (.2 + (1.08 - 1)) * full
    assert not asked.possible and asked.curtailment.hours == 2
    assert asked.curtailment.curtailed_kwh == pytest.approx(lost, rel=1e-3)
    flow = dlmp.ac_power_flow(two_buses().with_devices(
        dlmp.Datacenter(name="dc", bus="end", kw=1.2 * full)))
    assert asked.value == pytest.approx(abs(flow.point.voltages["end", "a", 0]), abs=1e-6)
    assert (asked.worst.element, asked.hour, asked.count) == ("end", 0, 3)
    assert "not possible in 2 h" in asked.sentence and "v_min 0.95" in asked.sentence
    assert study.at(.99 * full).possible and "every hour" in study.at(.99 * full).sentence
    with pytest.raises(dlmp.ModelError, match="no more than"):
        study.at(2 * full)
    rises = dlmp.connection_study(  # up to 150 kW, then falls
        two_buses(r=.05, x=2.0), "end", power_factor=1.0, svg=150, v_min=.9, v_max=1.005,
        max_kw=3000, check=False)
    assert "not on the way from 0" in rises.at(3000).sentence
    gone = dlmp.connection_study(two_buses(), "end", max_kw=9e4, check=False).at(9e4)
    assert gone.no_solution == 1 and "no power flow" in gone.sentence
def test_a_penalty_without_the_site_is_flagged_too():
    pv = dlmp.Generator(name="pv", bus="end", kw=900, kw_min=900, kw_max=900, cost=0.0)
    impact = dlmp.price_impact(two_buses().with_devices(pv), "end", 900, v_max=1.01)
    assert len(impact.flagged) == 1 and "WARNING" in impact.sentence
    assert "of the first kW" in impact.sentence and "> 1.01 pu" in impact.hourly["limit"][0]
    assert (impact.table.set_index("bus").loc["end", ["penalty_share_before"]] > .2).all()


def test_remedies_are_ranked_and_hold():
    study = dlmp.connection_study(two_buses(), "end", load_scale=[.5, 1.0])
    table = study.remedies()
    solved = table.dropna(subset=["firm_kw"])
    own = dict(zip(table["remedy"], table["firm_kw"], strict=True))
    assert own["power factor"] == pytest.approx(closed_form(.95, 1.0), rel=1e-3)
    assert own["reinforced line"] == pytest.approx(closed_form(.95, .95, .1, .2), rel=1e-3)
    assert (solved["gain_kw"] >= 0).all()
    best = table.iloc[0]  # two that change different things
    assert " and " in best["remedy"]
    assert best["firm_kw"] > own["reinforced line"] and best["note"].startswith("then voltage")


def test_both_remedies_together_have_their_closed_form():
    study = dlmp.connection_study(two_buses(), "end", check=False)
    table = study.remedies().set_index("remedy")
    both = table.loc[[name for name in table.index if name.startswith("power factor and re")
                      or name.startswith("reinforced line and power")]]
    assert both["firm_kw"].to_list() == pytest.approx(
        [closed_form(.95, 1.0, .1, .2)] * len(both), rel=1e-3)
    battery = table.loc["battery"]  # a single hour leaves nothing to charge it
    assert battery["gain_kw"] == pytest.approx(0, abs=.1) and "does not help" in battery["note"]


def test_all_regulators_of_a_place_and_that_of_the_limiting_phase_are_tried():
    network = dlmp.load_feeder("ieee13")  # phase c limits; reg3 is that of phase c
    study = dlmp.connection_study(network, "675", v_max=None, thermal=False, check=False)
    table = study.remedies()
    taps = table[table["remedy"] == "regulator taps"]
    assert len(taps) == 2 and (
        taps["kw_in_limiting_hour"] > 1.3 * study.firm_kw).all()


def test_a_static_var_generator_that_does_not_help_is_listed_with_its_reason():
    study = dlmp.connection_study(two_buses(), "end", power_factor=1.0, load=1.0, v_max=1.0)
    row = study.remedies().set_index("remedy").loc["static var generator"]
    assert row["note"]


def test_a_battery_gives_what_the_envelope_lacks():
    kw, share = np.array([100.0, 100, 60, 60, 100, 100]), np.ones(6)
    # 2 hours lack x - 60 each: the energy of 30 kWh gives 75 kW
    assert battery_contract(kw, share, 50.0, 30.0, 1.0) == pytest.approx(75, abs=.1)
    assert battery_contract(kw, share, 10.0, 300.0, 1.0) == pytest.approx(70, abs=.1)
    # 4 kWh lack and 4 are left: of these 90 % are given back
    assert battery_contract(np.array([60.0, 68]), np.ones(2), 50.0, 300.0, 1.0) == pytest.approx(
        (60 + .9 * 68) / 1.9, abs=.1)
    assert battery_contract(np.array([60.0]), np.ones(1), 50.0, 300.0, 1.0) == 60


@pytest.mark.parametrize(("bus", "options", "words"), [
    ("67", {}, "Did you mean"),
    ("611", {}, "has phases 'c'"),
    ("sourcebus", {}, "substation"),
    ("675", {"power_factor": 0}, "power_factor"),
    ("675", {"svg": -1}, "svg"),
    ("675", {"v_min": 1.1}, "v_min"),
    ("675", {"load_scale": [1.0] * 8760, "load": [1.0] * 8784}, "29 February"),
    ("675", {"load_scale": [1.0] * 8737}, "8,760"),
    ("675", {"load_scale": [1.0] * 24, "price": [1.0] * 12}, "Repeat it 2 times"),
    ("675", {"max_kw": float("inf")}, "max_kw"),
    ("675", {"load": [0.0, 0.0]}, "0 in every hour"),
    ("675", {"existing": "ignored"}, "relaxed"),
    ("675", {"load_scale": [80.0, 100.0]}, "0.8 for 80 %"),
    ("675", {"load_scale": [1.0, float("nan")]}, "nan"),
    ("675", {"max_kw": -5}, "max_kw"),
])
def test_what_is_wrong_is_told(bus, options, words):
    with pytest.raises(dlmp.ModelError, match=words):
        dlmp.connection_study(dlmp.load_feeder("ieee13"), bus, **options)


@pytest.mark.parametrize(("text", "words"), [
    ("share\n80\n100\n", "divide percent by 100"),
    ("a,b\n1,2\n", "none of them named 'load'"),
    ("kw\n100\nhello\n", "column 'kw': holds 'hello' in row 2"),
    ("", "cannot be read"),
])
def test_files_that_hold_something_else(tmp_path, text, words):
    path = tmp_path / "load.csv"
    path.write_text(text)
    with pytest.raises(dlmp.ModelError, match=words):
        dlmp.connection_study(two_buses(), "end", load=path)


def test_how_a_series_was_understood_is_noted():
    def notes(load):
        network = dlmp.load_feeder("ieee13")
        return dlmp.connection_study(network, "675", load=load, check=False).hours.notes

    assert notes([.5, 1.0]) == ()
    assert "percent" in notes([50.0, 100.0])[0]
    assert "in W" in notes([3e5, 4e5])[0]


def test_faults_of_a_queue_are_told():
    with pytest.raises(dlmp.ModelError) as caught:
        applicants(two_buses(), ["end", "ende"], [-3, None], v_min=2.0, price=[float("nan")])
    assert len(caught.value.faults) == 4


def test_all_faults_at_once():
    with pytest.raises(dlmp.ModelError) as caught:
        dlmp.connection_study(dlmp.load_feeder("ieee13"), "nowhere", power_factor=2,
                              load_scale=[1.0, 2.0], price=[1.0, 2.0, 3.0], v_min=-1)
    assert len(caught.value.faults) == 4


def test_the_command_writes_tables_and_a_page(tmp_path, capsys):
    from pyomo_dlmp.cli.command import main
    series = tmp_path / "day.csv"
    series.write_text("load_scale\n" + "\n".join(map(str, DAY[::4])))
    out = tmp_path / "out"
    command = ["connect", "ieee13", "--bus", "675", "--load-scale", str(series), "--v-min", ".93",
               "--v-max", "none", "--out", str(out)]
    assert main(command) == 0
    text = capsys.readouterr().out
    assert "kW are firm" in text and "Flexible" in text and "$/MWh" in text
    assert "Mean hour (hour " in text and "Peak day (hours 0 to 5)" in text
    assert "all 6 different hours" in text
    assert {p.name for p in out.iterdir()} == {
        "summary.csv", "envelope.csv", "limits.csv", "existing.csv", "effects.csv", "voltages.csv",
        "prices.csv",
        "price_hours.csv", "remedies.csv", "report.html"}
    page = (out / "report.html").read_text()
    assert "What would move the limit" in page and "http://" not in page.replace(
        "http://www.w3.org", "")
    assert main(command) == 1  # results are there
    assert "--overwrite" in capsys.readouterr().out
    assert main(["connect", "ieee13", "--all", "--bus", "675"]) == 1


def test_the_command_maps_and_queues(tmp_path, capsys):
    from pyomo_dlmp.cli.command import main
    common = ["--v-min", ".93", "--v-max", "none"]
    assert main(["connect", "ieee13", "--all", *common, "--out", str(tmp_path / "map")]) == 0
    assert (tmp_path / "map" / "hosting.csv").is_file()
    assert main(["connect", "ieee13", "--bus", "675", "--bus", "671", "--kw", "100", *common,
                 "--out", str(tmp_path / "queue")]) == 0
    said = capsys.readouterr().out
    assert "2. bus 671" in said and "100 kW firm of 100 asked" in said
    table = pd.read_csv(tmp_path / "queue" / "applicants.csv", dtype={"bus": str})
    assert table["bus"].tolist() == ["675", "671"] and (table["gets_kw"] == 100).all()
    assert (table["left_kw"] == table["possible_kw"] - 100).all()
    page = (tmp_path / "queue" / "report.html").read_text()
    assert "1. Bus 675" in page and "2. Bus 671" in page
    acting = ["connect", "ieee13", "--bus", "675", "--controls", "acting", "--quick", *common]
    assert main([*acting, "--out", str(tmp_path / "acting")]) == 0
    assert "With controls acting" in capsys.readouterr().out
    assert len(pd.read_csv(tmp_path / "acting" / "controls.csv")) == 3
    wye = ["connect", "ieee37_wye", "--bus", "738", "--controls", "acting"]
    assert main([*wye, "--out", str(tmp_path / "wye")]) == 1
    assert "regulator_controls.csv" in capsys.readouterr().out


def test_a_firm_kw_is_never_shown_above_what_it_is():
    from pyomo_dlmp.connection.pages import below
    assert [below(x) for x in (0.4, 1075.9, 10039.7, 54999.0)] == [0, 1075, 10030, 54990]
