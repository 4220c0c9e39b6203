"""From the duals of a solved model of the AC form to the adjoint of the AC equations.

The marginal costs of an AC OPF follow from the multipliers of its limits alone: with mu of the
inequality rows, the cost  c(z) + sum mu (row)  has the adjoint  lam = F_z^-T (its gradient), and
the price of every leg is in lam. The balances' own duals are not used, so that both can be
compared: they must agree at an operating point that is its own solution.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from pyomo_dlmp.ac.adjoint import (
    SMALL,
    Direction,
    bought_gradient,
    node_prices,
    referred,
    solve_adjoint,
)
from pyomo_dlmp.ac.circuit import Circuit
from pyomo_dlmp.ac.newton import AcState
from pyomo_dlmp.lower.form import LowerForm
from pyomo_dlmp.network.device import leg_names
from pyomo_dlmp.network.phases import NEUTRAL
from pyomo_dlmp.opf.curvature import Channel

# what inequality rows limit, by the component that holds them; all others are of unbalance
OWNERS = {"bus": "voltage", "demand": "load response",
          **dict.fromkeys(("line", "transformer", "regulator", "admittance"), "congestion")}
GROUPS = ("voltage", "congestion", "unbalance", "load response")


class ModelMap:
    """Where the nodes' voltages, limits and balances of a model stand in its compiled form.

    Parameters
    ----------
    model : Block
        Of the AC form.
    circuit : Circuit
        Of its network.
    form : LowerForm
        The compiled model.

    Attributes
    ----------
    real, imag : ndarray of int, shape (n, periods)
        Columns of vr and vi; -1 where the Var is fixed.
    low, high : ndarray of int, shape (phases, periods)
        Rows of the voltage limits; -1 where there is none.
    T : csr_matrix, shape (phases, n)
        The limited phasors of all phases.
    """

    def __init__(self, model: Any, circuit: Circuit, form: LowerForm):
        self.circuit = circuit
        labels = list(model.periods)
        column = {id(var): j for j, var in enumerate(form.x)}
        row = {id(con): i for i, con in enumerate(form.rows)}
        self.real, self.imag = (np.array([[column.get(id(v), -1) for v in (
            model.bus[bus].component(name)[k, t] for t in labels)] for bus, k in circuit.nodes])
            for name in ("vr", "vi"))
        phases = [(bus, k) for bus, k in circuit.nodes if k in circuit.network.buses[bus].phases]
        self.T = _phasors(circuit, phases)
        self.low, self.high = (np.array([[_row_of(model.bus[bus], name, (k, t), row)
                                          for t in labels] for bus, k in phases])
                               for name in ("v_low", "v_high"))
        self.group = _groups(form)
        self.incidence = circuit.legs.incidence(circuit.n)
        self.balances = [np.array([[_row_of(model.bus[bus], name, (k, t), row) for t in labels]
                                   for bus, k in circuit.nodes])
                         for name in ("balance_p", "balance_q")]

    def limit_multipliers(self, duals: np.ndarray) -> np.ndarray:
        """Derivative of the cost over the squared magnitudes of the phases.

        Parameters
        ----------
        duals : ndarray
            Of all rows of the form.

        Returns
        -------
        ndarray, shape (phases, periods)
            $/pu^2, positive at an upper limit.
        """
        return -(_taken(duals, self.low) + _taken(duals, self.high))

    def limit_gradients(self, form: LowerForm, x: np.ndarray,
                        duals: np.ndarray) -> dict[str, np.ndarray]:
        """Derivatives of limits, weighed by multipliers, and of costs of voltages.

        Parameters
        ----------
        form : LowerForm
            The compiled model.
        x : ndarray
            Values of its columns.
        duals : ndarray
            Of its rows.

        Returns
        -------
        dict
            By `GROUPS`: shape (n, periods), complex, as the gradient of
            `ac.adjoint.solve_adjoint`, over the nodes' voltages. Loads at the upper end of their
            range are limited by a row, too (`blocks.load`).
        """
        found = {}
        for name in GROUPS:
            mine = self.group[name]
            flat = -(form.A[mine].T @ duals[mine])
            if name == "unbalance":  # its costs stand in the objective
                flat += form.sense * (form.c + form.Q @ x)
            found[name] = _taken(flat, self.real) + 1j * _taken(flat, self.imag)
        return found

    def node_prices(self, duals: np.ndarray, state: AcState) -> np.ndarray:
        """Prices of all nodes by the duals of the balances.

        With m the multiplier of a node's row, the adjoint is  -m conj(dual_p + j dual_q).

        Parameters
        ----------
        duals : ndarray
            Of all rows of the form.
        state : AcState
            At the operating point.

        Returns
        -------
        ndarray, shape (2, n, periods)
            Of active and reactive power ($/MW, $/Mvar of the period), as `ac.adjoint.node_prices`.
        """
        p, q = (_taken(duals, rows) for rows in self.balances)
        lam = -self._multipliers(state) * np.conj(p + 1j * q)
        return np.array([node_prices(state, t, lam[:, t]) for t in range(p.shape[1])]
                        ).transpose(1, 2, 0)

    def leg_voltages(self, x: np.ndarray, state: AcState) -> np.ndarray:
        """Voltages of the legs in the model.

        Parameters
        ----------
        x : ndarray
            Values of the form's columns.
        state : AcState
            Its voltages stand where a Var of the model is fixed.

        Returns
        -------
        ndarray, shape (legs, periods), complex
            In pu.
        """
        real = np.where(self.real >= 0, x[self.real], state.volts.real)
        imag = np.where(self.imag >= 0, x[self.imag], state.volts.imag)
        return self.incidence @ (real + 1j * imag)

    def _multipliers(self, state: AcState) -> np.ndarray:
        """m of the balances: the voltage, 1 at neutrals and where it is small."""
        volts = referred(state)
        phases = np.array([k in self.circuit.network.buses[bus].phases
                           for bus, k in self.circuit.nodes])
        return np.where(phases[:, None] & (np.abs(volts) >= SMALL), volts, 1.0)


def adjoints(state: AcState, prices: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """Adjoint of the DSO's cost in each period.

    Parameters
    ----------
    state : AcState
    prices : ndarray, shape (periods,)
        Of active power bought ($/MW of the period).
    limits : ndarray, shape (n, periods), complex
        `ModelMap.limit_gradient`.

    Returns
    -------
    ndarray, shape (size, periods), complex
    """
    found = np.empty_like(state.z)
    for t, price in enumerate(prices):
        gradient = price * bought_gradient(state, t)
        gradient[:state.circuit.n] += limits[:, t]
        found[:, t] = solve_adjoint(state, t, gradient)
    return found


def direction(circuit: Circuit, channel: Channel) -> Direction:
    """The legs of a channel among those of the circuit.

    Parameters
    ----------
    circuit : Circuit
    channel : Channel

    Returns
    -------
    Direction
    """
    device = circuit.network.devices[channel.device]
    numbers = dict(zip(leg_names(device), circuit.legs.of[channel.device], strict=True))
    numbers |= dict(zip(circuit.legs.names[channel.device], circuit.legs.of[channel.device],
                        strict=True))
    return Direction(np.array([numbers[leg] for leg in channel.shares]),
                     np.array(list(channel.shares.values()), dtype=complex))


def _groups(form: LowerForm) -> dict[str, np.ndarray]:
    """Inequality rows by what they limit."""
    found: dict[str, list[int]] = {name: [] for name in GROUPS}
    for i in np.flatnonzero(~form.equality):
        component = form.rows[i].parent_component()
        block = component.parent_block()
        while block is not None and block.parent_component().local_name == "leg":
            block = block.parent_block()  # of a bus
        name = "" if block is None else block.parent_component().local_name
        if component.local_name.startswith("unbalance"):
            name = ""
        found[OWNERS.get(name, "unbalance")].append(i)
    return {name: np.array(rows, dtype=int) for name, rows in found.items()}


def _row_of(bus: Any, name: str, k: tuple, rows: dict) -> int:
    component = bus.component(name)
    return -1 if component is None or k not in component else rows.get(id(component[k]), -1)


def _taken(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    return np.where(places >= 0, values[places], 0.0)


def _phasors(circuit: Circuit, phases: list[tuple[str, str]]) -> sp.csr_matrix:
    """The phasors that limits are on: to the neutral, less the mean of the phases, or to ground."""
    rows, columns, values = [], [], []
    for number, (bus, k) in enumerate(phases):
        rows.append(number)
        columns.append(circuit.at[bus, k])
        values.append(1.0)
        if circuit.at.get((bus, NEUTRAL), -1) >= 0:
            rows.append(number)
            columns.append(circuit.at[bus, NEUTRAL])
            values.append(-1.0)
        elif circuit.network.buses[bus].phases == "abc" and bus not in circuit.grounded:
            for other in "abc":
                rows.append(number)
                columns.append(circuit.at[bus, other])
                values.append(-1.0 / 3.0)
    return sp.csr_matrix((values, (rows, columns)), shape=(len(phases), circuit.n))
