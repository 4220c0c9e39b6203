"""Every kind of element that engineers have: read exactly, as what is named here."""

import numpy as np
import pytest

import pyomo_dlmp as dlmp
from tests.opendss.reading import check_reads, read_text

FOUR = """new linecode.four nphases=4 units=km
~ rmatrix=[.23|.06 .23|.06 .06 .23|.06 .06 .06 .23]
~ xmatrix=[.88|.54 .88|.48 .52 .88|.45 .48 .54 .88] cmatrix=[9|0 9|0 0 9|0 0 0 9]
"""
LOW = """new transformer.t buses=[b low{}] conns=[delta wye] kvs=[12.47 .48] kvas=[500 500] xhl=4
"""
# text, {collection: {name: what is expected of it}}
CASES = {
    "capacitor_cuf": ("new capacitor.k bus1=b phases=3 kv=12.47 cuf=2",
                      {"capacitors": {"k": {"legs": ("a", "b", "c"), "closed": True}}}),
    "capacitor_cmatrix": ("new capacitor.k bus1=b phases=2 cmatrix=[2|-.5 3]", {"admittances": {}}),
    "capacitor_opened": ("new capacitor.k bus1=b kv=12.47 kvar=90\nopen capacitor.k 1",
                         {"capacitors": {"k": {"closed": False, "kvar": (30.0,) * 3}}}),
    "capacitor_star_of_its_own": ("new capacitor.k bus1=b bus2=b.4.4.4 kv=12.47 kvar=90",
                                  {"capacitors": {"k": {"connection": "delta"}}}),
    "capacitor_open_delta": ("new capacitor.k bus1=b phases=2 conn=delta kv=12.47 kvar=90",
                             {"capacitors": {}}),
    "capacitor_with_losses": ("new capacitor.k bus1=b kv=12.47 kvar=90 r=3",
                              {"shunts": {"k": {"conductors": ("abc",)}}}),
    "capacitor_in_series": (
        "new capacitor.k bus1=b bus2=d kv=12.47 kvar=90000\nnew load.d bus1=d kv=12.47 kw=90",
        {"admittances": {"k": {"buses": ("b", "d")}}}),
    "reactor_delta": ("new reactor.r bus1=b kv=12.47 kvar=50 conn=delta",
                      {"capacitors": {"r": {"connection": "delta"}}}),
    "reactor_with_losses": ("new reactor.r bus1=b phases=3 r=900 x=400",
                            {"shunts": {"r": {"buses": ("b",)}}}),
    "reactor_in_series": ("new reactor.r bus1=b bus2=d r=.2 x=1.1\nnew load.d bus1=d kv=12.47 kw=9",
                          {"lines": {"r": {"phases": "abc"}}}),
    "reactor_nonreciprocal": (
        "new reactor.r phases=3 bus1=b bus2=d z1=[2 1] z2=[1 4] z0=[1 3]\n"
        "new load.d bus1=d kv=12.47 kw=90 model=2", {"admittances": {"r": {}}}),
    "parallel_lines": ("new line.p1 bus1=b bus2=d length=1\nnew line.p2 bus1=b bus2=d length=1\n"
                       "new load.d bus1=d kv=12.47 kw=20", {"lines": {"p1": {}, "p2": {}}}),
    "loop": ("new line.p1 bus1=b bus2=d length=1\nnew line.p2 bus1=d bus2=src length=1\n"
             "new load.d bus1=d kv=12.47 kw=20", {"lines": {"p1": {}, "p2": {}}}),
    "joint": ("new line.z bus1=b bus2=d r1=1e-10 x1=0 r0=1e-10 x0=0 c1=0 c0=0 length=1\n"
              "new load.d bus1=d kv=12.47 kw=20", {"lines": {"z": {"joins": True}}}),
    "negative_r": ("new line.z phases=3 bus1=b bus2=d rmatrix=[-.1|0 .1|0 0 .1] "
                   "xmatrix=[.4|0 .4|0 0 .4] length=1\nnew load.d bus1=d kv=12.47 kw=20",
                   {"lines": {"z": {}}}),
    "line_half_open": ("new line.z bus1=b bus2=d length=1\nopen line.z 1 2\n"
                       "new load.d bus1=d.1 phases=1 kv=7.2 kw=20", {"admittances": {"z": {}}}),
    "transposed": ("new line.z bus1=b.1.2.3 bus2=d.2.3.1 length=1\nnew load.d bus1=d.1 phases=1 "
                   "kv=7.2 kw=20", {"lines": {"z": {"phases": "abc", "to_conductors": "bca"}}}),
    "asymmetric_code": ("new line.z bus1=b bus2=d rmatrix=[.3|.1 .3|.1 .1 .3] xmatrix=[.9|.4 .9|"
                        ".4 .4 .9] cmatrix=[9 -2 -2|-3 9 -2|-2 -2 9]\nnew load.d bus1=d kv=12.47 "
                        "kw=20", {"admittances": {"z": {}}}),
    "poles_of_two_circuits": (
        FOUR + "new line.z bus1=b.1.2.3.10 bus2=p.31.32.33.10 linecode=four\n"
        "new line.y bus1=p.31.32.33.10 bus2=d.1.2.3.4 linecode=four\n"
        "new reactor.g phases=1 bus1=p.10 r=15 x=0\nnew load.d bus1=d.1.4 phases=1 kv=7.2 kw=20",
        {"buses": {"p": {"phases": "", "neutrals": "iEFG"}}}),
    "neutral_grounded_at_both_ends": (
        FOUR + "new line.z bus1=b.1.2.3.0 bus2=d.1.2.3.0 linecode=four\n"
        "new load.d bus1=d kv=12.47 kw=20", {"lines": {"z": {"phases": "abc"}}}),
    "neutral_grounded_at_one_end": (
        FOUR + "new line.z bus1=b.1.2.3.0 bus2=d.1.2.3.4 linecode=four length=1\n"
        "new load.d bus1=d.1.4 phases=1 kv=7.2 kw=20",
        {"lines": {"z": {"phases": "abcn"}},
         "buses": {"b": {"ground_z": 0}, "d": {"neutrals": "n", "ground_z": None}},
         "loads": {"d": {"legs": ("an",)}}}),
    "neutral_through_a_reactor": (
        FOUR + "new line.z bus1=b.1.2.3.4 bus2=d.1.2.3.4 linecode=four length=1\n"
        "new reactor.g bus1=d.4 phases=1 r=5 x=1\nnew reactor.h bus1=b.4 phases=1 r=.1 x=0\n"
        "new load.d bus1=d.1.4 phases=1 kv=7.2 kw=20",
        {"buses": {"d": {"ground_z": pytest.approx(5 + 1j)}}}),
    "five_wires": (
        "new line.z phases=5 bus1=b.1.2.3.4.5 bus2=d.1.2.3.4.5 length=1\n"
        "~ rmatrix=[.3|.1 .3|.1 .1 .3|.1 .1 .1 .3|.1 .1 .1 .1 .3]\n"
        "~ xmatrix=[.8|.4 .8|.4 .4 .8|.4 .4 .4 .8|.4 .4 .4 .4 .8]\n"
        "new reactor.g bus1=b.4 phases=1 r=1 x=0\nnew reactor.h bus1=d.5 phases=1 r=2 x=0\n"
        "new load.d bus1=d.2.5 phases=1 kv=7.2 kw=20",
        {"buses": {"d": {"neutrals": "nd"}}, "loads": {"d": {"legs": ("bd",)}},
         "shunts": {"h": {"conductors": ("d",)}}}),
    "wye_unit_between_phases": (
        "new transformer.u phases=1 windings=2 buses=[b.2.3 d.1] kvs=[12.47 .24] kvas=[50 50] "
        "xhl=2\nnew load.d bus1=d.1 phases=1 kv=.24 kw=10",
        {"transformers": {"u": {"from_legs": ("bc",)}}}),
    "reversed": ("new transformer.u buses=[d b] conns=[wye delta] kvs=[.48 12.47] kvas=[500 500] "
                 "xhl=4\nnew load.d bus1=d.1 phases=1 kv=.277 kw=30",
                 {"transformers": {"u": {"from_bus": "b", "to_bus": "d"}}}),
    "neutral_impedance": (
        "new transformer.u buses=[b d.1.2.3.4] conns=[delta wye] kvs=[12.47 .48] kvas=[500 500] "
        "xhl=4\n~ wdg=2 rneut=.4 xneut=.1\nnew load.d bus1=d.1 phases=1 kv=.277 kw=30",
        {"admittances": {"u": {"conductors": ("abc", "abcn")}}}),
    "winding_at_the_neutral": (
        "new transformer.u buses=[b d.1.2.3.4] conns=[delta wye] kvs=[12.47 .48] kvas=[500 500] "
        "xhl=4\nnew reactor.g bus1=d.4 phases=1 r=.1 x=0\n"
        "new load.d bus1=d.1.4 phases=1 kv=.277 kw=30",
        {"transformers": {"u": {"to_legs": ("an", "bn", "cn")}}}),
    "three_windings_exciting": (
        "new transformer.u windings=3 buses=[b d e] conns=[wye delta wye] kvs=[12.47 4.16 .48] "
        "kvas=[500 500 500] xhl=5 xht=6 xlt=3 %imag=2 %noloadloss=.5 %rs=[.3 .4 .5]\n"
        "new load.d bus1=d.1.2 phases=1 conn=delta kv=4.16 kw=30\n"
        "new load.e bus1=e.1 phases=1 kv=.277 kw=20",
        {"transformers": {"u_1": {}, "u_2": {"magnetizing_percent": 2}, "u_3": {}},
         "admittances": {}}),
    "three_windings_single_phase": (
        "new transformer.u phases=1 windings=3 buses=[b.2 d.2 e.2] kvs=[7.2 2.4 .277] "
        "kvas=[50 50 50] xhl=5 xht=6 xlt=3 %imag=1\n"
        "new load.d bus1=d.2 phases=1 kv=2.4 kw=30\nnew load.e bus1=e.2 phases=1 kv=.277 kw=9",
        {"transformers": {"u_1": {}, "u_2": {}, "u_3": {}}}),
    "three_windings_no_star": (
        "new transformer.u windings=3 buses=[b d e] kvs=[12.47 4.16 .48] kvas=[500 500 500] "
        "xhl=5 xht=6 xlt=11 %rs=[0 .4 .5]\nnew load.d bus1=d kv=4.16 kw=30\n"
        "new load.e bus1=e.1 phases=1 kv=.277 kw=20", {"admittances": {"u": {}}}),
    "open_delta_winding": (
        "new transformer.u phases=2 windings=2 buses=[b.1.2 d.1.2] conns=[delta delta] "
        "kvs=[12.47 .48] kvas=[75 75] xhl=2\n"
        "new load.d phases=1 bus1=d.1.2 conn=delta kv=.48 kw=20", {"admittances": {"u": {}}}),
    "grounded_delta_unit": (
        "new transformer.u phases=1 windings=2 buses=[b.1.0 d.1.0] conns=[delta delta] "
        "kvs=[7.2 .24] kvas=[50 50] xhl=2\nnew load.d bus1=d.1 phases=1 kv=.24 kw=10",
        {"transformers": {"u": {}}}),
    "autotransformer": (
        "new autotrans.u phases=3 windings=2 buses=[b d] kvs=[12.47 4.16] kvas=[500 500] "
        "xhx=4 conns=[series wye]\nnew load.d bus1=d kv=4.16 kw=30", {"admittances": {"u": {}}}),
    "fault_on": ("new fault.f bus1=b.1 bus2=b.2 phases=1 r=400",
                 {"shunts": {"f": {"conductors": ("ab",)}}}),
    "load_to_neutral_star": (
        LOW.format(".1.2.3.0") + FOUR + "new line.z bus1=low.1.2.3.0 bus2=d.1.2.3.4 linecode=four "
        "length=.1\nnew load.d bus1=d.1.2.3.4 phases=3 kv=.48 kw=20\n"
        "new load.e bus1=d.1.4 phases=1 kv=.277 kw=9",
        {"loads": {"d": {"legs": ("an", "bn", "cn")}}}),
    "load_open_delta": ("new load.d phases=2 bus1=b conn=delta kv=12.47 kw=90 kvar=20",
                        {"loads": {"d": {"legs": ("b",)}, "d_delta": {"legs": ("ab",)}}}),
    "load_mixed_legs": ("new load.d phases=2 bus1=b.1.2.0 conn=delta kv=12.47 kw=90 model=2",
                        {"loads": {"d": {"legs": ("b",)}, "d_delta": {"legs": ("ab",)}}}),
    "load_with_cut_off": ("new load.d bus1=b kv=12.47 kw=90 model=8 zipv=[.2 .3 .5 .1 .4 .5 .6]",
                          {"loads": {"d": {"model": "zip"}}}),
    "load_model_6_outside": ("new load.d bus1=b kv=10 kw=90 kvar=20 model=6",
                             {"loads": {"d": {"model": "impedance"}}}),
    "load_opened_in_part": ("new load.d bus1=b kv=12.47 kw=90 model=2\nopen load.d 1 2", None),
    "loads_as_admittances": ("set loadmodel=admittance", {"loads": {"s": {"model": "impedance"}}}),
    "growth": ("set year=4 %growth=3", {"loads": {"s": {}}}),
    "fixed_and_exempt": ("new load.f bus1=b kv=12.47 kw=90 status=fixed\n"
                         "new load.e bus1=b kv=12.47 kw=60 status=exempt\nset loadmult=.5",
                         {"loads": {"f": {"kw": (30.0,) * 3}, "s": {"kw": (100 / 3,) * 3}}}),
    "generator_models": ("\n".join(f"new generator.g{m} bus1=b kv=12.47 kw=50 kvar=10 model={m}"
                                   for m in (1, 2, 3, 4, 5, 7)), {"generators": {"g3": {}}}),
    "generator_open_delta": ("new generator.g phases=1 conn=delta bus1=b.1.3 kv=12.47 kw=30",
                             {"generators": {"g": {"phases": "ca"}}}),
    "pv_to_neutral": (
        LOW.format(".1.2.3.0") + FOUR + "new line.z bus1=low.1.2.3.0 bus2=d.1.2.3.4 linecode=four "
        "length=.1\nnew pvsystem.p bus1=d.1.4 phases=1 kv=.277 kva=9 pmpp=8",
        {"generators": {"p": {"phases": "a", "neutral": "n"}}}),
    "current_source": ("new isource.i bus1=b amps=5 angle=90", {"loads": {"i": {}}}),
    "second_source": ("new vsource.v2 bus1=b basekv=12.47 r1=2 x1=40 r0=3 x0=50",
                      {"loads": {"v2": {}}}),
}


@pytest.mark.parametrize("case", CASES)
def test_element(case, tmp_path):
    text, wanted = CASES[case]
    net, _ = check_reads(text, tmp_path)
    for collection, elements in (wanted or {}).items():
        held = getattr(net, collection)
        for name, fields in elements.items():
            for key, value in fields.items():
                assert getattr(held[name], key) == pytest.approx(value) if isinstance(
                    value, tuple) and isinstance(value[0], float) else (
                    getattr(held[name], key) == value), (name, key, held[name])


def test_three_sources_are_one_substation(tmp_path):
    net, _ = check_reads(
        "clear\nnew circuit.c phases=1 bus1=s.1 basekv=7.2 r1=.1 x1=.2 r0=.1 x0=.2\n"
        "new vsource.b phases=1 bus1=s.2 basekv=7.1 angle=-118 r1=.1 x1=.2 r0=.1 x0=.2\n"
        "new vsource.c phases=1 bus1=s.3 basekv=7.3 angle=121 r1=.1 x1=.3 r0=.1 x0=.3\n"
        "new line.l bus1=s bus2=b length=1\nnew load.x bus1=b kv=12.47 kw=90\n"
        "set voltagebases=[12.47]\ncalcv\nsolve\n", tmp_path)
    assert net.substation.angles == pytest.approx((0.0, -118.0, 121.0))
    assert net.substation.v_pu == pytest.approx([v * 3**.5 / 12.47 for v in (7.2, 7.1, 7.3)])


def test_negative_sequence(tmp_path):
    net, _ = check_reads(
        "clear\nnew circuit.n basekv=11 bus1=src sequence=neg mvasc3=200 mvasc1=200\n"
        "new line.a bus1=src bus2=b length=2\n"
        "new load.l bus1=b.1.2 phases=1 conn=delta kv=11 kw=500 kvar=100\n"
        "set voltagebases=[11]\ncalcv\nsolve\n", tmp_path)
    assert net.substation.angles == (0.0, 120.0, -120.0)
    again, _ = check_reads("clear\n" + dlmp.write_opendss(net, tmp_path / "w.dss").read_text(),
                           tmp_path)
    assert again.substation.angles == net.substation.angles


def test_what_does_nothing_is_left_out_in_one_warning(tmp_path):
    net, said = check_reads(
        "new line.sw bus1=b bus2=d switch=y\nnew load.d bus1=d kv=12.47 kw=20\n"
        "new line.far bus1=e bus2=f\nnew load.off bus1=b kv=12.47 kw=5 enabled=no\n"
        "new fault.f bus1=b.1 phases=1 r=1 enabled=no\n"
        "set voltagebases=[12.47]\ncalcv\nsolve\nopen line.sw 1", tmp_path)
    assert set(net.loads) == {"s"} and set(net.buses) == {"src", "b"}
    for name in ("Line.sw (m.dss, line 5)", "Load.d (m.dss, line 6)", "Line.far", "Load.off"):
        assert name in said
    assert "Fault.f" in said


def test_open_switch_between_live_buses_is_kept(tmp_path):
    net, _ = check_reads("new line.p bus1=b bus2=d length=1\nnew line.tie bus1=b bus2=d switch=y\n"
                         "new load.d bus1=d kv=12.47 kw=20\nopen line.tie 1\nopen line.tie 2",
                         tmp_path)
    assert set(net.open_lines) == {"tie"}


def test_names_stay(tmp_path):
    net, _ = check_reads("new line.l(r:p1-p2).x bus1=b bus2=d-1 length=1\n"
                         "new capacitor.s bus1=b kv=12.47 kvar=60\n"
                         "new reactor.s bus1=b kv=12.47 kvar=30\nnew load.d bus1=d-1 kv=12.47 kw=9",
                         tmp_path)
    assert "l(r:p1-p2).x" in net.lines
    assert set(net.capacitors) == {"capacitor.s", "reactor.s"} and "s" in net.loads


def test_powers_are_those_of_the_solution(tmp_path):
    net, _ = check_reads("set year=4 %growth=3", tmp_path)
    assert net.loads["s"].kw == pytest.approx([200 / 3 * 1.03**3] * 3)
    assert np.isclose(net.total_kvar, 80 * 1.03**3)


SHAPES = """
new loadshape.q npts=4 interval=1 pmult=[.3 .5 .8 .7] qmult=[.1 .23 .12 .12]
new loadshape.kw npts=3 interval=1 mult=[50 100 150] useactual=yes
new loadshape.uneven npts=3 interval=0 hour=[1 2 4] mult=[1 2 4]
new loadshape.quarters npts=8 minterval=15 mult=[1 2 3 4 5 6 7 8]
new loadshape.slow npts=2 interval=2 mult=[.5 1.5]
new load.q bus1=b kv=12.47 kw=100 kvar=40 daily=q yearly=slow
new load.k bus1=b kv=12.47 kw=100 daily=kw
new load.u bus1=b kv=12.47 kw=10 daily=uneven
new load.m bus1=b kv=12.47 kw=10 yearly=quarters
new load.l bus1=b kv=12.47 kw=10 daily=slow
new load.f bus1=b kv=12.47 kw=10 daily=q status=fixed
"""


def test_shapes(tmp_path):
    net, said = check_reads(SHAPES, tmp_path)
    series = {name: net.profiles[load.profile].series(4) if load.profile else None
              for name, load in net.loads.items()}
    assert series["q"] == [.3, .5, .8, .7] and net.profiles["q"].q_values == (.1, .23, .12, .12)
    assert series["k"] == pytest.approx([1 / 3, 2 / 3, 1, 1 / 3])  # the engine makes its kw 150
    assert series["u"] == [1, 2, 3, 4]
    assert series["m"] == [2.5, 6.5, 2.5, 6.5]
    assert series["l"] == [.5, .5, 1.5, 1.5]
    assert series["f"] is series["s"] is None
    assert "its uneven hours are interpolated every 60 min" in said


def test_one_hour_of_the_shapes(tmp_path):
    net, _, _ = read_text(SHAPES, tmp_path, hour=2)
    assert not net.profiles
    assert net.loads["q"].kw == pytest.approx((50 / 3,) * 3)
    assert net.loads["q"].kvar == pytest.approx((40 * .23 / 3,) * 3)
    assert net.loads["u"].kw == pytest.approx((20 / 3,) * 3)
    with pytest.raises(dlmp.errors.OpenDssError, match="hour: is 0"):
        read_text(SHAPES, tmp_path, hour=0)


MAKERS = """
new loadshape.sun npts=4 interval=1 mult=[0 .5 1 .2]
new loadshape.kw npts=4 interval=1 useactual=yes mult=[0 50 100 20]
new pvsystem.pv bus1=b kv=12.47 kva=600 pmpp=500 irradiance=.8 daily=sun
new pvsystem.big bus1=b kv=12.47 kva=300 pmpp=500 daily=sun
new generator.g bus1=b kv=12.47 kw=100 kvar=20 daily=sun
new generator.k bus1=b kv=12.47 kw=80 kvar=0 daily=kw
new generator.f bus1=b kv=12.47 kw=10 kvar=0 daily=sun status=fixed
new storage.s bus1=b kv=12.47 kwrated=100 kwhrated=400 state=idling daily=sun
"""
MADE = {"pv": (0, 200, 400, 80), "big": (0, 250, 300, 100), "g": (0, 50, 100, 20),
        "k": (0, 50, 100, 20), "f": (10, 10, 10, 10)}  # kW by hour


def test_sources_follow_their_shapes(tmp_path):
    net, said = check_reads(MAKERS, tmp_path)
    m = dlmp.build_opf(net, periods=4, load_scale="profiles")
    kw = {name: [1000 * m.generator[name].p[t].ub for t in m.periods] for name in MADE}
    assert kw == {name: pytest.approx(values, abs=1e-4) for name, values in MADE.items()}
    assert [1000 * p.ub for p in dlmp.build_opf(net, periods=2).generator["pv"].p.values()] == (
        pytest.approx([400, 400]))
    assert "Storage.s (m.dss, line 13): its shape 'sun' is not followed" in said
    night = dlmp.ac_power_flow(net, load_scale="profiles").point
    made = {name: 1000 * sum(p) for (name, _), (p, _) in night.injections.items()}
    assert {k: made[k] for k in MADE} == pytest.approx(
        {name: values[0] for name, values in MADE.items()}, abs=1e-4)
    dusk, _, _ = read_text(MAKERS, tmp_path, hour=4)
    assert {name: dusk.generators[name].kw for name in MADE} == pytest.approx(
        {name: values[3] for name, values in MADE.items()})
    back = dlmp.read_opendss(dlmp.write_opendss(net, tmp_path / "back.dss"))
    assert back.generators["pv"].profile == "sun"
    dlmp.write_tables(net, tmp_path / "tables")
    assert dlmp.read_tables(tmp_path / "tables").generators == net.generators


SPUR = "new line.{0} bus1={1} bus2={2} r1=.2 x1=.4 c1=0 c0=0 length=1\n"
MISTYPED = {  # with what is said
    SPUR.format("n", "b", "node12") + "new load.far bus1=node21 kv=12.47 kw=77": (
        "Load.far (m.dss, line 6): its 77 kW are left out: it is at bus 'node21', where nothing "
        "else is. Did you mean 'node12'?"),
    SPUR.format("n", "b", "node21") + SPUR.format("o", "node12", "end") + (
        "new load.far bus1=end kv=12.47 kw=77"): (
        "Line.n (m.dss, line 5): nothing else is at its bus 'node21', and no source feeds others. "
        "Did you mean 'node12'?"),
}


@pytest.mark.parametrize("text", MISTYPED)
def test_a_mistyped_bus_is_named(tmp_path, text):
    _, said = check_reads(text, tmp_path)
    assert MISTYPED[text] in said
    assert "loads: 77 kW of them are left out: no source feeds them" in said


def test_conductors_that_nothing_feeds_are_left_out(tmp_path):
    net, said = check_reads("new line.one bus1=b.1 bus2=d.1 phases=1 r1=.2 x1=.4 c1=0 length=1\n"
                            "new line.three bus1=d bus2=e r1=.2 x1=.4 c1=9 c0=9 length=1\n"
                            "new load.e bus1=e.1 phases=1 kv=7.2 kw=20\n"
                            "new load.f bus1=e.2 phases=1 kv=7.2 kw=20", tmp_path)
    assert net.lines["three"].phases == "a" and set(net.loads) == {"s", "e"}
    assert "nothing feeds its conductors at nodes [2, 3]" in said and "Load.f" in said
