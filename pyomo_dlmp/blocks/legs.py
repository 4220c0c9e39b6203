"""How the legs of a device (phases, or delta pairs) are mapped to the phases of its bus.

For a leg with power S (complex as the pair P, Q) and the linear map D of `network.phases`:

    bus power of phase phi  S_phi = sum_leg D[leg, phi] S_leg
    squared voltage of leg  w_leg = sum_phi Re D[leg, phi] w_phi - 2 Im D[leg, phi] theta_phi

A leg to a neutral, such as "an", is that of its phase: a bus of a model has no neutral that is not
at ground (`opf.neutrals`).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.network.phases import (
    DELTA_PAIRS,
    NEUTRALS,
    SPLIT,
    between_phases,
    delta_connection,
)


def leg_map(name: str, legs: tuple[str, ...], connection: str, phases: str) -> np.ndarray:
    """D of a wye or delta device (delta: Byeon, Ryu, Kim, arXiv 2211.07942).

    Parameters
    ----------
    name : str
        Of the device, in messages.
    legs : tuple of str
        Phases, or pairs of phases.
    connection : "wye" or "delta"
        Of the device.
    phases : str
        Of the bus.

    Returns
    -------
    ndarray, shape (legs, phases), complex

    Raises
    ------
    ModelError
        If a leg does not exist in that connection, or is on a phase that the bus lacks.
    """
    if connection == "wye":
        at = [leg[:1] if leg[1:2] in (*NEUTRALS, "") else leg for leg in legs]
        wrong = [leg for leg, phase in zip(legs, at, strict=True) if phase not in phases]
        if not wrong:
            return np.array([[complex(own == phase) for phase in phases] for own in at])
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
    """A row of D without its zeros.

    Parameters
    ----------
    leg : str
        A phase or a pair of phases.
    phases : str
        Of the bus.
    name : str
        Of the device, in messages.

    Returns
    -------
    tuple of (str, float, float)
        (phase, real part, imaginary part).

    Raises
    ------
    ModelError
        As `leg_map`.
    """
    row = leg_map(name, (leg,), "delta" if between_phases(leg) else "wye", phases)[0]
    return tuple((phase, float(d.real), float(d.imag))
                 for phase, d in zip(phases, row, strict=True) if d != 0)
