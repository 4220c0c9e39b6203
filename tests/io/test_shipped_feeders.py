"""The feeders that come with the package."""

import doctest

import networkx as nx
import pytest

import pyomo_dlmp.io.feeders
from pyomo_dlmp.errors import FeederFileError
from pyomo_dlmp.io import list_feeders, load_feeder


def test_ieee37_totals():
    net = load_feeder("ieee37")
    assert (net.total_kw, net.total_kvar) == (2457.0, 1201.0)
    assert len(net.lines) == 35 and len(net.loads) == 30
    assert len(net.buses) == 38 and {"799", "799r", "775"} <= set(net.buses)
    assert net.substation.bus == "799" and net.substation.v_pu == (1.0, 1.0, 1.0)


def test_ieee37_is_delta_and_heavy_on_ca():
    net = load_feeder("ieee37")
    legs = {"ab": 0.0, "bc": 0.0, "ca": 0.0}
    for load in net.loads.values():
        assert load.connection == "delta"
        for leg, kw in zip(load.legs, load.kw, strict=True):
            legs[leg] += kw
    assert legs == {"ab": 727.0, "bc": 639.0, "ca": 1091.0}


def test_ieee37_branches():
    net = load_feeder("ieee37")
    assert net.regulators["reg1"].ratio == {"ab": 1.04375, "cb": 1.025}
    assert net.transformers["xfm1"].connection == "delta-delta"
    assert net.buses["775"].kv == 0.48
    graph = net.graph()
    assert nx.is_arborescence(graph) and len(graph) == len(net.buses)
    assert net.distance_km()["701"] == pytest.approx(1850 * 0.0003048)
    assert net.lines["L35"].code.r[0][0] * 1.609344 == pytest.approx(0.2926)


def test_list_feeders():
    table = list_feeders().set_index("name")
    assert list(table.columns) == ["buses", "branches", "loads", "kw", "source", "licence"]
    row = table.loc["ieee37"]
    assert (row.buses, row.branches, row.loads, row.kw) == (38, 37, 30, 2457.0)
    assert (table[["source", "licence"]] != "").all(axis=None)


def test_every_shipped_feeder_loads():
    for name in list_feeders()["name"]:
        assert load_feeder(name).name == name


def test_unknown_feeder():
    with pytest.raises(FeederFileError, match=r"feeder 'ieee73'.*Did you mean 'ieee37'"):
        load_feeder("ieee73")


def test_docstring_examples():
    assert doctest.testmod(pyomo_dlmp.io.feeders).failed == 0
