"""What a Network offers once its data are right."""

import copy
import doctest
import math
import pickle

import networkx as nx
import numpy as np
import pytest

import pyomo_dlmp.network.network
from pyomo_dlmp.errors import NetworkError
from pyomo_dlmp.network import (
    Bus,
    Datacenter,
    Generator,
    Line,
    LineCode,
    Load,
    Network,
    Regulator,
    StaticVarGenerator,
    Storage,
    Substation,
    Transformer,
)

DIAGONAL = LineCode(name="d", r=np.eye(3), x=np.eye(3))


@pytest.fixture
def net() -> Network:
    """s -l1- m -reg- r -l2- e -xfm- low, with line l2 given the wrong way round."""
    return Network("net", [
        Line(name="l2", from_bus="e", to_bus="r", code=DIAGONAL, length=0.5),
        Line(name="l1", from_bus="s", to_bus="m", code=DIAGONAL, length=1.5),
        *(Bus(name=name, kv=4.8) for name in ("low_side", "e", "r", "m", "s")),
        Bus(name="low", kv=0.48),
        Regulator(name="reg", from_bus="m", to_bus="r", taps={"a": 1, "b": 2, "c": 3}),
        Transformer(name="xfm", from_bus="e", to_bus="low", kva=100, r_percent=1, x_percent=2),
        Line(name="l3", from_bus="e", to_bus="low_side", code=DIAGONAL, length=2.0),
        Substation(name="grid", bus="s"),
        Load(name="house", bus="e", legs=("a", "b"), kw=(1.0, -2.0), kvar=(0.5, 0.25)),
    ], description="a test", source="made up")


def test_families(net):
    assert list(net.lines) == ["l2", "l1", "l3"]  # the order given
    assert set(net.branches) == {"l1", "l2", "l3", "reg", "xfm"}
    assert set(net.devices) == {"house"} and set(net.substations) == {"grid"}
    assert net.substation.bus == "s"
    assert (net.total_kw, net.total_kvar) == (-1.0, 0.75)


def test_lines_lead_away_from_the_substation(net):
    assert (net.lines["l2"].from_bus, net.lines["l2"].to_bus) == ("r", "e")
    graph = net.graph()
    assert nx.is_arborescence(graph) and list(graph) == ["s", "m", "r", "e", "low", "low_side"]
    assert graph.edges["m", "r"]["branch"] == "reg"


def test_distance_counts_lines_only(net):
    assert net.distance_km() == {
        "s": 0.0, "m": 1.5, "r": 1.5, "e": 2.0, "low": 2.0, "low_side": 4.0}


def test_kv_ln(net):
    assert net.kv_ln("low") == pytest.approx(0.48 / math.sqrt(3))
    with pytest.raises(NetworkError, match=r"it has no bus 'loww'. Did you mean 'low'"):
        net.kv_ln("loww")


def test_with_and_without_devices(net):
    more = net.with_devices(
        Datacenter(name="dc", bus="e", kw=100), StaticVarGenerator(name="svg", bus="m", kvar=50),
        Generator(name="pv", bus="r", kw_max=30, cost=-1))
    assert set(more.devices) == {"house", "dc", "svg", "pv"} and "dc" not in net.devices
    assert more.without("dc", "svg", "pv") == net
    assert repr(more) == (
        "Network('net': 6 buses, 5 branches, 1 load of -1 kW, 1 generator, 1 datacenter, 1 svg)")
    stored = net.with_devices(Storage(name="b", bus="e", kw_max=10, kwh_max=20))
    assert repr(stored).endswith("1 load of -1 kW, 1 storage)")


def test_only_devices_come_and_go(net):
    with pytest.raises(NetworkError, match="is not a device"):
        net.with_devices(Bus(name="x", kv=1))
    with pytest.raises(NetworkError, match=r"no device 'hous'. Did you mean 'house'"):
        net.without("hous")
    with pytest.raises(NetworkError, match="the name 'house' is taken by a load"):
        net.with_devices(Datacenter(name="house", bus="e", kw=1))


def test_never_changes(net):
    with pytest.raises(AttributeError, match="with_devices"):
        net.name = "other"
    with pytest.raises(TypeError):
        net.buses["x"] = Bus(name="x", kv=1)


def test_copies(net):
    assert copy.deepcopy(net) is net
    again = pickle.loads(pickle.dumps(net))
    assert again == net and hash(again) == hash(net) and again is not net
    assert net != net.without("house") and net != "net"


def test_order_of_elements_does_not_count(net):
    assert Network("net", reversed(net.elements), "a test", "made up") == net


def test_docstring_examples():
    assert doctest.testmod(pyomo_dlmp.network.network).failed == 0
