"""How the legs of a device (phases, or delta pairs) meet the phases of its bus.

For a leg with power S (complex as the pair P, Q) and the linear map D of `network.phases`:

    bus power of phase phi  S_phi = sum_leg D[leg, phi] S_leg
    squared voltage of leg  w_leg = sum_phi Re D[leg, phi] w_phi - 2 Im D[leg, phi] theta_phi
"""

from __future__ import annotations

import numpy as np

from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.network.phases import DELTA_PAIRS, SPLIT, delta_connection
from pyomo_dlmp.tolerances import ENTRY


def leg_map(name: str, legs: tuple[str, ...], connection: str, phases: str) -> np.ndarray:
    """D (legs x phases, complex) of a wye or delta device; ModelError naming a wrong leg."""
    if connection == "wye":
        wrong = [leg for leg in legs if leg not in phases]
        if not wrong:
            return np.array([[complex(leg == phase) for phase in phases] for leg in legs])
    else:
        pairs = (*DELTA_PAIRS, SPLIT)
        wrong = [leg for leg in legs if leg not in pairs or not set(leg) <= set(phases)]
        if not wrong:
            return delta_connection(legs, phases).d
    raise ModelError.at(
        name, f"has the {connection} leg {wrong[0]!r} at a bus with phases {phases}",
        "Wye legs are phases; delta legs are ab, bc, ca between phases that the bus has.")


def inject_legs(bus, D: np.ndarray, row: int, t, p, q, sign: float = 1.0) -> None:
    """Inject sign x (p + jq) of leg `row` into the bus's phases at period t."""
    for column, phase in enumerate(bus.phases):
        d = D[row, column]
        if d != 0:
            bus.inject(
                (phase, t),
                sign * d.real * p - sign * d.imag * q,
                sign * d.imag * p + sign * d.real * q)


def phase_powers(D: np.ndarray, phases: str, p, q) -> dict[str, tuple]:
    """{phase: (p, q)} that legs of powers p[row] + j q[row] give the phases they touch."""
    found = {}
    for column, phase in enumerate(phases):
        active = reactive = 0.0
        for row in np.flatnonzero(D[:, column]):
            d = D[row, column]
            active = active + d.real * p[row] - (d.imag * q[row] if d.imag else 0.0)
            reactive = reactive + d.real * q[row] + (d.imag * p[row] if d.imag else 0.0)
        if D[:, column].any():
            found[phase] = (active, reactive)
    return found


def shares_of(D: np.ndarray, legs, phases: str) -> dict[str, tuple[tuple[str, float, float], ...]]:
    """The map as plain data: {leg: ((phase, real, imaginary part), ...)}, without its zeros."""
    return {leg: tuple((phase, float(D[row, i].real), float(D[row, i].imag))
                       for i, phase in enumerate(phases) if D[row, i] != 0)
            for row, leg in enumerate(legs)}


def leg_voltage(bus, D: np.ndarray, row: int, t, name: str):
    """Expression of w of leg `row`; ModelError when it needs angles and the bus has none."""
    terms = []
    for column, phase in enumerate(bus.phases):
        d = D[row, column]
        if d == 0:
            continue
        terms.append(d.real * bus.w[phase, t])
        if abs(d.imag) > ENTRY:
            if bus.component("theta") is None:
                raise ModelError.at(
                    name, "depends on a line-to-line voltage, which needs angles",
                    "Build with angles=True.")
            terms.append(-2.0 * d.imag * bus.theta[phase, t])
    return sum(terms)


def leg_kv(bus, connection: str) -> float:
    """Nominal voltage of a leg (kV) at a BusBlock: of a phase, or between two."""
    if connection == "wye":
        return bus.kv_ln
    return bus.kv_ln * (2.0 if set(bus.phases) & set("12") else 3.0 ** 0.5)
