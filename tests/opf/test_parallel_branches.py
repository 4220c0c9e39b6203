"""Parallel branches and joints: one bank in the model, each member's own flow and rating."""

import numpy as np
import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp
from tests.feeders import engine
from tests.library.linear import check_ac, check_small, flow, scaled, solved, volts
from tests.library.nodal import Nodal

R = np.array([[.3, .1, .08], [.1, .32, .1], [.08, .1, .3]])
X = np.array([[.7, .25, .2], [.25, .65, .22], [.2, .22, .7]])
B = np.array([[4., -1, -.5], [-1, 4., -1], [-.5, -1, 4.]])
CODE = dlmp.LineCode(name="c", r=R, x=X, b=B)
LEAN = dlmp.LineCode(name="d", r=1.7 * R.T[::-1, ::-1], x=0.8 * X)
ONE = dlmp.LineCode(name="one", r=[[.5]], x=[[.6]])
ZERO = {n: dlmp.LineCode(name=f"z{n}", r=np.zeros((n, n)), x=np.zeros((n, n))) for n in (1, 3)}


def line(name, ends="se", code=CODE, length=1.0, **more):
    return dlmp.Line(name=name, from_bus=ends[0], to_bus=ends[1], code=code, length=length, **more)


def joint(name, ends, phases="abc", **more):
    return line(name, ends, ZERO[len(phases)], phases=phases, **more)


def load(bus, kw=(300, 200, 250), name=None):
    return dlmp.Load(name=name or f"load_{bus}", bus=bus, legs=("a", "b", "c"), kw=kw,
                     kvar=tuple(x / 3 for x in kw))


def feeder(*elements, buses="se", kv=12.47):
    return dlmp.Network("parallel", [dlmp.Substation(name="grid", bus="s"), *(
        dlmp.Bus(name=b, kv=kv) for b in buses), *elements])


CASES = {
    "two lines": [line("l1"), line("l2", code=LEAN, length=2.0)],
    "one conductor twice": [line("l1"), line("l2", code=ONE, phases="b")],
    "led from the other end": [line("l1"), line("l2", "es", LEAN)],
    "a joint beside one conductor": [line("l1"), joint("j", "se", "a")],
    "a joint beside": [line("l1"), joint("j", "se")],
    "three joints beside": [line("l1"), *(joint(f"j{k}", "se", k) for k in "abc")],
    "two joints": [joint("j1", "se"), joint("j2", "es")],
}


@pytest.mark.parametrize("case", CASES)
def test_two_buses(case):
    check_small(feeder(*CASES[case], load("e")))
    check_ac(feeder(*CASES[case], load("e", (900, 600, 700))))


JOINED = {
    "a switch at the end of one": [line("l1", "se"), line("l2", "sf", LEAN), joint("j", "ef")],
    "switches at both ends": [joint("i", "sg"), line("l1", "se"), line("l2", "gf", LEAN),
                              joint("j", "fe")],
    "a ring of switches": [line("l1", "se"), joint("i", "ef"), joint("j", "fg"),
                           line("l2", "sg")],
}


@pytest.mark.parametrize("case", JOINED)
def test_lines_between_joined_buses(case):
    parts = JOINED[case]
    buses = "".join(sorted({b for x in parts for b in (x.from_bus, x.to_bus)} - {"s"}))
    net = feeder(*parts, *(load(b) for b in buses), buses="s" + buses)
    check_small(net)
    if case != "a ring of switches":  # the model leaves one of them without current
        check_ac(net)


def unit(name, ends="se", **more):
    return dlmp.Transformer(**{"name": name, "from_bus": ends[0], "to_bus": ends[1], "kva": 1000,
                               "r_percent": 1.0, "x_percent": 5.0, **more})


def two_levels(*elements, buses="f"):
    return dlmp.Network("units", [
        dlmp.Substation(name="grid", bus="s"), dlmp.Bus(name="s", kv=12.47),
        dlmp.Bus(name="e", kv=0.48), *(dlmp.Bus(name=b, kv=0.48) for b in buses), *elements])


BANKS = {
    "two units": [unit("t1"), unit("t2", kva=500, x_percent=4)],
    "of different ratio": [unit("t1"), unit("t2", tap=1.02)],
    "delta-wye": [unit("t1", connection="delta-wye"), unit("t2", connection="delta-wye", kva=400)],
    "one phase more": [unit("t1"), unit("t2", phases="b", kva=300)],
    "exciting branch": [unit("t1", no_load_percent=.5, magnetizing_percent=1.0), unit("t2")],
}


@pytest.mark.parametrize("case", BANKS)
def test_units_in_parallel(case):
    """Circulating currents, too: what flows without a load is that of the exact circuit."""
    net = two_levels(*BANKS[case], load("e"), buses="")
    # what circulates is that of nominal voltages: a change of it is of second order
    check_small(net, within=1e-2 if case == "of different ratio" else 1e-3,
                **{b.name: "transformer" for b in BANKS[case]})
    check_ac(net)
    none = net.replacing(scaled(net.loads["load_e"], 1e-9))
    m, exact = solved(none), Nodal(none)
    for name in ("t1", "t2"):
        theirs = exact.mva(name)
        assert flow(m, name, "transformer") == pytest.approx(theirs, abs=2e-3), name


def test_units_with_switches_of_their_own():
    net = two_levels(
        joint("i", "sp"), unit("t1"), unit("t2", "pf", kva=500), joint("j", "ef"), load("e"),
        load("f"), dlmp.Bus(name="p", kv=12.47))
    check_small(net, t1="transformer", t2="transformer")
    check_ac(net)


def test_a_binding_rating_of_one_member_has_the_price_of_the_finite_difference():
    """The second line carries the greater part and is rated; a generator beyond relieves it."""
    gen = dlmp.Generator(name="gen", bus="e", kw_max=900, cost=90, kvar_min=-300, kvar_max=300)

    def cost(extra=0.0, price=False):
        net = feeder(line("l1", length=3.0), line("l2", length=1.0, rating_kva=150.0),
                     load("e"), gen, dlmp.Load(name="more", bus="e", legs=("a",), kw=(extra,),
                                               kvar=(0.0,)))
        m = solved(net, thermal_penalty=None, losses="quadratic", price=50)
        return m if price else pyo.value(m.cost)

    m = cost(price=True)
    price = m.dual[m.bus["e"].balance_p["a", 0]]
    assert (cost(1.0) - cost(-1.0)) / 0.002 == pytest.approx(price, rel=1e-4)
    assert price > 60 and np.abs(flow(m, "l2")).max() <= 0.150 + 1e-9
    assert m.line["l1"].component("thermal") is None
    parts = dlmp.results.decomposition_table(m)
    total = parts[(parts["bus"] == "e") & (parts["phase"] == "a")
                  & (parts["quantity"] == "active")]
    assert total["value"].sum() == pytest.approx(price, rel=1e-6)
    assert total.set_index("part")["value"]["congestion"] > 5
    summary = dlmp.results.summary_table(m, feeder(line("l1"), load("e")), tables(m))
    rows = summary.set_index("quantity")["value"]
    assert rows["thermal_limits_at_their_rating"] >= 1 and rows["losses"] > 0


def tables(m):
    from pyomo_dlmp import results
    empty = feeder(load("e"), line("l"))
    prices = results.prices_table(m)
    dispatch = results.dispatch_table(m, empty)
    return {"prices": prices, "voltages": results.voltages_table(m),
            "unbalance": results.unbalance_table(m), "dispatch": dispatch,
            "payments": results.payments_table(prices, dispatch, empty, 1.0)}


def test_losses_are_those_of_the_members():
    m = solved(feeder(line("l1"), line("l2", code=LEAN, length=2.0), load("e")),
               losses="quadratic")
    nominal = np.exp(-2j * np.pi * np.array([0, 1, -1]) / 3)
    by_member = 0.0
    for name, code, length in (("l1", CODE, 1.0), ("l2", LEAN, 2.0)):
        current = (flow(m, name) / nominal).conj()  # MVA per pu
        by_member += (current @ np.array(code.r) @ current.conj()).real * length / (12.47**2 / 3)
    assert pyo.value(m.parallel["l1"].loss[0]) == pytest.approx(by_member, rel=1e-6)


@pytest.mark.parametrize("case", [case for case in CASES if "joint" not in case])
def test_against_the_engine(case):
    """Lossless within a few per mille, and exact in the AC form: members' flows as well."""
    engine()
    net = feeder(*CASES[case], load("e", (900, 600, 700)))
    ac = dlmp.ac_power_flow(net)
    linear = solved(net)
    m = dlmp.build_opf(net, voltage_limits=None, form="ac", operating_point=ac.point)
    dlmp.solve_opf(m)
    for (bus, k, t), v in ac.point.voltages.items():
        assert linear.bus[bus].w[k, t].value ** .5 == pytest.approx(abs(v), abs=2e-3)
        assert volts(m.bus[bus], k, t) == pytest.approx(v, abs=1e-7)
    for (name, k, t), s in ac.point.flows.items():
        block, to_bus = m.line[name], net.branches[name].to_bus
        at = block.terminals.index((to_bus, k))
        v = np.array([volts(m.bus[b], x, t) for b, x in block.terminals])
        shunt = block.y[at].reshape(2, -1).sum(axis=0) @ v.reshape(2, -1)[1]  # its charging
        i = block.currents(t)[at] - shunt
        assert -volts(m.bus[to_bus], k, t) * i.conjugate() == pytest.approx(s, abs=1e-6), (name, k)
