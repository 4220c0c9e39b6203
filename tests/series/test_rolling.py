"""Rolling horizons: what a step leaves to the next one, and what is bought in the end."""

from dataclasses import replace

import numpy as np
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.market import Job, Ups, Workload, solve_market
from pyomo_dlmp.series.carrying import first_state
from pyomo_dlmp.series.problems import Problems
from pyomo_dlmp.series.spans import State
from pyomo_dlmp.series.table import read_table
from tests.models import feeder
from tests.series.tiny import DC, LOAD, hours, market


def power(found, name="dc"):
    rows = found.dispatch
    return rows.loc[(rows["element"] == name) & (rows["quantity"] == "active"), "value"].to_numpy()


def problems(table, work=1.0, periods=4, **horizon):
    m = market(work, periods=periods)
    return Problems(m, read_table(table, m), **horizon)


def test_work_is_due_by_the_end_of_its_window():
    p = problems(hours(12), horizon=4, window=6)  # 1 MWh of 4 rows: 1.5 of a window
    due = {span.first: p.work.due(span, State()) for span in p.spans}
    assert due[0] == [(4, pytest.approx(1.0))]  # four of six rows
    assert due[2] == [(4, 1.5)]
    assert due[4] == [(2, 1.5), (4, pytest.approx(0.5))]
    assert p.work.due(p.spans[4], State(done=1.2))[0] == (2, pytest.approx(0.3))


def test_one_window_at_once_is_the_market_itself():
    found = dlmp.solve_series(market(1.0, periods=4), hours(4), horizon=4)
    alone = solve_market("strategic", market(1.0, periods=4, price=hours(4)["price"].tolist()))
    assert found.payment == pytest.approx(alone.paid, rel=1e-9)
    assert len(found.steps) == 1


def test_every_window_gets_its_work():
    found = dlmp.solve_series(market(1.0, periods=4), hours(12), horizon=3, window=6)
    assert found.steps["status"].tolist() == ["optimal"] * 10
    assert found.steps["rows"].tolist() == [1] * 9 + [3]
    mw = power(found)
    assert len(mw) == 12
    assert mw[:6].sum() == pytest.approx(1.5)
    assert mw[6:].sum() == pytest.approx(1.5)
    assert found.steps["repriced"].sum() == pytest.approx(found.payment, rel=1e-6)
    # a horizon of the whole window sees more and pays less
    wide = dlmp.solve_series(market(1.0, periods=4), hours(12), horizon=6, window=6)
    assert power(wide)[:6].sum() == pytest.approx(1.5)
    assert wide.payment <= found.payment + 1e-9


def test_the_sum_is_what_was_bought_at_its_own_prices():
    found = dlmp.solve_series(market(1.0, periods=4), hours(8), horizon=4, step=2)
    prices = found.prices[found.prices["bus"] == "end"]
    by_time = prices.pivot_table(index="time", columns="quantity", values="value", sort=False)
    use = found.dispatch.pivot_table(index="time", columns="quantity", values="value", sort=False)
    assert (by_time * use).to_numpy().sum() == pytest.approx(found.payment, rel=1e-6)


def test_ramps_hold_from_step_to_step():
    net = feeder(LOAD, replace(DC, ramp_kw=100.0))
    found = dlmp.solve_series(market(1.2, network=net, periods=4), hours(10), horizon=4)
    mw = power(found)
    assert np.abs(np.diff(mw)).max() <= 0.1 + 1e-6
    assert np.abs(np.diff(mw)).max() > 0.09


def test_a_ups_goes_on_with_what_it_holds():
    work = Workload(energy_mwh=1.0, ups=(Ups(site="dc", kw=200, kwh=300, kwh_start=150),))
    table = hours(8)
    p = Problems(market(work, periods=4), read_table(table, market(work, periods=4)), horizon=4)
    assert first_state(p).ups == {"dc": 150}
    later = p.work.workload(p.spans[2], State(ups={"dc": 20.0}))
    assert (later.ups[0].start, later.ups[0].end) == (20.0, 150)
    found = dlmp.solve_series(market(work, periods=4), table, horizon=4)
    assert found.steps["status"].tolist() == ["optimal"] * 5
    # two windows of work; the battery is as full as at first, and what it lost was bought
    assert power(found).sum() >= 2.0 - 1e-6


def test_a_battery_of_the_feeder_goes_on_with_what_it_holds():
    battery = dlmp.Storage(name="bat", bus="end", kw_max=100, kwh_max=200, kwh_start=100)
    net = feeder(LOAD, battery, DC)
    m = market(0.6, network=net, periods=2)
    p = Problems(m, read_table(hours(4), m), horizon=2)
    later = p.market_of(p.spans[1], State(storage={"bat": 40.0})).network.devices["bat"]
    assert (later.kwh_start, later.kwh_end) == (40.0, 100)
    found = dlmp.solve_series(m, hours(3), horizon=2)
    assert found.steps["status"].tolist() == ["optimal"] * 2


def test_jobs_come_again_in_every_window():
    work = Workload(jobs=(Job(name="night", arrival=1, deadline=3, mwh=0.8),))
    found = dlmp.solve_series(market(work, periods=4), hours(8), horizon=3)
    mw = power(found)
    floor = 0.09
    assert mw[1:3].sum() >= 0.8 - 1e-6
    assert mw[5:7].sum() >= 0.8 - 1e-6
    assert mw[[0, 3, 4, 7]] == pytest.approx([floor] * 4)


def test_continued_after_an_interruption(tmp_path):
    def stop(stage, done, total, left):
        if done == 3:
            raise KeyboardInterrupt

    day = market(1.0, periods=4)
    dlmp.solve_series(day, hours(8), horizon=4, folder=tmp_path, progress=stop)
    whole = dlmp.solve_series(day, hours(8), horizon=4, folder=tmp_path)
    alone = dlmp.solve_series(day, hours(8), horizon=4)
    assert whole.steps["payment"].tolist() == pytest.approx(alone.steps["payment"].tolist())


def test_what_a_rolling_horizon_cannot_carry():
    stiff = Workload(jobs=(Job(name="j", arrival=0, deadline=4, mwh=0.4, interruptible=False,
                               run_periods=2),))
    with pytest.raises(ModelError, match="job 'j': runs without pause"):
        dlmp.solve_series(market(stiff, periods=4), hours(8), horizon=4)
    for words, options in (
            ("step: is 5, more than the horizon 4", {"horizon": 4, "step": 5}),
            ("workers: is 2 with a horizon", {"horizon": 4, "workers": 2}),
            ("window without a horizon", {"window": 4}),
            ("horizon: is 0", {"horizon": 0})):
        with pytest.raises(ModelError, match=words):
            dlmp.solve_series(market(1.0, periods=4), hours(8), **options)


def test_a_step_without_a_solution_leaves_its_work():
    capacity = [900.0] * 8
    capacity[2] = 50.0
    table = hours(8, **{"kw.dc": capacity})
    found = dlmp.solve_series(market(3.0, periods=4), table, horizon=2, window=4)
    assert "infeasible" in found.steps["status"].tolist()
    assert len(found.steps) == 7
