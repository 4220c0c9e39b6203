"""Language models, training and smoothing: curves, rows, and what they cost by brute force."""

import dataclasses
import itertools
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.market import Job, LlmService, Smoothing, Training, Workload, scaled
from pyomo_dlmp.market.gpu import operating_points, replica_table
from pyomo_dlmp.market.llm_models import LLM_MODELS
from pyomo_dlmp.results.payments import market_payments
from pyomo_dlmp.results.tokens import joules_per_token
from tests.checks import check_answer
from tests.models import bilevel, feeder

SITE = dlmp.Datacenter(name="dc", bus="end", kw=900)
FAR = dlmp.Datacenter(name="far", bus="head", kw=900)
CHAT = LlmService(name="chat", tokens=1e6, replicas=200, pue=1.0)
TABLE = ((8, 100.0, 500.0, 0.01), (16, 180.0, 560.0, 0.02), (32, 300.0, 720.0, 0.03),
         (64, 400.0, 1000.0, 0.06))
OWN = LlmService(name="own", tokens=30e3, replicas=200, measured=TABLE, idle_w=200.0, pue=1.0,
                 error=0.0)
TRAIN = Training(name="train", site="dc", gpus=500, gpu_hours=900, arrival=0, deadline=3,
                 gpu_w=1000.0, pue=1.0, caps=((0.5, 0.7), (0.8, 0.92), (1.0, 1.0)))


def power(m, name="dc"):
    return np.array([m.dso.datacenter[name].p[t].value for t in m.dso.periods])


def solved(work, price, *sites, **options):
    m = bilevel(feeder(*(sites or (SITE,))), work, price, **options)
    check_answer(m, dlmp.solve_bilevel(m, gap=1e-7))
    return m


def least_of_mixtures(work, watts, wanted):
    """Least power of all mixtures of two points that give so much, each mixture by itself."""
    best = np.full(len(wanted), np.inf)
    for a, b in itertools.product(range(len(work)), repeat=2):
        if work[a] < work[b]:
            share = (wanted - work[a]) / (work[b] - work[a])
            drawn = watts[a] + share * (watts[b] - watts[a])
            best = np.where((share >= 0) & (share <= 1), np.minimum(best, drawn), best)
    return best


# ------------------------------------------------------------------------------------------ curves


@pytest.mark.parametrize("model", LLM_MODELS)
@pytest.mark.parametrize("latency, idle, error", [
    (None, 0.0, 0.0), (None, 1.0, 0.002), (0.05, 1.0, 0.01)])
def test_the_pieces_are_as_near_as_they_say(model, latency, idle, error):
    """On a grid: never below the least power of mixtures, above it by no more than the error."""
    watts = LLM_MODELS[model].watts.at(8)
    service = dataclasses.replace(CHAT, model=model, latency_s=latency, idle_w=idle * 0.99 * watts,
                                  error=error)
    points, table = operating_points(service), replica_table(service)
    assert latency is None or table[:, 3].max() <= latency
    some = np.unique(np.r_[np.linspace(0, len(table) - 1, 60).astype(int), np.searchsorted(
        table[:, 0], points.batch[points.batch > 0])])
    work, drawn = np.r_[0.0, table[some, 1]], np.r_[service.idle_w, table[some, 2]]
    wanted = np.linspace(0, work.max(), 400)
    above = np.interp(wanted, points.work, points.watts) - least_of_mixtures(work, drawn, wanted)
    allowed = error * table[:, 2].max()
    assert points.error_w <= allowed + 1e-9
    assert above.min() >= -allowed - 1e-9 and above.max() <= points.error_w + 1e-9
    for batch, tokens, w in zip(points.batch[1:], points.work[1:], points.watts[1:], strict=True):
        row = table[table[:, 0] == batch][0]
        assert (tokens, w) == (row[1], row[2])  # a point that exists


def test_published_curves_are_read_as_published():
    """Llama 3.1 70B on 4 H100 at batch 128: 2,160 W, 3,790 tokens/s, 33.8 ms, by a calculator."""
    row = next(row for row in LLM_MODELS["Llama-3.1-70B"].table() if row[0] == 128)
    assert row == pytest.approx((128, 3790.4, 2159.7, 0.03383), rel=3e-4)
    small = LLM_MODELS["Llama-3.1-8B"]
    for batch in (32, 64, 128, 256):  # requests at once == tokens/s x time between tokens
        assert small.tokens.at(batch) * small.seconds.at(batch) == pytest.approx(batch, rel=0.25)


def test_own_measurements_and_a_limit_of_latency():
    points = operating_points(OWN)
    assert points.batch.tolist() == [0, 32, 64] and points.error_w == 0
    slow = operating_points(dataclasses.replace(OWN, latency_s=0.025))
    assert slow.batch.tolist() == [0, 16] and slow.watts.tolist() == [200.0, 560.0]


# -------------------------------------------------------------------------------------------- rows


def test_a_service_draws_what_its_replicas_do():
    """200 replicas: to 60,000 tokens/s between waiting and batch 32, above between 32 and 64."""
    m = solved(Workload(llm=(dataclasses.replace(OWN, tokens=(30e3, 70e3)),)), [40, 60])
    low = (100 * 200.0 + 100 * 720.0) / 1e6
    high = (100 * 720.0 + 100 * 1000.0) / 1e6
    assert power(m) == pytest.approx([low, high], abs=1e-7)
    level = m.dca.llm["own"].level
    assert [1000 * level["dc", k, 1].value for k in range(3)] == pytest.approx([0, 100, 100])


def test_lists_and_arrays_are_taken_as_tuples():
    given = dataclasses.replace(OWN, tokens=np.array([30e3]), replicas=np.array([200]),
                                sites=["dc"], measured=[list(row) for row in TABLE])
    assert power(solved(Workload(llm=(given,)), [40])) == pytest.approx([0.092], abs=1e-7)
    table = np.array(TABLE)
    assert operating_points(dataclasses.replace(OWN, measured=table)).batch.tolist() == [0, 32, 64]


def test_a_service_moves_to_the_cheaper_site_within_its_replicas():
    two = dataclasses.replace(OWN, tokens=60e3, replicas=(150, 120), sites=("dc", "far"),
                              idle_w=0.0)
    m = solved(Workload(llm=(two,)), [50.0], SITE, FAR)
    tokens = m.dca.llm["own"].tokens
    assert pyo.value(tokens["far", 0] + tokens["dc", 0]) == pytest.approx(0.06)
    assert pyo.value(tokens["far", 0]) == pytest.approx(0.036, rel=1e-3)  # all 120 at batch 32


def test_training_follows_its_caps_and_the_price():
    """900 GPU hours in 3 h on 500 GPUs: every mixture of caps on a grid costs at least as much."""
    price = [30.0, 60.0, 45.0]
    m = solved(Workload(training=(TRAIN,)), price)
    p = power(m)
    points = operating_points(TRAIN)  # W per GPU over its share of full throughput
    done = [np.interp(x / 0.5, points.watts / 1000, points.work) * 500 for x in p]
    assert sum(done) == pytest.approx(900, abs=1e-3)
    best = pyo.value(m.dca.cost)
    for first, second in itertools.product(np.linspace(0, 500, 11), repeat=2):
        third = 900 - first - second
        if 0 <= third <= 500:
            powers = [0.5 * np.interp(x / 500, points.work, points.watts / 1000)
                      for x in (first, second, third)]
            fixed = bilevel(feeder(SITE), Workload(jobs=tuple(
                Job(name=f"j{t}", arrival=t, deadline=t + 1, mwh=max(mw, 1e-6))
                for t, mw in enumerate(powers))), price)
            dlmp.solve_bilevel(fixed, gap=1e-7)
            assert pyo.value(fixed.dca.cost) >= best - 1e-3


def test_training_with_checkpoints_waits_and_ramps():
    """It works 90 % of the time, a pause draws idle power, and no step is above 150 kW."""
    slow = dataclasses.replace(TRAIN, checkpoint=0.1, idle_w=100.0, ramp_kw=150.0, gpu_hours=450,
                               arrival=1, deadline=4)
    p = power(solved(Workload(training=(slow,)), [30, 50, 40, 45, 30]))
    points = operating_points(slow)
    work = np.interp(p[1:4] / 0.5, points.watts / 1000, points.work) * 500
    assert work.sum() * 0.9 == pytest.approx(450, abs=1e-3)
    assert p[[0, 4]] == pytest.approx(0, abs=1e-7) and p[1:4].min() >= 0.05 - 1e-7
    assert np.abs(np.diff(p)).max() <= 0.15 + 1e-7


def test_a_rack_battery_takes_the_swings_or_moves_energy():
    """Swings of 30 % of 400 kW: 20 kW at the meter and 100 of the battery leave it nothing else."""
    run = dataclasses.replace(TRAIN, gpus=400, gpu_hours=800, deadline=2, swing=0.3)
    rack = Smoothing(site="dc", kw=100, kwh=100, kwh_start=50, step_kw=20, ramp_kw=30)
    p = power(solved(Workload(training=(run,), smoothing=(rack,)), [30, 60]))
    assert p == pytest.approx([0.4, 0.4], abs=1e-6)
    m = solved(Workload(training=(run,), smoothing=(dataclasses.replace(rack, step_kw=45),)),
               [30, 60])
    b = m.dca.smoothing["dc"]  # 25 kW are free now, and it may turn by 30 kW
    moved = [b.charge[t].value - b.discharge[t].value for t in (0, 1)]
    assert moved[0] - moved[1] == pytest.approx(0.03, abs=1e-6)
    assert power(m) - 0.4 == pytest.approx(moved, abs=1e-6)
    with pytest.raises(dlmp.ModelError, match=r"training 'train' lacks .* GPU hours"):
        bilevel(feeder(SITE), Workload(training=(run,), smoothing=(dataclasses.replace(
            rack, step_kw=10),)), [30, 60])


def test_a_price_taker_serves_the_same_rows():
    """Inside the DSO's problem, in one site, what the tokens need is drawn all the same."""
    work = Workload(llm=(OWN,), training=(dataclasses.replace(TRAIN, gpus=100, gpu_hours=150,
                                                              deadline=2),))
    found = dlmp.solve_market("strategic", dlmp.Market(feeder(SITE, FAR), 0.2, {
        "price": [30.0, 50.0], "periods": 2}, takers={"other": (("dc",), work)}))
    m = found.model
    p = power(m)
    fleet = (100 * 200.0 + 100 * 720.0) / 1e6
    # 70 GPU hours under the lowest cap in both hours, 10 more in the cheap one: 0.3/0.22 W each
    assert p == pytest.approx([fleet + 0.05 + 0.01 * 0.3 / 0.22, fleet + 0.05], abs=1e-5)


def test_the_kkt_form_finds_the_same():
    work = Workload(llm=(OWN,), training=(TRAIN,))
    found = []
    ways: list[dict[str, Any]] = [{"search": "regions"}, {"complementarity": "bigm"}]
    for options in ways:
        m = bilevel(feeder(SITE), work, [30.0, 60.0, 45.0])
        found.append(dlmp.solve_bilevel(m, gap=1e-6, **options).objective)
    assert found[0] == pytest.approx(found[1], rel=1e-5)


# ------------------------------------------------------------------------------------------ faults


def test_all_faults_at_once():
    work = Workload(
        llm=(dataclasses.replace(OWN, name="a", measured=(), model="Llama-3.1-7B"),
             dataclasses.replace(OWN, name="b", latency_s=0.001),
             dataclasses.replace(OWN, name="c", replicas=(1, 2), pue=0.9, sites=("dd",)),
             dataclasses.replace(OWN, name="d", idle_w=900.0, tokens=(1.0, -2.0, 3.0)),
             dataclasses.replace(OWN, name="e", measured=((1, 2, 0, 4),), error=1.5)),
        training=(dataclasses.replace(TRAIN, gpus=0, deadline=9, caps=((0.5, 0.9),)),
                  dataclasses.replace(TRAIN, name="t", caps=((0.5, 0.9), (0.8, 0.7), (1.0, 1.0)),
                                      checkpoint=1.0, swing=2.0)),
        smoothing=(Smoothing(site="dc", kw=-5, kwh=10, step_kw=-1, efficiency=2),))
    with pytest.raises(dlmp.ModelError) as error:
        bilevel(feeder(SITE), work, [40, 60, 50])
    text = str(error.value)
    for words in (("llm 'a'", "Llama-3.1-7B", "'Llama-3.1-70B'"), ("llm 'b'", "0.001", "0.01 s"),
                  ("llm 'c'", "2 replicas for 1 sites"), ("llm 'c'", "pue", "0.9"),
                  ("llm 'c'", "'dd'", "'dc'"), ("llm 'd'", "idle_w 900", "500 W"),
                  ("llm 'd'", "tokens", "-2"), ("llm 'e'", "measured"), ("llm 'e'", "error 1.5"),
                  ("training 'train'", "gpus 0"), ("training 'train'", "deadline 9"),
                  ("training 'train'", "caps", "(1, 1)"), ("training 't'", "does not fall"),
                  ("training 't'", "checkpoint 1"), ("training 't'", "swing 2"),
                  ("smoothing 'dc'", "kw -5"), ("smoothing 'dc'", "step_kw -1"),
                  ("smoothing 'dc'", "efficiency 2")):
        assert any(all(word in line for word in words) for line in text.split("\n")), (words, text)


def test_more_tokens_than_replicas_can_give():
    with pytest.raises(dlmp.ModelError, match=r"llm 'own' in period 1 lacks 10000 tokens/s"):
        bilevel(feeder(SITE), Workload(llm=(dataclasses.replace(OWN, tokens=(1.0, 90e3)),)),
                [40, 60])


def test_parts_scale():
    rack = Smoothing(site="dc", kw=100, kwh=50, step_kw=20)
    twice = scaled(Workload(llm=(OWN,), training=(TRAIN,), smoothing=(rack,)), 2.0)
    assert (twice.llm[0].tokens, twice.llm[0].replicas) == (60e3, 400)
    assert (twice.training[0].gpus, twice.training[0].gpu_hours) == (1000, 1800)
    assert (twice.smoothing[0].kw, twice.smoothing[0].step_kw) == (200, 40)


# ------------------------------------------------------------------------------------------ tokens


@pytest.mark.parametrize("market", ["strategic", "cooperative", "uncoordinated", "price taker"])
def test_dollars_per_million_tokens(market):
    """Alone at its site a service bears all that the site pays, over 3.6 x its tokens/s / 1,000."""
    work = Workload(llm=(dataclasses.replace(OWN, tokens=(30e3, 0.0)),))
    data = dlmp.Market(feeder(SITE), work, {"price": [30.0, 50.0], "periods": 2}, tariff=40.0)
    found = dlmp.solve_market(market, data)
    paid = market_payments(found, data, dlmp.results.prices_table(found.dso),
                           dlmp.results.dispatch_table(found.dso, data.network))
    table = dlmp.results.tokens_table(found.model, found.dso, paid)
    assert dlmp.results.tokens_table(found).equals(table)  # the same in one call
    at = table.set_index(["period", "quantity"])["value"]
    assert at[0, "tokens"] == pytest.approx(108) and at[1, "tokens"] == pytest.approx(0, abs=1e-9)
    assert at[0, "energy"] == pytest.approx(0.092) and (1, "cost") not in at.index
    for t in (0, 1):
        assert at[t, "payment"] == pytest.approx(paid[paid["period"] == t]["value"].sum())
    assert at[0, "cost"] == pytest.approx(at[0, "payment"] / 108)
    assert joules_per_token(table).iloc[0] == pytest.approx(92e3 / 30e3)


def test_a_service_bears_its_share_of_a_site():
    """Beside a job of as much power, while a battery charges: half of all that the site pays."""
    work = Workload(llm=(dataclasses.replace(OWN, tokens=30e3),),
                    jobs=(Job(name="j", arrival=0, deadline=1, mwh=0.092),),
                    smoothing=(Smoothing(site="dc", kw=50, kwh=50, kwh_start=0, kwh_end=40),))
    data = dlmp.Market(feeder(SITE), work, {"price": [30.0], "periods": 1})
    found = dlmp.solve_market("strategic", data)
    paid = market_payments(found, data, dlmp.results.prices_table(found.dso),
                           dlmp.results.dispatch_table(found.dso, data.network))
    table = dlmp.results.tokens_table(found.model, found.dso, paid).set_index("quantity")["value"]
    assert power(found.model)[0] > 0.2
    assert table["payment"] == pytest.approx(paid["value"].sum() / 2)
