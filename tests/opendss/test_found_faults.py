"""Faults that a hunt has found in the reader, each with its smallest case; the engine is right."""

import cmath
import math

import pytest

import pyomo_dlmp as dlmp
from tests.feeders import engine
from tests.opendss.reading import check_reads, read_text

SOURCE = "clear\nnew circuit.c basekv=12.47\n"
SOLVE = "set voltagebases=[12.47 .208]\ncalcvoltagebases\nsolve\n"


def test_grounded_neutral_behind_a_centre_tapped_transformer(tmp_path):
    net, _ = check_reads(
        SOURCE + "new transformer.t phases=1 windings=3 buses=[sourcebus.1 b.1.0 b.0.2] "
        "kvs=[7.2 .12 .12] kvas=[50 50 50] xhl=2 xht=2 xlt=1.3\n"
        "new load.a bus1=b.1.3 phases=1 kv=.12 kw=5\nnew load.b bus1=b.2.3 phases=1 kv=.12 kw=2\n"
        "new reactor.g bus1=b.3 phases=1 r=.02 x=0\n" + SOLVE, tmp_path)
    assert net.buses["b"].ground_r == pytest.approx(0.02)


def drawn_in_hours(text, folder, hours=2):
    """Power from the source (kVA): of each hour as read, and of the engine's daily mode."""
    read_text(text, folder)
    ours = []
    for hour in range(1, hours + 1):
        net = dlmp.read_opendss(folder / "m.dss", hour=hour)
        flow = dlmp.ac_power_flow(net)
        ours.append(1e3 * sum(flow.point.source.values()))
    dss = engine().DSS
    for line in (text + "set mode=daily number=1 hour=0 tolerance=1e-9").splitlines():
        dss.Text.Command = line
    theirs = []
    for _ in range(hours):
        dss.Text.Command = "solve"
        theirs.append(-complex(*dss.ActiveCircuit.TotalPower))
    return ours, theirs


SHAPED = {
    "growth": ("new loadshape.s npts=2 interval=1 useactual=yes mult=[100 200]",
               "kw=400 kvar=100 daily=s", "set year=2 %growth=3"),
    "half hours": ("new loadshape.s npts=4 minterval=30 mult=[1 .5 1 .25]",
                   "kw=400 kvar=100 daily=s", ""),
    "uneven": ("new loadshape.s npts=4 interval=0 hour=[1 2 3.5 4] mult=[1 .5 1 .25]",
               "kw=400 kvar=100 daily=s", ""),
}


@pytest.mark.parametrize("which", SHAPED)
def test_hours_are_those_of_the_engine(which, tmp_path):
    shape, load, after = SHAPED[which]
    ours, theirs = drawn_in_hours(
        f"{SOURCE}{shape}\nnew load.a bus1=sourcebus kv=12.47 {load}\n{after}\n{SOLVE}", tmp_path)
    for mine, right in zip(ours, theirs, strict=True):
        assert cmath.isclose(mine, right, abs_tol=0.5), (mine, right)


def test_an_opened_load_between_phases_is_left_out(tmp_path):
    net, _, _ = read_text(
        SOURCE + "new load.a bus1=sourcebus.1.2 phases=1 kv=12.47 kw=50\n"
        "new load.b bus1=sourcebus kv=12.47 kw=30\nopen load.a 1\n" + SOLVE, tmp_path)
    assert math.isclose(sum(sum(load.kw) for load in net.loads.values()), 30.0, rel_tol=1e-6)


def test_a_conductor_opened_at_one_end_is_kept_or_named(tmp_path):
    net, _, said = read_text(
        SOURCE + "new line.s bus1=sourcebus bus2=b r1=.2 x1=.4 r0=.5 x0=1 c1=8 c0=3 length=4 "
        "units=km\nnew load.a bus1=b.1 phases=1 kv=7.2 kw=20\nopen line.s 1 2\n" + SOLVE, tmp_path)
    assert "b" in net.buses["b"].phases or said  # the engine has it at a quarter of its voltage


def test_kvar_of_a_shape_without_nominal_kvar_are_named(tmp_path):
    """A duty shape in kW without kvar sets the engine's nominal kvar to 0."""
    _, _, said = read_text(
        SOURCE + "new loadshape.s npts=2 interval=1 useactual=yes mult=[100 200] qmult=[50 60]\n"
        "new loadshape.t npts=2 interval=1 useactual=yes mult=[100 200]\n"
        "new load.a bus1=sourcebus kv=12.47 kw=400 kvar=100 daily=s duty=t\n" + SOLVE, tmp_path)
    assert "Load.a (m.dss, line 5): its shape has kvar, but its nominal kvar is 0" in said[0]


def test_an_island_that_a_current_source_feeds_is_refused(tmp_path):
    with pytest.raises(dlmp.DlmpError, match="energised, but nothing joins it with the substation"):
        read_text(SOURCE + "new line.l bus1=sourcebus bus2=b length=.1\n"
                  "new load.b bus1=b kv=12.47 kw=30\n"
                  "new line.far bus1=p bus2=q length=.1\nnew load.q bus1=q kv=12.47 kw=30 model=2\n"
                  "new isource.i bus1=p amps=1.2\n" + SOLVE, tmp_path)


def test_charging_of_short_lines_adds_up(tmp_path):
    """Less than 1e-9 of each line's admittance, some kvar of them all."""
    net, _ = check_reads(
        SOURCE + "new linecode.k units=km r1=.02 x1=.02 r0=.02 x0=.02 c1=400 c0=400\n" + "".join(
            f"new line.l{i} bus1={f'b{i}' if i else 'sourcebus'} bus2=b{i + 1} linecode=k units=m "
            f"length={1 + i / 7}\n" for i in range(20))
        + "new load.b bus1=b20 kv=12.47 kw=30\n" + SOLVE, tmp_path)
    assert len({line.code.name for line in net.lines.values()}) == 1
    assert all(line.code.b is not None for line in net.lines.values())
