"""The tables [scenarios] and [stochastic] of a study file."""

import pandas as pd
import pytest

from pyomo_dlmp.errors import StudyFileError
from pyomo_dlmp.report import read_results
from pyomo_dlmp.study import read_study, run_study
from tests.study.tiny import TEXT, draw, write_tiny

TINY = TEXT.replace("[check]\nac = true", """[check]
ac = false
[scenarios]
file = "s.csv"
columns = {{EPEX = "price", note = ""}}
[stochastic]
flexibility = 0.1
deviation_price = 2.0""").split("[[case]]")[0]
TABLE = """scenario,period,probability,EPEX,energy_mwh,note
calm,0,0.75,30,0.15,x
calm,1,0.75,60,0.15,x
storm,0,0.25,20,0.2,x
storm,1,0.25,90,0.2,x
"""


def study(tmp_path, text=TINY, table=TABLE):
    (tmp_path / "s.csv").write_text(table)
    return read_study(write_tiny(tmp_path, text))


def solved(tmp_path, monkeypatch, *args, **how):
    monkeypatch.setattr("pyomo_dlmp.study.run.write_report", draw)
    return run_study(study(tmp_path, *args), results=tmp_path / "results", **how)


def table(tmp_path, name):
    return pd.read_csv(tmp_path / "results" / f"{name}.csv")


def test_a_run_is_solved_under_uncertainty(tmp_path, monkeypatch):
    results = solved(tmp_path, monkeypatch)
    assert not results.missing
    costs = table(tmp_path, "scenario_costs").pivot(
        index="scenario", columns="quantity", values="value")
    assert costs["probability"].to_dict() == {"calm": 0.75, "storm": 0.25}
    assert costs["cost"].to_numpy() == pytest.approx(
        (costs["payment"] + costs["deviation_cost"]).to_numpy())
    few = table(tmp_path, "uncertainty").set_index("quantity")
    expected = float(few.loc["expected_cost", "value"])
    assert expected == pytest.approx((costs["probability"] * costs["cost"]).sum())
    assert few.loc["objective", "least"] <= expected * (1 + 1e-9)
    assert few.loc["objective", "greatest"] == pytest.approx(expected)
    assert few.loc["status", "value"] == "optimal"
    assert few.loc["EVPI", "least"] <= few.loc["EVPI", "greatest"]
    # power: the schedule and what is beyond it; its sum is the work
    power = table(tmp_path, "scenario_schedule").pivot(
        index=["scenario", "period"], columns="quantity", values="value")
    first = table(tmp_path, "first_stage").set_index("period")["value"]
    for scenario, mwh in (("calm", 0.3), ("storm", 0.4)):
        mine = power.loc[scenario]
        assert mine["power"].to_numpy() == pytest.approx(
            (first + mine["up"] - mine["down"]).to_numpy(), abs=1e-3)
        assert mine["power"].sum() == pytest.approx(1000 * mwh, rel=1e-5)
        assert mine[["up", "down"]].to_numpy().max() <= 0.1 * 300 + 1e-3
    # prices times power are the payment
    prices = table(tmp_path, "scenario_prices")
    assert set(prices["scenario"]) == {"calm", "storm"} and set(prices["bus"]) == {"end"}
    audit = table(tmp_path, "audit")
    assert audit["check"].str.contains("worst scenario").any() and audit["passed"].all()
    summary = table(tmp_path, "summary").set_index("quantity")["value"]
    assert float(summary["expected_cost_under_uncertainty"]) == pytest.approx(expected)
    found = read_results(tmp_path / "results")
    assert len(found.scenarios) == 8 and len(found.first_stage) == 2


def test_risk_and_its_frontier(tmp_path, monkeypatch):
    text = TINY.replace("deviation_price = 2.0", "deviation_price = 2.0\nrisk_weight = 0.5\n"
                        "risk_level = 0.8\nfrontier = [0, 1]")
    results = solved(tmp_path, monkeypatch, text)
    assert not results.missing
    few = table(tmp_path, "uncertainty").set_index("quantity")["value"]
    expected, worst = float(few["expected_cost"]), float(few["CVaR"])
    assert float(few["objective"]) == pytest.approx(0.5 * (expected + worst))
    points = table(tmp_path, "risk_frontier").pivot(
        index="weight", columns="quantity", values="value")
    assert points.loc[0.0, "expected"] <= expected + 1e-6 <= points.loc[1.0, "expected"] + 2e-6
    assert points.loc[1.0, "cvar"] <= worst + 1e-6 <= points.loc[0.0, "cvar"] + 2e-6
    ball = solved(tmp_path, monkeypatch, TINY.replace("deviation_price = 2.0", "radius = 0.1"),
                  overwrite=True)
    assert not ball.missing
    few = table(tmp_path, "uncertainty").set_index("quantity")["value"]
    assert float(few["objective"]) >= float(few["expected_cost"])


def test_two_settlements(tmp_path, monkeypatch):
    results = solved(tmp_path, monkeypatch, TINY.replace(
        "deviation_price = 2.0", 'deviation_price = 0.0\nsettlement = "two"'))
    assert not results.missing
    paid = table(tmp_path, "settlements").query("quantity == 'payment'")
    ahead = paid[paid["settlement"] == "day ahead"]["value"].sum()
    costs = table(tmp_path, "scenario_costs").query("quantity == 'cost'").set_index("scenario")
    real = paid[paid["settlement"] == "real time"].groupby("scenario")["value"].sum()
    for scenario in ("calm", "storm"):
        assert costs.loc[scenario, "value"] == pytest.approx(ahead + real[scenario], rel=1e-4)


def test_scenarios_are_checked_in_ac(tmp_path, monkeypatch):
    solved(tmp_path, monkeypatch, TINY.replace("ac = false", "ac = true"))
    costs = table(tmp_path, "scenario_costs").pivot(
        index="scenario", columns="quantity", values="value")
    assert costs["payment_ac"].to_numpy() == pytest.approx(costs["payment"].to_numpy(), rel=0.05)
    assert (costs["v_min"] > 0.8).all() and (costs["limits_broken"] >= 0).all()


def test_only_strategic_runs_have_scenarios(tmp_path, monkeypatch):
    text = TINY.replace("[scenarios]", '[market]\nkinds = ["cooperative", "strategic"]\n'
                        "[scenarios]")
    results = solved(tmp_path, monkeypatch, text)
    assert not results.missing
    assert set(table(tmp_path, "scenario_costs")["case"]) == {"study, strategic"}


def test_the_loading_sizes_their_work(tmp_path, monkeypatch):
    text = TINY.replace("[scenarios]", "[sweep]\nloading = [0.5]\n[scenarios]")
    solved(tmp_path, monkeypatch, text)
    costs = table(tmp_path, "scenario_costs")
    energy = costs[costs["quantity"] == "energy_mwh"].set_index("scenario")["value"]
    assert energy.to_dict() == pytest.approx({"calm": 0.15, "storm": 0.2}, rel=1e-5)


def test_a_history_and_outages(tmp_path, monkeypatch):
    pytest.importorskip("sklearn")
    text = TINY.replace('file = "s.csv"', 'history = "year.csv"\ncount = 2\n'
                        'outages = {{"2025-01-01 00:00" = ["b"]}}')
    hours = pd.date_range("2025-01-01", periods=8, freq="h")
    pd.DataFrame({"time": hours, "EPEX": [30, 60, 30, 61, 80, 20, 81, 20], "note": "x"}).to_csv(
        tmp_path / "year.csv", index=False)
    text = text.replace("2025-01-01 00:00", "day")
    with pytest.raises(StudyFileError, match="'day', which is no scenario"):
        solved(tmp_path, monkeypatch, text)
    results = solved(tmp_path, monkeypatch, text.replace('outages = {{day = ["b"]}}', "").replace(
        'outages = {{"day" = ["b"]}}', ""))
    assert not results.missing
    assert table(tmp_path, "scenarios")["scenario"].nunique() == 2


def test_ctrl_c_keeps_what_was_found(tmp_path, monkeypatch):
    from pyomo_dlmp.status import Status
    from pyomo_dlmp.study import uncertain

    whole = uncertain.solve_stochastic

    def stopped(*args, **how):
        result = whole(*args, **how)
        result.status = Status.INTERRUPTED
        return result

    monkeypatch.setattr(uncertain, "solve_stochastic", stopped)
    first = solved(tmp_path, monkeypatch)
    assert first.interrupted and first.missing == {"study, scenarios": "interrupted"}
    assert table(tmp_path, "uncertainty")["value"].iloc[0] == "interrupted"
    assert len(table(tmp_path, "first_stage")) == 2
    monkeypatch.setattr(uncertain, "solve_stochastic", whole)
    again = solved(tmp_path, monkeypatch, resume=True)
    assert not again.missing and len(table(tmp_path, "first_stage")) == 2
    assert table(tmp_path, "uncertainty")["value"].iloc[0] == "optimal"


def test_ctrl_c_after_the_decision_keeps_it(tmp_path, monkeypatch):
    from pyomo_dlmp.uncertainty.result import StochasticResult

    def stopped(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(StochasticResult, "value", stopped)
        first = solved(tmp_path, monkeypatch)
    assert first.interrupted and len(table(tmp_path, "first_stage")) == 2
    assert not solved(tmp_path, monkeypatch, resume=True).missing
    assert "EVPI" in table(tmp_path, "uncertainty")["quantity"].tolist()


def test_in_the_ac_form_the_decision_is_there_and_what_is_not_is_said(tmp_path, monkeypatch):
    text = TINY.replace("[dso]", '[dso]\nform = "ac"').replace("[check]", "[ac]\ndeviations = 0\n"
                                                               "[check]")
    results = solved(tmp_path, monkeypatch, text)
    assert not results.missing
    few = table(tmp_path, "uncertainty").set_index("quantity")["value"]
    assert few["status"] == "optimal"
    assert few["note"].str.contains("information is worth").any()


@pytest.mark.parametrize("old, new, words", [
    ("EPEX = ", "EPX = ", "[scenarios], columns: names 'EPX'"),
    ('"s.csv"', '"t.csv"', "there is no file"),
    ('file = "s.csv"', "", "[scenarios]: is without a file of scenarios"),
    ('file = "s.csv"', 'file = "s.csv"\nhistory = "s.csv"', "both a file and a history"),
    ('file = "s.csv"', 'file = "s.csv"\ncount = 3', "[scenarios] count: does not go with a file"),
    ('file = "s.csv"', 'file = "s.csv"\nprobabilities = {{calm = 1}}', "and so is probabilities="),
    ('file = "s.csv"', 'file = "s.csv"\noutages = {{storm = ["bb"]}}', "'bb', which is no element"),
    ('file = "s.csv"', 'file = "s.csv"\nsed = 3', "Did you mean 'seed'?"),
    ('file = "s.csv"', "file = 3", "[scenarios] file: is 3"),
    ("flexibility = 0.1", "flexibility = 1.1", "[stochastic] flexibility"),
    ("flexibility = 0.1", "flexibility = {{dcc = 0.1}}", "names 'dcc', which is not a datacenter"),
    ("flexibility = 0.1", 'first_stage = ["scedule"]', "Did you mean 'schedule'?"),
    ("flexibility = 0.1", "first_stage = []", "[stochastic] first_stage: is []"),
    ("deviation_price = 2.0", "deviation_price = -1", "[stochastic] deviation_price"),
    ("deviation_price = 2.0", "frontier = [2]", "[stochastic] frontier: is [2]"),
    ("deviation_price = 2.0", "risk_weight = 0.5\nradius = 1", "a risk_weight and a radius"),
    ("deviation_price = 2.0", 'settlement = "three"', "settlement: is 'three'"),
    ("deviation_price = 2.0", 'settlement = "two"\nfrontier = [0]', "with two settlements"),
    ("deviation_price = 2.0", "value = 1", "[stochastic] value: is 1"),
    ("[scenarios]", '[market]\nkinds = ["cooperative"]\n[scenarios]', "Add 'strategic' there"),
])
def test_faults_are_told_before_any_search(tmp_path, old, new, words):
    assert old in TINY
    with pytest.raises(StudyFileError) as err:
        run_study(study(tmp_path, TINY.replace(old, new)), results=tmp_path / "results")
    assert words in str(err.value)


@pytest.mark.parametrize("old, new, words", [
    ("calm,1,0.75,60", "calm,0,0.75,60", "twice"), ("0.25", "0.35", "add to 1.1, not to 1"),
    ("90,0.2", "90,0.7", "has 0.9 MWh of work, and its sites can draw 0.6 MWh: 0.3 MWh too much"),
    ("storm,1,0.25,90", "storm,1,0.25,", "is empty in row 4 (scenario 'storm')"),
])
def test_faults_of_the_file(tmp_path, old, new, words):
    with pytest.raises(StudyFileError) as err:
        run_study(study(tmp_path, table=TABLE.replace(old, new)), results=tmp_path / "results")
    assert words in str(err.value) and "[scenarios]" in str(err.value)
