"""Controls: read from a file, kept in tables, and acting as in the file's own engine."""

import numpy as np
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.engine.running import new_engine
from pyomo_dlmp.errors import NetworkError
from pyomo_dlmp.network import OperatingPoint
from pyomo_dlmp.network.controls import CapacitorControl, FixedControl, RegulatorControl
from pyomo_dlmp.power_flow.ac_solver import AcSolver

SCRIPT = """clear
new circuit.two basekv=12.47 pu=1.0 phases=3 bus1=s mvasc3=500 mvasc1=400
new linecode.c nphases=3 rmatrix=[.3 | .1 .3 | .1 .1 .3] xmatrix=[.6 | .2 .6 | .2 .2 .6] units=km
new transformer.gang phases=3 windings=2 buses=[s r] conns=[wye wye] kvs=[12.47 12.47]
~ kvas=[9000 9000] xhl=.01 %loadloss=.001
new regcontrol.g transformer=gang winding=2 vreg=122 band=2 ptratio=60 ctprim=400 r=2 x=4 ptphase=2
new line.one bus1=r bus2=m linecode=c length=4 units=km
new transformer.single phases=1 windings=2 buses=[m.1 q.1] conns=[wye wye] kvs=[7.2 7.2]
~ kvas=[3000 3000] xhl=.01 %loadloss=.001
new regcontrol.u transformer=single winding=2 vreg=121 band=2 ptratio=60 delay=30 bus=end.1
new line.jumper bus1=m.2.3 bus2=q.2.3 phases=2 r1=.0001 x1=.0001 r0=.0001 x0=.0001 c1=0 c0=0
new line.two bus1=end bus2=q linecode=c length=3 units=km
new load.l bus1=end phases=3 kv=12.47 kw=2400 kvar=1500 model=1 vminpu=.5
new load.a bus1=end.1 phases=1 kv=7.2 kw=300 kvar=100 model=1 vminpu=.5
new capacitor.bank bus1=end phases=3 kv=12.47 kvar=900 states=[0]
new capcontrol.k capacitor=bank element=line.two terminal=2 type=kvar onsetting=800 offsetting=-500
~ ptratio=1 ctratio=1 delay=40 delayoff=50
set voltagebases=[12.47]
calcvoltagebases
set controlmode=off
solve
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("dss") / "two.dss"
    path.write_text(SCRIPT)
    return path


@pytest.fixture(scope="module")
def network(path):
    return dlmp.read_opendss(path)


@pytest.fixture(scope="module")
def solver(network):
    """One engine: later states begin where the network is, not where the last one ended."""
    site = dlmp.Datacenter(name="site", bus="end", kw=1.0)
    return AcSolver(network.with_devices(site), controls=True)


def of_file(scale, kw):
    """Voltages (pu by node) of the file with its controls acting, and the bank's state."""
    engine = new_engine()
    for line in SCRIPT.splitlines()[:-2]:
        engine.Text.Command = line
    engine.Text.Command = (f"new load.site bus1=end kv=12.47 kw={kw} pf=.95 model=1 vminpu=.1 "
                           "vmaxpu=5")
    for name in ("l", "a"):
        engine.ActiveCircuit.Loads.Name = name
        engine.ActiveCircuit.Loads.kW *= scale
    engine.Text.Command = ("set controlmode=static maxcontroliter=100 maxiterations=200 "
                           "tolerance=1e-8")
    engine.ActiveCircuit.Solution.Solve()
    volts = np.asarray(engine.ActiveCircuit.YNodeVarray).view(complex)
    return dict(zip(map(str.lower, engine.ActiveCircuit.YNodeOrder), volts / 7199.558, strict=True))


def test_controls_are_read(network):
    by_name = {c.name: c for c in network.controls}
    gang, unit, bank = (by_name[f"{kind}.{name}"] for kind, name in (
        ("regcontrol", "g"), ("regcontrol", "u"), ("capcontrol", "k")))
    assert isinstance(gang, RegulatorControl) and isinstance(bank, CapacitorControl)
    assert (gang.of, gang.v_set, gang.r_v, gang.x_v, gang.ct_a, gang.phase) == (
        "gang", 122, 2, 4, 400, "b")
    assert (unit.of, unit.bus, unit.phase, unit.delay_s) == ("single", "end", "a", 30)
    # the line is turned to lead away from the substation: the end stays at its bus
    assert (bank.of, bank.branch, bank.bus, bank.on, bank.off) == ("bank", "two", "q", 800, -500)
    assert bank.v_min is None and not network.capacitors["bank"].closed


@pytest.mark.parametrize(("scale", "kw"), [(1.0, 0), (1.0, 1500), (.3, 200), (1.0, 0)])
def test_they_act_as_in_the_file(network, solver, scale, kw):
    made = solver.network.devices["site"].equal_legs(-kw, -kw * np.tan(np.arccos(.95)))
    solver.solve({"site": made}, dict.fromkeys(network.loads, scale))
    point = OperatingPoint(periods=[0])
    solver.read(point, 0)
    volts = of_file(scale, kw)
    assert not solver.unsettled and point.settled[0]
    for (bus, k, _), v in point.voltages.items():
        assert abs(v) == pytest.approx(abs(volts[f"{bus}.{'abc'.index(k) + 1}"]), abs=2e-6)


@pytest.mark.parametrize("name", ["ieee13", "ieee34", "ieee123"])
def test_shipped_taps_are_those_that_the_controls_chose(name):
    network = dlmp.load_feeder(name)
    assert {c.of for c in network.controls} == set(network.regulators)
    solver = AcSolver(network, controls=True)
    solver.solve({})
    found = {}
    for control, (transformer, winding) in solver.controls.taps.items():
        transformers = solver.engine.ActiveCircuit.Transformers
        transformers.Name, transformers.Wdg = transformer, winding
        found[control] = round((transformers.Tap - 1) / .00625)
    assert found == {c.name: next(iter(network.regulators[c.of].taps.values()))
                     for c in network.controls}


def test_controls_are_kept(network, tmp_path):
    dlmp.write_tables(network, tmp_path)
    again = dlmp.read_tables(tmp_path)
    assert again.controls == network.controls and again == network
    assert network.without("bank").controls == tuple(
        c for c in network.controls if not isinstance(c, CapacitorControl))
    import pickle
    assert pickle.loads(pickle.dumps(network)) == network


def test_a_control_of_another_kind_is_known_by_name(tmp_path):
    path = tmp_path / "more.dss"
    path.write_text(SCRIPT.replace("set voltagebases", "new regcontrol.v transformer=gang winding=2"
                                   " inversetime=yes\nnew swtcontrol.s switchedobj=line.one "
                                   "switchedterm=1\nset voltagebases"))
    found = dlmp.read_opendss(path).controls
    fixed = {c.name: c.why for c in found if isinstance(c, FixedControl)}
    assert set(fixed) == {"regcontrol.v", "swtcontrol.s"} and "inverse" in fixed["regcontrol.v"]


@pytest.mark.parametrize(("change", "words"), [
    ({"of": "reg9"}, "Did you mean"), ({"band": -1.0}, "band"), ({"v_set": "x"}, "v_set"),
    ({"unit": "b"}, "has no unit 'b'"), ({"bus": "nowhere"}, "no bus 'nowhere'"),
    ({"tap_min": 1.2}, "tap_max"), ({"reverse": (1.0,)}, "reverse has 1"),
])
def test_what_is_wrong_with_a_control_is_told(change, words):
    network = dlmp.load_feeder("ieee13")
    given = {"name": "c", "of": "reg1", "v_set": 122.0, "band": 2.0, "pt_ratio": 20.0, **change}
    with pytest.raises(NetworkError, match=words):
        dlmp.Network("x", network.elements, controls=[RegulatorControl(**given)])


def test_units_at_other_taps_do_not_move_together():
    network = dlmp.load_feeder("ieee37_wye")
    with pytest.raises(NetworkError, match="do not move together"):
        dlmp.Network("x", network.elements, controls=[
            RegulatorControl(name="c", of="reg1", v_set=122.0, band=2.0, pt_ratio=20.0)])
    with pytest.raises(NetworkError, match="twice"):
        dlmp.Network("x", network.elements, controls=2 * [
            RegulatorControl(name="c", of="reg1", unit="a", v_set=122.0, band=2.0, pt_ratio=20.0)])
    with pytest.raises(NetworkError, match="no capacitor"):
        dlmp.Network("x", network.elements, controls=[CapacitorControl(
            name="c", of="x", kind="kvar", branch="L1", bus="701", on=1.0, off=0.0)])
    with pytest.raises(NetworkError, match="controls hold"):
        dlmp.Network("x", network.elements, controls=["x"])


def test_controls_that_do_not_come_to_rest_are_named_with_what_is_taken(tmp_path):
    """One closes the bank below 2,390 V, the other opens it above 2,100 V."""
    text = """clear
new circuit.c basekv=4.16 bus1=s
new line.l bus1=s bus2=e length=5 units=km r1=.3 x1=.6 r0=.6 x0=1.8 c1=0 c0=0
new load.d bus1=e kv=4.16 kw=900 kvar=500 model=1 vminpu=.5
new capacitor.b bus1=e kv=4.16 kvar=600
"""
    for name, on, off in (("one", 2390, 2395), ("two", 2000, 2100)):
        text += (f"new capcontrol.{name} capacitor=b element=line.l terminal=2 type=voltage "
                 f"ptratio=1 onsetting={on} offsetting={off} delay=1 delayoff=1 deadtime=0\n")
    path = tmp_path / "hunt.dss"
    path.write_text(text + "set voltagebases=[4.16]\ncalcvoltagebases\nsolve\n")
    with pytest.warns(UserWarning, match="capcontrol.one and capcontrol.two both act on b") as told:
        network = dlmp.read_opendss(path)
    state = "closed" if network.devices["b"].closed else "open"
    assert f"left them: b {state}" in str(told[0].message)
