"""Random sites, SVGs and payments: the audit holds, and the tables' payment is the objective.

The tables know nothing of the model's payment: price x quantity by leg, from duals and powers.
"""

import random

import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.results import (
    decomposition_table,
    dispatch_table,
    payments_table,
    prices_table,
)
from tests.checks import check_answer
from tests.models import bilevel, feeder


def random_market(seed):
    """(network, work, options) of a small market with every kind of site and SVG."""
    rng = random.Random(seed)
    front = rng.choice(["power factor", "aggregator", "dso"])
    kw = rng.choice([300, 600])
    site = dlmp.Datacenter(
        name="dc", bus="end", kw=kw, floor=rng.choice([0.0, 0.1]),
        connection=rng.choice(["wye", "delta"]), balanced=rng.random() < 0.5, reactive=front,
        kva=None if front == "power factor" else 1.2 * kw,
        ramp_kw=rng.choice([None, 0.5 * kw]))
    svg = dlmp.StaticVarGenerator(
        name="s", bus="end", kvar=rng.choice([90, 300]), connection=rng.choice(["wye", "delta"]),
        sharing=rng.choice(["equal", "total"]), loss_percent=rng.choice([0.0, 1.5]),
        owner=rng.choice(["dso", "datacenter"]))
    load = dlmp.Load(name="l", bus="end", legs=("ab",), kw=(rng.randint(50, 500),),
                     kvar=(rng.randint(0, 200),), connection="delta")
    devices = [site, load] + ([svg] if rng.random() < 0.7 else [])
    options = {"v_min": rng.choice([0.93, 0.985]), "penalty": rng.choice([300.0, 3000.0])}
    price = [rng.uniform(20, 90) for _ in range(2)]
    return feeder(*devices), 0.6 * 2 * kw / 1000, price, options


@pytest.mark.parametrize("seed", range(24))
def test_the_tables_pay_what_the_model_pays(seed):
    net, work, price, options = random_market(seed)
    m = bilevel(net, work, price, **options)
    result = dlmp.solve_bilevel(m, gap=1e-3, time_limit=60)
    assert result.status == "optimal", result
    check_answer(m, result)
    dispatch = dispatch_table(m.dso, net)
    paid = payments_table(prices_table(m.dso), dispatch, net, 1.0)["value"].sum()
    assert paid == pytest.approx(result.objective, rel=1e-5, abs=1e-5)
    used = dispatch.query("kind == 'datacenter' and quantity == 'active' and phase == ''")
    assert used["value"].sum() == pytest.approx(work, abs=1e-6)
    decomposition_table(m.dso)  # raises where the parts miss a dual


@pytest.mark.parametrize("seed", range(12))
def test_paying_for_active_power_alone_against_a_grid(seed):
    """Proved ranges of prices must cut nothing off: no schedule of a grid beats the bound."""
    rng = random.Random(100 + seed)
    kw = rng.choice([300, 600, 900])
    load = dlmp.Load(name="l", bus="end", legs=("ab",), kw=(rng.randint(50, 500),),
                     kvar=(rng.randint(0, 300),), connection="delta")
    devices = [dlmp.Datacenter(name="dc", bus="end", kw=kw, power_factor=0.8), load]
    if rng.random() < 0.5:
        devices.append(dlmp.StaticVarGenerator(name="s", bus="end", kvar=200, connection="delta"))
    net, price = feeder(*devices, length=rng.choice([1, 4])), [rng.uniform(20, 90) for _ in "12"]
    options = {"v_min": rng.choice([0.95, 0.985]), "penalty": rng.choice([300.0, 3000.0])}
    work = rng.uniform(0.3, 1.5) * kw / 1000
    m = bilevel(net, work, price, "active", **options)
    result = dlmp.solve_bilevel(m, gap=1e-3, time_limit=60)
    assert result.status == "optimal" and result.audit.passed
    top, best = kw / 1000, float("inf")
    dc, bus = m.dso.datacenter["dc"], m.dso.bus["end"]
    for k in range(41):
        p0 = max(0.0, work - top) + (min(top, work) - max(0.0, work - top)) * k / 40
        dc.p[0].set_value(p0)
        dc.p[1].set_value(work - p0)
        dlmp.solve_opf(m.dso)
        best = min(best, sum(m.dso.dual[bus.balance_p[phase, t]] * dc.p[t].value / 3
                             for phase in "abc" for t in (0, 1)))
    assert result.bound <= best + 1e-6 * (1 + abs(best))
    assert result.objective <= best + 1.1e-3 * abs(best)
