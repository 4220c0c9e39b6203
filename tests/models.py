"""The smallest market: a head, a line with losses, an end, a generator there."""

import pyomo.environ as pyo

import pyomo_dlmp as dlmp

CODE = dlmp.LineCode(name="c", r=[[.3, .1, .1], [.1, .3, .1], [.1, .1, .3]],
                     x=[[.6, .2, .2], [.2, .6, .2], [.2, .2, .6]])
GEN = dlmp.Generator(name="gen", bus="end", kw_max=200, cost=45, cost2=60, kvar_min=-50,
                     kvar_max=50)


def feeder(*devices, length=2.0):
    return dlmp.Network("two buses", [
        dlmp.Bus(name="head", kv=4.8), dlmp.Bus(name="end", kv=4.8),
        dlmp.Substation(name="grid", bus="head"), dlmp.Line(
            name="line", from_bus="head", to_bus="end", code=CODE, length=length), GEN, *devices])


def bilevel(net, work, price, pays="active and reactive", takers=(), tariff=None, **options):
    m = pyo.ConcreteModel()
    m.dso = dlmp.LowerLevel()
    dlmp.build_opf(net, periods=len(price), price=price, into=m.dso, price_takers=takers,
                   **options)
    m.dca = dlmp.AggregatorBlock()
    m.dca.build(m.dso, work, pays, tariff=tariff)
    return m
