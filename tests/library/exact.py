"""A stand-in for the AC form: LinDist3Flow rows, and an objective in power *and* voltage."""

import pyomo.environ as pyo
from pyomo.core.base.block import declare_custom_block

import pyomo_dlmp as dlmp
from pyomo_dlmp.blocks.bus import BusBlockData
from pyomo_dlmp.opf.prices import PriceOf
from tests.models import CODE, GEN


@declare_custom_block(name="ExactLikeBus")
class ExactLikeBusData(BusBlockData):
    """A bus that says it is of the AC form: devices tie what their owners decide."""

    form = "ac"

    def at(self, leg, name=""):
        return _Leg(self.leg_shares(leg, name), self._t)


class _Leg:
    def __init__(self, shares, periods):
        self.ends = [k for k, *_ in shares]
        self.power_r = {(k, t): re for k, re, _ in shares for t in periods}
        self.power_i = {(k, t): im for k, _, im in shares for t in periods}


def exact_market(site, pays="active and reactive", svg=None):
    """A site of 0.88 MWh in two hours above a DSO whose cost has power x voltage terms."""
    m = pyo.ConcreteModel()
    dso = m.dso = dlmp.LowerLevel()
    hours = dlmp.blocks.Horizon(dso, periods=2)
    dso.bus = ExactLikeBus(["head", "end"])  # noqa: F821  # made by the decorator
    for name in ("head", "end"):
        dso.bus[name].build(dlmp.Bus(name=name, kv=4.8), hours)
        dso.bus[name]._t = list(hours.labels)
    end = dso.bus["end"]
    dso.grid = dlmp.blocks.SubstationBlock()
    dso.grid.build(dlmp.Substation(name="grid", bus="head"), hours, dso.bus["head"], [40.0, 44.0])
    dso.line = dlmp.blocks.LineBlock()
    dso.line.build(dlmp.Line(name="line", from_bus="head", to_bus="end", code=CODE, length=3.0),
                   hours, dso.bus["head"], end)
    dso.gen = dlmp.blocks.GeneratorBlock()
    dso.gen.build(GEN, hours, end)
    dso.datacenter = dlmp.blocks.DatacenterBlock(["dc"])
    dc = dso.datacenter["dc"]
    dc.build(site, hours, end)
    dso.svg = dlmp.blocks.SvgBlock([] if svg is None else [svg.name])
    own = list(dc.decisions())
    for block in dso.svg.values():
        block.build(svg, hours, end)
        own += list(block.decisions())
    dso.declare_upper(*own)
    end.limit_voltage(0.97, 1.05, 900.0)
    curvature = 0.0
    for t in hours.labels:
        for channel, shares in dc.channels(t):
            for leg in shares:
                w = end.w[leg[0], t]
                curvature += 4.0 * (channel / len(shares) + 1.5 * (w - 0.98)) ** 2
    dso.cost = pyo.Objective(expr=sum(dso.grid.cost[t] for t in hours.labels)
                             + sum(dso.gen.cost.values()) + end.cost + curvature)
    dso.price_of = PriceOf(dso)
    m.dca = dlmp.AggregatorBlock()
    m.dca.build(dso, 0.88, pays)
    return m
