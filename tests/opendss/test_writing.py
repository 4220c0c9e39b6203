"""What is written has the AC solution of the network's own nodal equations."""

import gc
import random
import warnings
from pathlib import Path

import numpy as np
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.network import NodalAdmittance
from tests.feeders import engine, node_voltages
from tests.meshed_feeders import meshed
from tests.nodal import check_is_the_nodal_solution, check_power_balance

CODE = {"r": np.eye(3) * .2 + .05, "x": np.eye(3) * .5 + .2}


@pytest.mark.parametrize("seed", range(40))
def test_random_meshed_feeder(seed):
    engine()
    net = meshed(random.Random(seed))
    ac, _ = check_is_the_nodal_solution(net)
    check_power_balance(net, ac)


@pytest.mark.parametrize("seed", range(3))
def test_the_file_has_the_voltages_of_the_power_flow(seed, tmp_path):
    engine()
    net = meshed(random.Random(seed))
    ac = dlmp.ac_power_flow(net)
    volts = node_voltages(dlmp.write_opendss(net, tmp_path / "w.dss"), pu=False)
    ours = sorted(abs(v) * 1e3 * net.buses[bus].kv_ln for (bus, k, _), v in
                  ac.point.voltages.items() if not (k == "n" and net.buses[bus].ground_z == 0))
    theirs = sorted(v for node, v in volts.items() if "_source" not in node)
    assert ours == pytest.approx(theirs, rel=1e-7)


def check_read_back(net, path):
    """What is written and read has the voltages of the network, its names and its kinds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of negative resistances, and of neutrals without current
        again = dlmp.read_opendss(dlmp.write_opendss(net, path))
    before, after = dlmp.ac_power_flow(net).point, dlmp.ac_power_flow(again).point
    for key, v in before.voltages.items():
        if key[1] in "abc12" or key in after.voltages:
            assert abs(v - after.voltages[key]) < 1e-6, key
    assert {e.name for e in again.elements} <= {e.name for e in net.elements}
    for kind in ("buses", "substations", "loads", "generators", "capacitors", "regulators",
                 "transformers", "center_tapped"):
        assert set(getattr(again, kind)) == set(getattr(net, kind)), kind
    for name, load in net.loads.items():
        solid = net.buses[load.bus].ground_z == 0  # its neutral is ground
        assert set(again.loads[name].legs) == {
            leg[0] if solid and leg[1:] == "n" else leg for leg in load.legs}
    for name, reg in net.regulators.items():
        assert (again.regulators[name].taps, again.regulators[name].kva) == (reg.taps, reg.kva)
    return again


@pytest.mark.parametrize("seed", [*range(14), 35])
def test_random_meshed_feeder_read_back(seed, tmp_path):
    engine()
    check_read_back(meshed(random.Random(seed)), tmp_path / "w.dss")


def test_devices_of_a_shipped_feeder_read_back(tmp_path):
    engine()
    net = dlmp.load_feeder("ieee37").with_devices(
        dlmp.Datacenter(name="Dc 1", bus="711", kw=300),
        dlmp.StaticVarGenerator(name="svg", bus="725", kvar=90, connection="delta"))
    again = check_names_and_volts(net, tmp_path)
    assert {name: reg.taps for name, reg in again.regulators.items()} == {
        name: reg.taps for name, reg in net.regulators.items()}
    assert set(again.loads) == set(net.loads) | {"Dc 1", "svg"}
    assert again.loads["Dc 1"].kw == pytest.approx((100.0,) * 3)


def test_profiles_are_load_shapes(tmp_path):
    engine()
    base = chain()
    load = dlmp.Load(name="two", bus="b2", legs=("a", "b"), kw=(9.0, 8.0), kvar=(3.0, 2.0),
                     profile="Day 1")
    day = dlmp.Profile(name="Day 1", values=(.5, 1 / 3, 1.25), minutes=30.0,
                       q_values=(1.0, .25, .5))
    net = dlmp.Network("day", [*base.elements, load], profiles=[day])
    again = dlmp.read_opendss(dlmp.write_opendss(net, tmp_path / "w.dss"))
    assert dict(again.profiles) == {"Day 1": day}
    assert again.loads["two"].profile == "Day 1" and again.loads["d"].profile is None


def check_names_and_volts(net, folder):
    again = dlmp.read_opendss(dlmp.write_opendss(net, folder / "w.dss"))
    before, after = dlmp.ac_power_flow(net).point, dlmp.ac_power_flow(again).point
    assert set(before.voltages) == set(after.voltages)
    assert max(abs(v - after.voltages[key]) for key, v in before.voltages.items()) < 1e-6
    return again


def chain(*, kv=4.16, joints=1, kw=200.0, line_km=.5):
    """A source, joints in a row, a line and a load."""
    zero = dlmp.LineCode(name="joint", r=np.zeros((3, 3)), x=np.zeros((3, 3)))
    code = dlmp.LineCode(name="code", **{k: v * kv**2 / 17.3 for k, v in CODE.items()})
    buses = [f"b{i}" for i in range(joints + 2)]
    return dlmp.Network("chain", [
        dlmp.Substation(name="grid", bus="b0"),
        *(dlmp.Bus(name=bus, kv=kv) for bus in buses),
        *(dlmp.Line(name=f"j{i}", from_bus=buses[i], to_bus=buses[i + 1], code=zero, length=1.0)
          for i in range(joints)),
        dlmp.Line(name="l", from_bus=buses[-2], to_bus=buses[-1], code=code, length=line_km),
        dlmp.Load(name="d", bus=buses[-1], legs=("a", "b", "c"), kw=(kw,) * 3, kvar=(kw / 3,) * 3)])


@pytest.mark.parametrize("kv, joints, kw", [(4.16, 1, 200), (115, 5, 2500), (.2, 5, 200),
                                            (4.16, 30, 5), (.4, 30, 60)])
def test_joints_cost_neither_voltage_nor_digits(kv, joints, kw):
    engine()
    net = chain(kv=kv, joints=joints, kw=kw)
    ac, _ = check_is_the_nodal_solution(net, tolerance=5e-7)
    check_power_balance(net, ac, tolerance=2e-6)
    assert abs(ac.point.flows["j0", "a", 0] - ac.point.flows["j" + str(joints - 1), "a", 0]) < (
        1e-5 * abs(ac.point.flows["j0", "a", 0]))


def test_sum_of_flows_in_a_loop_and_in_parallel():
    """Two equal lines beside each other carry half each; a loop's two arms meet at the load."""
    engine()
    code = dlmp.LineCode(name="c", **CODE)
    base = chain()
    beside = dlmp.Network("beside", [*base.elements, dlmp.Line(
        name="l2", from_bus="b1", to_bus="b2", code=base.lines["l"].code, length=.5)])
    flows = dlmp.ac_power_flow(beside).point.flows
    assert flows["l", "a", 0] == pytest.approx(flows["l2", "a", 0])
    assert flows["l", "a", 0] * 2 == pytest.approx(.2 + .2j / 3, rel=1e-5)
    ring = dlmp.Network("ring", [
        *base.elements, dlmp.Bus(name="r", kv=4.16),
        dlmp.Line(name="r1", from_bus="b1", to_bus="r", code=code, length=.4),
        dlmp.Line(name="r2", from_bus="r", to_bus="b2", code=code, length=.4)])
    ac, _ = check_is_the_nodal_solution(ring)
    flows = ac.point.flows
    assert flows["l", "b", 0] + flows["r2", "b", 0] == pytest.approx(.2 + .2j / 3, rel=1e-5)


def shunted(y, conductors=("abc",), buses=("b2",)):
    y = np.array(y, dtype=complex)
    return dlmp.Network("shunted", [*chain().elements, NodalAdmittance(
        name="y", buses=buses, conductors=conductors, g=y.real, b=y.imag)])


def test_admittances_that_opendss_has_no_element_for_are_refused_by_name():
    engine()
    one_way = 1e-3 * np.array([[2, 1, 0], [0, 2, 0], [0, 0, 2]])
    with pytest.raises(dlmp.errors.OpenDssError, match="admittance 'y': its admittance matrix is"):
        dlmp.ac_power_flow(shunted(one_way))
    source = dlmp.Substation(name="grid", bus="b0", r=(.01 + one_way).tolist(),
                             x=(np.eye(3) * .1).tolist(), v_pu=(1.0, 1.01, 1.0))
    net = chain().replacing(source)
    with pytest.raises(dlmp.errors.OpenDssError, match="substation 'grid': its impedance is"):
        dlmp.ac_power_flow(net)


@pytest.mark.parametrize("y, conductors, buses", [
    ([[1e-3 + 2e-3j]], ("a",), ("b2",)),
    ([[-1e-4]], ("c",), ("b2",)),  # a negative conductance
    (np.eye(3) * 1e-9, ("abc",), ("b2",)),
    ([[1e5j, -1e5j], [-1e5j, 1e5j]], ("a", "a"), ("b1", "b2")),
    (1e-3 * np.array([[2, .3, -.4], [-.4, 2, .3], [.3, -.4, 2]]) * (1 - 1j), ("abc",), ("b2",)),
    (np.kron([[1, -1], [-1, 1]], .3 * np.array([[2, .3, -.4], [-.4, 2, .3], [.3, -.4, 2]])),
     ("abc", "abc"), ("b1", "b2")),
])
def test_admittances_of_any_size_and_sign(y, conductors, buses):
    engine()
    net = shunted(y, conductors, buses)
    ac, _ = check_is_the_nodal_solution(net)
    check_power_balance(net, ac)


def test_an_ideal_regulator_draws_nothing():
    """Its great rating must not bring the shunt along that a transformer has by default."""
    engine()
    base = chain()
    net = dlmp.Network("reg", [*base.elements, dlmp.Bus(name="r", kv=4.16), dlmp.Regulator(
        name="r", from_bus="b2", to_bus="r", taps={"a": 5, "b": 0, "c": -3})])
    before, after = dlmp.ac_power_flow(base).point, dlmp.ac_power_flow(net).point
    for k in "abc":
        assert abs(before.voltages["b2", k, 0] - after.voltages["b2", k, 0]) < 1e-8


def test_open_star_points_are_not_the_neutral_and_not_each_others(tmp_path):
    """Two wye-delta banks with open stars at a bus whose neutral carries a load."""
    engine()
    base = chain()
    code = dlmp.LineCode(name="four", r=np.eye(4) * .2, x=np.eye(4) * .5)
    elements = [dlmp.Bus(name="f", kv=4.16, neutrals="n"), dlmp.Line(
        name="four", from_bus="b2", to_bus="f", phases="abcn", code=code, length=.3),
        dlmp.Load(name="one", bus="f", legs=("an",), kw=(40.0,), kvar=(9.0,))]
    for name, share in (("first", (1.0, 1.0, 1.0)), ("second", (2.0, 1.0, .2))):
        elements += [
            dlmp.Bus(name=name, kv=.48), dlmp.Transformer(
                name=name, from_bus="f", to_bus=name, kva=300, r_percent=1, x_percent=4,
                connection="wye-delta", floating="from", antifloat_ppm=0.0),
            dlmp.Load(name=name, bus=name, legs=("ab", "bc", "ca"), connection="delta",
                      kw=tuple(20 * k for k in share), kvar=(3.0,) * 3),
            dlmp.Capacitor(name=f"{name}_c", bus=name, legs=("a", "b", "c"), kvar=(5.0,) * 3)]
    feed = dlmp.Bus(name="b2", kv=4.16, neutrals="n", ground_r=1.0, ground_x=0.0)
    net = dlmp.Network("stars", [feed if e.name == "b2" else e for e in base.elements] + elements)
    ac, _ = check_is_the_nodal_solution(net)
    check_power_balance(net, ac)
    text = dlmp.write_opendss(net, tmp_path / "w.dss").read_text()
    assert "bus=f.1.2.3.5 conn=wye" in text and "bus=f.1.2.3.6 conn=wye" in text
    again = check_read_back(net, tmp_path / "again.dss")
    assert [again.transformers[k].floating for k in ("first", "second")] == ["from"] * 2


def test_the_engine_of_a_power_flow_works_in_a_folder_of_its_own(tmp_path, monkeypatch):
    engine()
    from pyomo_dlmp.power_flow.ac_solver import AcSolver

    monkeypatch.chdir(tmp_path)
    solver = AcSolver(chain())
    folder = solver.engine.DataPath
    assert str(tmp_path) not in folder
    solver.solve({})
    assert not list(tmp_path.iterdir()) and Path(folder).is_dir()
    del solver
    gc.collect()
    assert not Path(folder).exists()
