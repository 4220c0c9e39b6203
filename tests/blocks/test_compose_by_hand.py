"""Blocks alone, with no feeder file: three buses, a single-phase lateral, formulas by hand."""

import math
import pickle

import numpy as np
import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.results import decomposition_table

R = np.array([[.4, .1, .12], [.1, .38, .11], [.12, .11, .41]])
X = np.array([[.8, .3, .25], [.3, .82, .28], [.25, .28, .79]])
CODE = dlmp.LineCode(name="oh", r=R, x=X)
ONE = dlmp.LineCode(name="one", r=[[.9]], x=[[.6]])
KV2 = 4.8**2 / 3


def three_buses(load_kw=(100, 80, 60)):
    m = pyo.ConcreteModel()
    f = dlmp.blocks.Horizon(m, periods=1)
    m.head, m.mid, m.tap = dlmp.blocks.BusBlock(), dlmp.blocks.BusBlock(), dlmp.blocks.BusBlock()
    m.head.build(dlmp.Bus(name="head", kv=4.8), f)
    m.mid.build(dlmp.Bus(name="mid", kv=4.8), f)
    m.tap.build(dlmp.Bus(name="tap", kv=4.8, phases="b"), f)
    m.grid = dlmp.blocks.SubstationBlock()
    m.line, m.lateral = dlmp.blocks.LineBlock(), dlmp.blocks.LineBlock()
    m.grid.build(dlmp.Substation(name="grid", bus="head", v_pu=(1.0, 1.0, 1.0)), f, m.head, 40.0)
    m.line.build(dlmp.Line(name="line", from_bus="head", to_bus="mid", code=CODE, length=1.2),
                 f, m.head, m.mid)
    m.lateral.build(dlmp.Line(name="lat", from_bus="mid", to_bus="tap", code=ONE, length=0.7,
                              phases="b"), f, m.mid, m.tap)
    m.wye, m.single = dlmp.blocks.LoadBlock(), dlmp.blocks.LoadBlock()
    m.wye.build(dlmp.Load(name="wye", bus="mid", legs=("a", "b", "c"), kw=load_kw,
                          kvar=(40, 30, 20)), f, m.mid)
    m.single.build(dlmp.Load(name="single", bus="tap", legs=("b",), kw=(50,), kvar=(20,)),
                   f, m.tap)
    m.cost = pyo.Objective(expr=sum(m.grid.cost[t] for t in f.labels))
    return m


def drop(r, x, p, q, phases="abc"):
    """w_from - w_to of LinDist3Flow, entry by entry as in Gan and Low (2014)."""
    nominal = {"a": 0.0, "b": -2 * math.pi / 3, "c": 2 * math.pi / 3}
    z = np.array(r) + 1j * np.array(x)
    out = []
    for i, phi in enumerate(phases):
        total = 0.0
        for j, psi in enumerate(phases):
            turn = np.exp(1j * (nominal[phi] - nominal[psi]))
            total += 2 * (np.conj(z[i, j]) * (p[j] + 1j * q[j]) * np.conj(np.conj(turn))).real
        out.append(total)
    return np.array(out)


def test_voltages_by_hand():
    m = three_buses()
    dlmp.solve_opf(m)
    p, q = np.array([.1, .13, .06]), np.array([.04, .05, .02])
    w_mid = 1.0 - drop(R * 1.2 / KV2, X * 1.2 / KV2, p, q)
    for phase, w in zip("abc", w_mid, strict=True):
        assert m.mid.w[phase, 0].value == pytest.approx(w, abs=1e-9)
    w_tap = w_mid[1] - 2 * 0.7 / KV2 * (.9 * .05 + .6 * .02)
    assert m.tap.w["b", 0].value == pytest.approx(w_tap, abs=1e-9)
    assert sum(v.value for v in m.grid.p.values()) == pytest.approx(0.29, abs=1e-9)


def test_first_row_of_the_drop_matrix_written_out():
    """PHYSICS: 2 r_aa, -r_ab + sqrt3 x_ab, -r_ac - sqrt3 x_ac for P of row a."""
    unit = np.eye(3)
    row = [drop(R, X, unit[j], np.zeros(3))[0] for j in range(3)]
    s = math.sqrt(3)
    assert row == pytest.approx([2 * R[0, 0], -R[0, 1] + s * X[0, 1], -R[0, 2] - s * X[0, 2]])


@pytest.mark.parametrize("phases", ["a", "bc", "ca", "abc"])
def test_line_on_any_phases(phases):
    n = len(phases)
    code = dlmp.LineCode(name="c", r=R[:n, :n], x=X[:n, :n])
    m = pyo.ConcreteModel()
    f = dlmp.blocks.Horizon(m, periods=1)
    m.head, m.end = dlmp.blocks.BusBlock(), dlmp.blocks.BusBlock()
    m.head.build(dlmp.Bus(name="head", kv=4.8, phases=phases), f)
    m.end.build(dlmp.Bus(name="end", kv=4.8, phases=phases), f)
    m.grid, m.line = dlmp.blocks.SubstationBlock(), dlmp.blocks.LineBlock()
    m.grid.build(dlmp.Substation(name="g", bus="head", v_pu=(1.0,) * n), f, m.head, 40.0)
    m.line.build(dlmp.Line(name="l", from_bus="head", to_bus="end", code=code, length=1.0,
                           phases=phases), f, m.head, m.end)
    m.demand = dlmp.blocks.LoadBlock()
    kw, kvar = tuple(50 + 20 * i for i in range(n)), tuple(10 + 5 * i for i in range(n))
    m.demand.build(dlmp.Load(name="d", bus="end", legs=tuple(phases), kw=kw, kvar=kvar), f, m.end)
    m.cost = pyo.Objective(expr=m.grid.cost[0])
    dlmp.solve_opf(m)
    expected = 1 - drop(R[:n, :n] / KV2, X[:n, :n] / KV2, np.array(kw) / 1e3,
                        np.array(kvar) / 1e3, phases)
    assert [m.end.w[k, 0].value for k in phases] == pytest.approx(expected.tolist(), abs=1e-9)


def injected(build):
    """Injection p + jq per phase of a device on a free-standing bus at w = 1.02, theta = 0.01."""
    m = pyo.ConcreteModel()
    f = dlmp.blocks.Horizon(m, periods=1)
    m.bus = dlmp.blocks.BusBlock()
    m.bus.build(dlmp.Bus(name="b", kv=4.8), f)
    for k, phase in enumerate("abc"):
        m.bus.w[phase, 0].set_value(1.0 + 0.02 * k)
        m.bus.theta[phase, 0].set_value(0.01 * k)
    build(m, f)
    return np.array([pyo.value(m.bus.net_p[k, 0]) + 1j * pyo.value(m.bus.net_q[k, 0])
                     for k in "abc"]), m


def load(**data):
    def build(m, f):
        m.device = dlmp.blocks.LoadBlock()
        m.device.build(dlmp.Load(name="x", bus="b", **data), f, m.bus)
    return build


def test_delta_load_is_split_as_in_the_map():
    s, _ = injected(load(legs=("ab",), kw=(90,), kvar=(30,), connection="delta"))
    root = 2 * math.sqrt(3)
    a = (.09 / 2 + .03 / root) + 1j * (.03 / 2 - .09 / root)
    b = (.09 / 2 - .03 / root) + 1j * (.03 / 2 + .09 / root)
    assert s == pytest.approx(np.array([-a, -b, 0]), abs=1e-12)


@pytest.mark.parametrize("model, n", [("power", 0), ("current", 1), ("impedance", 2)])
def test_wye_load_follows_its_voltage(model, n):
    s, _ = injected(load(legs=("b",), kw=(60,), kvar=(20,), model=model))
    factor = 1 + n / 2 * 0.02
    assert s[1] == pytest.approx(-(0.06 + 0.02j) * factor, abs=1e-12)


def test_delta_svg_moves_active_power_between_phases():
    def build(m, f):
        m.svg = dlmp.blocks.SvgBlock()
        m.svg.build(dlmp.StaticVarGenerator(name="s", bus="b", kvar=300, connection="delta"),
                    f, m.bus)
        m.svg.q["ab", 0].set_value(0.1, skip_validation=True)

    s, m = injected(build)
    assert s.sum() == pytest.approx(0.1j, abs=1e-12)
    # a capacitor from a to b: S_a = jB (|Va|^2 - Va conj(Vb)) = B (sqrt3/2 + 1.5j), Q = 3B
    assert s[0].real == pytest.approx(+0.1 / (2 * math.sqrt(3)), abs=1e-12)
    assert s[1].real == pytest.approx(-0.1 / (2 * math.sqrt(3)), abs=1e-12)
    assert (m.svg.q["ab", 0].lb, m.svg.q["ab", 0].ub) == pytest.approx((-0.1, 0.1))


def test_wye_svg_makes_reactive_power_only():
    def build(m, f):
        m.svg = dlmp.blocks.SvgBlock()
        m.svg.build(dlmp.StaticVarGenerator(name="s", bus="b", kvar=300, connection="wye"),
                    f, m.bus)
        m.svg.q["c", 0].set_value(0.07)

    s, _ = injected(build)
    assert s == pytest.approx(np.array([0, 0, 0.07j]), abs=1e-12)


def test_datacenter_draws_balanced_and_lags():
    def build(m, f):
        m.dc = dlmp.blocks.DatacenterBlock()
        m.dc.build(dlmp.Datacenter(name="d", bus="b", kw=600, floor=.1, power_factor=.95), f,
                   m.bus)
        m.dc.p[0].set_value(0.3)

    s, m = injected(build)
    assert s == pytest.approx(np.full(3, -(0.1 + 0.1j * math.tan(math.acos(.95)))), abs=1e-12)
    assert (m.dc.p[0].lb, m.dc.p[0].ub) == pytest.approx((0.06, 0.6))


def test_losses_are_those_of_the_currents():
    m = three_buses()
    branch = m.line
    branch.add_losses(dlmp.blocks.Horizon(m, periods=1))
    flow = np.array([.2 + .1j, .15 - .05j, .3 + .02j])
    for phase, s in zip("abc", flow, strict=True):
        branch.p[phase, 0].set_value(s.real)
        branch.q[phase, 0].set_value(s.imag)
    alpha = np.exp(-2j * math.pi / 3 * np.arange(3))
    current = np.conj(flow / alpha)
    assert pyo.value(branch.loss[0]) == pytest.approx(
        (current.conj() @ (R * 1.2 / KV2) @ current).real, rel=1e-9)


def test_thermal_polygon_lies_inside_the_circle():
    m = three_buses()
    m.line.limit_flow(kva=200, sides=12)
    rows = [m.line.thermal["a", 0, k] for k in range(12)]
    for angle in np.linspace(0, 2 * math.pi, 73):
        for radius, inside in ((0.2 * math.cos(math.pi / 12), True), (0.2001, False)):
            m.line.p["a", 0].set_value(radius * math.cos(angle))
            m.line.q["a", 0].set_value(radius * math.sin(angle))
            assert all(pyo.value(r.body) <= pyo.value(r.upper) + 1e-9 for r in rows) is inside


def test_charging_of_a_line():
    m = pyo.ConcreteModel()
    f = dlmp.blocks.Horizon(m, periods=1)
    m.head, m.end, m.line = dlmp.blocks.BusBlock(), dlmp.blocks.BusBlock(), dlmp.blocks.LineBlock()
    m.head.build(dlmp.Bus(name="head", kv=4.8), f)
    m.end.build(dlmp.Bus(name="end", kv=4.8), f)
    B = np.array([[9., -2, -1], [-2, 8, -3], [-1, -3, 7]])
    m.line.build(dlmp.Line(name="l", from_bus="head", to_bus="end", length=2.0, code=dlmp.LineCode(
        name="c", r=R, x=X, b=B)), f, m.head, m.end)
    v = np.exp(-2j * math.pi / 3 * np.arange(3))  # w = 1 everywhere
    drawn = v * np.conj(1j * B * 1e-6 * 2.0 * KV2 / 2 @ v)
    ours = np.array([pyo.value(m.end.net_p[k, 0]) + 1j * pyo.value(m.end.net_q[k, 0])
                     for k in "abc"])
    assert ours == pytest.approx(-drawn, abs=1e-12)


def test_clone_and_pickle_solve_alike():
    m = three_buses()
    cost = dlmp.solve_opf(m).cost
    for copy in (m.clone(), pickle.loads(pickle.dumps(m))):
        assert dlmp.solve_opf(copy).cost == pytest.approx(cost, rel=1e-12)


def test_a_missing_phase_is_named():
    with pytest.raises(dlmp.ModelError, match=r"the wye leg 'a' at a bus with phases b"):
        m = pyo.ConcreteModel()
        f = dlmp.blocks.Horizon(m, periods=1)
        m.bus, m.dc = dlmp.blocks.BusBlock(), dlmp.blocks.DatacenterBlock()
        m.bus.build(dlmp.Bus(name="b", kv=4.8, phases="b"), f)
        m.dc.build(dlmp.Datacenter(name="d", bus="b", kw=600), f, m.bus)


def regulated(regulator, v=(1.0, 0.98, 1.01)):
    m = pyo.ConcreteModel()
    f = dlmp.blocks.Horizon(m, periods=1)
    m.head, m.out = dlmp.blocks.BusBlock(), dlmp.blocks.BusBlock()
    m.head.build(dlmp.Bus(name="head", kv=4.8), f)
    m.out.build(dlmp.Bus(name="out", kv=4.8), f)
    m.grid, m.reg = dlmp.blocks.SubstationBlock(), dlmp.blocks.RegulatorBlock()
    m.grid.build(dlmp.Substation(name="g", bus="head", v_pu=v), f, m.head, 40.0)
    m.reg.build(regulator, f, m.head, m.out)
    m.cost = pyo.Objective(expr=m.grid.cost[0])
    dlmp.solve_opf(m)
    return m


def test_wye_regulator():
    m = regulated(dlmp.Regulator(name="r", from_bus="head", to_bus="out",
                                 taps={"a": 8, "b": 5, "c": -3}))
    for phase, tap, v in (("a", 8, 1.0), ("b", 5, 0.98), ("c", -3, 1.01)):
        assert m.out.w[phase, 0].value == pytest.approx((v * (1 + .00625 * tap)) ** 2, abs=1e-9)


def test_open_delta_regulator_acts_on_line_to_line_voltages():
    from pyomo_dlmp.results import voltages_table

    m = regulated(dlmp.Regulator(name="r", from_bus="head", to_bus="out", taps={"ab": 7, "cb": 4},
                                 connection="open_delta"), v=(1.0, 1.0, 1.0))
    table = voltages_table(type("Dso", (), {"bus": {"out": m.out}, "periods": m.periods}))
    ll = table.query("quantity == 'line_to_line'").set_index("phase")["value"]
    a, c = 1 + .00625 * 7, 1 + .00625 * 4
    expected = {"ab": a, "bc": c, "ca": math.sqrt(a * a + c * c - a * c)}
    for pair, value in expected.items():
        assert ll[pair] == pytest.approx(value, abs=5e-4), pair


def _datacenter(**changes):
    return dlmp.Datacenter(**{"name": "dc", "bus": "one", "kw": 500.0, **changes})


def _line(**changes):
    return dlmp.Line(**{"name": "line", "from_bus": "one", "to_bus": "two", "code": CODE,
                        "length": 1.0, **changes})


@pytest.mark.parametrize("make, message", [
    (lambda: _line(code=dlmp.LineCode(name="thin", r=[[.3]], x=[[.3]])), "line 'line'.*3 x 3"),
    (lambda: _line(length=-2.0), "line 'line'.*length is -2"),
    (lambda: _line(from_bus="two", to_bus="one"), "has from_bus 'two' and is built at bus 'one'"),
    (lambda: _datacenter(bus="two"), "has bus 'two' and is built at bus 'one'"),
    (lambda: _datacenter(floor=1.5), "datacenter 'dc'.*floor is 1.5"),
    (lambda: _datacenter(power_factor=95), "datacenter 'dc'.*power_factor is 95"),
    (lambda: dlmp.Bus(name="three", kv=-1.0), "bus 'three'.*kv is -1"),
    (lambda: dlmp.Bus(name="three", kv="4.8"), "bus 'three'.*It must be a number"),
    (lambda: dlmp.Generator(name="g", bus="one", kw_max="5", cost=1.0),
     "generator 'g'.*kw_max is '5'"),
])
def test_data_of_a_block_are_checked_as_those_of_a_network(make, message):
    m = pyo.ConcreteModel()
    horizon = dlmp.blocks.Horizon(m, periods=1)
    m.one, m.two, m.three = (dlmp.blocks.BusBlock() for _ in range(3))
    m.one.build(dlmp.Bus(name="one", kv=4.8), horizon)
    m.two.build(dlmp.Bus(name="two", kv=4.8), horizon)
    element = make()
    block, ends = {
        dlmp.Line: (dlmp.blocks.LineBlock, (m.one, m.two)),
        dlmp.Datacenter: (dlmp.blocks.DatacenterBlock, (m.one,)),
        dlmp.Generator: (dlmp.blocks.GeneratorBlock, (m.one,)),
        dlmp.Bus: (dlmp.blocks.BusBlock, ()),
    }[type(element)]
    m.new = block()
    with pytest.raises(dlmp.errors.DlmpError, match=message):
        m.new.build(element, horizon, *ends)


def limited(source=1.0, **limits):
    """A line of 0.5 pu and a load of 0.2 MW on each phase: w = source^2 - 0.2 at its end."""
    m = pyo.ConcreteModel()
    f = dlmp.blocks.Horizon(m, periods=1)
    m.head, m.end = dlmp.blocks.BusBlock(), dlmp.blocks.BusBlock()
    m.head.build(dlmp.Bus(name="head", kv=math.sqrt(3.0)), f)
    m.end.build(dlmp.Bus(name="end", kv=math.sqrt(3.0), **limits), f)
    m.grid, m.line, m.demand = (
        dlmp.blocks.SubstationBlock(), dlmp.blocks.LineBlock(), dlmp.blocks.LoadBlock())
    m.gen = dlmp.blocks.GeneratorBlock()
    m.grid.build(dlmp.Substation(name="g", bus="head", v_pu=source), f, m.head, 40.0)
    code = dlmp.LineCode(name="c", r=0.5 * np.eye(3), x=np.zeros((3, 3)))
    m.line.build(dlmp.Line(name="l", from_bus="head", to_bus="end", code=code, length=1.0),
                 f, m.head, m.end)
    m.demand.build(dlmp.Load(name="d", bus="end", legs=("a", "b", "c"), kw=(200,) * 3,
                             kvar=(0,) * 3), f, m.end)
    m.gen.build(dlmp.Generator(name="gen", bus="end", kw_max=600, cost=100), f, m.end)
    m.cost = pyo.Objective(expr=m.grid.cost[0] + m.gen.cost[0])
    return m


@pytest.mark.parametrize(("limits", "w"), [
    ({}, 0.8), ({"v_min": 0.95}, 0.95**2), ({"v_max": 1.05}, 0.8),
    ({"v_min": 0.95, "v_max": 1.05}, 0.95**2), ({"v_min": 0.8}, 0.8)])
def test_limits_of_a_buss_data_hold_where_it_is_composed_by_hand(limits, w):
    m = limited(**limits)
    dlmp.solve_opf(m)
    assert m.end.w["a", 0].value == pytest.approx(w, abs=1e-7)
    prices = [m.dual[m.end.balance_p[k, 0]] for k in "abc"]  # that of each is not unique
    assert np.mean(prices) == pytest.approx(40 if w == 0.8 else 100, abs=1e-5)


def test_limits_by_hand_are_replaced_by_soft_ones():
    m = limited(source=1.02, v_min=0.95, v_max=1.05)  # one voltage for all phases
    m.end.limit_voltage(0.99, None, penalty=20.0)  # $/pu^2h: less than 60 $ per MW
    m.cost.set_value(m.cost.expr + m.end.cost)
    dlmp.solve_opf(m)
    assert m.end.w["a", 0].value == pytest.approx(1.02**2 - 0.2)
    assert m.dual[m.end.balance_p["a", 0]] == pytest.approx(40 + 20.0)
    assert m.end.component("v_high") is None


@pytest.mark.parametrize(("limits", "message"), [
    ((95, 105), "v_max is 105. Give a number above 0 and at most 2 pu, or None: no limit. (95 %"),
    ((1.05, 0.95), "v_min 1.05 pu is not below v_max 0.95 pu"),
    (("low", None), "v_min is 'low'")])
def test_limits_that_are_no_voltages_are_refused(limits, message):
    with pytest.raises(dlmp.ModelError) as caught:
        limited().end.limit_voltage(*limits)
    assert message in str(caught.value)


def test_prices_of_a_feeder_composed_by_hand_are_taken_apart():
    """0.95 pu at the end binds: one more MW there costs 40, and 60 for the limit."""
    m = pyo.ConcreteModel()
    f = dlmp.blocks.Horizon(m, periods=1)
    m.bus = dlmp.blocks.BusBlock(["head", "end"])
    for name in m.bus:
        m.bus[name].build(dlmp.Bus(name=name, kv=math.sqrt(3.0), phases="a"), f)
    m.bus["end"].limit_voltage(0.95, None)
    m.source, m.wire = dlmp.blocks.SubstationBlock(), dlmp.blocks.LineBlock()
    m.wants, m.gen = dlmp.blocks.LoadBlock(), dlmp.blocks.GeneratorBlock()
    m.source.build(dlmp.Substation(name="g", bus="head", v_pu=(1.0,)), f, m.bus["head"], 40.0)
    code = dlmp.LineCode(name="c", r=((0.5,),), x=((0.0,),))
    m.wire.build(dlmp.Line(name="l", from_bus="head", to_bus="end", code=code, length=1.0,
                           phases="a"), f, m.bus["head"], m.bus["end"])
    m.wants.build(dlmp.Load(name="d", bus="end", legs=("a",), kw=(200,), kvar=(0,)), f,
                  m.bus["end"])
    m.gen.build(dlmp.Generator(name="gen", bus="end", phases="a", kw_max=600, cost=100), f,
                m.bus["end"])
    m.cost = pyo.Objective(expr=m.source.cost[0] + m.gen.cost[0])
    dlmp.solve_opf(m)
    table = decomposition_table(m).query("bus == 'end' and quantity == 'active'")
    parts = table.set_index("part")["value"]
    assert parts["energy"] == pytest.approx(40)
    assert parts["voltage"] == pytest.approx(60)
    assert parts.sum() == pytest.approx(100)
    m.source.deactivate()
    with pytest.raises(dlmp.ModelError, match="the model: has 0 SubstationBlocks"):
        decomposition_table(m)


def test_limits_in_percent_are_refused():
    feeder = dlmp.load_feeder("ieee4_yy")
    for call in (lambda: dlmp.build_opf(feeder, v_min=95, v_max=105),
                 lambda: dlmp.solve_market("strategic", dlmp.Market(
                     feeder, 0.5, {"v_min": 95, "v_max": 105}))):
        with pytest.raises(dlmp.DlmpError) as caught:
            call()
        assert "v_min" in str(caught.value) and "(95 % is 0.95 pu.)" in str(caught.value)
