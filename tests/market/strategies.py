"""Random small markets on two buses as hypothesis strategies: they shrink to the plainest one."""

from dataclasses import dataclass

from hypothesis import strategies as st

import pyomo_dlmp as dlmp
from tests.models import bilevel, feeder


@dataclass
class SmallMarket:
    """A network, MWh of work, $/MWh of each hour and options of the OPF."""

    network: dlmp.Network
    work: float
    price: list[float]
    options: dict

    def model(self, pays="active and reactive"):
        """A fresh bilevel model."""
        return bilevel(self.network, self.work, self.price, pays, **self.options)


def one_of(*options):
    """One of the options; the first is the simplest."""
    return st.sampled_from(options)


prices = st.lists(st.integers(200, 900).map(lambda tenth: tenth / 10), min_size=2, max_size=2)
loads = st.builds(
    dlmp.Load, name=st.just("l"), bus=st.just("end"), legs=st.just(("ab",)),
    kw=st.tuples(st.integers(50, 500)), kvar=st.tuples(st.integers(0, 200)),
    connection=st.just("delta"))
svgs = st.builds(
    dlmp.StaticVarGenerator, name=st.just("s"), bus=st.just("end"), kvar=one_of(90, 300),
    connection=one_of("wye", "delta"), sharing=one_of("equal", "total"),
    loss_percent=one_of(0.0, 1.5), owner=one_of("dso", "datacenter"))


@st.composite
def sites(draw):
    """A datacenter with every kind of front end."""
    kw, front = draw(one_of(300, 600)), draw(one_of("power factor", "aggregator", "dso"))
    return dlmp.Datacenter(
        name="dc", bus="end", kw=kw, floor=draw(one_of(0.0, 0.1)),
        connection=draw(one_of("wye", "delta")), balanced=draw(st.booleans()), reactive=front,
        kva=None if front == "power factor" else 1.2 * kw,
        ramp_kw=draw(one_of(None, 0.5 * kw)))


@st.composite
def markets(draw) -> SmallMarket:
    """Two hours of any site, with or without an SVG; voltage limits and penalties that may bind."""
    site = draw(sites())
    devices = [site, draw(loads), *draw(st.lists(svgs, max_size=1))]
    options = {"v_min": draw(one_of(0.93, 0.985)), "penalty": draw(one_of(300.0, 3000.0))}
    return SmallMarket(feeder(*devices), 0.6 * 2 * site.kw / 1000, draw(prices), options)


@st.composite
def payers_of_active_power(draw) -> SmallMarket:
    """A site at power factor 0.8 that pays for active power alone, on a short or a long line."""
    kw = draw(one_of(300, 600, 900))
    svg = dlmp.StaticVarGenerator(name="s", bus="end", kvar=200, connection="delta")
    devices = [dlmp.Datacenter(name="dc", bus="end", kw=kw, power_factor=0.8), draw(loads),
               *draw(st.lists(st.just(svg), max_size=1))]
    options = {"v_min": draw(one_of(0.95, 0.985)), "penalty": draw(one_of(300.0, 3000.0))}
    work = draw(st.integers(30, 150)) / 100 * kw / 1000
    return SmallMarket(feeder(*devices, length=draw(one_of(1, 4))), work, draw(prices), options)
