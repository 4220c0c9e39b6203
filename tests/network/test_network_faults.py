"""Each kind of fault: the message names the element, the value and the cure."""

import dataclasses
import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyomo_dlmp.errors import NetworkError
from pyomo_dlmp.network import (
    Bus,
    CenterTappedTransformer,
    Datacenter,
    Generator,
    Line,
    LineCode,
    Load,
    Network,
    NodalAdmittance,
    Regulator,
    StaticVarGenerator,
    Substation,
    Transformer,
)
from pyomo_dlmp.network.faults.all import element_faults
from pyomo_dlmp.network.windings import unit_admittance

I3 = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
CODE = LineCode(name="code", r=I3, x=I3)


def line(name="l", from_bus="s", to_bus="t", **more):
    return Line(**{"name": name, "from_bus": from_bus, "to_bus": to_bus, "code": CODE,
                   "length": 1.0, **more})


def coded(**matrices):
    return line(code=LineCode(**{"name": "code", "r": I3, "x": I3, **matrices}))


def regulator(name="reg", from_bus="s", to_bus="t", taps=None, **more):
    taps = {"a": 1, "b": 1, "c": 1} if taps is None else taps
    return Regulator(name=name, from_bus=from_bus, to_bus=to_bus, taps=taps, **more)


def transformer(**more):
    return Transformer(**{"name": "xfm", "from_bus": "s", "to_bus": "t", "kva": 100.0,
                          "r_percent": 1.0, "x_percent": 2.0, **more})


def load(**more):
    return Load(**{"name": "d", "bus": "t", "legs": ("a",), "kw": (1.0,), "kvar": (0.0,), **more})


def generator(**more):
    return Generator(**{"name": "g", "bus": "t", "kw_max": 5.0, "cost": 20.0, **more})


def datacenter(**more):
    return Datacenter(**{"name": "dc", "bus": "t", "kw": 100.0, **more})


def svg(**more):
    return StaticVarGenerator(**{"name": "svg", "bus": "t", "kvar": 50.0, **more})


def shunt(**more):
    return NodalAdmittance(**{"name": "y", "buses": ("t",), "conductors": ("a",),
                              "g": ((1.0,),), "b": ((0.0,),), **more})


S, T = Bus(name="s", kv=4.8), Bus(name="t", kv=4.8)
GRID = Substation(name="grid", bus="s")
T_AB = Bus(name="t", kv=4.8, phases="ab")
L_AB = line(phases="ab", code=LineCode(name="two", r=((1, 0), (0, 1)), x=((1, 0), (0, 1))))


def faults_of(*elements):
    with pytest.raises(NetworkError) as caught:
        Network("n", elements)
    return caught.value.faults


# Devices and branches added to (or standing in for) those of a sound two-bus feeder.
DEVICE_FAULTS = [
    (load(bus="tt"), "load 'd': bus 'tt' is not a bus. Did you mean 't'?"),
    (load(legs=("a", "b")), "load 'd': 2 legs, 1 kw and 1 kvar. Give one kw and one kvar"),
    (load(legs=(), kw=(), kvar=()), "load 'd': 0 legs, 0 kw and 0 kvar. Give"),
    (load(legs=("d",)), "load 'd': phase 'd' is not at bus 't' (phases 'abc')"),
    (load(legs=("?",)), "load 'd': leg '?' of a wye load. Legs are 'a', 'b', 'c'."),
    (load(legs=("an",)), "load 'd': phase 'n' is not at bus 't' (phases 'abc')"),
    (load(legs=("na",)), "load 'd': leg 'na' of a wye load. Write it as 'an'."),
    (generator(neutral="a"), "neutral is 'a', its connection 'wye'. Give one conductor such as"),
    (generator(neutral="n", connection="delta"), "neutral is 'n', its connection 'delta'."),
    (load(connection="delta"), "leg 'a' of a delta load. Legs are 'ab', 'bc', 'ca'."),
    (load(connection="delta", legs=("ac",)), "leg 'ac' of a delta load. Write it as 'ca'."),
    (load(legs=("a", "a"), kw=(1, 1), kvar=(1, 1)), "legs 'a', 'a' repeat. Add up"),
    (load(kw=(math.nan,)), "load 'd': kw[0] is nan. Give a finite number."),
    (load(kw=5.0), "load 'd': kw is 5.0. It must be a tuple of numbers."),
    (load(kw=("5",)), "load 'd': kw is ('5',). It must be a tuple of numbers."),
    (load(name=" d"), "the name ' d' is empty or has spaces around"),
    (load(name=""), "the name '' is empty"),
    (load(name=3), "load 3: name is 3. It must be a string."),
    (generator(kw_min=9.0), "generator 'g': kw_min 9 kW exceeds kw_max 5 kW. Give kw_min <="),
    (generator(kvar_min=1.0), "kvar_min 1 kvar exceeds kvar_max 0 kvar. Give kvar_min <="),
    (generator(cost2=-1.0), "cost2 is -1. It must be at least 0 $/MW^2h, or the cost is not"),
    (generator(kw_max=-5.0), "generator 'g': kw_max is -5. It must be at least 0 kW."),
    (generator(kvar_max=math.inf), "generator 'g': kvar_max is inf. Give a finite number."),
    (generator(cost="20"), "generator 'g': cost is '20'. It must be a number."),
    (generator(kw_max=10**400), "generator 'g': kw_max is inf. Give a finite number."),
    (datacenter(floor=1.5), "datacenter 'dc': floor is 1.5. It must be at least 0 and at most 1"),
    (datacenter(power_factor=0.0), "power_factor is 0. It must be above 0 and at most 1."),
    (datacenter(power_factor=1.01), "power_factor is 1.01. It must be above 0 and at most 1."),
    (datacenter(kw=-1.0), "datacenter 'dc': kw is -1. It must be at least 0 kW."),
    (datacenter(kw=True), "datacenter 'dc': kw is True. It must be a number."),
    (datacenter(phases="abd"), "datacenter 'dc': phases is 'abd'. Give some of a, b, c"),
    (datacenter(phases="aab"), "datacenter 'dc': phases is 'aab'. Give some of a, b, c"),
    (datacenter(phases=""), "datacenter 'dc': phases is ''. Give some of a, b, c"),
    (svg(kvar=-50.0), "svg 'svg': kvar is -50. It must be at least 0 kvar."),
    (svg(connection="delta", phases="ab"), "delta with phases 'ab'. A delta svg needs phases"),
    (line("l4", "t", "u"), "line 'l4': to_bus 'u' is not a bus. Known are 's', 't'."),
    (line("l4", "t", "t"), "line 'l4': both ends are at bus 't'. Give two different buses"),
    (Substation(name="grid2", bus="t"), "it has 2 substations: 'grid', 'grid2'. Keep exactly one"),
    (Bus(name="u", kv=4.8), "bus 'u': no branch leads from the substation to 1 bus(es): 'u'. Conn"),
    (Bus(name="t", kv=4.8), "bus 't': the name 't' is taken by a bus. Each bus needs a name"),
    (regulator("l"), "regulator 'l': the name 'l' is taken by a line. Each branch needs a name"),
    ("a string", "network 'n': 'a string' is not an element. Elements are Bus, Substation"),
]


@pytest.mark.parametrize("added, message", DEVICE_FAULTS, ids=[m[:50] for _, m in DEVICE_FAULTS])
def test_added_element(added, message):
    assert any(message in str(fault) for fault in faults_of(S, T, GRID, line(), added))


# One branch between the two buses, each of them possibly wrong.
BRANCH_FAULTS = [
    ([S, T, line(length=0.0)], "line 'l': length is 0. It must be above 0 km."),
    ([S, T, line(length=-1.0)], "line 'l': length is -1. It must be above 0 km."),
    ([S, T, line(length=None)], "line 'l': length is None. It must be a number."),
    ([S, T, line(rating_kva=0.0)], "line 'l': rating_kva is 0. It must be above 0 kVA."),
    ([S, T, line(rating_kva=math.inf)], "rating_kva is inf. Give a finite number, or leave it"),
    ([S, T, line(code="721")], "line 'l': code is '721'. It must be a LineCode."),
    ([S, T, coded(r=((1.0,),))], "code 'code': r has 1 rows of 1 for phases 'abc'. Give a 3 x 3"),
    ([S, T, coded(b=(I3[0],))], "code 'code': b has 1 rows of 3 for phases 'abc'. Give a 3 x 3"),
    ([S, T, coded(x=((1, 0, 2), *I3[1:]))], "x is not symmetric: [0][2] and [2][0] differ by 2."),
    ([S, T, line(to_conductors="bb")], "to_conductors is 'bb' for phases 'abc'. Give as many"),
    ([S, T, line(to_conductors="bcn")], "line 'l': phase 'n' is not at bus 't' (phases 'abc')"),
    ([S, Bus(name="t", kv=4.8, ground_r=5.0), line()], "ground_r is 5.0, ground_x is None and it"),
    ([S, Bus(name="t", kv=4.8, neutrals="nn"), line()], "neutrals is 'nn'. Give 'n', or further"),
    ([S, T, line(), shunt(conductors=("a", "b"))], "1 buses and 2 groups of conductors. Give the"),
    ([S, T, line(), shunt(conductors=("ab",))], "g is not 2 x 2. Give one row and column for each"),
    ([S, T, line(), shunt(conductors=("n",))], "admittance 'y': phase 'n' is not at bus 't'"),
    ([S, T, coded(x=((math.nan,) * 3,) * 3)], "line code 'code': x holds nan. Give finite"),
    ([S, T, coded(r="I")], "line 'l', code 'code': r is 'I'. It must be a matrix"),
    ([S, T, line(phases="ab")], "r has 3 rows of 3/3/3 for phases 'ab'. Give a 2 x 2 matrix"),
    ([S, T_AB, line()], "line 'l': phase 'c' is not at bus 't' (phases 'ab'). Use the phases"),
    ([S, T, L_AB], "bus 't': phase 'c' is not fed by line 'l' (phases 'ab'). Remove the phase"),
    ([S, T_AB, L_AB, datacenter()], "datacenter 'dc': phase 'c' is not at bus 't' (phases 'ab')"),
    ([S, T_AB, L_AB, load(connection="delta", legs=("bc",))], "load 'd': phase 'c' is not at bus"),
    ([S, T_AB, L_AB, svg(connection="delta")], "svg 'svg': phase 'c' is not at bus 't'"),
    ([S, Bus(name="t", kv=0.48), line()], "its ends are at 4.8 kV ('s') and 0.48 kV ('t'). Only a"),
    ([S, Bus(name="t", kv=0.48), regulator()], "regulator 'reg': its ends are at 4.8 kV ('s')"),
    ([S, Bus(name="t", kv=0.0), line()], "bus 't': kv is 0. It must be above 0 and at "
     "most 1200 kV."),
    ([S, Bus(name="t", kv="4.8"), line()], "bus 't': kv is '4.8'. It must be a number."),
    ([S, Bus(name="t", kv=4.8, x=math.nan), line()], "bus 't': x is nan. Give a finite number, or"),
    ([S, Bus(name="t", kv=4.8, v_min=1.1, v_max=0.9), line()], "v_min 1.1 pu is not below v_max 0"),
    ([S, T, regulator(taps={"a": 1})], "taps are for 'a', phases are 'abc'. Give one tap for each"),
    ([S, T, regulator(taps={"a": 1, "b": 40, "c": 1})], "taps['b'] is 40. It must be at least -32"),
    ([S, T, regulator(taps={"a": 1, "b": 1.5, "c": 1})], "It must be a dict of whole numbers"),
    ([S, T, regulator(kva=1.0)], "regulator 'reg': kva is 1, r_percent and x_percent are 0. Give"),
    ([S, T, regulator(kind="C")], "regulator 'reg': kind is 'C'. It must be one of 'A', 'B'."),
    ([S, T, regulator(connection="open_delta", taps={"ab": 1, "ba": 2})],
     "open delta taps are for 'ab', 'ba'. Give two different pairs"),
    ([S, T_AB, regulator(connection="open_delta", phases="ab", taps={"ab": 1, "cb": 2})],
     "open delta with phases 'ab'. An open delta needs phases 'abc'."),
    ([S, T, regulator(from_bus="t", to_bus="s")], "regulator 'reg': from_bus 't' is farther from "
     "the substation than to_bus 's'. Swap its ends"),
    ([S, T, transformer(from_bus="t", to_bus="s")], "transformer 'xfm': from_bus 't' is farther"),
    ([S, T, transformer(connection="zig-zag")], "transformer 'xfm': connection is 'zig-zag'. It"),
    ([S, T_AB, transformer(connection="wye-delta", phases="ab")],
     "connection 'wye-delta' with phases 'ab'. A delta winding needs phases 'abc'"),
    ([S, T, transformer(connection="delta-wye", from_legs=("a",))],
     "from_legs holds 'a', its from winding is delta"),
    ([S, T, transformer(from_kv=0.0)], "from_kv is 0. It must be above 0 and at most 1200 kV."),
    ([S, T, transformer(kva=-1.0)], "transformer 'xfm': kva is -1. It must be above 0 kVA."),
    ([S, T, transformer(x_percent=-30.0)], "x_percent is -30. It must be at least -20 %"),
    ([S, T, transformer(rated="yes")], "rated is 'yes'. It must be True or False."),
]


@pytest.mark.parametrize(
    "elements, message", BRANCH_FAULTS, ids=[m[:50] for _, m in BRANCH_FAULTS])
def test_branch(elements, message):
    assert any(message in str(fault) for fault in faults_of(*elements, GRID))


@pytest.mark.parametrize(("make", "message"), [
    (lambda: load(connection="star", model="motor"),
     "2 faults:\n  - load 'd': connection is 'star'. It must be one of 'wye', 'delta'.\n  - "
     "load 'd': model is 'motor'. It must be one of 'power', 'current', 'impedance', "
     "'exponential', 'zip'."),
    (lambda: svg(connection="Delta"), "It must be one of 'wye', 'delta'. Did you mean 'delta'?"),
    (lambda: generator(connection=3), "connection is 3. It must be one of 'wye', 'delta'."),
    (lambda: datacenter(reactive="DSO"), "reactive is 'DSO'. It must be one of 'power factor', "
     "'aggregator', 'dso'. Did you mean 'dso'?"),
    (lambda: replace(svg(), owner="me"), "owner is 'me'. It must be one of 'dso', 'datacenter'."),
])
def test_a_word_that_is_none_is_refused_where_a_device_is_made(make, message):
    with pytest.raises(NetworkError) as caught:
        make()
    assert message in str(caught.value)


@pytest.mark.parametrize(("make", "message"), [
    (lambda: [Bus(name="x", kv=4160)], "kv is 4160. It must be above 0 and at most 1200 kV. "
     "(4160 V is 4.16 kV.)"),
    (lambda: [Bus(name="x", kv=4.8, v_min=95, v_max=105)], "v_min is 95. It must be at least 0 and "
     "at most 2 pu. (95 % is 0.95 pu.)"),
    (lambda: [Substation(name="g", bus="s", v_pu=102)], "v_pu[0] is 102. It must be above 0 and at "
     "most 2 pu. (95 % is 0.95 pu.)"),
])
def test_a_voltage_in_another_unit_is_refused(make, message):
    assert any(message in fault for fault in map(str, element_faults(make()[0])))


def test_one_voltage_holds_for_three_phases():
    assert Substation(name="g", bus="s", v_pu=1.02).v_pu == (1.02, 1.02, 1.02)


def test_a_loop_is_held():
    u = Bus(name="u", kv=4.8)
    ring = [line("st"), line("tu", "t", "u"), line("us", "u", "s")]
    net = Network("ring", [S, T, u, GRID, *ring])
    assert net.lines["us"].to_bus == "u" and list(net.branches) == ["st", "tu", "us"]
    assert set(net.graph().edges) == {("s", "t"), ("s", "u")}


def test_a_loop_names_each_bus_that_a_phase_does_not_reach_once():
    u, v = Bus(name="u", kv=4.8), Bus(name="v", kv=4.8)
    two = {"phases": "ab", "code": L_AB.code}
    (fault,) = faults_of(S, T, u, v, GRID, line("st", **two), line("tv", "t", "v"),
                         Bus(name="w", kv=4.8, phases="ab"), line("sw", "s", "w", **two),
                         line("tw", "t", "w", **two), line("vu", "v", "u"))
    assert str(fault).startswith("bus 't': phase 'c' is not fed by line 'st' (phases 'abc')")


def test_parallel_lines_are_held_and_lead_away():
    net = Network("two", [S, T, GRID, line("one"), line("two", "t", "s")])
    assert net.lines["two"].to_bus == "t"


def test_a_turned_line_takes_its_conductors_along():
    turned = Network("x", [S, T, GRID, line("l", "t", "s", phases="abc", to_conductors="bca")])
    assert (turned.lines["l"].phases, turned.lines["l"].to_phases) == ("bca", "abc")


def test_island_lists_its_buses():
    u, v = Bus(name="u", kv=4.8), Bus(name="v", kv=4.8)
    (fault,) = faults_of(S, T, u, v, GRID, line(), line("far", "u", "v"))
    assert "no branch leads from the substation to 2 bus(es): 'u', 'v'. Connect" in str(fault)


def test_no_substation():
    assert "network 'n': it has no substation. Add one" in str(faults_of(S, T, line())[0])
    assert "it has no substation" in str(faults_of()[0])


def test_substation_voltages_match_its_phases():
    (fault,) = faults_of(S, T, Substation(name="grid", bus="s", v_pu=(1.0,)), line())
    assert "v_pu has 1 numbers, bus 's' phases 'abc'. Give one voltage (pu) for each" in str(fault)


def test_one_name_for_two_codes():
    other = LineCode(name="code", r=I3, x=((2.0, 0.0, 0.0), *I3[1:]))
    u = Bus(name="u", kv=4.8)
    (fault,) = faults_of(S, T, u, GRID, line(), line("m", "t", "u", code=other))
    assert str(fault) == (
        "line code 'code': two codes of this name have other matrices. Give them different names.")


def test_network_name():
    with pytest.raises(NetworkError, match=r"network: its name is 5. It must be a string"):
        Network(5, [S, GRID])


def test_all_faults_at_once():
    found = faults_of(
        S, Bus(name="t", kv=-1.0), line(length="far"), load(bus="x"), datacenter(floor=2, kw=-3))
    text = "\n".join(map(str, found))
    for part in ("kv is -1", "length is 'far'", "bus 'x'", "floor is 2", "kw is -3",
                 "no substation"):
        assert part in text
    assert len(found) == 6


def test_negative_load_and_price_are_allowed():
    Network("n", [S, T, GRID, line(), load(kw=(-5.0,)), generator(cost=-10.0)])


SOUND = [S, T, GRID, line(), load(), generator(), datacenter(), svg()]
JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3),
    st.sampled_from(["s", "t", "ab", "delta"]), st.tuples(st.floats()), st.just(["a"]),
    st.just({"a": 1}), st.just(object()),
)


@settings(max_examples=100)
@given(st.integers(0, len(SOUND) - 1), st.integers(0, 20), JUNK)
def test_any_value_anywhere_is_accepted_or_named(which, position, junk):
    element = SOUND[which]
    field = dataclasses.fields(element)[position % len(dataclasses.fields(element))].name
    try:
        junked = dataclasses.replace(element, **{field: junk})
        Network("n", [*SOUND[:which], junked, *SOUND[which + 1:]])
    except NetworkError as error:
        assert all(fault.where and fault.what and fault.cure for fault in error.faults)


@pytest.mark.parametrize("r", list(itertools.product((0.0, 1.0), repeat=3)))
@pytest.mark.parametrize("x", [(0.0, 0.0, 0.0), (2.0, 0.0, 0.0), (2.0, 2.0, 0.0), (2.0, 2.0, 4.0)])
def test_windings_without_impedance_between_them(r, x):
    """Either it is refused, or its admittance is a finite matrix."""
    def whole():
        split = Bus(name="h", kv=0.24, phases="12")
        return Network("n", [S, Substation(name="g", bus="s"), split, CenterTappedTransformer(
            name="c", from_bus="s", to_bus="h", leg="a", kva=50.0, r_percent=r, x_percent=x)])

    pairs = np.array([[0, x[0], x[1]], [x[0], 0, x[2]], [x[1], x[2], 0]]) / 100
    try:
        y = unit_admittance(0.05, [k / 100 for k in r], pairs)
    except np.linalg.LinAlgError:
        with pytest.raises(NetworkError, match="leave windings without impedance"):
            whole()
    else:
        assert np.isfinite(y).all() and np.abs(y).max() < 1e6
        whole()
