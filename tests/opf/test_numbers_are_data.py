"""A number that is set later gives what building with it gives: rows, objective, prices."""

import numpy as np
import pyomo.environ as pyo
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pyomo_dlmp as dlmp
from pyomo_dlmp.lower.form import compile_lower
from pyomo_dlmp.lower.kept import NUMBERS, KeptLower
from pyomo_dlmp.lower.kkt_system import build_kkt
from pyomo_dlmp.lower.solver import LowerSolver
from tests.models import CODE

FIRST = {
    "price": 40.0, "load": 0.8, "q_load": 0.7, "pv": 0.5, "g_min": 10.0, "g_max": 300.0,
    "gq_min": -50.0, "gq_max": 60.0, "g_cost": 55.0, "g_cost2": 20.0, "capacity": 200.0,
    "svg": 100.0, "total": 80.0, "b_kw": 60.0, "b_kvar": 30.0, "b_min": 20.0, "b_max": 150.0,
    "b_start": 70.0, "b_cost": 3.0, "v_min": 0.95, "v_max": 1.05, "penalty": 2000.0}
# of all others: half to twice the first value
RANGE = {"price": (-60.0, 90.0), "load": (0.0, 1.5), "pv": (0.0, 1.2), "g_min": (0.0, 40.0),
         "gq_min": (-90.0, 20.0), "g_cost": (-20.0, 80.0), "g_cost2": (0.0, 50.0),
         "b_min": (0.0, 60.0), "b_start": (61.0, 74.0), "v_min": (0.9, 0.98), "v_max": (1.02, 1.1),
         "b_cost": (0.0, 9.0)}


def built(n):
    """A feeder of four buses with a device of each kind."""
    net = dlmp.Network("small", [
        dlmp.Substation(name="s", bus="0"),
        *(dlmp.Bus(name=name, kv=4.16) for name in "0123"),
        *(dlmp.Line(name=f"l{k}", from_bus=str(k), to_bus=str(k + 1), code=CODE, length=1.0)
          for k in range(3)),
        dlmp.Load(name="home", bus="2", legs=("a", "b", "c"), kw=(90, 60, 80), kvar=(30, 25, 20),
                  model="zip", coefficients=(0.2, 0.3, 0.5, 0.2, 0.3, 0.5), profile="day"),
        dlmp.Load(name="shop", bus="3", legs=("a", "b", "c"), kw=(60, 90, 50), kvar=(20, 30, 25)),
        dlmp.Generator(name="pv", bus="3", kw_min=n["g_min"], kw_max=n["g_max"],
                       kvar_min=n["gq_min"], kvar_max=n["gq_max"], cost=n["g_cost"],
                       cost2=n["g_cost2"], profile="sun"),
        dlmp.Datacenter(name="dc", bus="2", kw=n["capacity"], floor=0.1, power_factor=0.95),
        dlmp.StaticVarGenerator(name="each", bus="3", kvar=n["svg"], connection="delta"),
        dlmp.StaticVarGenerator(name="together", bus="2", kvar=n["total"], sharing="total",
                                loss_percent=1.0),
        dlmp.Storage(name="cell", bus="1", kw_max=n["b_kw"], kvar_max=n["b_kvar"],
                     kwh_min=n["b_min"], kwh_max=n["b_max"], kwh_start=n["b_start"],
                     cost=n["b_cost"])], profiles=[
        dlmp.Profile(name="day", values=(n["load"], 0.5), q_values=(n["q_load"], 0.6)),
        dlmp.Profile(name="sun", values=(n["pv"], 0.9))])
    m = pyo.ConcreteModel()
    m.dso = dlmp.LowerLevel()
    dlmp.build_opf(net, into=m.dso, periods=2, price=[n["price"], 30.0],
                   load_scale="profiles", v_min=n["v_min"], v_max=n["v_max"],
                   penalty=n["penalty"])
    for t in m.dso.periods:
        m.dso.datacenter["dc"].p[t].set_value(0.05)
    return m


def params(m):
    """{name: the Params that hold it, and how much of them one unit is}."""
    d = m.dso
    g, cell = d.generator["pv"], d.storage["cell"]
    kilo = {"g_min": [g.p_min], "g_max": [g.p_max], "gq_min": [g.q_min], "gq_max": [g.q_max],
            "capacity": list(d.datacenter["dc"].capacity.values()),
            "svg": [d.svg["each"].rating_mvar], "total": [d.svg["together"].rating_mvar],
            "b_kw": [cell.power_max], "b_kvar": [cell.q_max], "b_min": [cell.energy_min],
            "b_max": [cell.energy_max], "b_start": [cell.energy_start]}
    one = {"price": [d.substation["s"].price[0]], "load": [d.demand["home"].scale[0]],
           "q_load": [d.demand["home"].q_scale[0]],
           "pv": [g.scale[0]], "g_cost": [g.cost_linear], "g_cost2": [g.cost_quadratic],
           "b_cost": [cell.cost_linear]}
    for name in ("v_min", "v_max", "penalty"):
        one[name] = [bus.component(name) for bus in d.bus.values()
                     if bus.component(name) is not None]
    return {k: (v, 1e-3) for k, v in kilo.items()} | {k: (v, 1.0) for k, v in one.items()}


def arrays(form):
    """Arrays of a form with columns and rows by name, which may stand in another order."""
    x, u, r = (np.argsort(names) for names in (
        form.names_x, [v.name for v in form.u], form.names_row))
    names = [sorted(form.names_x), sorted(v.name for v in form.u), sorted(form.names_row)]
    Q, D, A, B = (getattr(form, key).toarray() for key in "QDAB")
    return names, [Q[x][:, x], D[x][:, u], A[r][:, x], B[r][:, u], form.c[x], form.lo[r],
                   form.hi[r], form.lb[x], form.ub[x]]


def check_set_later(changes):
    """Setting the Params equals building with the numbers, and reading again equals compiling."""
    m = built(FIRST)
    kept = KeptLower(m.dso)
    held = params(m)
    for name, value in changes.items():
        for param in held[name][0]:
            param.set_value(value * held[name][1])
    assert kept.update() in (NUMBERS, "nothing")
    fresh = built(FIRST | changes)
    there = build_kkt(compile_lower(fresh.dso))
    (names, here), (others, expected) = arrays(kept.kkt.form), arrays(there.form)
    assert names == others
    for one, other in zip(here, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)
    for one, other in zip(arrays(compile_lower(m.dso))[1], expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)
    one, other = kept.solver.solve_here(), LowerSolver(there).solve_here()
    assert one.cost == pytest.approx(other.cost, rel=1e-9, abs=1e-9)
    one.load()
    other.load()
    for name, bus in m.dso.bus.items():
        for k, row in bus.balance_p.items():
            assert m.dso.dual[row] == pytest.approx(
                fresh.dso.dual[fresh.dso.bus[name].balance_p[k]], rel=1e-9, abs=1e-7)


def spans():
    for name in params(built(FIRST)):
        low, high = RANGE.get(name, (0.5 * FIRST[name], 2.0 * FIRST[name]))
        yield name, st.floats(low, high).map(lambda v: round(v, 3))


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.fixed_dictionaries({}, optional=dict(spans())))
def test_numbers_set_later_are_as_if_built_with_them(changes):
    check_set_later(changes)


@pytest.mark.parametrize("first, then", [(40.0, -25.0), (-25.0, 40.0), (0.0, -1.0), (-3.0, 0.0)])
def test_a_price_may_change_its_sign(first, then):
    m = built(FIRST | {"price": first})
    kept = KeptLower(m.dso)
    m.dso.substation["s"].price[0].set_value(then)
    kept.update()
    fresh = build_kkt(compile_lower(built(FIRST | {"price": then}).dso))
    assert (abs(kept.kkt.form.Q - fresh.form.Q)).max() <= 1e-12
    assert np.abs(kept.kkt.form.c - fresh.form.c).max() <= 1e-12
