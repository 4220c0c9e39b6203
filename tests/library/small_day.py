"""A market of a datacenter, a battery, a generator and an SVG on three buses and three hours."""

import pyomo_dlmp as dlmp


def small_day(network=None, work: float = 0.5) -> dlmp.Market:
    """The market; with a network of one's own in place of `small_network`."""
    return dlmp.Market(network or small_network(), work,
                       {"periods": 3, "price": [30.0, 60.0, 45.0], "load_scale": [1.0, 0.8, 1.1]})


def small_network() -> dlmp.Network:
    """A three-phase line to a datacenter, unevenly loaded."""
    code = dlmp.LineCode(name="c", r=((0.3, 0.1, 0.1), (0.1, 0.3, 0.1), (0.1, 0.1, 0.3)),
                         x=((0.6, 0.2, 0.2), (0.2, 0.6, 0.2), (0.2, 0.2, 0.6)))
    return dlmp.Network("small", [
        *(dlmp.Bus(name=name, kv=4.16) for name in ("head", "middle", "end")),
        dlmp.Substation(name="grid", bus="head"),
        dlmp.Line(name="l1", from_bus="head", to_bus="middle", code=code, length=1.0),
        dlmp.Line(name="l2", from_bus="middle", to_bus="end", code=code, length=1.0 / 3.0),
        dlmp.Load(name="a", bus="middle", legs=("a",), kw=(100.1,), kvar=(30,)),
        dlmp.Load(name="b", bus="end", legs=("a", "b", "c"), kw=(100,) * 3, kvar=(30,) * 3),
        dlmp.Generator(name="pv", bus="end", kw_max=40.0, cost=10.0),
        dlmp.Datacenter(name="dc", bus="end", kw=300.0),
        dlmp.StaticVarGenerator(name="v", bus="end", kvar=50.0)])
