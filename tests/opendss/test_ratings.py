"""Ratings that an OpenDSS file states, against the engine's own words."""

import warnings

import pytest

import pyomo_dlmp as dlmp
from tests.opendss.reading import check_reads

FILE = """clear
new circuit.c bus1=s basekv=12.47
new linecode.states nphases=3 normamps=400 r1=.1 x1=.2 c1=0
new linecode.silent nphases=3 r1=.1 x1=.2 c1=0
new linecode.thin nphases=3 r1=.1 x1=.2 c1=0 normamps=350
new wiredata.w gmr=.01 rac=.3 runits=kft radius=.3 radunits=in gmrunits=ft normamps=123
new linegeometry.g nconds=3 nphases=3 cond=1 wire=w x=0 h=30 units=ft
~ cond=2 wire=w x=3 h=30 units=ft cond=3 wire=w x=6 h=30 units=ft
new line.of_its_code bus1=s bus2=b linecode=states length=1
new line.silent bus1=b bus2=c linecode=silent length=1
new line.own bus1=b bus2=d linecode=silent length=1 normamps=410
new line.thin bus1=b bus2=e linecode=thin length=1
new line.switch bus1=b bus2=f switch=yes
new line.plain bus1=b bus2=g r1=.1 x1=.1 c1=0 normamps=77
new line.like like=plain bus1=b bus2=h
new line.of_its_wires bus1=b bus2=i geometry=g length=1 units=kft
new line.none bus1=b bus2=j linecode=silent length=1 normamps=0
new transformer.t buses=(b k) kvs=(12.47 .48) kvas=(500 500) conns=(delta wye)
new load.x bus1=k kv=.48 kw=300
set voltagebases=(12.47 .48)
calcvoltagebases
solve
"""
AMPS = {"of_its_code": 400, "silent": None, "own": 410, "thin": 350, "switch": None, "plain": 77,
        "like": 77, "of_its_wires": 123, "none": None}


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    path = tmp_path_factory.mktemp("dss") / "m.dss"
    path.write_text(FILE)
    return dlmp.read_opendss(path), dlmp.read_opendss(path, ratings=True)


def rated_amps(network, name):
    line = network.lines[name]
    kva = line.rating_kva
    return None if kva is None else pytest.approx(kva / network.buses[line.from_bus].kv_ln)


@pytest.mark.parametrize(("name", "amps"), AMPS.items())
def test_stated_amperes_are_ratings_and_the_default_is_none(network, name, amps):
    assert amps == rated_amps(network[0], name)


def test_they_are_limits_of_models_where_that_is_wanted(network):
    without, limits = network
    assert not any(line.rated for line in without.lines.values())
    assert all(line.rated for line in limits.lines.values())
    assert (without.branches["t"].rated, limits.branches["t"].rated) == (False, True)
    linear = [dlmp.build_opf(net, periods=1) for net in network]
    rows = [len(list(m.line["plain"].component_objects(descend_into=True))) for m in linear]
    assert rows[0] < rows[1]


def test_they_are_written_and_read_again(network, tmp_path):
    dlmp.write_opendss(network[0], tmp_path / "again.dss")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        again = dlmp.read_opendss(tmp_path / "again.dss")
    assert {name: AMPS[name] for name in AMPS} == {
        name: rated_amps(again, name) for name in AMPS}


def test_each_winding_of_three_has_its_own_rating(tmp_path):
    """All impedances are on the first one's: the circuit is the engine's with any of them."""
    network, _ = check_reads("""clear
new circuit.c bus1=s basekv=12.47
new transformer.t phases=3 windings=3 buses=(s b c) conns=(wye wye wye) kvs=(12.47 4.16 .48)
~ kvas=(5000 4000 1000) xhl=7 xht=8 xlt=5 %rs=(.5 .4 .3) %noloadloss=.2 %imag=.3
new load.b bus1=b kv=4.16 kw=900
new load.c bus1=c.1 phases=1 kv=.277 kw=200
set voltagebases=(12.47 4.16 .48)
calcvoltagebases
solve
""", tmp_path)
    assert [b.kva for b in network.branches.values()] == [5000, 4000, 1000]
