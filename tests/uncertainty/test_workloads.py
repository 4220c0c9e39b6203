"""Every kind of work in scenarios: with free deviations each is the strategic market of its own.

The scenarios share one model whose numbers are set; the markets are built anew.
"""

import pickle
from dataclasses import replace

import numpy as np
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.market.workload import (
    Interactive,
    Job,
    LlmService,
    Servers,
    Smoothing,
    Training,
    Ups,
)
from pyomo_dlmp.uncertainty.scenario_models import ScenarioModels
from tests.models import feeder
from tests.uncertainty.tiny import DC, LOAD, NET, PRICE, PV, SUN, market

POOL = Servers(site="dc", count=2000, idle_w=100, peak_w=200)
WEB = Interactive(name="web", rate=2000.0)
BATCH = Job(name="batch", arrival=0, deadline=2, server_hours=800.0)
HOT = replace(POOL, pue_table=((10.0, 1.1), (30.0, 1.4)), temperature=(20.0, 20.0))
RAMP = feeder(LOAD, PV, replace(DC, ramp_kw=120))
STORE = feeder(LOAD, PV, DC, dlmp.Storage(
    name="bat", bus="end", kw_max=100, kwh_max=150, kwh_start=80))
CHAT = LlmService(name="chat", tokens=5e5, replicas=150, idle_w=300.0, latency_s=0.1)
TUNE = Training(name="tune", site="dc", gpus=250, gpu_hours=300, arrival=0, deadline=2, swing=0.3)
RACK = Smoothing(site="dc", kw=100, kwh=100, kwh_start=50, step_kw=20)
CASES = {
    "gpus": (NET, dlmp.Workload(llm=(CHAT,), training=(TUNE,), smoothing=(RACK,)),
             {"tokens.chat": [[2e5, 9e5], [7e5, 3e5]]}),
    "requests": (NET, dlmp.Workload(servers=(POOL,), interactive=(WEB,), jobs=(BATCH,)),
                 {"rate.web": [[1000.0, 4000.0], [3000.0, 500.0]]}),
    "temperature": (NET, dlmp.Workload(servers=(HOT,), jobs=(BATCH,), interactive=(WEB,)),
                    {"temperature.dc": [[12.0, 28.0], [30.0, 15.0]]}),
    "battery": (NET, dlmp.Workload(energy_mwh=1.0, ups=(
        Ups(site="dc", kw=200, kwh=300, kwh_start=150),)), {}),
    "ramp": (RAMP, dlmp.Workload(energy_mwh=1.0), {}),
    "storage": (STORE, dlmp.Workload(energy_mwh=1.0), {}),
    "capacity": (NET, dlmp.Workload(energy_mwh=0.9), {"kw.dc": [[700.0, 400.0], [300.0, 800.0]]}),
}


def scenarios(numbers):
    return dlmp.Scenarios(("one", "two"), np.array([0.3, 0.7]), {
        "price": np.array(PRICE), "available.pv": np.array(SUN),
        **{column: np.array(values) for column, values in numbers.items()}})


@pytest.mark.parametrize("case", CASES)
def test_with_free_deviations_each_scenario_is_a_market_of_its_own(case):
    network, work, numbers = CASES[case]
    of, given = replace(market(network), workload=work), scenarios(numbers)
    result = dlmp.solve_stochastic(of, given, flexibility=1.0, deviation_price=0.0, gap=1e-6)
    assert result.audit.passed
    models = ScenarioModels(of, given)
    alone = [dlmp.solve_market("strategic", models.market_of(name), gap=1e-6)
             for name in given.names]
    assert result.by_scenario["cost"].tolist() == pytest.approx(
        [answer.paid for answer in alone], rel=5e-6)
    assert result.objective == pytest.approx(0.3 * alone[0].paid + 0.7 * alone[1].paid, rel=3e-6)


def test_arrays_of_a_scenario_can_be_sent_to_another_process():
    models = ScenarioModels(market(), scenarios({}))
    one = models.parts("two")
    text = pickle.dumps(one)
    assert len(text) < 100_000
    again = pickle.loads(text)
    assert again.name == "two" and again.regions == one.regions
    assert np.array_equal(again.program.A.toarray(), one.program.A.toarray())


def test_a_tariff_is_paid_whatever_the_prices_are():
    of = replace(market(), pays="tariff", tariff=[30.0, 60.0], workload=1.0)
    result = dlmp.solve_stochastic(of, scenarios({}), flexibility=0.0)
    assert result.objective == pytest.approx(0.9 * 30.0 + 0.1 * 60.0)
