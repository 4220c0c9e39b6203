"""Sensitivities and marginal costs at a solution of the AC equations.

With F(z, s) = 0 the equations and s the legs' powers, dz/ds = -F_z^-1 F_s; a cost c(z) has the
adjoint  lam = F_z^-T c_z,  and  dc/ds = lam' (injected current per power).

    injecting 1 MW (1 Mvar) at a leg of voltage u injects the current  1/conj(u)  (-j ... conj(j/u))

An adjoint is held as one complex number a row, lam_r + j lam_i: the cost per unit of current that
is injected, as Re(conj(lam) di). Powers are in MVA, costs in $ of the period.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pyomo_dlmp.ac.circuit import Circuit
from pyomo_dlmp.ac.newton import AcState

SMALL = 0.3  # pu; a smaller voltage, such as a neutral's, gives power no price


@dataclass(frozen=True, eq=False)
class Direction:
    """A power that a device can change: shares of it that legs inject.

    Attributes
    ----------
    legs : ndarray of int
        Numbers of the legs.
    shares : ndarray, complex
        MVA of each leg for 1 MW (or Mvar) of the power.
    """

    legs: np.ndarray
    shares: np.ndarray


def sensitivities(state: AcState, t: int, directions: list[Direction]) -> np.ndarray:
    """Derivative of all unknowns over powers.

    Parameters
    ----------
    state : AcState
    t : int
        Number of the period.
    directions : list of Direction

    Returns
    -------
    ndarray, shape (size, directions), complex
        dz/ds in pu per MVA.
    """
    circuit = state.circuit
    right = np.zeros((circuit.size, len(directions)), dtype=complex)
    for column, way in enumerate(directions):
        current = np.conj(way.shares / state.legs.u[way.legs, t])
        for end, sign in ((circuit.legs.a, 1.0), (circuit.legs.b, -1.0)):
            at = end[way.legs]
            np.add.at(right[:, column], at[at >= 0], sign * current[at >= 0])
    return solved(state, t, right)


def solved(state: AcState, t: int, right: np.ndarray) -> np.ndarray:
    """F_z^-1 of right-hand sides in complex form.

    Parameters
    ----------
    state : AcState
    t : int
        Number of the period.
    right : ndarray, shape (size, k), complex

    Returns
    -------
    ndarray, shape (size, k), complex
    """
    size = state.circuit.size
    if not right.shape[1]:
        return right
    flat = state.factor(t).solve(np.vstack([right.real, right.imag]))
    return flat[:size] + 1j * flat[size:]


def solve_adjoint(state: AcState, t: int, gradient: np.ndarray) -> np.ndarray:
    """Adjoint of a cost, or of several.

    Parameters
    ----------
    state : AcState
    t : int
        Number of the period.
    gradient : ndarray, shape (size,) or (size, k), complex
        c_z: derivative over the real part + j derivative over the imaginary part.

    Returns
    -------
    ndarray, of the same shape, complex
        See the module's text.
    """
    size = state.circuit.size
    flat = state.factor(t).solve(np.concatenate([gradient.real, gradient.imag]), trans="T")
    return flat[:size] + 1j * flat[size:]


def bought_gradient(state: AcState, t: int) -> np.ndarray:
    """Derivative of the active power bought, Re(V conj(J)) at the source.

    Parameters
    ----------
    state : AcState
    t : int
        Number of the period.

    Returns
    -------
    ndarray, shape (size,), complex
        As the gradient of `solve_adjoint`.
    """
    c = state.circuit
    found = np.zeros(c.size, dtype=complex)
    np.add.at(found, c.source_nodes, state.z[c.source_columns, t])
    np.add.at(found, c.source_columns, state.z[c.source_nodes, t])
    return found


def node_prices(state: AcState, lam: np.ndarray, t: int | None = None) -> np.ndarray:
    """Cost of drawing 1 MW, and 1 Mvar, between each node and its reference, in all periods.

    The current returns through the neutral of the bus, if it has one that is not solidly grounded;
    on a part that nothing grounds through its three phases equally; elsewhere through ground.

    Parameters
    ----------
    state : AcState
    lam : ndarray, shape (size, periods), complex
        The adjoint.
    t : int, optional
        Number of a period, of which all columns of `lam` are.

    Returns
    -------
    ndarray, shape (2, n, periods)
        $/MW and $/Mvar of the period; nan where there is hardly a voltage.
    """
    c = state.circuit
    u, lam = referred(state), _less_mean(c, lam[:c.n].copy())
    if t is not None:
        u = np.repeat(u[:, t:t + 1], lam.shape[1], axis=1)
    for phases, neutral in c.neutrals:
        u[phases] -= u[neutral]
        lam[phases] -= lam[neutral]
    price = price_across(lam, u)
    return np.array([price.real, price.imag])


def price_across(lam: Any, u: Any) -> np.ndarray:
    """Cost of drawing power between two conductors.

    1 MW drawn injects the current -conj(1/u), 1 Mvar -conj(j/u) = j conj(1/u).

    Parameters
    ----------
    lam, u : complex or ndarray
        Differences of the adjoint and of the voltage (pu) between them.

    Returns
    -------
    ndarray, complex
        $/MW + j $/Mvar of the period; nan where there is hardly a voltage.
    """
    u = np.asarray(u, dtype=complex)
    price = np.full(u.shape, complex(np.nan, np.nan))
    np.divide(-np.conj(lam), np.conj(u), out=price, where=np.abs(u) >= SMALL)
    return price


def referred(state: AcState) -> np.ndarray:
    """Voltages of the nodes as users read them: on parts that nothing grounds minus the bus's mean.

    Parameters
    ----------
    state : AcState

    Returns
    -------
    ndarray, shape (n, periods), complex
        In pu.
    """
    return _less_mean(state.circuit, state.volts.copy())


def _less_mean(circuit: Circuit, values: np.ndarray) -> np.ndarray:
    """Values of nodes (changed in place), on parts that nothing grounds minus the bus's mean."""
    for at in circuit.floating:
        values[at] -= values[at[:3]].mean(axis=0)
    return values
