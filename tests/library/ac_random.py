"""Random feeders for the AC OPF: all windings, meshes, neutrals, loads of every model, devices.

They grow as those of `tests.meshed_feeders`, with parts that nothing grounds, devices that a DSO
dispatches, ratings, and (by `options`) prices and limits that bind.
"""

from __future__ import annotations

import random
from dataclasses import replace

import pyomo_dlmp as dlmp
from tests.meshed_feeders import KV, MODELS, Meshed

DELTA = ("ab", "bc", "ca")


class AcFeeder(Meshed):
    """A feeder of 4.16 kV with devices; `floating` are the buses that nothing grounds."""

    def __init__(self, rng):
        self.floating = set()
        self.sizes = rng.choice([1.0, 1.0, 2.0, 4.0])
        self.kinks = rng.random() < .25
        super().__init__(rng)
        self.dispatchable()
        if rng.random() < .3:
            self.rate()

    # ------------------------------------------------------------------------------ growing

    def general(self, name, parent, new):
        """Half of the general branches become parts that nothing grounds."""
        rng = self.rng
        kind = rng.choice(["general", "delta", "turned delta", "open delta", "single phase"])
        if kind == "general" or parent in self.floating:
            return super().general(name, parent, new)
        if kind == "single phase":
            phases = rng.choice(["a", "b", "c", "ab", "ca"])
            self.bus(new, phases=phases)
            return self.line(name, parent, new, phases)
        self.floating.add(new)
        self.at[new] = "abc", ""
        kv = KV if kind == "open delta" else .48
        self.elements.append(dlmp.Bus(name=new, kv=kv))
        if kind == "open delta":
            pairs = rng.choice([("ab", "cb"), ("bc", "ac"), ("ca", "ba")])
            self.elements.append(dlmp.Regulator(
                name=name, from_bus=parent, to_bus=new, connection="open_delta",
                taps={pair: rng.randint(-6, 8) for pair in pairs},
                kva=rng.choice([None, 1500.0]), r_percent=.01, x_percent=.1))
        else:
            self.elements.append(dlmp.Transformer(
                name=name, from_bus=parent, to_bus=new, kva=500, r_percent=1, x_percent=4,
                connection="delta-delta" if kind == "delta" else "wye-delta",
                floating="" if kind == "delta" else rng.choice(["from", ""]),
                no_load_percent=rng.choice([0.0, .2])))
        return None

    def loop(self):
        """Ties join grounded buses only: a floating one has its own voltage to ground."""
        kept = self.elements
        self.elements = [e for e in kept if not (
            isinstance(e, dlmp.Bus) and e.name in self.floating)]
        own = len(self.elements)
        super().loop()
        self.elements = [*kept, *self.elements[own:]]

    def shunt(self, name, bus, conductors=""):
        if bus not in self.floating:
            super().shunt(name, bus, conductors)

    def device(self, name, bus):
        """A load (or capacitor), sized; in delta where nothing grounds the bus."""
        rng = self.rng
        if self.at[bus][0] == "12" or (bus not in self.floating and len(self.at[bus][0]) == 3):
            super().device(name, bus)
            last = self.elements[-1]
            if isinstance(last, dlmp.Load):
                low, high = (rng.uniform(.9, .97), rng.uniform(1.0, 1.05)) if self.kinks else (
                    .3, 2.0)
                if self.kinks and last.model == "exponential":
                    last = replace(last, model="power", coefficients=())  # a jump, no kink
                self.elements[-1] = replace(
                    last, kw=tuple(self.sizes * p for p in last.kw), v_low=low, v_high=high,
                    kvar=tuple(self.sizes * q for q in last.kvar))
            return
        phases = self.at[bus][0]
        legs = [pair for pair in DELTA if set(pair) <= set(phases)]
        legs = legs if bus in self.floating else [*legs, *phases][:len(phases)]
        delta = len(legs[0]) == 2
        legs = tuple(rng.sample([leg for leg in legs if (len(leg) == 2) == delta], 1))
        model = rng.choice(list(MODELS))
        kw = self.sizes * rng.uniform(2, 10)
        self.elements.append(dlmp.Load(
            name=name, bus=bus, legs=legs, connection="delta" if delta else "wye", kw=(kw,),
            kvar=(.4 * kw,), model=model, coefficients=MODELS[model], v_low=.3, v_high=2.0))

    # ----------------------------------------------------------------------------- devices

    def dispatchable(self):
        """Generators, SVGs, datacenters, storages at one to three buses."""
        rng = self.rng
        for i, bus in enumerate(rng.sample(list(self.at), min(len(self.at), rng.randint(1, 3)))):
            phases, neutrals = self.at[bus]
            small = phases == "12"
            kw = rng.uniform(3, 8) if small else rng.uniform(20, 120)
            delta = bus in self.floating or (
                phases in ("abc", "ab", "ca", "12") and rng.random() < .4)
            place = {"bus": bus, "phases": phases, "connection": "delta" if delta else "wye",
                     "neutral": "n" if "n" in neutrals and not delta and rng.random() < .8 else ""}
            for make in rng.sample([self.generator, self.svg, self.datacenter, self.battery],
                                   rng.randint(1, 3)):
                make(f"{make.__name__}{i}", kw, place)

    def generator(self, name, kw, place):
        rng = self.rng
        rating = rng.choice([{}, {"kva": 1.05 * kw}, {"power_factor_min": .9}])
        self.elements.append(dlmp.Generator(
            name=name, kw_max=kw, cost=rng.choice([20.0, 49.0, 50.5, 60.0]),
            cost2=rng.choice([0.0, 2e3 / kw]), kvar_min=-rng.uniform(0, .6) * kw,
            kvar_max=rng.uniform(0, .6) * kw, **rating, **place))

    def svg(self, name, kw, place):
        rng = self.rng
        if place["connection"] == "delta" and len(place["phases"]) < 3:
            place = {**place, "connection": "wye"}
            if place["bus"] in self.floating:
                return
        self.elements.append(dlmp.StaticVarGenerator(
            name=name, kvar=rng.uniform(.3, 1) * kw,
            sharing=rng.choice(["equal", "equal", "total"]),
            loss_percent=rng.choice([0.0, 0.0, 1.5]), **place))

    def datacenter(self, name, kw, place):
        self.elements.append(dlmp.Datacenter(
            name=name, kw=.6 * kw, power_factor=self.rng.choice([.95, 1.0]), **place))

    def battery(self, name, kw, place):
        self.elements.append(dlmp.Storage(
            name=name, kw_max=.5 * kw, kwh_max=kw, kwh_start=.4 * kw, kvar_max=.2 * kw,
            kva=self.rng.choice([None, .6 * kw]), **place))

    def rate(self):
        """Ratings of some lines near what they carry."""
        rng = self.rng
        for i, e in enumerate(self.elements):
            if isinstance(e, dlmp.Line) and len(e.phases) > 2 and rng.random() < .3 and (
                    not e.joins):
                self.elements[i] = replace(e, rating_kva=rng.uniform(5, 60) * self.sizes)


def ac_random(seed):
    """(network, options of `solve_ac_opf`) of a seed."""
    rng = random.Random(seed)
    network = dlmp.Network(f"random{seed}", AcFeeder(rng).elements)
    periods = rng.choice([1, 1, 1, 3])
    kind = rng.choice(["soft", "soft", "soft", "hard", None])
    options = {
        "periods": periods, "hours": rng.choice([1.0, 1.0, .5]),
        "price": [rng.choice([50.0, 50.0, 35.0, 0.0, -12.0]) for _ in range(periods)],
        "load_scale": [rng.uniform(.5, 1.2) for _ in range(periods)],
        "voltage_limits": kind, "v_min": rng.uniform(.93, .985), "v_max": rng.uniform(1.01, 1.06)}
    if kind == "hard":
        options |= {"v_min": rng.uniform(.85, .95), "v_max": rng.uniform(1.06, 1.12)}
    if kind == "soft":
        options["penalty"] = rng.choice([2000.0, 200.0, 20000.0])
    return network, options


def on_feeder(name, seed):
    """(network, options) of a shipped feeder with random devices, price and limits."""
    rng = random.Random(f"{name} {seed}")
    network = dlmp.load_feeder(name)
    from pyomo_dlmp.network.zones import grounded_buses

    held = grounded_buses(network)
    buses = [bus.name for bus in network.buses.values()
             if bus.phases == "abc" and bus.name != network.substation.bus and bus.kv < 30]
    devices = []
    for i, bus in enumerate(rng.sample(buses, rng.randint(2, 4))):
        kw = rng.uniform(50, 300)
        own = {"bus": bus, "connection": rng.choice(["wye", "delta"]) if bus in held else "delta"}
        devices.append(dlmp.StaticVarGenerator(name=f"svg{i}", kvar=kw, **own))
        devices.append(rng.choice([
            lambda i=i, kw=kw, own=own: dlmp.Datacenter(name=f"dc{i}", kw=kw, **own),
            lambda i=i, kw=kw, own=own: dlmp.Generator(
                name=f"g{i}", kw_max=kw, kvar_min=-.3 * kw, kvar_max=.3 * kw,
                cost=rng.uniform(45, 55), cost2=rng.choice([0.0, 2e3 / kw]), **own)])())
    options = {"price": rng.choice([50.0, 35.0, 80.0]), "load_scale": rng.uniform(.6, 1.1),
               "v_min": rng.uniform(.94, .97), "v_max": rng.uniform(1.04, 1.06)}
    return network.with_devices(*devices), options
