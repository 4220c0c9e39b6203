"""Distances along the feeder count stretches of line only."""

import pyomo_dlmp as dlmp
from pyomo_dlmp.results import buses_table


def test_reactors_have_no_length():
    square = ((0.1, 0.0, 0.0), (0.0, 0.1, 0.0), (0.0, 0.0, 0.1))
    wire, coil = (dlmp.LineCode(name=name, r=square, x=square) for name in ("wire", "reactor_l"))
    network = dlmp.Network("row", [
        *(dlmp.Bus(name=name, kv=4.16) for name in ("head", "middle", "end")),
        dlmp.Substation(name="grid", bus="head"),
        dlmp.Line(name="coil", from_bus="head", to_bus="middle", code=coil, length=1.0),
        dlmp.Line(name="wire", from_bus="middle", to_bus="end", code=wire, length=2.5)])
    assert buses_table(network)["distance_km"].tolist() == [0.0, 0.0, 2.5]
