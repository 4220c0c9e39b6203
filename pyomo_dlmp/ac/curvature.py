"""The exact Hessian of the Lagrangian of an AC OPF, in the powers that devices can change.

With current balances only these are not linear: the power bought Re(V conj(J)), the legs' currents
conj(s/u), and squared voltage limits. Along dz = Z ds (`ac.adjoint.sensitivities`):

    bought      price Re(dV conj(dJ)) x 2
    a limit     2 mu |T dV|^2 / 2 x 2            mu: derivative of the cost over the limited |T V|^2
                nu Im(conj(e) T dV)^2 / |T V|    nu: over the limited |T V|, e = T V / |T V|
    a leg       Re(Lam f2) x 2                   Lam: adjoint across the leg
                f2 = second-order part of s/u = (s2 - s1 e + s0 e^2) / u,  e = du/u

where s1 = ds + slope e_r and s2 = slope e_i^2/2 + bend e_r^2/2 of the law of the leg.
Its definiteness is a matter of these few powers alone: a power flow is square.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pyomo_dlmp.ac.adjoint import Direction
from pyomo_dlmp.ac.newton import AcState
from pyomo_dlmp.network.units import KILO

LEAST = 1.0 / KILO  # $/MW^2: no direction is flat, and far below what losses make (.1 and more)


@dataclass(frozen=True, eq=False)
class Weights:
    """What the Lagrangian of one period weighs.

    Attributes
    ----------
    price : float
        Of the active power bought ($/MW of the period).
    rows : ndarray or sparse, shape (limits, n), complex
        T of the limited phasors T V.
    mu : ndarray, shape (limits,)
        Derivative of the cost over |T V|^2 ($/pu^2): positive at an upper limit.
    lam : ndarray, shape (size,), complex
        Adjoint of the cost with these limits.
    magnitudes : ndarray or sparse, shape (k, n), complex, or None
        T of phasors whose magnitude itself is limited.
    nu : ndarray, shape (k,)
        Derivative of the cost over |T V| of these ($/pu).
    """

    price: float
    rows: np.ndarray
    mu: np.ndarray
    lam: np.ndarray
    magnitudes: Any = None
    nu: np.ndarray = field(default_factory=lambda: np.zeros(0))


def hessian(state: AcState, t: int, directions: list[Direction], z: np.ndarray,
            weights: Weights) -> np.ndarray:
    """The exact Hessian over powers; see the module's text.

    Parameters
    ----------
    state : AcState
    t : int
        Number of the period.
    directions : list of Direction
    z : ndarray, shape (size, directions), complex
        Their `sensitivities`.
    weights : Weights

    Returns
    -------
    ndarray, shape (directions, directions)
        $/MW^2 of the period, symmetric.
    """
    c = state.circuit
    volts, current = z[c.source_nodes], z[c.source_columns]
    bought = (volts.T @ np.conj(current)).real
    total = weights.price * (bought + bought.T)
    if len(weights.mu):
        limited = weights.rows @ z[:c.n]
        total += 2.0 * (limited.T @ (weights.mu[:, None] * np.conj(limited))).real
    if np.any(weights.nu):
        v = weights.magnitudes @ state.volts[:, t]
        across = (np.conj(v / np.abs(v))[:, None] * (weights.magnitudes @ z[:c.n])).imag
        total += across.T @ ((weights.nu / np.abs(v))[:, None] * across)
    return total + _of_legs(state, t, directions, z, weights.lam)


def _of_legs(state: AcState, t: int, directions, z, lam) -> np.ndarray:
    c, legs = state.circuit, state.circuit.legs
    e = legs.incidence(c.n) @ z[:c.n] / state.legs.u[:, t][:, None]
    across = np.zeros(len(legs), dtype=complex)
    for end, sign in ((legs.a, 1.0), (legs.b, -1.0)):
        across[end >= 0] += sign * lam[end[end >= 0]]
    weight = across / state.legs.u[:, t]
    s, slope, bend = (part[:, t] for part in (state.legs.s, state.legs.slope, state.legs.bend))
    er, ei = e.real, e.imag
    rr = 2.0 * (weight * (0.5 * bend - slope + s)).real
    ii = 2.0 * (weight * (0.5 * slope - s)).real
    ri = (weight * 1j * (2.0 * s - slope)).real
    cross = er.T @ (ri[:, None] * ei)
    total = er.T @ (rr[:, None] * er) + ei.T @ (ii[:, None] * ei) + cross + cross.T
    for column, way in enumerate(directions):  # - ds e
        row = (-(weight[way.legs] * way.shares)[:, None] * e[way.legs]).real.sum(axis=0)
        total[column] += row
        total[:, column] += row
    return total


def made_convex(matrix: np.ndarray, least: float = LEAST) -> np.ndarray:
    """A symmetric matrix with negative eigenvalues turned, and none below `least`.

    Parameters
    ----------
    matrix : ndarray, shape (n, n)
        $/MW^2 of the period.
    least : float
        In the same unit.

    Returns
    -------
    ndarray, shape (n, n)
    """
    matrix = 0.5 * (matrix + matrix.T)
    values, vectors = np.linalg.eigh(matrix)
    if values.min(initial=least) >= least:
        return matrix
    # as steep as it is concave: a step there is no longer than the model is good for
    return (vectors * np.maximum(np.abs(values), least)) @ vectors.T
