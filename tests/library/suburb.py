"""A synthetic feeder of thousands of buses, of the kind of EPRI's ckt5: a North American suburb.

A three-phase trunk of 12.47 kV behind a substation transformer, single-phase laterals, service
transformers of 25 kVA and secondary lines with a house each, whose phases are not balanced. The
same numbers make the same feeder.
"""

from __future__ import annotations

from random import Random

import numpy as np

import pyomo_dlmp as dlmp

MV, LV = 12.47, 0.415  # kV line to line; a house has 240 V to neutral
TRUNK = 14  # buses for each trunk bus
HOUSE = (2.0, 9.0)  # kW
_THREE = dlmp.LineCode(name="trunk", r=np.eye(3) * 0.19 + 0.09, x=np.eye(3) * 0.38 + 0.24,
                       b=np.eye(3) * 4.2 - 0.6)
_ONE = dlmp.LineCode(name="lateral", r=[[0.95]], x=[[0.75]], b=[[2.4]])
_SERVICE = dlmp.LineCode(name="service", r=[[0.25]], x=[[0.09]])


class _Suburb:
    def __init__(self, buses: int, seed: int):
        self.rng, self.left = Random(seed), buses
        self.elements: list = []

    def bus(self, name: str, kv: float, phases: str) -> str:
        self.left -= 1
        self.elements.append(dlmp.Bus(name=name, kv=kv, phases=phases))
        return name

    def line(self, start: str, end: str, code: dlmp.LineCode, phases: str, km: float) -> None:
        self.elements.append(dlmp.Line(name=f"l_{end}", from_bus=start, to_bus=end, code=code,
                                       phases=phases, length=km))

    def house(self, bus: str, phase: str) -> None:
        kw = round(self.rng.uniform(*HOUSE), 3)
        self.elements.append(dlmp.Load(
            name=f"h_{bus}", bus=bus, legs=(phase,), kw=(kw,), kvar=(round(0.38 * kw, 3),),
            model="exponential", coefficients=(0.8, 3.0)))

    def service(self, bus: str, phase: str) -> None:
        """A service transformer and its houses."""
        low = self.bus(f"x_{bus}", LV, phase)
        self.elements.append(dlmp.Transformer(
            name=f"t_{bus}", from_bus=bus, to_bus=low, kva=25.0, r_percent=1.5, x_percent=2.0,
            phases=phase, from_kv=MV / 3**0.5, to_kv=0.24, no_load_percent=0.25,
            magnetizing_percent=0.5))
        for k in range(min(self.rng.randint(1, 3), self.left)):
            end = self.bus(f"{low}_{k}", LV, phase)
            self.line(low, end, _SERVICE, phase, self.rng.uniform(0.01, 0.04))
            self.house(end, phase)

    def lateral(self, start: str, number: int) -> None:
        """Some single-phase buses in a row, most of them with a service transformer."""
        phase = self.rng.choices("abc", (40, 33, 27))[0]
        for k in range(self.rng.randint(2, 5)):
            if self.left < 1:
                return
            end = self.bus(f"{start}_{number}_{k}", MV, phase)
            self.line(start if k == 0 else f"{start}_{number}_{k - 1}", end, _ONE, phase,
                      self.rng.uniform(0.03, 0.12))
            if self.left > 1 and self.rng.random() < 0.75:
                self.service(end, phase)


def suburb(buses: int = 3000, seed: int = 5) -> dlmp.Network:
    """A radial, unbalanced feeder.

    Parameters
    ----------
    buses : int
        Exact number of buses, at least 100.
    seed : int
        Of the random lengths, phases and loads.

    Returns
    -------
    Network
        Its trunk buses are ``m0``, ``m1`` ..., three-phase, the last ones furthest away.
    """
    make = _Suburb(buses, seed)
    make.bus("source", 115.0, "abc")
    trunk = [make.bus("m0", MV, "abc")]
    kva = 5.0 * buses
    make.elements += [
        dlmp.Substation(name="grid", bus="source", v_pu=(1.03,) * 3),
        dlmp.Transformer(name="substation", from_bus="source", to_bus="m0", kva=kva, r_percent=0.6,
                         x_percent=7.0, connection="delta-wye", from_kv=115.0, to_kv=MV)]
    for k in range(1, max(4, buses // TRUNK)):
        start = trunk[-1] if make.rng.random() < 0.7 else make.rng.choice(trunk)
        trunk.append(make.bus(f"m{k}", MV, "abc"))
        make.line(start, trunk[-1], _THREE, "abc", make.rng.uniform(0.05, 0.2))
    number = 0
    while make.left:
        make.lateral(make.rng.choice(trunk), number)
        number += 1
    return dlmp.Network(f"suburb{buses}", make.elements, source="made by tests/library/suburb.py")
