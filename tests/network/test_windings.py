"""Transformer admittances are those of the OpenDSS engine, for every winding that is modeled."""

import numpy as np
import pytest

from pyomo_dlmp.network import Bus, CenterTappedTransformer, Regulator, Transformer
from pyomo_dlmp.network.windings import admittance, two_port
from tests.feeders import engine

HIGH, LOW = 12.47, 4.16
COMMON = {"name": "t", "from_bus": "p", "to_bus": "q", "kva": 500}
BANK = "xhl=6 %rs=[.5 .5] kvas=[500 500] ppm=0"


def bank(connection, lead, up):
    first, second = connection.split("-")
    kvs = (LOW, HIGH) if up else (HIGH, LOW)
    ours = Transformer(**COMMON, r_percent=1, x_percent=6, connection=connection, lead=lead,
                       from_tap=1.02, tap=0.97, no_load_percent=0.5, magnetizing_percent=1.0,
                       from_kv=kvs[0], to_kv=kvs[1])
    low_leads = lead != up  # OpenDSS speaks of the low side, we of the to-side
    theirs = (f"{BANK} buses=[p q] conns=[{first} {second}] kvs=[{kvs[0]} {kvs[1]}] "
              f"taps=[1.02 .97] %imag=1 %noloadloss=.5 leadlag={'lead' if low_leads else 'lag'}")
    return ours, theirs


CASES = {
    f"{c}{' lead' * lead}{' up' * up}": bank(c, lead, up)
    for c in ("wye-wye", "delta-wye", "wye-delta", "delta-delta")
    for lead in (False, True) for up in (False, True) if lead is False or c[0] != c[4]
} | {
    "one unit, wye to delta leg": (
        Transformer(**COMMON, r_percent=1, x_percent=6, connection="wye-delta", from_legs=("a",),
                    to_legs=("ab",)),
        f"phases=1 {BANK} buses=[p.1 q.1.2] conns=[wye delta] kvs=[7.19955 4.16]"),
    "one unit between lines": (
        Transformer(**COMMON, r_percent=1, x_percent=6, connection="delta-delta", phases="ca"),
        f"phases=1 {BANK} buses=[p.3.1 q.3.1] conns=[delta delta] kvs=[12.47 4.16]"),
    "centre-tapped": (
        CenterTappedTransformer(
            **COMMON, leg="b", r_percent=(.6, 1.2, 1.2), x_percent=(2.04, 2.04, 1.36),
            from_kv=7.2, to_kv=.12, no_load_percent=.2, magnetizing_percent=.5),
        "phases=1 windings=3 buses=[p.2 q.1.0 q.0.2] kvs=[7.2 .12 .12] kvas=[500 500 500] "
        "xhl=2.04 xht=2.04 xlt=1.36 %rs=[.6 1.2 1.2] %imag=.5 %noloadloss=.2 ppm=0"),
}
NODE = {"a": 1, "b": 2, "c": 3, "1": 1, "2": 2}


@pytest.mark.parametrize("case", CASES)
def test_admittance_is_the_engines(case):
    ours, theirs = CASES[case]
    context = engine().DSS.NewContext()
    for command in ("clear", "new circuit.x basekv=12.47 bus1=s", f"new transformer.t {theirs}",
                    "solve"):
        context.Text.Command = command
    context.ActiveCircuit.SetActiveElement("transformer.t")
    element = context.ActiveCircuit.ActiveCktElement
    y = np.asarray(element.Yprim).view(complex)
    n = int(len(y) ** 0.5)
    y = y.reshape(n, n).T
    width = n // element.NumTerminals
    wanted = [(0, NODE[k]) for k in ours.from_phases] + [(1, NODE[k]) for k in ours.to_phases]
    pick = np.zeros((len(wanted), n))
    for place, node in enumerate(element.NodeOrder):
        key = (min(place // width, 1), int(node))
        if key in wanted:
            pick[wanted.index(key), place] = 1.0
    expected = pick @ y @ pick.T
    low = .24 if case == "centre-tapped" else LOW
    buses = {"p": Bus(name="p", kv=HIGH), "q": Bus(
        name="q", kv=low, phases="12" if case == "centre-tapped" else "abc")}
    assert np.abs(admittance(ours, buses) - expected).max() < 1e-6 * np.abs(expected).max()


def test_two_ports():
    """Turns of a delta-wye at its nominal ratio are 1/sqrt3 of a difference; losses need no T."""
    buses = {"p": Bus(name="p", kv=HIGH), "q": Bus(name="q", kv=LOW)}
    dy = Transformer(**COMMON, r_percent=1, x_percent=6, connection="delta-wye")
    _, _, (turns, z, shunt) = two_port([dy], buses)
    phasors = turns @ np.exp(2j * np.pi / 3 * np.array([0, -1, 1]))
    assert np.allclose(np.abs(phasors), 1.0) and np.isclose(np.angle(phasors[0]), -np.pi / 6)
    assert np.allclose(z, (0.01 + 0.06j) / (0.5 / 3) * np.eye(3)) and np.allclose(shunt, 0)


def test_grounded_wye_delta_holds_the_zero_sequence():
    """Its shunt draws nothing at balanced voltage, and short-circuit power at zero sequence."""
    buses = {"p": Bus(name="p", kv=HIGH), "q": Bus(name="q", kv=LOW)}
    y = {}
    for floating in ("", "from"):
        yd = Transformer(**COMMON, r_percent=1, x_percent=6, connection="wye-delta",
                         floating=floating)
        y[floating] = two_port([yd], buses)[2].shunt
    balanced = np.exp(2j * np.pi / 3 * np.array([0, -1, 1]))
    assert np.abs(y[""] @ balanced).max() < 1e-9
    assert np.allclose(y[""] @ np.ones(3), (0.5 / 3) / (0.01 + 0.06j))
    assert np.abs(y["from"]).max() < 1e-6


def test_open_delta_regulator_with_its_through_conductor():
    """Two units and a conductor side by side are one two-port; line-to-line taps come out."""
    from pyomo_dlmp.network import Line, LineCode

    buses = {name: Bus(name=name, kv=4.8) for name in "pq"}
    common = {"kva": 2000, "r_percent": .0001, "x_percent": .001, "connection": "delta-delta"}
    units = [Transformer(name="ab", from_bus="p", to_bus="q", phases="ab", tap=1.04375, **common),
             Transformer(name="cb", from_bus="p", to_bus="q", phases="bc", tap=1.025, **common),
             Line(name="b", from_bus="p", to_bus="q", phases="b", length=1,
                  code=LineCode(name="b", r=((1e-5,),), x=((0.0,),)))]
    _, _, (turns, _, _) = two_port(units, buses)
    v = turns @ np.exp(2j * np.pi / 3 * np.array([0, -1, 1]))
    assert np.isclose(abs(v[0] - v[1]), 1.04375 * 3 ** 0.5, rtol=1e-4)
    assert np.isclose(abs(v[1] - v[2]), 1.025 * 3 ** 0.5, rtol=1e-4)


def test_regulator_with_impedance_is_its_transformer():
    buses = {name: Bus(name=name, kv=4.16) for name in "pq"}
    kv = 4.16 / 3 ** 0.5
    reg = Regulator(name="r", from_bus="p", to_bus="q", phases="a", taps={"a": 5}, kva=1666,
                    r_percent=.01, x_percent=.1)
    same = Transformer(name="r", from_bus="p", to_bus="q", phases="a", kva=1666, r_percent=.01,
                       x_percent=.1, from_kv=kv, to_kv=kv, tap=1.03125)
    assert np.allclose(admittance(reg, buses), admittance(same, buses))
