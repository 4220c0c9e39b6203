"""How the legs of a device (phases, or delta pairs) meet the phases of its bus.

For a leg with power S (complex as the pair P, Q) and the linear map D of `network.phases`:

    bus power of phase phi  S_phi = sum_leg D[leg, phi] S_leg
    squared voltage of leg  w_leg = sum_phi Re D[leg, phi] w_phi - 2 Im D[leg, phi] theta_phi
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.network.phases import DELTA_PAIRS, SPLIT, delta_connection


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


@lru_cache(maxsize=256)  # asked again for every period
def leg_shares(leg: str, phases: str, name: str) -> tuple[tuple[str, float, float], ...]:
    """(phase, real, imaginary part) of a row of D without its zeros; ModelError as `leg_map`."""
    row = leg_map(name, (leg,), "delta" if len(leg) == 2 else "wye", phases)[0]
    return tuple((phase, float(d.real), float(d.imag))
                 for phase, d in zip(phases, row, strict=True) if d != 0)
