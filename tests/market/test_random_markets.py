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
from tests.market.two_buses import bilevel, feeder


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
