"""OpenDSS in and out: the AC solution of what we write is that of what we read."""

import math

import numpy as np
import pytest

import pyomo_dlmp as dlmp
from tests.feeders import MASTERS, engine, master, node_voltages

LARGE = ("ieee8500", "ieee8500_unbal")


def check_round_trip(original, folder):
    """Read, write, solve: every node within 1e-5 pu; reading again gives the same elements."""
    net = dlmp.read_opendss(original)
    written = dlmp.write_opendss(net, folder / "written.dss")
    before, after = node_voltages(original), node_voltages(written)
    assert set(before) == set(after)
    worst = max(abs(before[node] - after[node]) for node in before)
    assert worst < 1e-5
    return net, written


@pytest.mark.parametrize("name", [n for n in MASTERS if n not in LARGE])
def test_standard_feeder(name, tmp_path):
    net, written = check_round_trip(master(name), tmp_path)
    again = dlmp.read_opendss(written)
    assert set(again.buses) == set(net.buses)
    assert math.isclose(again.total_kw, net.total_kw, rel_tol=1e-9)


@pytest.mark.large
@pytest.mark.parametrize("name", LARGE)
def test_large_feeder(name, tmp_path):
    check_round_trip(master(name), tmp_path)


@pytest.mark.parametrize("name", [n for n in MASTERS if not n.startswith(("ieee37", "ieee34_mod"))])
def test_shipped_tables_are_the_opendss_files(name, tmp_path):
    engine()
    original = node_voltages(master(name))
    written = dlmp.write_opendss(dlmp.load_feeder(name), tmp_path / "shipped.dss")
    ours = node_voltages(written)
    assert max(abs(original[node] - ours[node]) for node in original) < 1e-5


ZOO = """
clear
new circuit.zoo basekv=12.47 pu=1.02 angle=30 r1=.1 x1=.5 r0=.2 x0=.9 bus1=src
new linecode.three nphases=3 units=km rmatrix=[.3 | .1 .3 | .1 .1 .3] xmatrix=[.9|.4 .9|.4 .4 .9]
~ cmatrix=[9 | -2 9 | -2 -2 9]
new linecode.one nphases=1 units=km rmatrix=[.5] xmatrix=[.6] cmatrix=[5]
new line.l1 bus1=src bus2=a linecode=three length=2 units=km
new line.sw bus1=a bus2=b switch=yes
new line.tie bus1=a bus2=b2 linecode=three length=1 units=kft
new line.side bus1=a.2 bus2=side.2 linecode=one length=500 units=m
open line.tie term=1
open line.tie term=2
new line.back bus1=b bus2=b2 linecode=three length=1 units=mi
new transformer.yd xhl=5 %rs=[.4 .6] buses=[b yd] conns=[wye delta] kvs=[12.47 4.16] kvas=[900 900]
new transformer.dy xhl=4 %rs=[.4 .6] buses=[b dy] conns=[delta wye] kvs=[12.47 .48] kvas=[700 700]
~ taps=[1.025 .99] leadlag=lead %imag=.7 %noloadloss=.3
new transformer.three windings=3 xhl=7 xht=9 xlt=4 %rs=[.3 .4 .5]
~ buses=[b lo ter] conns=[wye wye delta] kvs=[12.47 4.16 2.4] kvas=[1000 1000 1000]
new transformer.ct phases=1 windings=3 xhl=2 xht=2 xlt=1.4 %rs=[.6 1.2 1.2] %imag=.5
~ buses=[a.3 ct.1.0 ct.0.2] kvs=[7.2 .12 .12] kvas=[50 50 50]
new transformer.ll phases=1 windings=2 xhl=3 %rs=[.5 .5] buses=[a.3.1 ll.1.0] conns=[delta wye]
~ kvs=[12.47 .24] kvas=[60 60]
new transformer.reg phases=3 windings=2 xhl=.01 %rs=[0.001 0.001] buses=[b2 r] kvs=[12.47 12.47]
~ kvas=[3000 3000] taps=[1 1.0375]
new reactor.series bus1=r bus2=rr r=.2 x=1.1
new reactor.shunt bus1=rr phases=3 kv=12.47 kvar=60
new capacitor.c1 bus1=dy kv=.48 kvar=90
new capacitor.c2 bus1=yd kv=4.16 kvar=120 conn=delta
new capacitor.c3 bus1=a.1 phases=1 kv=7.2 kvar=50 numsteps=2 states=[1 0]
new load.p bus1=dy kv=.48 kw=90 kvar=30 model=1
new load.z bus1=yd kv=4.16 conn=delta kw=120 kvar=40 model=2
new load.motor bus1=lo kv=4.16 kw=80 kvar=30 model=3
new load.cvr bus1=lo.1 phases=1 kv=2.4 kw=30 kvar=10 model=4 cvrwatts=.8 cvrvars=2.4
new load.i bus1=ter.1.2 phases=1 conn=delta kv=2.4 kw=20 kvar=5 model=5
new load.fq bus1=lo.2.3 phases=2 kv=4.16 kw=40 kvar=12 model=6 vmaxpu=1.2
new load.fx bus1=rr.3 phases=1 kv=7.2 kw=20 kvar=8 model=7 vmaxpu=1.2
new load.zip bus1=rr kv=12.47 kw=100 kvar=45 model=8 zipv=[.3 .3 .4 .5 .2 .3 0]
new load.one bus1=ct.1 phases=1 kv=.12 kw=4 kvar=1
new load.across bus1=ct.1.2 phases=1 kv=.24 kw=9 kvar=3
new load.weak bus1=side.2 phases=1 kv=7.2 kw=60 kvar=20 vminpu=1.1 vmaxpu=1.3
new load.low bus1=ll.1 phases=1 kv=.24 kw=15 kvar=5
new generator.g bus1=rr kv=12.47 kw=50 pf=.95
new pvsystem.pv bus1=dy kv=.48 kva=60 pmpp=50 pf=.98 irradiance=.8
new storage.s bus1=yd.2.3 phases=1 conn=delta kv=4.16 kwrated=20 kwhrated=80 state=discharging
set voltagebases=[12.47 4.16 2.4 .48 .4157 .208]
calcvoltagebases
solve
"""


def test_every_kind_of_element(tmp_path):
    engine()
    path = tmp_path / "zoo.dss"
    path.write_text(ZOO)
    net, _ = check_zoo(path, tmp_path)
    assert not net.lines["tie"].closed and "tie" not in net.branches
    assert net.loads["across"].legs == ("12",) and net.loads["fq"].legs == ("b", "c")
    assert net.loads["zip"].coefficients == (.3, .3, .4, .5, .2, .3)
    assert net.capacitors["c3"].kvar == (25.0,)
    assert net.generators["pv"].kva == 60 and net.storages["s"].phases == "bc"
    assert net.buses["ct"].phases == "12" and net.buses["ct"].kv_ln == pytest.approx(0.12, rel=1e-3)


def check_zoo(path, folder):
    """As `check_round_trip`, but for the star point that our three-winding star adds."""
    net = dlmp.read_opendss(path)
    written = dlmp.write_opendss(net, folder / "written.dss")
    before, after = node_voltages(path), node_voltages(written)
    assert set(before) == {node for node in after if "_star" not in node}
    errors = {node: abs(before[node] - after[node]) for node in before}
    assert max(errors.values()) < 1e-5, max(errors, key=errors.get)
    return net, written


def test_linear_model_of_every_kind_is_near_ac_and_exact_in_the_ac_form(tmp_path):
    engine()
    path = tmp_path / "zoo.dss"
    path.write_text(ZOO)
    net = dlmp.read_opendss(path)
    table, _ = dlmp.validate_feeder(net)
    lossless, _, exact = table["max_error"][:3]
    assert lossless < 0.02 and exact < 1e-8


def test_nominal_voltages_end_at_what_is_written_as_reactors(tmp_path):
    text = """clear
new circuit.c basekv=115 pu=1 bus1=src
new transformer.sub windings=3 xhl=8 xht=9 xlt=7 %rs=[.5 .5 .5] buses=[src low.1.2.3.4 third]
~ conns=[delta wye wye] kvs=[115 4.16 13.2] kvas=[5000 5000 5000]
new reactor.ground phases=1 bus1=low.4 bus2=low.0 r=.1 x=0
new line.l bus1=low bus2=b r1=.01 x1=.02 c1=0 c0=0 length=1
new transformer.reg phases=1 xhl=1 buses=[b.1 r.1] kvs=[2.4 2.4] kvas=[900 900]
new load.r bus1=r.1 phases=1 kv=2.4 kw=90
new load.t bus1=third kv=13.2 kw=90
set voltagebases=[115 13.2 4.16]
calcvoltagebases
solve
"""
    (tmp_path / "m.dss").write_text(text)
    net, written = check_round_trip(tmp_path / "m.dss", tmp_path)
    assert net.admittances
    kv = {name: bus.kv_ln for name, bus in net.buses.items()}
    again = {name: bus.kv_ln for name, bus in dlmp.read_opendss(written).buses.items()}
    assert again == pytest.approx(kv)


def test_profiles_names_and_coordinates(tmp_path):
    engine()
    (tmp_path / "Shape One.csv").write_text("\n".join(["0.5"] * 12 + ["1.5"] * 12))
    (tmp_path / "xy.csv").write_text("src, 1, 2\nA, 3.5, 4\n")
    (tmp_path / "m.dss").write_text(
        "new circuit.p basekv=4.16 bus1=src\n"
        "new loadshape.day npts=24 interval=1 mult=(file='shape one.csv')\n"
        "new line.x bus1=src bus2=A r1=1 x1=1 r0=1 x0=1 c1=0 c0=0 length=1\n"
        "new load.x bus1=a kv=4.16 kw=30 kvar=9 daily=day\n"
        "set voltagebases=[4.16]\ncalcv\nbuscoords XY.csv\nexport voltages\nshow powers\nsolve\n")
    net = dlmp.read_opendss(tmp_path / "m.dss")
    assert net.loads["x"].profile == "day" and net.buses["a"].x == 3.5
    assert net.profiles["day"].series(4, hours=6) == [0.5, 0.5, 1.5, 1.5]
    assert not list(tmp_path.glob("*EXP*")) and len(list(tmp_path.iterdir())) == 3


def test_numpy_figures_are_written_as_figures(tmp_path):
    """Figures often come out of arrays."""
    engine()
    third = np.float64(1 / 3)
    net = dlmp.load_feeder("ieee13").with_devices(
        dlmp.Load(name="np", bus="671", legs=("a",), kw=(third,), kvar=(np.float32(0.5),)),
        dlmp.Generator(name="gen", bus="671", kw_max=np.int64(9), cost=0, kw=third))
    written = dlmp.write_opendss(net, tmp_path / "np.dss")
    assert "np." not in written.read_text().replace("load.np ", "")
    assert dlmp.read_opendss(written).loads["np"].kw[0] == pytest.approx(third)
