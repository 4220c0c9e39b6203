"""Critical regions against the lower level solved apart, at random upper decisions."""

import numpy as np
import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.bilevel import upper_objective
from pyomo_dlmp.lower.form import compile_lower
from pyomo_dlmp.lower.kept import KeptLower
from pyomo_dlmp.lower.kkt_system import build_kkt
from pyomo_dlmp.lower.solver import LowerSolver
from pyomo_dlmp.parametric import NotExplicit, condense, enumerate_regions, read_upper
from pyomo_dlmp.parametric.condensed import CondensedQp
from tests.models import bilevel, consumer, day_market, feeder


def parts_of(m, low) -> tuple[list[CondensedQp], object]:
    kkt = build_kkt(compile_lower(low))
    upper = read_upper(m, [kkt], next(o for o in m.component_data_objects(
        pyo.Objective, active=True) if o is not kkt.form.objective))
    return condense(kkt, upper.paid(0), upper.wanted(0), kkt.form.u_box()), kkt


def check_regions(m, low, points: int = 20) -> list:
    """Regions cover the range, and their answers are the lower level's own (prices included)."""
    parts, kkt = parts_of(m, low)
    found = [enumerate_regions(part) for part in parts if part.m]
    solver = LowerSolver(kkt)
    rng = np.random.default_rng(1)
    lo, hi = kkt.form.u_box()
    for _ in range(points):
        u = lo + (hi - lo) * rng.random(len(lo))
        solution = solver.solve(u)
        for regions in found:
            part, a = regions.part, regions.at(u[regions.part.u]).affine
            w = a.W @ u[part.u] + a.w0
            assert w == pytest.approx(solution.x[part.w], abs=1e-6)
            assert a.U @ u[part.u] + a.u0 == pytest.approx(solution.mu[part.pair], abs=1e-4)
    return found


def test_a_merit_order_by_hand():
    """Two generators and shortage: rising cost, a full one, both full."""
    m = consumer()
    first, second = check_regions(m, m.low)
    # hour 0: only g0 up to 3 (its cost reaches 22), g1 from 30 + ..: 0 | g0 | g0 full, g1 | ...
    edges = sorted({round(float(e), 6) for r in first.regions
                    for e in 4 * np.clip(r.polytope.vertices.ravel(), 0, 1)})
    assert edges == pytest.approx([0, 3, 4])
    assert first.covered == pytest.approx(1.0) and second.covered == pytest.approx(1.0)


@pytest.mark.parametrize("seed", range(6))
def test_a_feeder_with_voltage_limits_that_bind(seed):
    rng = np.random.default_rng(seed)
    sites = [dlmp.Datacenter(name=f"dc{i}", bus="end", kw=float(rng.integers(200, 700)),
                             floor=0.1, power_factor=0.9) for i in range(1 + seed % 3)]
    load = dlmp.Load(name="l", bus="end", legs=("ab",), kw=(float(rng.integers(50, 500)),),
                     kvar=(100.0,), connection="delta")
    m = bilevel(feeder(*sites, load), 0.3, [40.0, 60.0], v_min=0.985, penalty=500.0)
    check_regions(m, m.dso)


def test_a_price_that_jumps_where_nothing_can_move():
    """Steps of an LP: at each full generator the price jumps, and no row can become active."""
    m = pyo.ConcreteModel()
    m.u = pyo.Var(bounds=(0, 6))
    m.low = dlmp.LowerLevel()
    m.low.g = pyo.Var([0, 1, 2], bounds=(0, 2))
    m.low.short = pyo.Var(domain=pyo.NonNegativeReals)
    m.low.balance = pyo.Constraint(expr=sum(m.low.g.values()) + m.low.short - m.u == 1)
    m.low.cost = pyo.Objective(
        expr=10 * m.low.g[0] + 20 * m.low.g[1] + 40 * m.low.g[2] + 90 * m.low.short)
    m.pay = pyo.Objective(expr=(m.low.dual_of(m.low.balance) - 35) * m.u)
    (found,) = check_regions(m, m.low)
    assert len(found.regions) == 4  # 10, 20, 40 and 90 $ up to u = 1, 3, 5, 6


def test_no_answer_somewhere_is_refused():
    m = pyo.ConcreteModel()
    m.u = pyo.Var(bounds=(0, 3))
    m.low = dlmp.LowerLevel()
    m.low.g = pyo.Var(bounds=(0, 2))
    m.low.balance = pyo.Constraint(expr=m.low.g - m.u == 0)  # nothing serves more than 2
    m.low.cost = pyo.Objective(expr=m.low.g)
    m.pay = pyo.Objective(expr=m.low.dual_of(m.low.balance) * m.u)
    parts, _ = parts_of(m, m.low)
    with pytest.raises(NotExplicit, match=r"cover|range"):
        enumerate_regions(parts[0])


def test_too_many_are_refused_as_near():
    m = consumer()
    parts, _ = parts_of(m, m.low)
    with pytest.raises(NotExplicit, match="more than 1 critical") as err:
        enumerate_regions(parts[0], most=1)
    assert err.value.too_large


def test_hours_share_an_elimination_and_new_numbers_are_as_if_condensed_anew():
    m = day_market()
    kept = KeptLower(m.dso)
    upper = read_upper(m, [kept.kkt], upper_objective(m))

    def condensed(previous=None):
        return condense(kept.kkt, upper.paid(0), upper.wanted(0), kept.kkt.form.u_box(),
                        previous=previous)

    first = condensed()
    assert len({id(maps.flows) for maps in first.maps}) == 1  # loads of constant power
    price = m.dso.substation["grid"].price
    for change in (lambda: price.__setitem__(1, 70.0), lambda: m.dso.bus["end"].w.setub(1.2),
                   lambda: m.dso.datacenter["dc"].p.setub(0.5)):
        change()
        kept.update()
        again, fresh = condensed(first), condensed()
        for one, other in zip(again, fresh, strict=True):
            for name, value in vars(other).items():
                np.testing.assert_array_equal(getattr(one, name), value, err_msg=name)
        first = again


def test_a_region_that_only_the_margin_of_the_range_meets_is_found():
    """Three voltage limits become tight at once, 5e-5 of the range beyond its end."""
    pv = dlmp.Generator(name="pv", bus="end", kw_max=300, cost=20, cost2=80)
    load = dlmp.Load(name="l", bus="end", legs=("a", "b", "c"), kw=(100,) * 3, kvar=(40,) * 3)
    site = dlmp.Datacenter(name="dc", bus="end", kw=900, floor=0.1)
    m = bilevel(feeder(load, pv, site), 0.5, [48.4], v_min=0.97, load_scale={"pv": 0.64})
    found = check_regions(m, m.dso)
    assert [len(regions.regions) for regions in found] == [2]
