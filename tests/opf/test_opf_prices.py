"""DLMPs are what one more unit of load costs: duals against finite differences of the cost."""

import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.results import decomposition_table

CODE = dlmp.LineCode(
    name="oh", r=[[.35, .1, .1], [.1, .33, .1], [.1, .1, .34]],
    x=[[.7, .3, .2], [.3, .72, .3], [.2, .3, .71]], b=[[9, -2, -1], [-2, 9, -2], [-1, -2, 9]])


def feeder(extra=(0.0, 0.0), phase="a"):
    """Three buses, a delta and a wye load; `extra` kW, kvar on one phase of the last bus."""
    return dlmp.Network("small", [
        dlmp.Bus(name="head", kv=4.8), dlmp.Bus(name="mid", kv=4.8), dlmp.Bus(name="end", kv=4.8),
        dlmp.Substation(name="grid", bus="head"),
        dlmp.Line(name="l1", from_bus="head", to_bus="mid", code=CODE, length=1.0),
        dlmp.Line(name="l2", from_bus="mid", to_bus="end", code=CODE, length=1.5, rating_kva=220),
        dlmp.Load(name="delta", bus="mid", legs=("ab",), kw=(200,), kvar=(90,),
                  connection="delta", model="impedance"),
        dlmp.Load(name="wye", bus="end", legs=("a", "b", "c"), kw=(150, 120, 100),
                  kvar=(60, 50, 30), model="current"),
        dlmp.Load(name="extra", bus="end", legs=(phase,), kw=(extra[0],), kvar=(extra[1],)),
        dlmp.Generator(name="gen", bus="end", kw_max=150, cost=70, cost2=80, kvar_min=-50,
                       kvar_max=50),
    ])


def solved(net, **options):
    m = dlmp.build_opf(net, periods=2, price=[50, 90], load_scale=[0.9, 1.1], **options)
    return m, dlmp.solve_opf(m)


CASES = {
    "LP": {"losses": None, "v_min": 0.9},
    "QP": {"losses": "quadratic", "v_min": 0.9},
    "voltage binds": {"losses": "quadratic", "v_min": 0.97, "voltage_limits": "hard"},
    "half hours": {"losses": "quadratic", "v_min": 0.985, "hours": 0.5},
}


@pytest.mark.parametrize("phase", "abc")
@pytest.mark.parametrize("name", CASES)
def test_duals_are_finite_differences(name, phase):
    net = feeder() if name != "LP" else _linear(feeder())
    m, _ = solved(net, **CASES[name])
    step = 0.01  # kW
    for t, scale in ((0, 0.9), (1, 1.1)):
        for balance, which in ((m.bus["end"].balance_p, 0), (m.bus["end"].balance_q, 1)):
            costs = []
            for sign in (1, -1):
                shifted = dlmp.build_opf(net, periods=2, price=[50, 90], load_scale=[0.9, 1.1],
                                         **CASES[name])
                bus = shifted.bus["end"]
                power = [0.0, 0.0]
                power[which] = -sign * step / 1000
                bus.inject((phase, t), *power)
                for row, net_power in ((bus.balance_p, bus.net_p), (bus.balance_q, bus.net_q)):
                    row[phase, t].set_value(net_power[phase, t] == 0)
                costs.append(dlmp.solve_opf(shifted).cost)
            slope = (costs[0] - costs[1]) / (2 * step / 1000)
            assert m.dual[balance[phase, t]] == pytest.approx(slope, abs=2e-3), (t, which, scale)


def _linear(net):
    gen = net.generators["gen"]
    return net.without("gen").with_devices(dlmp.Generator(
        name="gen", bus="end", kw_max=gen.kw_max, cost=70, kvar_min=-50, kvar_max=50))


def test_voltage_limit_binds_where_it_should():
    m, _ = solved(feeder(), **CASES["voltage binds"])
    assert min(pyo.value(m.bus["end"].w[k]) for k in m.bus["end"].w) ** 0.5 == pytest.approx(
        0.97, abs=1e-6)


def test_duals_agree_with_pyomo_and_highs():
    m, solution = solved(_linear(feeder()), **CASES["LP"])
    ours = {k: m.dual[m.bus["end"].balance_p[k]] for k in m.bus["end"].balance_p}
    other = m.clone()
    other.dual.clear()
    pyo.SolverFactory("highs").solve(other)
    assert pyo.value(other.cost) == pytest.approx(solution.cost, rel=1e-8)
    for k, price in ours.items():
        assert other.dual[other.bus["end"].balance_p[k]] == pytest.approx(price, abs=1e-5)


@pytest.mark.parametrize("options, words", [
    ({"losses": "cubic"}, ["losses", "cubic", "quadratic"]),
    ({"price": [50, 60, 70]}, ["price", "3 values", "2 periods"]),
    ({"voltage_limits": "firm"}, ["voltage_limits", "firm", "soft"]),
    ({"v_min": 1.1}, ["v_max", "1.1", "v_min"]),
    ({"penalty": 0}, ["penalty", "0"]),
    ({"hours": 0}, ["hours", "0"]),
    ({"datacenter_kw": {"dc9": 5}}, ["dc9", "no datacenter"]),
])
def test_wrong_options_are_named(options, words):
    with pytest.raises(dlmp.ModelError) as error:
        dlmp.build_opf(feeder(), **{"periods": 2, **options})
    assert all(word in str(error.value) for word in words)


def test_losses_cost_nothing_where_the_price_is_negative(caplog):
    """Valued at a negative price they would be wanted, which is not convex: a warning says so."""
    m = dlmp.build_opf(feeder(), periods=2, price=[50.0, -5.0])
    assert "period(s) 1" in caplog.text
    dlmp.solve_opf(m)
    loss = decomposition_table(m).query("part == 'loss'").groupby("period")["value"]
    assert loss.max()[0] > 0.1 and loss.max()[1] == loss.min()[1] == 0


@pytest.mark.parametrize("options, message", [
    ({"periods": 3, "price": [1, 2]}, "price: has 2 values for 3 periods"),
    ({"penaltee": 3}, "build_opf, penaltee: is not an option. Did you mean 'penalty'?"),
    ({"losses": "some"}, "losses: is 'some'"), ({"penalty": 0}, "penalty: is 0"),
    ({"voltage_limits": "firm"}, "voltage_limits: is 'firm'"),
    ({"thermal_sides": 2}, "thermal_sides: is 2. Give a whole number at least 4"),
    ({"datacenter_kw": {"x": 1}}, "datacenter_kw: names 'x'"),
])
def test_wrong_options_are_named_and_nothing_else_is_printed(options, message, caplog, capsys):
    with pytest.raises(dlmp.ModelError) as caught:
        dlmp.build_opf(feeder(), **options)
    assert message in str(caught.value)
    assert not caplog.records and capsys.readouterr() == ("", "")
