"""AC power flow of thousands of periods: Newton steps with a matrix that many of them share.

Periods are sorted by their load and go in groups. A group has one factorised derivative, taken at
the mean of its first guesses; a step solves it for all of the group's periods at once. Convergence
is linear, with a ratio of some hundredths, and the solutions are those of `ac.newton.solve`: the
equations are the same, and so is the rule by which a step ends.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse.linalg import SuperLU

from pyomo_dlmp.ac.circuit import Circuit
from pyomo_dlmp.ac.legs import leg_state
from pyomo_dlmp.ac.newton import attempt, factorised, jacobian
from pyomo_dlmp.tolerances import NEWTON_STEP

GROUP = 512  # periods that share a matrix
_MOST_STEPS = 40
_FAR = 0.5  # pu; a longer step is no convergence
_SLOW = 0.7  # ratio of two steps beyond which a period is left to Newton's method


def solve_many(circuit: Circuit, injected: np.ndarray, drawn: np.ndarray, start: np.ndarray,
               newton: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """AC power flow of many periods from good first guesses.

    Parameters
    ----------
    circuit : Circuit
    injected, drawn : ndarray, shape (legs, periods), complex
        As of `ac.newton.solve` (MVA).
    start : ndarray, shape (size, periods), complex
        First guesses.
    newton : bool
        Whether periods that do not converge are solved by Newton's method, one by one.

    Returns
    -------
    (ndarray, ndarray)
        z, shape (size, periods); whether each period has a solution.
    """
    z = np.array(start, dtype=complex, order="F")
    good = np.zeros(z.shape[1], dtype=bool)
    if not z.shape[1]:
        return z, good
    incidence = circuit.legs.incidence(circuit.n)
    order = np.argsort((drawn - injected).real.sum(axis=0), kind="stable")
    for part in np.array_split(order, -(-len(order) // GROUP)):
        _group(circuit, incidence, injected, drawn, z, good, part)
    lost = np.flatnonzero(~good) if newton else np.zeros(0, dtype=int)
    if len(lost):
        found, steps = attempt(circuit, injected[:, lost], drawn[:, lost],
                               np.asarray(start, dtype=complex)[:, lost])
        z[:, lost], good[lost] = found, steps > 0
    return z, good


def _group(circuit, incidence, injected, drawn, z, good, live) -> None:
    """Solve the periods `live`; changes `z` and `good`."""
    n, size = circuit.n, circuit.size
    lu = _shared(circuit, incidence, *(x[:, live].mean(axis=1) for x in (z, injected, drawn)))
    last = np.full(len(live), np.inf)
    for _ in range(_MOST_STEPS if lu is not None else 0):
        now = z[:, live]
        state = leg_state(circuit.legs, incidence @ now[:n], injected[:, live], drawn[:, live])
        miss = circuit.matrix @ now - circuit.constant[:, None]
        miss[:n] -= incidence.T @ state.i
        flat = lu.solve(np.asfortranarray(np.vstack([miss.real, miss.imag])))
        move = flat[:size] + 1j * flat[size:]
        length = np.abs(incidence @ move[:n]).max(axis=0, initial=0.0) + np.abs(
            move[circuit.source_nodes]).max(axis=0, initial=0.0)
        z[:, live] = now - move
        # what a linear decrease leaves to go is a small part of the step just made
        ratio = np.where(np.isinf(last), 1.0, np.minimum(length / last, 1.0))
        done = (length <= NEWTON_STEP) | (length * ratio <= NEWTON_STEP) | (
            (length < 1e3 * NEWTON_STEP) & (length > _SLOW * last))  # rounding
        lost = ~(length <= _FAR) | ((length > _SLOW * last) & ~done)
        good[live[done & ~lost]] = True
        live, last = live[~(done | lost)], length[~(done | lost)]
        if not len(live):
            return


def _shared(circuit, incidence, z, injected, drawn) -> SuperLU | None:
    """The factorised derivative at mean values; None where it is singular."""
    state = leg_state(circuit.legs, incidence @ z[:circuit.n, None], injected[:, None],
                      drawn[:, None])
    try:
        return factorised(jacobian(circuit, state, 0))
    except RuntimeError:
        return None
