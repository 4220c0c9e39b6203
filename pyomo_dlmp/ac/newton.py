"""AC power flow by Newton's method on the equations of `ac.circuit`, all periods of a study.

The same matrix, factorised at the solution, gives sensitivities and marginal costs (`ac.adjoint`).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import SuperLU, splu

from pyomo_dlmp.ac.circuit import Circuit
from pyomo_dlmp.ac.legs import LegState, leg_state
from pyomo_dlmp.errors import DlmpError, SolverError
from pyomo_dlmp.tolerances import NEWTON_STEP, ROUNDING

MOST_STEPS = 60
_GREATEST_STEP = 0.5  # pu; longer Newton steps are shortened
_FAILED = 0  # steps of a period without a solution
_LEAST_SHARE = 0.005  # of the powers, between one that has a solution and one that has none


@dataclass(eq=False)
class AcState:
    """A solution of the AC equations.

    Attributes
    ----------
    circuit : Circuit
    z : ndarray, shape (size, periods), complex
        Voltages of the nodes (pu), then currents of ideal rows and of the source (MVA/pu).
    legs : LegState
    injected, drawn : ndarray, shape (legs, periods), complex
        Given powers of devices, nominal powers of loads (MVA).
    steps : ndarray of int
        Newton steps of each period.
    """

    circuit: Circuit
    z: np.ndarray
    legs: LegState
    injected: np.ndarray
    drawn: np.ndarray
    steps: np.ndarray
    _factors: dict[int, SuperLU] = field(default_factory=dict, repr=False)

    @property
    def volts(self) -> np.ndarray:
        """Voltages of the nodes (pu), shape (n, periods), complex."""
        return self.z[:self.circuit.n]

    @property
    def bought(self) -> np.ndarray:
        """Power of each phase of the source at its bus (MVA), shape (m, periods), complex."""
        c = self.circuit
        return self.z[c.source_nodes] * np.conj(self.z[c.source_columns])

    def factor(self, t: int) -> SuperLU:
        """Factorised Jacobian of a period, in real form."""
        if t not in self._factors:
            self._factors[t] = factorised(jacobian(self.circuit, self.legs, t))
        return self._factors[t]


def jacobian(circuit: Circuit, state: LegState, t: int) -> sp.csc_matrix:
    """Derivative of the equations over the unknowns, in real form.

    Parameters
    ----------
    circuit : Circuit
    state : LegState
    t : int
        Number of the period.

    Returns
    -------
    csc_matrix, shape (2 size, 2 size)
    """
    return _filled(circuit, _slopes(circuit, state)[:, t])


def _slopes(circuit: Circuit, state: LegState) -> np.ndarray:
    """What legs add to the entries of `Circuit.real_pattern`, shape (entries, periods)."""
    plus, minus = state.alpha + state.beta, state.alpha - state.beta
    return circuit.real_pattern.of_legs @ np.vstack([
        plus.real, -minus.imag, plus.imag, minus.real])


def _filled(circuit: Circuit, slopes: np.ndarray) -> sp.csc_matrix:
    """The derivative of one period from its `_slopes`."""
    pattern = circuit.real_pattern
    return sp.csc_matrix((pattern.base + slopes, pattern.indices, pattern.indptr),
                         shape=circuit.real_matrix.shape)


def factorised(matrix: sp.csc_matrix) -> SuperLU:
    """LU with rows scaled by the pivoting itself.

    Parameters
    ----------
    matrix : csc_matrix
        As of `jacobian`.

    Returns
    -------
    SuperLU

    Raises
    ------
    RuntimeError
        If the matrix is singular.
    """
    return splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.1)


def solve(circuit: Circuit, injected: np.ndarray, drawn: np.ndarray,
          start: np.ndarray | None = None, labels: list | None = None,
          nearest: bool = False) -> AcState:
    """AC power flow of all periods.

    Parameters
    ----------
    circuit : Circuit
    injected : ndarray, shape (legs, periods), complex
        Powers of devices (MVA), 0 of loads.
    drawn : ndarray, same shape, complex
        Nominal powers of loads and capacitors (MVA).
    start : ndarray, shape (size, periods), complex, optional
        First guess; None: all loads taken as impedances, no devices.
    labels : list, optional
        Names of the periods, in messages.
    nearest : bool
        Whether a period without a solution has the state of the greatest share of its powers that
        has one.

    Returns
    -------
    AcState

    Raises
    ------
    SolverError
        If a period has no solution; it names the period, up to which share of all powers there is
        one, and the bus where the voltage collapses.
    """
    periods = drawn.shape[1]
    incidence = circuit.legs.incidence(circuit.n)
    first = start if start is not None else np.column_stack(
        [_no_load(circuit, drawn[:, t]) for t in range(periods)])
    z, steps = _newton(circuit, incidence, injected, drawn, first)
    share = np.ones(periods)
    for t in np.flatnonzero(steps == _FAILED):
        z[:, t], steps[t], share[t] = _by_shares(
            circuit, incidence, injected[:, t:t + 1], drawn[:, t:t + 1])
        if share[t] < 1.0 and not nearest:
            raise _collapse(circuit, z[:, t], share[t], t if labels is None else labels[t])
    state = leg_state(circuit.legs, incidence @ z[:circuit.n], share * injected, share * drawn)
    return AcState(circuit, z, state, injected, drawn, steps)


def attempt(circuit: Circuit, injected: np.ndarray, drawn: np.ndarray,
            start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Newton's method from a first guess alone, without other ways to a solution.

    Parameters
    ----------
    circuit, injected, drawn, start
        As of `solve`.

    Returns
    -------
    (ndarray, ndarray)
        z, shape (size, periods), and the steps of each period, 0 where none is found.
    """
    return _newton(circuit, circuit.legs.incidence(circuit.n), injected, drawn, start)


def _no_load(circuit: Circuit, drawn: np.ndarray) -> np.ndarray:
    """Loads as impedances of their rated voltage: linear."""
    legs = circuit.legs
    y = np.conj(drawn) / legs.rated**2
    a = legs.incidence(circuit.n)
    extra = sp.csr_matrix(a.T @ sp.diags(y) @ a)
    extra.resize((circuit.size, circuit.size))
    try:
        return splu((circuit.matrix + extra).tocsc()).solve(circuit.constant)
    except RuntimeError:
        raise SolverError.at(
            f"network {circuit.network.name!r}", "has a conductor that nothing connects",
            "Connect or leave out such conductors.") from None


def _by_shares(circuit, incidence, injected, drawn):
    """(z, steps, share) of one period by way of smaller powers, up to the greatest share."""
    share, steps, z = 0.0, 0, _no_load(circuit, np.zeros(len(circuit.legs)))
    step = 0.25
    while step >= _LEAST_SHARE and share < 1.0:
        more = min(1.0, share + step)
        found, count = _newton(circuit, incidence, more * injected, more * drawn, z[:, None])
        if count[0] == _FAILED:
            step /= 2.0
        else:
            share, z, steps = more, found[:, 0], count[0]
    return z, steps, share


def _collapse(circuit: Circuit, z: np.ndarray, share: float, name: object) -> DlmpError:
    return SolverError.at(
        f"AC power flow of network {circuit.network.name!r}",
        f"has no solution in period {name!r}: there is one up to {100 * share:.0f} % of the powers "
        f"of all loads and devices, where {_lowest(circuit, z)}",
        "Reduce the load there, or strengthen the feeder.")


def _lowest(circuit: Circuit, z: np.ndarray) -> str:
    """The phase that has lost most of its voltage without load, in words."""
    least = np.abs(z[:circuit.n]) / np.maximum(
        np.abs(_no_load(circuit, np.zeros(len(circuit.legs)))[:circuit.n]), ROUNDING)
    at = int(circuit.phase_nodes[np.argmin(least[circuit.phase_nodes])])
    bus, k = circuit.nodes[at]
    return f"the voltage is {abs(z[at]):.3g} pu at bus {bus}.{k}"


def _newton(circuit, incidence, injected, drawn, start):
    """(z, steps) of all periods by Newton steps, shortened where the residual would grow.

    Periods know nothing of each other; those without a solution have `_FAILED` steps.
    """
    n, z = circuit.n, start.copy()
    steps, last = np.full(z.shape[1], _FAILED), np.full(z.shape[1], np.inf)
    live = np.arange(z.shape[1])

    def at(z, live):
        state = leg_state(circuit.legs, incidence @ z[:n], injected[:, live], drawn[:, live])
        miss = circuit.matrix @ z - circuit.constant[:, None]
        miss[:n] -= incidence.T @ state.i
        return state, miss

    state, miss = at(z, live)
    for step in range(1, MOST_STEPS + 1):
        move = _moves(circuit, state, miss)
        length = np.abs(incidence @ move[:n]).max(axis=0, initial=0.0) + np.abs(
            move[circuit.source_nodes]).max(axis=0, initial=0.0)
        able = np.isfinite(length)
        live, move, length, norm = (live[able], move[:, able], length[able],
                                    np.abs(miss[:, able]).max(axis=0, initial=0.0))
        whole = length <= _GREATEST_STEP
        share = np.where(whole, 1.0, _GREATEST_STEP / np.where(whole, 1.0, length))
        for _ in range(6):
            new = z[:, live] - share * move
            state, miss = at(new, live)
            worse = (np.abs(miss).max(axis=0, initial=0.0) > np.maximum(norm, 1.0)) & (
                share >= 0.05)
            if not worse.any():
                break
            share = np.where(worse, share / 2.0, share)
        z[:, live] = new
        # rounding ends the quadratic decrease; where nothing grounds a part it does so early
        done = (share == 1.0) & ((length <= NEWTON_STEP) | (
            (length < 1e3 * NEWTON_STEP) & (length > 0.5 * last[live])))
        steps[live[done]], last[live] = step, length
        live = live[~done]
        if not len(live):
            break
        state, miss = at(z[:, live], live) if done.any() else (state, miss)
    return z, steps


def _moves(circuit, state, miss):
    """Newton steps of periods, nan where there is none."""
    slopes, size = _slopes(circuit, state), circuit.size
    found = np.full(miss.shape, np.nan, dtype=complex)
    for k in range(miss.shape[1]):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                flat = factorised(_filled(circuit, slopes[:, k])).solve(
                    np.concatenate([miss[:, k].real, miss[:, k].imag]))
        except RuntimeError:
            continue
        found[:, k] = flat[:size] + 1j * flat[size:]
    return found
