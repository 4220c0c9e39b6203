"""Elements given by their admittance; loops, sources and losses that are refused by name."""

from itertools import pairwise

import numpy as np
import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.network.admittance import NodalAdmittance
from pyomo_dlmp.network.windings import transformer_admittance
from tests.library.linear import check_ac, check_small, scaled, solved
from tests.library.nodal import Nodal

R = np.array([[.3, .1, .08], [.1, .32, .1], [.08, .1, .3]])
CODE = dlmp.LineCode(name="c", r=R, x=2 * R)


def line(name, ends="se", code=CODE, length=1.0, **more):
    return dlmp.Line(name=name, from_bus=ends[0], to_bus=ends[1], code=code, length=length, **more)


def load(bus, kw=(300, 200, 250)):
    return dlmp.Load(name=f"load_{bus}", bus=bus, legs=("a", "b", "c"), kw=kw,
                     kvar=tuple(x / 3 for x in kw))


def feeder(*elements, buses="se", kv=12.47, **source):
    return dlmp.Network("reduced", [dlmp.Substation(name="grid", bus="s", **source), *(
        dlmp.Bus(name=b, kv=kv) for b in buses), *elements])


def element(y, *ends, name="y", conductors=None):
    wires = conductors or tuple("abc" for _ in ends)
    return NodalAdmittance(name=name, buses=tuple(ends), conductors=wires, g=y.real, b=y.imag)


def series(z):
    y = np.linalg.inv(z)
    return np.block([[y, -y], [-y, y]])


# ------------------------------------------------------------------------------- admittances


def test_a_series_element():
    """A line and a series capacitor, which raises the voltage."""
    check_small(feeder(element(series(R + .6j * R), "s", "e"), load("e")), y="admittance")
    capacitor = feeder(element(series(-2j * np.eye(3)), "s", "e"), load("e"))
    check_small(capacitor, y="admittance")
    assert solved(capacitor).bus["e"].w["a", 0].value > 1


def test_an_element_led_from_the_far_end_and_one_of_fewer_conductors():
    check_small(feeder(line("l"), element(series(R + 1j * R), "e", "f"), load("f"), buses="sef"),
                y="admittance")
    one = series(np.array([[.5 + .5j]]))
    check_small(feeder(line("l"), element(one, "e", "f", conductors=("b", "b")),
                       dlmp.Bus(name="f", kv=12.47, phases="b"), dlmp.Load(
        name="d", bus="f", legs=("b",), kw=(100,), kvar=(30,))), y="admittance")


def three_windings(z, ratio=1.0):
    """Y of three windings per phase, from the impedances that their current differences see."""
    spread = np.vstack([np.ones((1, 2)), -np.eye(2)]) / np.array([[1.0], [ratio], [1.0]])
    y1 = spread @ np.linalg.inv(z) @ spread.T
    return np.kron(y1, np.eye(3))


def test_three_windings_that_are_no_star():
    """Both far buses loaded: the currents of one drop the voltage of the other."""
    z = np.array([[1.0 + 6j, 0.8 + 2.5j], [0.8 + 2.5j, 1.5 + 9j]])
    net = feeder(element(three_windings(z), "s", "e", "f"), load("e"), line("l", "fg"),
                 load("g"), buses="sefg")
    check_small(net, y="admittance")
    check_ac(net)
    alone, both = solved(net.without("load_g")), solved(net)
    assert both.bus["e"].w["a", 0].value < alone.bus["e"].w["a", 0].value - 1e-4


def test_a_transformer_as_its_admittance_is_the_transformer():
    """Delta-wye: also what the flows are at the other side, and losses."""
    high, low = dlmp.Bus(name="s", kv=12.47), dlmp.Bus(name="e", kv=0.48)
    unit = dlmp.Transformer(name="t", from_bus="s", to_bus="e", kva=500, r_percent=1, x_percent=5,
                            connection="delta-wye")
    as_y = element(transformer_admittance(unit, high, low), "s", "e")
    head = [dlmp.Substation(name="grid", bus="s"), high, low, load("e", (100, 80, 120))]
    m, n = (solved(dlmp.Network("t", [*head, b]), losses="quadratic") for b in (unit, as_y))
    for k in "abc":
        assert m.bus["e"].w[k, 0].value == pytest.approx(n.bus["e"].w[k, 0].value, abs=1e-9)
        for power in ("p", "q"):
            ours, theirs = (getattr(x.substation["grid"], power)[k, 0].value for x in (m, n))
            assert ours == pytest.approx(theirs, abs=1e-9)
    assert pyo.value(m.cost) == pytest.approx(pyo.value(n.cost), rel=1e-6)


def test_a_general_shunt():
    """Lossy, coupled, unbalanced: its power at nominal voltage is exact."""
    y = np.array([[1 + 5j, -.3j, 0], [-.3j, .2 + 4j, -.1], [0, -.1, .5 - 2j]]) / 1e3
    net = feeder(line("l"), element(y, "e"), load("e"))
    check_small(net)
    check_ac(net)
    m, exact = solved(net.replacing(scaled(net.loads["load_e"], 1e-9))), Nodal(net, 1e-9)
    drawn = exact.mva("l")
    for i, k in enumerate("abc"):
        flow = complex(m.line["l"].p[k, 0].value, m.line["l"].q[k, 0].value)
        assert flow == pytest.approx(drawn[i], abs=2e-2 * abs(drawn).max())


@pytest.mark.parametrize(("y", "message"), [
    (series(R + 1j * R) + np.triu(np.ones((6, 6)), 1), "admittance 'y': its admittance is not "
     "reciprocal"),
    (np.kron(np.array([[0, 1j], [1j, 0]]), np.eye(3)), "admittance 'y': its currents do not follow "
     "from the voltages at 's'"),
])
def test_admittances_without_a_two_port(y, message):
    with pytest.raises(dlmp.ModelError) as caught:
        dlmp.build_opf(feeder(element(y, "s", "e"), load("e")))
    assert message in str(caught.value) and "ac_power_flow" in str(caught.value)


# ------------------------------------------------------------------------------------ loops


def test_loops_are_refused_with_their_branches_in_order():
    net = feeder(line("one", "se"), line("two", "ef"), line("three", "fg"), line("four", "gs"),
                 line("beside", "ef"), buses="sefg")
    with pytest.raises(dlmp.ModelError) as caught:
        dlmp.build_opf(net)
    text = str(caught.value)
    assert "closes a loop of branches" in text and "ac_power_flow" in text
    assert "line 'three'" in text and "'three', 'four', 'one', 'two'" in text


def test_a_regulator_bypassed_by_a_switch():
    zero = dlmp.LineCode(name="z", r=0 * R, x=0 * R)
    for taps, idle in (({"a": 0, "b": 0, "c": 0}, True), ({"a": 5, "b": 0, "c": 0}, False)):
        net = feeder(dlmp.Regulator(name="reg", from_bus="s", to_bus="e", taps=taps),
                     line("bypass", "se", zero), load("e"))
        if idle:
            m = solved(net)
            assert pyo.value(m.line["bypass"].p["a", 0]) == pytest.approx(0.3)
            assert pyo.value(m.regulator["reg"].p["a", 0]) == 0
            continue
        with pytest.raises(dlmp.ModelError, match="regulator 'reg': joints without impedance"):
            dlmp.build_opf(net)


def test_rated_switches_in_a_loop_of_their_own():
    zero = dlmp.LineCode(name="z", r=0 * R, x=0 * R)
    ring = [line(n, ends, zero, rating_kva=100) for n, ends in (
        ("i", "se"), ("j", "ef"), ("k", "fs"))]
    with pytest.raises(dlmp.ModelError, match="its share of the current is not determined"):
        dlmp.build_opf(feeder(*ring, buses="sef"))


# ------------------------------------------------------------------------ angles and losses


def test_a_rotation_of_names_is_a_turn_of_angles():
    """abc led on as bca: voltages follow the conductors; a swap of two is no positive sequence."""
    net = feeder(line("l", to_conductors="bca"), line("m", "ef"), load("f"), buses="sef")
    check_small(net)
    check_ac(net)
    with pytest.raises(dlmp.ModelError, match="bus 'e': its phases 'abc' are not in their order"):
        dlmp.build_opf(feeder(line("l", to_conductors="acb"), load("e")))


def test_angles_of_the_source():
    """A few degrees off 120 are taken; the error is measured against the exact circuit."""
    for off, tolerance in ((0.0, 1e-3), (2.0, 1.1e-3), (5.0, 2e-3)):
        net = feeder(line("l", length=2.0), load("e", (900, 700, 800)), kv=4.16 * 2,
                     angles=(30.0 + off, -90.0, 150.0), v_pu=(1.02, 1.0, 1.01))
        m, exact = solved(net), Nodal(net)
        worst = max(abs(m.bus["e"].w[k, 0].value ** .5 - abs(exact.pu("e", k))) for k in "abc")
        assert worst < tolerance
        check_ac(net)
    for angles, message in (((0.0, -110.0, 125.0), "more than 5"),
                            ((0.0, 120.0, -120.0), "not of positive sequence")):
        with pytest.raises(dlmp.ModelError) as caught:
            dlmp.build_opf(feeder(line("l"), load("e"), angles=angles))
        assert message in str(caught.value) and "substation 'grid'" in str(caught.value)


def test_a_resistance_that_is_not_positive():
    code = dlmp.LineCode(name="odd", r=R - .35 * np.eye(3), x=2 * R)
    net = feeder(line("l", code=code), load("e"))
    solved(net)
    with pytest.raises(dlmp.ModelError) as caught:
        dlmp.build_opf(net, losses="quadratic")
    assert "line 'l': its code 'odd' has the resistance eigenvalue -0." in str(caught.value)
    assert "losses=None" in str(caught.value)


def test_the_same_of_parallel_lines_and_of_an_admittance():
    odd = dlmp.LineCode(name="odd", r=R - .35 * np.eye(3), x=2 * R)
    pair = feeder(line("l", code=odd), line("k", code=odd), load("e"))
    capacitor = feeder(element(series(-.1 * R + 1j * R), "s", "e"), load("e"))
    for net, names in ((pair, "line 'l', parallel to line 'k': has losses that are not convex"),
                       (capacitor, "admittance 'y': has losses that are not convex")):
        solved(net)
        with pytest.raises(dlmp.ModelError) as caught:
            dlmp.build_opf(net)
        assert names in str(caught.value)


def test_without_angles():
    net = feeder(line("l"), line("k", length=3.0), line("m", "ef"), load("f"), buses="sef")
    m, n = solved(net), solved(net, angles=False)
    assert n.bus["f"].component("theta") is None
    for name in ("e", "f"):
        assert n.bus[name].w["a", 0].value == pytest.approx(m.bus[name].w["a", 0].value, abs=1e-9)
    assert pyo.value(n.line["k"].p["a", 0]) == pytest.approx(0.3 / 4)


def test_an_element_that_gives_a_conductor_no_voltage():
    y = series(np.array([[.5 + .5j]]))
    both = np.zeros((3, 3), dtype=complex)
    both[np.ix_([0, 1], [0, 1])] = y
    both[2, 2] = 1e-3
    with pytest.raises(dlmp.ModelError, match="admittance 'y': gives conductor 'b' no voltage"):
        dlmp.build_opf(dlmp.Network("dead", [
            dlmp.Substation(name="grid", bus="s"), dlmp.Bus(name="s", kv=4.8),
            dlmp.Bus(name="e", kv=4.8, phases="ab"),
            element(both, "s", "e", conductors=("a", "ab"))]))


def test_many_loops_and_neutrals_are_told_in_a_few_lines():
    size = range(8)
    names = {(i, j): f"{i}-{j}" for i in size for j in size}
    lines = [line(f"{kind}{i}-{j}", (names[i, j], names[there]), CODE)
             for (i, j) in names for kind, there in (("x", (i, j + 1)), ("y", (i + 1, j)))
             if there in names]
    grid = dlmp.Network("grid", [dlmp.Substation(name="grid", bus="0-0"), *lines, *(
        dlmp.Bus(name=name, kv=0.4) for name in names.values())])
    with pytest.raises(dlmp.ModelError, match="29 more branches close loops") as caught:
        dlmp.build_opf(grid)
    assert len(caught.value.faults) == 21
    row = [f"b{i}" for i in range(40)]
    four = dlmp.LineCode(name="four", r=np.eye(4), x=np.eye(4))
    wires = dlmp.Network("wires", [
        dlmp.Substation(name="grid", bus="b0"),
        *(dlmp.Bus(name=b, kv=0.4, neutrals="n", ground_r=10.0) for b in row),
        *(line(f"l{b}", (a, b), four, phases="abcn") for a, b in pairwise(row))])
    with pytest.raises(dlmp.ModelError, match="conductor 'n' of 40 buses is grounded through 10"):
        dlmp.build_opf(wires)
