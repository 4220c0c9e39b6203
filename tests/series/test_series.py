"""Problems along a table: each is the market of its own numbers, whoever solves it."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.errors import ModelError, ResultsFileError
from pyomo_dlmp.market import MARKETS, Market, solve_market
from pyomo_dlmp.series.spans import spans_of
from tests.models import feeder
from tests.series.tiny import DC, LOAD, NET, hours, market

SAME = {"rel": 1e-9, "abs": 1e-9}


def same(one, other):
    """The same answers, whoever gave them and in how long a time."""
    columns = ["problem", "time", "status", "payment", "repriced", "objective"]
    pd.testing.assert_frame_equal(one.steps[columns], other.steps[columns], rtol=1e-9, atol=1e-9)
    pd.testing.assert_frame_equal(one.dispatch, other.dispatch, rtol=1e-9, atol=1e-9)
    pd.testing.assert_frame_equal(one.prices, other.prices, rtol=1e-9, atol=1e-9)


@pytest.fixture(scope="module")
def table():
    return hours(5, load_scale=[0.4, 0.9, 1.3, 1.0, 0.2], energy_mwh=[0.5, 0.2, 0.8, 0.5, 0.3])


@pytest.fixture(scope="module")
def answers(table):
    return dlmp.solve_series(market(), table)


def test_every_hour_is_the_market_of_its_numbers(table, answers):
    for row, step in zip(table.itertuples(), answers.steps.itertuples(), strict=True):
        alone = solve_market("strategic", Market(NET, row.energy_mwh, {
            "v_min": 0.97, "price": row.price, "load_scale": row.load_scale}))
        assert step.status == alone.status == "optimal"
        assert step.payment == pytest.approx(alone.paid, **SAME)
        assert step.repriced == pytest.approx(step.payment, rel=1e-6)
        assert step.residual < 1e-8
    assert answers.payment == pytest.approx(answers.steps["payment"].sum())
    assert answers.energy_mwh == pytest.approx(table["energy_mwh"].sum())


def test_tables_are_tidy(table, answers):
    active = answers.dispatch[answers.dispatch["quantity"] == "active"]
    assert active["value"].tolist() == pytest.approx(table["energy_mwh"].tolist())
    assert active["time"].tolist() == table["time"].tolist()
    paid = sum(
        p.value * q.value / 3 for q in answers.dispatch.itertuples()
        for p in answers.prices.itertuples()
        if (p.time, p.quantity, p.bus) == (q.time, q.quantity, "end"))
    assert paid == pytest.approx(answers.payment, rel=1e-6)


@pytest.mark.parametrize("name", [n for n, row in MARKETS.items() if row.contract is None])
def test_every_market(name):
    found = dlmp.solve_series(market(), hours(2), name=name)
    alone = solve_market(name, replace(market(), opf={
        **market().opf, "price": hours(2)["price"][1]}))
    assert found.steps["status"].tolist() == ["optimal"] * 2
    if name != "cooperative":
        assert found.steps["payment"][1] == pytest.approx(alone.paid, **SAME)
    assert found.steps["residual"].max() < 1e-8


def test_days_of_more_periods():
    day = market(work=1.0, periods=3)
    found = dlmp.solve_series(day, hours(6))
    for k in (0, 1):
        prices = hours(6)["price"][3 * k:3 * k + 3].tolist()
        alone = solve_market("strategic", market(work=1.0, periods=3, price=prices))
        assert found.steps["payment"][k] == pytest.approx(alone.paid, **SAME)
    assert found.steps["time"].tolist() == list(hours(6)["time"][::3])
    assert len(found.dispatch) == 12


def test_columns_of_elements():
    pv = dlmp.Generator(name="pv", bus="end", kw_max=400, cost=0.0)
    net = feeder(LOAD, pv, DC)
    found = dlmp.solve_series(market(network=net), hours(
        3, **{"available.pv": [0.0, 1.0, 0.5], "load_scale.l": [1.0, 2.0, 0.5],
              "kw.dc": [900.0, 600.0, 510.0]}))
    for k, (share, scale) in enumerate(((0.0, 1.0), (1.0, 2.0), (0.5, 0.5))):
        own = feeder(LOAD, replace(pv, kw_max=400 * share), DC)
        alone = solve_market("strategic", market(
            network=own, load_scale=scale, price=hours(3)["price"][k]))
        assert found.steps["payment"][k] == pytest.approx(alone.paid, **SAME)


def test_an_hour_without_a_solution_says_so(table):
    found = dlmp.solve_series(market(), table.assign(**{"kw.dc": [900, 900, 700, 900, 900]}))
    assert found.steps["status"].tolist() == ["optimal", "optimal", "infeasible", *["optimal"] * 2]
    assert "needs 0.8 MWh" in found.steps["note"][2]
    assert np.isnan(found.steps["payment"][2])
    assert len(found.dispatch) == 8


def test_progress(table):
    said = []
    dlmp.solve_series(market(), table[:2], progress=lambda *words: said.append(words))
    assert [(stage, done, total) for stage, done, total, _ in said] == [
        ("building", 0, 2), ("solving", 1, 2), ("solving", 2, 2)]
    assert said[-1][-1] == 0.0


def test_interrupted_and_continued(table, answers, tmp_path):
    def stop(stage, done, total, left):
        if done == 2:
            raise KeyboardInterrupt

    part = dlmp.solve_series(market(), table, folder=tmp_path, progress=stop)
    assert part.interrupted and len(part.steps) == 2 and part.total == 5
    with (tmp_path / "series.jsonl").open("a") as file:  # what a kill has cut off
        file.write('{"number": 2, "status"')
    said = []
    whole = dlmp.solve_series(market(), table, folder=tmp_path,
                              progress=lambda *words: said.append(words[:3]))
    assert said == [("kept", 2, 5), ("building", 2, 5), ("solving", 3, 5), ("solving", 4, 5),
                    ("solving", 5, 5)]
    assert not whole.interrupted
    same(whole, answers)
    again = dlmp.solve_series(market(), table, folder=tmp_path,
                              progress=lambda *words: said.append(words[:3]))
    assert said[-1] == ("kept", 5, 5)
    same(again, answers)
    steps = pd.read_csv(tmp_path / "series_steps.csv")
    assert steps["payment"].tolist() == pytest.approx(answers.steps["payment"].tolist())
    for other, word in (
            ((market(), table.assign(price=50.0)), "another table"),
            ((market(v_max=1.04), table), "another market")):
        with pytest.raises(ResultsFileError, match=word):
            dlmp.solve_series(*other, folder=tmp_path)
    with pytest.raises(ResultsFileError, match="other options"):
        dlmp.solve_series(market(), table, folder=tmp_path, gap=1e-3)


def test_a_line_of_the_journal_is_plain(table, tmp_path):
    dlmp.solve_series(market(), table[:1], folder=tmp_path)
    head, line = (tmp_path / "series.jsonl").read_text().splitlines()
    assert set(json.loads(head)["series"]) == {"table", "market", "options", "version"}
    assert json.loads(line)["mw"] == {"dc": pytest.approx([0.5])}


def test_answers_do_not_depend_on_the_number_of_processes(table, answers):
    same(dlmp.solve_series(market(), table, workers=2), answers)


def test_arguments_are_checked_together(table):
    with pytest.raises(ModelError) as err:
        dlmp.solve_series(market(), table, name="strategical", judge=2, workers=0,
                          buses=["ende"], checkpoint="x")
    said = str(err.value)
    for words in ("Did you mean 'strategic'?", "judge: is 2", "workers: is 0",
                  "names 'ende', which is not a bus. Did you mean 'end'?", "option 'checkpoint'"):
        assert words in said


def test_spans():
    assert [(s.first, s.length, s.bought) for s in spans_of(6, 3, 3)] == [(0, 3, 3), (3, 3, 3)]
    rolled = spans_of(6, 4, 1)
    assert [(s.first, s.length, s.bought) for s in rolled] == [(0, 4, 1), (1, 4, 1), (2, 4, 4)]
    assert [(s.first, s.length, s.bought) for s in spans_of(7, 4, 2)] == [
        (0, 4, 2), (2, 4, 2), (4, 3, 3)]


def test_hours_that_are_solved_together_are_those_solved_alone():
    table = hours(24, load_scale=np.round(np.linspace(0.2, 1.4, 24), 3))
    together = dlmp.solve_series(market(), table, judge=0.0)
    alone = dlmp.solve_series(market(), table[:23], judge=0.0)  # no whole group
    cut = together.steps[:23]
    assert cut["objective"].tolist() == pytest.approx(alone.steps["objective"].tolist(), **SAME)
    assert (together.steps["bound"] <= together.steps["objective"] * (1 + 1e-6)).all()
    assert together.steps["cpu_s"].nunique() == 1  # none had to be solved again
    assert together.steps["gap"].max() <= 1e-4
    for found in (together, alone):  # one part an hour
        assert (found.steps["known"] + found.steps["new"]).tolist() == [1] * len(found.steps)
        assert 0 < found.steps["new"].sum() < 23
    assert cut["new"].tolist() == alone.steps["new"].tolist()
    capacity = [900.0] * 5 + [400.0] + [900.0] * 18
    one = dlmp.solve_series(market(), table.assign(**{"kw.dc": capacity}))
    assert one.steps["status"].value_counts().to_dict() == {"optimal": 23, "infeasible": 1}
