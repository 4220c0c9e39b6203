"""Loads of a circuit: each model is evaluated at the solution and compared with the engine."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from pyomo_dlmp.engine.snapshot import EngineElement
from pyomo_dlmp.network import Load, NodalAdmittance
from pyomo_dlmp.opendss.reading.circuit import Draft, Unsupported, in_delta, tidy
from pyomo_dlmp.opendss.reading.legs import (
    ENOUGH,
    STILL,
    Ends,
    add_up,
    apart,
    ends_of_legs,
    engine_powers,
    is_star,
    leg_volts,
    node_powers,
)
from pyomo_dlmp.tolerances import PRINTED, ROUNDING

LOW = 0.5  # pu: the engine's vlowpu, below which every load is an impedance
SQRT3 = math.sqrt(3.0)


class Model(NamedTuple):
    """How a load's power follows its voltage.

    Attributes
    ----------
    word : str
        As of `Load.model`.
    coefficients : tuple of float
    v_low, v_high : float
        Range of the model (pu).
    """

    word: Any
    coefficients: tuple[float, ...]
    v_low: float
    v_high: float

    def power(self, kw: np.ndarray, kvar: np.ndarray, v: np.ndarray) -> np.ndarray:
        """Power drawn by legs (kVA) at their voltages (pu), as the engine has it.

        Parameters
        ----------
        kw, kvar : ndarray, shape (n,)
            At nominal voltage.
        v : ndarray, shape (n,)
            Magnitudes (pu of the rated voltage).

        Returns
        -------
        ndarray, shape (n,), complex
        """
        nominal = kw + 1j * kvar
        if self.word == "impedance":
            return nominal * v**2
        if not self.v_low > LOW:
            low, below = self.v_low, nominal * v**2
        else:  # the current goes straight from that of an impedance to that at v_low
            low = self.v_low
            share = (v - LOW) / (self.v_low - LOW)
            edge = self._edge(kw, kvar, self.v_low) / self.v_low
            current = LOW * nominal + (edge - LOW * nominal) * share
            below = np.where(v <= LOW, nominal * v**2, current * v)
        above = self._edge(kw, kvar, self.v_high) * (v / self.v_high) ** 2
        inside = self._inside(kw, kvar, np.maximum(v, low))
        return np.where(v > self.v_high, above, np.where(
            (v <= self.v_low) | (v <= LOW), below, inside))

    def _edge(self, kw: np.ndarray, kvar: np.ndarray, v: float) -> np.ndarray:
        """Power at an edge of the range, from where on the load is an impedance."""
        if self.word == "exponential":
            return kw + 1j * kvar  # as the engine has it
        return self._inside(kw, kvar, np.full(len(kw), v))

    def _inside(self, kw: np.ndarray, kvar: np.ndarray, v: np.ndarray) -> np.ndarray:
        if self.word == "current":
            return (kw + 1j * kvar) * v
        if self.word == "exponential":
            return kw * v**self.coefficients[0] + 1j * kvar * v**self.coefficients[1]
        if self.word == "zip":
            terms = np.stack([v**2, v, np.ones_like(v)])
            p, q = np.array(self.coefficients[:3]), np.array(self.coefficients[3:])
            return kw * (p @ terms) + 1j * kvar * (q @ terms)
        return kw + 1j * kvar


def model_of(record: dict[str, Any]) -> Model:
    """Our model of OpenDSS's load models 1 to 8.

    Parameters
    ----------
    record : dict
        Of a load.

    Returns
    -------
    Model

    Raises
    ------
    Unsupported
        For any other.
    """
    number = int(record["model"])
    limits = float(record["vminpu"]), float(record["vmaxpu"])
    known: dict[int, tuple[str, tuple[float, ...]]] = {
        1: ("power", ()), 6: ("power", ()), 2: ("impedance", ()), 3: ("exponential", (0.0, 2.0)),
        7: ("exponential", (0.0, 2.0)), 5: ("current", ()),
        4: ("exponential", (float(record["cvrwatts"]), float(record["cvrvars"]))),
        8: ("zip", tuple(float(v) for v in record["zipv"][:6])),
    }
    if number not in known:
        raise Unsupported(f"its load model is {number}", "Models 1 to 8 are known.")
    return Model(*known[number], *limits)


def read_load(draft: Draft, element: EngineElement) -> list[Any]:
    """A load with the power that it draws at the solution.

    Parameters
    ----------
    draft : Draft
    element : EngineElement
        Of class load.

    Returns
    -------
    list of Load or NodalAdmittance
        One for its legs to ground or neutral and one for those between phases; and the impedance
        of its neutral.
    """
    record = element.record
    legs = [leg for leg in ends_of_legs(element) if leg[0] != leg[1]]
    if not legs or not engine_powers(element):
        draft.leave_out(element.full, "both ends of its legs are at one node")
        return []
    if not element.shut.all() and np.abs(element.kva).max() < STILL:
        draft.leave_out(element.full, "it is open")
        return []
    if not element.shut.all():
        shut = {place for place, on in zip(element.nodes, element.shut, strict=True) if on}
        legs = [leg for leg in legs if all(not place[1] or place in shut for place in leg)]
        if not legs:
            draft.leave_out(element.full, "it is open")
            return []
    model = model_of(record)
    made: list[Any] = []
    star = legs[0][1] if not in_delta(record["conn"]) else (legs[0][0][0], 0)
    neutral = _neutral(draft, element, star)
    kv = float(record["kv"]) / (
        SQRT3 if not in_delta(record["conn"]) and record["phases"] > 1 else 1.0)
    model, shares = _outside(draft, element, legs, model, kv)
    model, kw, kvar = _powers(draft, element, legs, model, (kv, shares), neutral)
    found = add_up(draft, legs, kw + 1j * kvar)
    made = [_load(draft, element, model, kv, {leg: s for leg, s in found.items()
                                              if is_star(leg) is wye}, wye)
            for wye in (True, False)]
    made = [load for load in made if load is not None]
    if len(made) > 1:
        made[1] = Load(**{**made[1].__dict__, "name": draft.further(element.full, "_delta")})
    if neutral is not None:
        made.append(neutral)
    return made


def _load(draft: Draft, element: EngineElement, model: Model, kv: float,
          legs: dict[str, complex], wye: bool) -> Load | None:
    if not legs:
        return None
    bus = element.ends[0][0]
    nominal = draft.leg_kv(bus, next(iter(legs)))
    return Load(
        name=draft.name(element.full), bus=bus, legs=tuple(legs),
        kw=tuple(tidy(s.real, 12) for s in legs.values()),
        kvar=tuple(tidy(s.imag, 12) for s in legs.values()),
        connection="wye" if wye else "delta", model=model.word, coefficients=model.coefficients,
        kv=None if abs(kv / nominal - 1.0) < ROUNDING else tidy(kv, 12),
        v_low=model.v_low, v_high=model.v_high)


def _outside(draft: Draft, element: EngineElement, legs: Sequence[Ends], model: Model, kv: float,
             ) -> tuple[Model, tuple[float, float]]:
    """Models 6 and 7 are impedances outside of their range; shares (1) of kW and kvar."""
    number = int(element.record["model"])
    v = np.abs(leg_volts(draft, legs)) / (1e3 * kv)
    if number not in (6, 7):
        return model, (1.0, 1.0)
    for edge, beyond in ((model.v_low, (v <= model.v_low).all()),
                         (model.v_high, (v > model.v_high).all())):
        if beyond:
            draft.note(element.full, f"its model {number} is an impedance at {v.mean():.3f} pu, "
                       "outside vminpu .. vmaxpu")
            return model._replace(word="impedance", coefficients=()), (edge**-2.0, 1.0)
    return model, (1.0, 1.0)


def _powers(draft: Draft, element: EngineElement, legs: Sequence[Ends], model: Model,
            rated: tuple[float, tuple[float, float]], neutral: NodalAdmittance | None,
            ) -> tuple[Model, np.ndarray, np.ndarray]:
    """The model and the nominal power of each leg (kW, kvar).

    The file's power times the circuit's multiplier, or what the engine makes of it (growth,
    allocation), or all of it as an impedance.
    """
    record = element.record
    n = int(record["phases"])
    volts = np.abs(leg_volts(draft, legs)) / (1e3 * rated[0])
    stated = np.array([float(record["kw"]), float(record["kvar"])]) / n * rated[1]
    shunt = {} if neutral is None else {(legs[0][1]): neutral.y[0, 0]}
    theirs = _without(draft, element, shunt)
    fixed = str(record.get("status", "")).lower()[:1] in ("f", "e")
    growth = 1.0 if fixed else draft.snapshot.load_mult
    far = 0.0
    linear = model._replace(word="impedance", coefficients=())
    fitted = _scale(draft, theirs, legs, model, stated, volts)
    for own, scale, said in (
            (model, growth, ""),
            (linear, growth, "it is an impedance in the engine (loadmodel=admittance)"),
            (model, fitted, "its power is not kw times loadmult but what the engine makes of it "
                            "(growth, allocation)")):
        if scale is None:
            break
        kw, kvar = (np.full(len(legs), x * scale) for x in stated)
        off = apart(draft, theirs, legs, own.power(kw, kvar, volts))
        far = far or off
        if not off:
            if said:
                draft.note(element.full, said)
            return own, kw, kvar
    raise Unsupported(
        f"its power differs from the engine's by {100 * far:.3g} %",
        "Its model, voltage range or connection is not as modeled.")


def _scale(draft: Draft, theirs: EngineElement, legs: Sequence[Ends], model: Model,
           stated: np.ndarray, volts: np.ndarray) -> float | None:
    """The engine's power over the stated one, if that is one real number."""
    kw, kvar = (np.full(len(legs), x) for x in stated)
    own = sum(node_powers(draft, legs, model.power(kw, kvar, volts)).values(), 0j)
    if not abs(own) > STILL:
        return None
    scale = complex(theirs.kva.sum()) / own
    return scale.real if abs(scale.imag) <= ENOUGH * abs(scale) else None


def _without(draft: Draft, element: EngineElement, shunt: dict[Any, complex]) -> EngineElement:
    """The element without what its neutral's impedance draws."""
    if not shunt:
        return element
    kva = element.kva.copy()
    for i, place in enumerate(element.nodes):
        if place in shunt:
            kva[i] -= abs(draft.volts(place)) ** 2 * np.conj(shunt[place]) / 1e3
    return EngineElement(element.full, element.record, element.ends, element.y, element.volts,
                         kva, element.shut)


def _neutral(draft: Draft, element: EngineElement, star: tuple[str, int],
             ) -> NodalAdmittance | None:
    """The impedance between a load's star point and ground, if it has one."""
    record = element.record
    if not star[1] or float(record.get("rneut", -1.0)) < 0:
        return None
    row = element.nodes.index(star, int(record["phases"]))
    own = element.y[row].sum()
    if abs(own) <= PRINTED * np.abs(element.y[row]).max():
        return None
    return NodalAdmittance(
        name=draft.further(element.full, "_neutral"), buses=(star[0],),
        conductors=(draft.letter(*star),), g=((own.real,),), b=((own.imag,),))
