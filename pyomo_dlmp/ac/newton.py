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
            self._factors[t] = _factorised(jacobian(self.circuit, self.legs, t))
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
    base, size, legs = circuit.real_matrix, circuit.size, circuit.legs
    plus, minus = state.alpha[:, t] + state.beta[:, t], state.alpha[:, t] - state.beta[:, t]
    parts = ((0, 0, plus.real), (0, 1, -minus.imag), (1, 0, plus.imag), (1, 1, minus.real))
    rows, columns, values = [base.row], [base.col], [base.data]
    for row_end, row_sign in ((legs.a, 1.0), (legs.b, -1.0)):
        for col_end, col_sign in ((legs.a, 1.0), (legs.b, -1.0)):
            used = (row_end >= 0) & (col_end >= 0)
            for row_half, col_half, value in parts:
                rows.append(row_end[used] + row_half * size)
                columns.append(col_end[used] + col_half * size)
                values.append(-row_sign * col_sign * value[used])
    return sp.csc_matrix((np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))),
                         shape=base.shape)


def _factorised(matrix: sp.csc_matrix) -> SuperLU:
    """LU with rows scaled by the pivoting itself; a singular matrix raises RuntimeError."""
    return splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.1)


def residual(circuit: Circuit, z: np.ndarray, current: np.ndarray) -> np.ndarray:
    """Left-hand minus right-hand side of the equations of one period.

    Parameters
    ----------
    circuit : Circuit
    z : ndarray, shape (size,), complex
    current : ndarray, shape (legs,), complex
        Injected by legs (MVA/pu).

    Returns
    -------
    ndarray, shape (size,), complex
    """
    found = circuit.matrix @ z - circuit.constant
    legs = circuit.legs
    for end, sign in ((legs.a, -1.0), (legs.b, 1.0)):
        used = end >= 0
        np.add.at(found, end[used], sign * current[used])
    return found


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
    z = np.empty((circuit.size, periods), dtype=complex)
    steps, share = np.zeros(periods, dtype=int), np.ones(periods)
    for t in range(periods):
        first = _no_load(circuit, drawn[:, t]) if start is None else start[:, t]
        powers = injected[:, t:t + 1], drawn[:, t:t + 1]
        z[:, t], steps[t], share[t] = _period(circuit, incidence, powers, first)
        if share[t] < 1.0 and not nearest:
            raise _collapse(circuit, z[:, t], share[t], t if labels is None else labels[t])
    state = leg_state(circuit.legs, incidence @ z[:circuit.n], share * injected, share * drawn)
    return AcState(circuit, z, state, injected, drawn, steps)


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


def _period(circuit, incidence, powers, z):
    """(z, steps, share) of one period; where Newton's method fails, by way of smaller powers."""
    injected, drawn = powers
    found = _newton(circuit, incidence, injected, drawn, z)
    if found is not None:
        return *found, 1.0
    share, steps, z = 0.0, 0, _no_load(circuit, np.zeros(len(circuit.legs)))
    step = 0.25
    while step >= _LEAST_SHARE and share < 1.0:
        more = min(1.0, share + step)
        found = _newton(circuit, incidence, more * injected, more * drawn, z)
        if found is None:
            step /= 2.0
        else:
            share, (z, steps) = more, found
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


def _newton(circuit, incidence, injected, drawn, z):
    """(z, steps) by Newton steps, shortened where the residual would grow; None: no solution."""
    legs, n = circuit.legs, circuit.n

    def at(z):
        state = leg_state(legs, (incidence @ z[:n])[:, None], injected, drawn)
        return state, residual(circuit, z, state.i[:, 0])

    state, miss = at(z)
    last = np.inf
    for step in range(1, MOST_STEPS + 1):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                flat = _factorised(jacobian(circuit, state, 0)).solve(
                    np.concatenate([miss.real, miss.imag]))
        except RuntimeError:
            break
        move = flat[:circuit.size] + 1j * flat[circuit.size:]
        length = np.abs(incidence @ move[:n]).max(initial=0.0) + np.abs(
            move[circuit.source_nodes]).max(initial=0.0)
        if not np.isfinite(length):
            break
        share = min(1.0, _GREATEST_STEP / length) if length else 1.0
        norm = np.abs(miss).max(initial=0.0)
        for _ in range(6):
            new = z - share * move
            state, miss = at(new)
            if np.abs(miss).max(initial=0.0) <= max(norm, 1.0) or share < 0.05:
                break
            share /= 2.0
        z = new
        # rounding ends the quadratic decrease; where nothing grounds a part it does so early
        if share == 1.0 and (length <= NEWTON_STEP or (length < 1e3 * NEWTON_STEP
                                                       and length > 0.5 * last)):
            return z, step
        last = length
    return None
