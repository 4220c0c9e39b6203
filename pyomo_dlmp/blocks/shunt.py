"""Shunt admittances: line charging, exciting branches, grounding banks, capacitors.

Drawn power of an admittance Y (pu) between phases, to first order in w and theta:

    S_i = V_i conj(sum_j Y_ij V_j) = sum_j conj(Y_ij) Gamma_ij ((w_i + w_j)/2 + j (theta_i - theta_j))

Angles count only where the bus carries them and Y is no mere susceptance of a line.
"""  # noqa: E501  (a formula cannot be broken)

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from pyomo.core.expr import LinearExpression

from pyomo_dlmp.network.phases import gamma
from pyomo_dlmp.tolerances import ENTRY


def inject_shunt(bus: Any, phases: str, admittance: np.ndarray, periods: Iterable[Any],
                 angles: bool = False) -> None:
    """Inject the power that an admittance draws, as a loss to the bus; see the module's text.

    Parameters
    ----------
    bus : BusBlock
        Where it is connected.
    phases : str
        Its n phases.
    admittance : ndarray, shape (n, n), complex
        In pu on 1 MVA.
    periods : iterable
        Labels of the periods.
    angles : bool
        Whether its power depends on angles, where the bus carries them.
    """
    drawn = np.conj(admittance) * gamma(phases)
    for i, phase in enumerate(phases):
        w = 0.5 * drawn[i].copy()
        w[i] += 0.5 * drawn[i].sum()
        terms = [(w[j], bus.w, other) for j, other in enumerate(phases)]
        if angles and bus.component("theta") is not None:
            turn = -1j * drawn[i]
            turn[i] += 1j * drawn[i].sum()
            terms += [(turn[j], bus.theta, other) for j, other in enumerate(phases)]
        active = [(-c.real, v, k) for c, v, k in terms if abs(c.real) > ENTRY]
        reactive = [(-c.imag, v, k) for c, v, k in terms if abs(c.imag) > ENTRY]
        for t in periods:
            bus.inject((phase, t), _sum(active, t), _sum(reactive, t))


def _sum(terms, t):
    if not terms:
        return 0.0
    return LinearExpression(constant=0.0, linear_coefs=[float(c) for c, _, _ in terms],
                            linear_vars=[v[k, t] for _, v, k in terms])
