"""Language models along a table: each problem is the market of its numbers."""

import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.market import LlmService, Smoothing, Training, Workload
from tests.models import feeder
from tests.series.tiny import LOAD, hours, market

NET = feeder(LOAD, dlmp.Datacenter(name="dc", bus="end", kw=900))
CHAT = LlmService(name="chat", tokens=5e5, replicas=150, idle_w=300.0, latency_s=0.1)
TUNE = Training(name="tune", site="dc", gpus=250, gpu_hours=200, arrival=0, deadline=2, swing=0.3)
RACK = Smoothing(site="dc", kw=100, kwh=100, kwh_start=50, step_kw=20)
WORK = Workload(llm=(CHAT,), training=(TUNE,), smoothing=(RACK,))
TOKENS = [2e5, 6e5, 9e5, 1e5]


def test_every_problem_is_the_market_of_its_numbers():
    table = hours(4, **{"tokens.chat": TOKENS})
    answers = dlmp.solve_series(market(WORK, NET, periods=2), table, workers=1)
    paid = answers.steps["payment"].tolist()
    for k in (0, 1):
        work = Workload(llm=(LlmService(
            name="chat", tokens=tuple(TOKENS[2 * k:2 * k + 2]), replicas=150, idle_w=300.0,
            latency_s=0.1),), training=(TUNE,), smoothing=(RACK,))
        alone = dlmp.solve_market("strategic", market(
            work, NET, periods=2, price=table["price"][2 * k:2 * k + 2].tolist()))
        assert paid[k] == pytest.approx(alone.paid, rel=1e-4)


def test_a_rolling_horizon_takes_services_and_refuses_what_it_cannot_carry():
    table = hours(4, **{"tokens.chat": TOKENS})
    with pytest.raises(dlmp.ModelError) as error:
        dlmp.solve_series(market(WORK, NET, periods=2), table, horizon=2, workers=1)
    assert "training 'tune'" in str(error.value) and "smoothing at 'dc'" in str(error.value)
    each = dlmp.solve_series(market(Workload(llm=(CHAT,)), NET, periods=2), table, horizon=2,
                             step=1, workers=1)
    whole = dlmp.solve_series(market(Workload(llm=(CHAT,)), NET, periods=1), table, workers=1)
    assert each.steps["payment"].sum() == pytest.approx(whole.steps["payment"].sum(), rel=1e-4)


def test_a_column_of_no_service():
    with pytest.raises(dlmp.ModelError, match=r"tokens.chad.*'chat'"):
        dlmp.solve_series(market(WORK, NET, periods=2), hours(4, **{"tokens.chad": TOKENS}))
