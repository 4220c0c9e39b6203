"""Workloads: what they say is checked, and what they cost is what arithmetic says."""

import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.market import Interactive, Job, Servers, Ups, Workload, scaled
from tests.checks import check_answer
from tests.models import bilevel, feeder

SITE = dlmp.Datacenter(name="dc", bus="end", kw=900)
POOL = Servers(site="dc", count=2000, idle_w=100, peak_w=200, service_rate=4, delay_s=0.5, pue=1.25)


def power(m, name="dc"):
    return [m.dso.datacenter[name].p[t].value for t in m.dso.periods]


def solved(work, price, *sites, gap=1e-4, **options):
    m = bilevel(feeder(*(sites or (SITE,))), work, price, **options)
    result = dlmp.solve_bilevel(m, gap=gap)
    check_answer(m, result)
    return m


def test_servers_draw_what_the_formula_says():
    """m = L / (mu - 1/D) servers on; P = m (P_idle + (PUE - 1) P_peak) + (P_peak - P_idle) L/mu."""
    m = solved(Workload(servers=(POOL,), interactive=(Interactive(name="web", rate=(2000, 3000)),)),
               [40, 60])
    for t, rate in enumerate((2000, 3000)):
        on = rate / (4 - 1 / 0.5)
        watts = on * (100 + 0.25 * 200) + (200 - 100) * rate / 4
        assert power(m)[t] == pytest.approx(watts / 1e6)


def test_a_pue_follows_the_temperature():
    pool = Servers(site="dc", count=2000, pue_table=((10, 1.1), (30, 1.5)), temperature=(20, 35))
    batch = (Job(name="j0", arrival=0, deadline=1, server_hours=1000),
             Job(name="j1", arrival=1, deadline=2, server_hours=1000))
    m = solved(Workload(servers=(pool,), jobs=batch), [40, 60])
    assert power(m) == pytest.approx([1000 * 250 * 1.3 / 1e6, 1000 * 250 * 1.5 / 1e6])


def test_a_job_moves_in_time_and_place():
    two = (SITE, dlmp.Datacenter(name="far", bus="head", kw=900))
    job = Job(name="train", arrival=0, deadline=3, mwh=1.0, kw_max=800)
    m = solved(Workload(jobs=(job,)), [60, 30, 40], *two, gap=1e-7)
    total = [a + b for a, b in zip(power(m), power(m, "far"), strict=True)]
    assert total == pytest.approx([0.0, 0.8, 0.2], abs=1e-6)
    assert sum(power(m)) < 5e-3  # losses on the line: the head is cheaper


def test_a_job_without_pause_runs_on_at_one_level():
    job = Job(name="train", arrival=0, deadline=4, mwh=0.6, interruptible=False, run_periods=2)
    m = solved(Workload(jobs=(job,)), [30, 60, 35, 36])
    assert m.dca.binaries == 3 and power(m) == pytest.approx([0, 0, 0.3, 0.3], abs=1e-7)


def test_a_battery_moves_energy_and_loses_some():
    ups = Ups(site="dc", kw=100, kwh=100, kwh_start=0, efficiency=0.9)
    job = Job(name="steady", arrival=1, deadline=2, mwh=0.5)
    m = solved(Workload(jobs=(job,), ups=(ups,)), [10, 60])
    assert power(m) == pytest.approx([0.1, 0.5 - 0.1 * 0.81], abs=1e-7)


def test_ramps_hold():
    m = solved(1.0, [60, 10, 60], dlmp.Datacenter(name="dc", bus="end", kw=900, ramp_kw=200))
    p = power(m)
    assert sum(p) == pytest.approx(1.0) and p[1] - p[0] <= 0.2 + 1e-9 and p[1] - p[2] <= 0.2 + 1e-9


@pytest.mark.parametrize("front", ["aggregator", "dso"])
def test_a_front_end_helps_the_voltage_and_is_paid_for(front):
    """Reactive power at a low voltage is worth something: either side uses it within the rating."""
    sag = {"v_min": 0.985, "penalty": 4000.0}
    plain = solved(1.0, [40, 60], **sag)
    site = dlmp.Datacenter(name="dc", bus="end", kw=900, reactive=front, kva=1200)
    m = solved(1.0, [40, 60], site, **sag)
    dc = m.dso.datacenter["dc"]
    assert all(dc.p[t].value ** 2 + pyo.value(dc.q[t]) ** 2 <= 1.2**2 + 1e-6 for t in (0, 1))
    drawn = [pyo.value(dc.q[t]) - dc.tan_phi * dc.p[t].value for t in (0, 1)]
    assert min(drawn) < -0.1  # far less than at its power factor
    assert pyo.value(m.dca.cost) < pyo.value(plain.dca.cost) - 0.1


def test_legs_of_its_own_go_to_the_cheap_phase():
    """A load on phase a of a lossy line makes a the dearest; the aggregator leans to the others."""
    load = dlmp.Load(name="l", bus="end", legs=("a",), kw=(500,), kvar=(100,))
    site = dlmp.Datacenter(name="dc", bus="end", kw=900, balanced=False)
    m = bilevel(feeder(site, load), 0.4, [50.0])
    check_answer(m, dlmp.solve_bilevel(m))
    legs = {leg: m.dso.datacenter["dc"].leg_p[leg, 0].value for leg in "abc"}
    assert sum(legs.values()) == pytest.approx(0.4) and legs["a"] < 0.05


@pytest.mark.parametrize("work, words", [
    (Workload(), ["empty"]),
    (Workload(energy_mwh=1.0, jobs=(Job(name="j", arrival=0, deadline=1, mwh=1),)), ["beside"]),
    (Workload(jobs=(Job(name="j", arrival=1, deadline=1, mwh=1),)), ["'j'", "deadline 1", "1"]),
    (Workload(jobs=(Job(name="j", arrival=0, deadline=9, mwh=1),)), ["'j'", "9", "2"]),
    (Workload(jobs=(Job(name="j", arrival=0, deadline=1, mwh=3),)), ["'j'", "2.1 MWh"]),
    (Workload(jobs=(Job(name="j", arrival=0, deadline=2),)), ["no work"]),
    (Workload(jobs=(Job(name="j", arrival=0, deadline=2, server_hours=3),)), ["servers"]),
    (Workload(jobs=(Job(name="j", arrival=0, deadline=2, mwh=1, sites=("dd",)),)),
     ["'dd'", "'dc'"]),
    (Workload(servers=(POOL,), interactive=(Interactive(name="w", rate=9000),)),
     ["interactive 'w'", "requests/s"]),
    (Workload(servers=(POOL,), interactive=(Interactive(name="w", rate=(1, 2, 3)),)),
     ["3 values", "2 periods"]),
    (Workload(servers=(Servers(site="dc", count=5, service_rate=1, delay_s=1),)), ["delay_s"]),
    (Workload(energy_mwh=1, ups=(Ups(site="dc", kw=5, kwh=5, kwh_start=9),)), ["start 9"]),
    (9.0, ["9 MWh", "1.8 MWh"]),
])
def test_wrong_work_is_named(work, words):
    with pytest.raises(dlmp.ModelError) as error:
        bilevel(feeder(SITE), work, [40, 60])
    assert all(word in str(error.value) for word in words), str(error.value)


def test_a_workload_scales():
    work = Workload(servers=(POOL,), interactive=(Interactive(name="w", rate=(10, 20)),),
                    jobs=(Job(name="j", arrival=0, deadline=1, mwh=2, kw_max=5),))
    twice = scaled(work, 2.0)
    assert (twice.servers[0].count, twice.interactive[0].rate) == (4000, (20, 40))
    assert (twice.jobs[0].mwh, twice.jobs[0].kw_max, twice.jobs[0].deadline) == (4, 10, 1)
