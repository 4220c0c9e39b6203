"""Random small feeders with neutral conductors, loops, joints and general admittances."""

import numpy as np

import pyomo_dlmp as dlmp
from pyomo_dlmp.network import NodalAdmittance

KV = 4.16
MODELS = {"power": (), "current": (), "impedance": (), "exponential": (1.2, 2.5),
          "zip": (.2, .3, .5, .4, .4, .2)}


def passive(rng, n, scale=1.0):
    """A random symmetric positive definite matrix."""
    half = np.array([[rng.uniform(-1, 1) for _ in range(n)] for _ in range(n)])
    return scale * (half @ half.T / n + np.eye(n))


class Meshed:
    """Grows a feeder of 4.16 kV; `at[bus]` is (phases, neutrals, solid)."""

    def __init__(self, rng):
        self.rng = rng
        self.elements = []
        self.at = {}
        self.bus("s", rng.choice(["", "n"]))
        self.source()
        makers = [self.four_wire, self.four_wire, self.three_wire, self.turned, self.joint,
                  self.parallel, self.to_neutral, self.odd_bank, self.regulator, self.tapped,
                  self.general]
        for i in range(rng.randint(3, 7)):
            parent = rng.choice([e.name for e in self.elements if isinstance(e, dlmp.Bus)
                                 and e.phases == "abc" and e.kv == KV])
            rng.choice(makers)(f"e{i}", parent, f"b{i}")
        self.loop()
        for bus in list(self.at):
            for j in range(rng.randint(0, 2)):
                self.device(f"{bus}_{j}", bus)
        for j in range(rng.randint(0, 2)):
            self.shunt(f"y{j}", rng.choice(list(self.at)))

    def bus(self, name, neutrals="", phases="abc", kv=KV, grounded=None):
        rng = self.rng
        place = {}
        if neutrals and grounded is None:
            kind = rng.choice(["solid", "impedance", "impedance", "none" if self.at else "solid"])
            place = {"solid": {"ground_r": 0.0, "ground_x": 0.0}, "none": {},
                     "impedance": {"ground_r": rng.uniform(1, 20), "ground_x": rng.uniform(0, 2)}
                     }[kind]
        elif neutrals:
            place = {"ground_r": grounded}
        self.elements.append(dlmp.Bus(name=name, kv=kv, phases=phases, neutrals=neutrals, **place))
        self.at[name] = phases, neutrals

    def source(self):
        rng = self.rng
        own = rng.choice(["ideal", "cyclic", "own", "any", "negative sequence"])
        place = {"v_pu": (1.02, 1.0, 0.99) if rng.random() < .4 else (1.01,) * 3}
        if rng.random() < .3:
            place["angles"] = (3.0, -118.0, 124.0)
        else:
            place["angle"] = rng.choice([0.0, 30.0])
        z = {"cyclic": np.eye(3) * .04 + .01, "own": np.diag([.03, .05, .07]),
             "any": passive(rng, 3, .03), "ideal": None,
             "negative sequence": np.array([[.09, .02, .01], [.01, .09, .02], [.02, .01, .09]])
             }[own]
        if z is not None:
            place |= {"r": (z / 3).tolist(), "x": z.tolist()}
        self.elements.append(dlmp.Substation(name="grid", bus="s", **place))

    def code(self, name, n, negative=False):
        rng = self.rng
        r, x = passive(rng, n, .1) + .05, passive(rng, n, .2) + .1
        if negative:
            r, x = -.02 * np.eye(n), x
        b = (passive(rng, n, 3.0) - .5) if rng.random() < .5 else None
        return dlmp.LineCode(name=f"code_{name}", r=r, x=x, b=b)

    def line(self, name, first, second, phases, **more):
        self.elements.append(dlmp.Line(
            name=name, from_bus=first, to_bus=second, phases=phases,
            code=self.code(name, len(phases), self.rng.random() < .1),
            length=self.rng.uniform(.1, .6), **more))

    def four_wire(self, name, parent, new):
        mine, theirs = self.at[parent][1], self.rng.choice(["n", "nd"])
        self.bus(new, theirs, grounded=None if "n" in mine else self.rng.choice([0.0, 0.3]))
        common = "".join(k for k in theirs if k in mine)
        self.line(name, parent, new, "abc" + common)
        if "d" in theirs and "d" not in common:  # no conductor without any connection
            self.elements.append(NodalAdmittance(
                name=f"{name}_d", buses=(new,), conductors=("nd",), g=np.eye(2) - .2,
                b=-np.eye(2)))

    def three_wire(self, name, parent, new):
        self.bus(new)
        self.line(name, parent, new, "abc")

    def turned(self, name, parent, new):
        self.bus(new, "n", grounded=self.rng.choice([0.0, 0.5]))
        self.line(name, parent, new, "abc", to_conductors=self.rng.choice(["bca", "bac"]))

    def joint(self, name, parent, new):
        self.bus(new)
        zero = np.zeros((3, 3))
        self.elements.append(dlmp.Line(
            name=name, from_bus=parent, to_bus=new, length=1.0,
            code=dlmp.LineCode(name=f"code_{name}", r=zero, x=zero)))

    def parallel(self, name, parent, new):
        self.bus(new)
        self.line(name, parent, new, "abc")
        self.line(f"{name}_beside", parent, new, "abc")

    def to_neutral(self, name, parent, new):
        """A transformer whose star points are at the neutral, where there is one."""
        rng = self.rng
        self.bus(new, "n", grounded=rng.choice([0.0, 0.05]), kv=.48)
        first = self.star(parent)
        self.elements.append(dlmp.Transformer(
            name=name, from_bus=parent, to_bus=new, kva=400, r_percent=1, x_percent=4,
            from_legs=first, to_legs=("an", "bn", "cn"), antifloat_ppm=0.0,
            connection="wye-wye", tap=rng.choice([1.0, 1.025]), no_load_percent=.2))

    def star(self, bus):
        return ("an", "bn", "cn") if "n" in self.at[bus][1] else ("a", "b", "c")

    def odd_bank(self, name, parent, new):
        """Legs that no connection of OpenDSS has."""
        rng = self.rng
        self.bus(new)
        from_legs, to_legs = rng.choice([
            (("a", "b", "c"), ("b", "c", "a")), (("ab", "bc", "ca"), ("c", "a", "b")),
            (("a", "c", "b"), ("c", "b", "a")), (("ca", "ab", "bc"), ("a", "b", "c"))])
        self.elements.append(dlmp.Transformer(
            name=name, from_bus=parent, to_bus=new, kva=600, r_percent=1, x_percent=4,
            from_legs=from_legs, to_legs=to_legs, antifloat_ppm=0.0, from_tap=1.0125,
            connection="wye-wye" if len(from_legs[0]) == 1 else "delta-wye"))

    def regulator(self, name, parent, new):
        rng = self.rng
        self.bus(new)
        self.elements.append(dlmp.Regulator(
            name=name, from_bus=parent, to_bus=new, kind=rng.choice("AB"),
            taps={k: rng.randint(-6, 8) for k in "abc"}, kva=rng.choice([None, 2000.0]),
            r_percent=.01, x_percent=.1))

    def tapped(self, name, parent, new):
        self.bus(new, self.rng.choice(["", "n"]), phases="12", kv=.24, grounded=0.02)
        leg = self.rng.choice(["a", "bc"])
        self.elements.append(dlmp.CenterTappedTransformer(
            name=name, from_bus=parent, to_bus=new, leg=leg, kva=50, r_percent=(.6, 1.2, 1.2),
            x_percent=(2.04, 2.04, 1.36), antifloat_ppm=0.0))

    def general(self, name, parent, new):
        """An impedance that couples everything, or a multi-winding transformer."""
        rng = self.rng
        self.bus(new)
        third = f"{new}_third"
        self.bus(third)
        z = passive(rng, 6, .3) + 1j * passive(rng, 6, .9)
        y = np.linalg.inv(z)
        ends = np.vstack([np.ones((1, 2)), -np.eye(2)])  # one winding against two
        spread = np.kron(ends, np.eye(3))
        y = spread @ y @ spread.T + 1e-5j * np.eye(9)
        self.elements.append(NodalAdmittance(
            name=name, buses=(parent, new, third), conductors=("abc",) * 3, g=y.real, b=y.imag))

    def loop(self):
        """Lines between what is there already, so that there are loops."""
        rng = self.rng
        same = [e.name for e in self.elements
                if isinstance(e, dlmp.Bus) and e.kv == KV and e.phases == "abc"]
        for i in range(rng.randint(0, 2)):
            if len(same) > 2:
                first, second = rng.sample(same[1:], 2)
                wires = "abc" + "".join(k for k in self.at[first][1] if k in self.at[second][1])
                self.tie(f"tie{i}", first, second, wires)

    def tie(self, name, first, second, wires):
        """A long line: regulators and phase shifts may lie between its ends."""
        n = len(wires)
        code = dlmp.LineCode(name=f"code_{name}", r=40 * np.eye(n), x=60 * np.eye(n) + 5.0)
        self.elements.append(dlmp.Line(name=name, from_bus=first, to_bus=second, phases=wires,
                                       code=code, length=3.0))

    def device(self, name, bus):
        rng = self.rng
        phases, neutrals = self.at[bus]
        size = rng.uniform(2, 20) if phases == "abc" else rng.uniform(1, 4)
        pairs = ("ab", "bc", "ca") if phases == "abc" else ("12",)
        kinds = [(tuple(phases), "wye"), (pairs, "delta")]
        if neutrals:
            kinds.append((tuple(k + "n" for k in phases), "wye"))
        legs, connection = rng.choice(kinds)
        legs = tuple(rng.sample(legs, rng.randint(1, len(legs))))
        figures = tuple(size * rng.uniform(.3, 1) for _ in legs)
        at = {"name": name, "bus": bus}
        kind = rng.random()
        if kind < .25:
            self.elements.append(dlmp.Capacitor(
                **at, legs=legs, connection=connection,
                kvar=tuple(f * rng.choice([-1, 1]) for f in figures)))
        elif kind < .4 and phases == "abc":
            self.elements.append(dlmp.Generator(
                **at, kw_max=50, cost=0, kw=size, kvar=-3.0,
                neutral="n" if "n" in neutrals else ""))
        else:
            model = rng.choice(list(MODELS))
            self.elements.append(dlmp.Load(
                **at, legs=legs, connection=connection, kw=figures,
                kvar=tuple(.4 * f for f in figures), model=model, coefficients=MODELS[model],
                v_low=0.01, v_high=9.0))

    def shunt(self, name, bus, conductors=""):
        rng = self.rng
        phases, neutrals = self.at[bus]
        wires = conductors or phases + neutrals
        y = passive(rng, len(wires), 1e-3) * (1 + .5j)
        if wires == "abc" and rng.random() < .5:  # of a machine: another negative sequence
            y = 1e-3 * np.array([[2, .3, -.4], [-.4, 2, .3], [.3, -.4, 2]]) * (1 - 1j)
        self.elements.append(NodalAdmittance(name=name, buses=(bus,), conductors=(wires,),
                                             g=y.real, b=y.imag))


def meshed(rng):
    """A random network."""
    return dlmp.Network("meshed", Meshed(rng).elements)
