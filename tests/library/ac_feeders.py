"""Tiny networks for the AC form, one for each thing that a radial wye feeder does not have.

`FEEDERS[name]()` gives the network, `FEEDERS[name](devices=True)` the same with a generator, an SVG
and a datacenter. Loads are unbalanced and of every model.
"""

from __future__ import annotations

import numpy as np

import pyomo_dlmp as dlmp
from pyomo_dlmp.network import NodalAdmittance

MODELS = {"power": (), "current": (), "impedance": (), "exponential": (1.3, 2.4),
          "zip": (.3, .2, .5, .4, .4, .2)}
KV, LV = 4.16, .4
DELTA = ("ab", "bc", "ca")


def code(name, n, ohm=.3, ground=.1):
    """Symmetric, with unequal mutual terms."""
    size = np.array([[.25 * (1 + .1 * (i + j)) if i != j else 1 + .05 * i for j in range(n)]
                     for i in range(n)])
    return dlmp.LineCode(name=name, r=(ohm * .6 * size + ground * .1), x=(ohm * size + ground),
                         b=np.eye(n) * 4 - .5)


def line(name, first, second, phases="abc", ohm=.3, length=1.0, **more):
    """With a code of its own."""
    return dlmp.Line(name=name, from_bus=first, to_bus=second, phases=phases, length=length,
                     code=code(f"code_{name}", len(phases), ohm), **more)


def source(bus="s", **more):
    """An unbalanced one behind an impedance."""
    z = np.eye(3) * .05 + .01
    given = {"v_pu": (1.02, 1.0, 1.01), "r": (z / 4).tolist(), "x": z.tolist()} | more
    return dlmp.Substation(name="grid", bus=bus, **given)


def loads(bus, legs, kw, delta=False, models=MODELS, low=.5, high=1.6):
    """One of each model, whose legs differ."""
    for i, model in enumerate(models):
        shares = [1 + .4 * ((i + 2 * k) % 3) for k in range(len(legs))]
        yield dlmp.Load(
            name=f"{bus}_{model}_{'delta' if delta else 'wye'}", bus=bus, legs=legs, model=model,
            coefficients=MODELS[model], connection="delta" if delta else "wye",
            kw=tuple(kw * f for f in shares), kvar=tuple(kw * f * (.3 + .1 * i) for f in shares),
            v_low=low, v_high=high)


def devices(bus, kw, delta=False, neutral="", phases="abc", cost=49.0):
    """A generator, a delta or wye SVG, a datacenter."""
    connection = "delta" if delta else "wye"
    common = {"bus": bus, "phases": phases, "connection": connection, "neutral": neutral}
    yield dlmp.Generator(name=f"gen_{bus}", kw_max=kw, cost=cost, cost2=3e3 / kw, kvar_min=-kw / 2,
                         kvar_max=kw / 2, **common)
    if len(phases) == 3:
        yield dlmp.StaticVarGenerator(name=f"svg_{bus}", kvar=.8 * kw, **common)
    yield dlmp.Datacenter(name=f"dc_{bus}", kw=kw, power_factor=.95, **common)


def network(name, elements, extra=(), wanted=False):
    """Of elements, with `extra` devices if they are wanted."""
    return dlmp.Network(name, [*elements, *(extra if wanted else ())])


def mesh(devices_too=False):
    """Three buses, three lines."""
    return network("mesh", [
        *(dlmp.Bus(name=b, kv=KV) for b in "spq"), source(), line("sp", "s", "p"),
        line("sq", "s", "q", length=1.6), line("pq", "p", "q", length=.7),
        *loads("p", ("a", "b", "c"), 40), *loads("q", DELTA, 30, delta=True)],
        [*devices("p", 200), *devices("q", 150, delta=True)], devices_too)


def four_wire(devices_too=False):
    """LV, its neutral grounded by an impedance at one end and by nothing at the other."""
    return network("four_wire", [
        dlmp.Bus(name="s", kv=LV, neutrals="n", ground_r=0.0),
        dlmp.Bus(name="p", kv=LV, neutrals="n"),
        dlmp.Bus(name="q", kv=LV, neutrals="n", ground_r=5.0, ground_x=.3),
        source(r=(np.eye(3) * .002).tolist(), x=(np.eye(3) * .008).tolist()),
        line("sp", "s", "p", "abcn", .2, .3), line("pq", "p", "q", "abcn", .25, .2),
        *loads("p", ("an", "bn", "cn"), 2), *loads("q", ("an", "bn"), 1.5),
        *loads("q", DELTA, .8, delta=True)],
        [*devices("q", 6, neutral="n"), *devices("p", 5, neutral="n", phases="a")], devices_too)


def secondary(devices_too=False):
    """A network secondary: two transformers feed a ring of LV buses from two lines."""
    return network("secondary", [
        *(dlmp.Bus(name=b, kv=KV) for b in ("s", "x", "y")),
        *(dlmp.Bus(name=b, kv=.48) for b in ("u", "v", "w")), source(),
        line("sx", "s", "x"), line("sy", "s", "y", length=1.5),
        *(dlmp.Transformer(name=f"t{a}{b}", from_bus=a, to_bus=b, kva=500, r_percent=1,
                           x_percent=5, connection="delta-wye")
          for a, b in (("x", "u"), ("y", "v"))),
        line("uv", "u", "v", ohm=.03, length=.2), line("vw", "v", "w", ohm=.03, length=.2),
        line("wu", "w", "u", ohm=.03, length=.3), *loads("w", ("a", "b", "c"), 12),
        *loads("v", ("a", "c"), 8), *loads("u", DELTA, 6, delta=True)],
        devices("w", 60), devices_too)


def delta_wye(devices_too=False):
    """A delta-wye transformer with the wye grounded, and a wye-delta one behind it."""
    return network("delta_wye", [
        dlmp.Bus(name="s", kv=12.47), dlmp.Bus(name="x", kv=12.47), dlmp.Bus(name="y", kv=KV),
        dlmp.Bus(name="z", kv=KV), dlmp.Bus(name="d", kv=.48),
        source(), line("sx", "s", "x", ohm=1.0, length=3),
        dlmp.Transformer(name="dy", from_bus="x", to_bus="y", kva=2000, r_percent=1, x_percent=6,
                         connection="delta-wye", tap=1.025, no_load_percent=.2,
                         magnetizing_percent=.5),
        line("yz", "y", "z"),
        dlmp.Transformer(name="yd", from_bus="z", to_bus="d", kva=500, r_percent=1.2, x_percent=4,
                         connection="wye-delta", floating="from"),
        *loads("z", ("a", "b", "c"), 40), *loads("y", DELTA, 25, delta=True),
        *loads("d", DELTA, 12, delta=True)],
        [*devices("d", 60, delta=True), *devices("z", 150)], devices_too)


def open_delta(devices_too=False):
    """An ungrounded feeder behind an open-delta regulator, its source's zero sequence held."""
    return network("open_delta", [
        *(dlmp.Bus(name=b, kv=4.8) for b in ("s", "r", "p", "q")), source(),
        dlmp.Regulator(name="reg", from_bus="s", to_bus="r", connection="open_delta",
                       taps={"ab": 6, "cb": 3}),
        line("rp", "r", "p"), line("pq", "p", "q"),
        *loads("p", DELTA, 40, delta=True), *loads("q", ("ab", "ca"), 30, delta=True)],
        devices("q", 150, delta=True), devices_too)


def ungrounded(devices_too=False):
    """A delta part behind a delta-delta transformer, with a balanced wye device in it."""
    return network("ungrounded", [
        dlmp.Bus(name="s", kv=12.47), dlmp.Bus(name="p", kv=4.8), dlmp.Bus(name="q", kv=4.8),
        source(), dlmp.Transformer(name="t", from_bus="s", to_bus="p", kva=1500, r_percent=1,
                                   x_percent=5, connection="delta-delta"),
        dlmp.Line(name="pq", from_bus="p", to_bus="q", length=1.5, code=dlmp.LineCode(
            name="c", r=(np.eye(3) * .2 + .05), x=(np.eye(3) * .4 + .1))),
        *loads("q", DELTA, 35, delta=True), *loads("p", ("bc",), 30, delta=True)],
        [*devices("q", 150, delta=True), *list(devices("p", 100))[::2]], devices_too)


def service(devices_too=False):
    """Centre-tapped services from a phase and from a pair of phases, with 120 V and 240 V loads."""
    taps = {"kva": 50, "r_percent": (.6, 1.2, 1.2), "x_percent": (2.04, 2.04, 1.36)}
    return network("service", [
        dlmp.Bus(name="s", kv=KV), dlmp.Bus(name="p", kv=KV),
        *(dlmp.Bus(name=b, kv=.24, phases="12") for b in ("u", "v", "w")), source(),
        line("sp", "s", "p"),
        dlmp.CenterTappedTransformer(name="tu", from_bus="p", to_bus="u", leg="b", **taps),
        dlmp.CenterTappedTransformer(name="tw", from_bus="p", to_bus="w", leg="ca", **taps),
        line("uv", "u", "v", "12", .05, .2),
        *loads("v", ("1", "2"), 1), *loads("v", ("12",), 1, delta=True),
        *loads("w", ("1", "2"), 1.5), *loads("p", ("a", "c"), 20)],
        devices("v", 4, phases="12"), devices_too)


def three_windings(devices_too=False):
    """A joint, parallel lines, a shunt, capacitors, and a branch given by its admittance."""
    star = np.vstack([np.ones((1, 2)), -np.eye(2)])
    y = star @ np.linalg.inv(np.array([[.02 + .3j, .01 + .1j], [.01 + .1j, .03 + .4j]])) @ star.T
    y = np.kron(y, np.eye(3)) + 1e-4j * np.eye(9)
    zero = np.zeros((3, 3))
    return network("three_windings", [
        *(dlmp.Bus(name=b, kv=KV) for b in ("s", "p", "q", "r", "j")),
        dlmp.Substation(name="grid", bus="s", v_pu=(1.03, 1.03, 1.03)),
        line("sp", "s", "p", length=.5), line("sp2", "s", "p", length=.8),
        NodalAdmittance(name="star", buses=("p", "q", "r"), conductors=("abc",) * 3, g=y.real,
                        b=y.imag),
        dlmp.Line(name="qj", from_bus="q", to_bus="j", length=1.0,
                  code=dlmp.LineCode(name="zero", r=zero, x=zero)),
        NodalAdmittance(name="shunt", buses=("r",), conductors=("abc",), g=np.eye(3) * 1e-3,
                        b=-np.eye(3) * 5e-4 + 1e-4),
        dlmp.Capacitor(name="cap", bus="r", legs=("a", "c"), kvar=(40.0, 60.0)),
        dlmp.Capacitor(name="cap_delta", bus="q", legs=("ab",), kvar=(50.0,), connection="delta"),
        *loads("j", ("a", "b", "c"), 40), *loads("r", DELTA, 30, delta=True)],
        devices("r", 150), devices_too)


def tied_123(devices_too=False):
    """IEEE 123 with its two ties closed, which makes two loops."""
    net = dlmp.load_feeder("ieee123")
    switch = {phases: dlmp.LineCode(name=f"switch_{phases}", r=np.eye(len(phases)) * .1,
                                    x=np.eye(len(phases)) * .1) for phases in ("abc", "a")}
    closed = [dlmp.Line(name=f"tie_{name}", from_bus=f"{name}_open", to_bus=name, length=.01,
                        phases=phases, code=switch[phases])
              for name, phases in (("300", "abc"), ("94", "a"))]
    net = dlmp.Network("ieee123_tied", [*net.elements, *closed])
    return net.with_devices(*devices("66", 300), *devices("47", 200)) if devices_too else net


FEEDERS = {make.__name__: make for make in (
    mesh, four_wire, secondary, delta_wye, open_delta, ungrounded, service, three_windings,
    tied_123)}
