"""Random feeders of every winding, load and regulator: the linear model against AC, and back."""

from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import numpy as np
import pytest

import pyomo_dlmp as dlmp
from tests.feeders import engine

MODELS = {"power": (), "current": (), "impedance": (), "exponential": (1.2, 2.5),
          "zip": (.2, .3, .5, .4, .4, .2)}
PAIRS = ["ab", "bc", "ca"]


class Builder:
    """Grows a lightly loaded feeder at random; `at[bus]` is (kV, phases, grounded)."""

    def __init__(self, rng):
        self.rng = rng
        self.at = {"s": (12.47, "abc", True)}
        z = np.eye(3) * .05 + .01
        own = {"r": z.tolist(), "x": (3 * z).tolist()} if self.rng.random() < .5 else {}
        self.elements = [dlmp.Substation(
            name="grid", bus="s", v_pu=(self.rng.uniform(.98, 1.04),) * 3,
            angle=self.rng.choice([0.0, 30.0, -47.0]), **own)]
        makers = [self.line, self.line, self.transformer, self.regulator, self.open_delta,
                  self.center_tapped, self.open_wye]
        for i in range(self.rng.randint(2, 8)):
            parent = self.rng.choice(list(self.at))
            kv, phases, grounded = self.at[parent]
            maker = self.line if phases == "12" else self.rng.choice(makers)
            maker({"name": f"e{i}", "from_bus": parent, "to_bus": f"b{i}"}, kv, phases, grounded)
        for bus, (kv, phases, grounded) in self.at.items():
            self.elements.append(dlmp.Bus(name=bus, kv=kv, phases=phases))
            for j in range(self.rng.randint(0, 2)):
                self.device(f"{bus}{j}", bus, kv, phases, grounded)

    def add(self, element, kv, phases, grounded):
        self.elements.append(element)
        self.at[element.to_bus] = (kv, phases, grounded)

    def line(self, ends, kv, phases, grounded):
        rng = self.rng
        if grounded and phases != "12":
            phases = "".join(sorted(rng.sample(phases, rng.randint(1, len(phases)))))
        n = len(phases)
        noise = np.array([[rng.uniform(-.05, .05) for _ in range(n)] for _ in range(n)])
        noise = noise @ noise.T
        r = .08 + np.eye(n) * rng.uniform(.1, .4) + noise
        x = .2 + np.eye(n) * rng.uniform(.3, .6) + noise
        code = dlmp.LineCode(name=f"c{ends['name']}", r=r, x=x,
                             b=np.eye(n) * rng.uniform(1, 6) - .3 if rng.random() < .6 else None)
        self.add(dlmp.Line(**ends, phases=phases, code=code,
                           length=rng.uniform(.05, 1) * (1 if kv > 1 else .05)),
                 kv, phases, grounded)

    def transformer(self, ends, kv, phases, grounded):
        rng = self.rng
        if phases != "abc":
            return self.line(ends, kv, phases, grounded)
        kinds = ["wye-wye", "delta-wye", "wye-delta", "delta-delta"]
        kind = rng.choice(kinds if grounded else ["delta-wye", "delta-delta"])
        low = rng.choice([.48, 4.16, 12.47])
        self.add(dlmp.Transformer(
            **ends, kva=rng.choice([300, 1000, 3000]), r_percent=rng.uniform(.3, 1.5),
            x_percent=rng.uniform(2, 7), connection=kind, lead=rng.random() < .5,
            floating="from" if kind == "wye-delta" and rng.random() < .5 else "",
            tap=rng.choice([1.0, 1.025, .975]), from_tap=rng.choice([1.0, 1.0125]),
            no_load_percent=rng.choice([0, .3]), magnetizing_percent=rng.choice([0, .8])),
            low, "abc", kind.endswith("wye"))
        return None

    def regulator(self, ends, kv, phases, grounded):
        rng = self.rng
        if not grounded:
            return self.open_delta(ends, kv, phases, grounded)
        self.add(dlmp.Regulator(
            **ends, phases=phases, taps={k: rng.randint(-6, 8) for k in phases},
            kind=rng.choice("AB"), kva=rng.choice([None, 2000.0]), r_percent=.01, x_percent=.1),
            kv, phases, True)
        return None

    def open_delta(self, ends, kv, phases, grounded):
        if phases != "abc":
            return self.line(ends, kv, phases, grounded)
        first, second = self.rng.choice([("ab", "cb"), ("bc", "ac"), ("ca", "ba")])
        taps = {first: self.rng.randint(-6, 8), second: self.rng.randint(-6, 8)}
        self.add(dlmp.Regulator(**ends, connection="open_delta", taps=taps), kv, "abc", False)
        return None

    def center_tapped(self, ends, kv, phases, grounded):
        leg = self.rng.choice(phases if grounded else PAIRS)
        self.add(dlmp.CenterTappedTransformer(
            **ends, leg=leg, kva=50, r_percent=(.6, 1.2, 1.2), x_percent=(2.04, 2.04, 1.36),
            no_load_percent=.2, magnetizing_percent=.5), .24, "12", True)

    def open_wye(self, ends, kv, phases, grounded):
        if phases != "abc" or not grounded:
            return self.line(ends, kv, phases, grounded)
        for number, (first, second) in enumerate((("a", "ab"), ("b", "bc"))):
            self.add(dlmp.Transformer(
                **{**ends, "name": f"{ends['name']}{number}"}, kva=1000, r_percent=.5, x_percent=3,
                connection="wye-delta", from_legs=(first,), to_legs=(second,)), 4.16, "abc", False)
        return None

    def device(self, name, bus, kv, phases, grounded):
        rng = self.rng
        size = rng.uniform(5, 60) if kv > 3 else rng.uniform(1, 5 if phases == "12" else 20)
        if phases == "12":
            legs, connection = rng.choice([(("1",), "wye"), (("2",), "wye"), (("12",), "delta")])
        elif grounded and (rng.random() < .6 or len(phases) < 3):
            legs, connection = tuple(sorted(rng.sample(phases, rng.randint(1, len(phases))))), "wye"
        else:
            legs, connection = tuple(rng.sample(PAIRS, rng.randint(1, 3))), "delta"
        at = {"name": name, "bus": bus, "legs": legs, "connection": connection}
        figures = [size * rng.uniform(.3, 1) for _ in legs]
        if rng.random() < .2:
            self.elements.append(dlmp.Capacitor(**at, kvar=tuple(figures)))
        else:
            model = rng.choice(list(MODELS))
            self.elements.append(dlmp.Load(
                **at, kw=tuple(figures), kvar=tuple(.4 * f for f in figures), model=model,
                coefficients=MODELS[model]))


@pytest.mark.parametrize("seed", range(20))
def test_model_against_ac_and_back(seed):
    """Lossless within .004 pu at light load, the AC form exact, and the same AC from our file."""
    engine()
    net = dlmp.Network("random", Builder(Random(seed)).elements)
    table, ac = dlmp.validate_feeder(net)
    assert table["max_error"][0] < 0.004 and table["max_error"][2] < 1e-7
    with TemporaryDirectory() as folder:
        again = dlmp.read_opendss(dlmp.write_opendss(net, Path(folder) / "net.dss"))
    back = dlmp.ac_power_flow(again)
    assert max(abs(abs(v) - abs(back.point.voltages[k]))
               for k, v in ac.point.voltages.items()) < 1e-5
