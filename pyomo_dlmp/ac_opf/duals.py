"""From the duals of a solved model of the AC form to the adjoint of the AC equations.

The marginal costs of an AC OPF follow from the multipliers of its limits alone: with mu of the
inequality rows, the cost  c(z) + sum mu (row)  has the adjoint  lam = F_z^-T (its gradient), and
the price of every leg is in lam. The balances' own duals are not used, so that both can be
compared: they must agree at an operating point that is its own solution.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyomo.environ as pyo
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
from pyomo_dlmp.blocks.ac_leg import LimitedPhasor
from pyomo_dlmp.lower.form import LowerForm
from pyomo_dlmp.network.device import leg_names
from pyomo_dlmp.opf.ac_form import COMPONENTS, joints_of
from pyomo_dlmp.opf.curvature import Channel
from pyomo_dlmp.opf.limits import limited_phasors

# what rows limit, by the component that holds them; all others are of users and their devices
OWNERS = {"bus": "voltage", "demand": "load response",
          **dict.fromkeys(("line", "transformer", "regulator", "admittance"), "congestion")}
GROUPS = ("voltage", "congestion", "unbalance", "load response", "other")


_NETWORK = ("bus", "substation", *COMPONENTS)  # whose equalities are the AC equations


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
    real, imag : ndarray of int, shape (n + ideal rows, periods)
        Columns of vr and vi, then of the ideal rows' currents; -1 where the Var is fixed.
    phasors : tuple of csr_matrix, shape (limits, n), complex
        T of the phasors whose squares are limited, and of those whose magnitudes are.
    """

    def __init__(self, model: Any, circuit: Circuit, form: LowerForm):
        self.circuit = circuit
        labels = list(model.periods)
        column = {id(var): j for j, var in enumerate(form.x)}
        row = {id(con): i for i, con in enumerate(form.rows)}
        joints = list(joints_of(model, circuit))
        self.real, self.imag = (np.array([[column.get(id(v[k, t]), -1) for t in labels]
                                          for v, k in places])
                                for places in (
            [*((model.bus[bus].vr, k) for bus, k in circuit.nodes),
             *((block.jr, i) for block, i in joints)],
            [*((model.bus[bus].vi, k) for bus, k in circuit.nodes),
             *((block.ji, i) for block, i in joints)]))
        self._limits = {power: _Limits(circuit, len(labels)) for power in (2, 1)}
        number = {t: i for i, t in enumerate(labels)}
        for bus, limited in limited_phasors(model):
            self._limits[limited.power].add(bus, limited, row, number)
        self.phasors = tuple(limits.phasors() for limits in self._limits.values())
        self.group = _groups(form)
        self.incidence = circuit.legs.incidence(circuit.n)
        self.balances = [np.array([_rows_of(model.bus[bus].component(name), k, labels, row)
                                   for bus, k in circuit.nodes])
                         for name in ("balance_p", "balance_q")]

    def limit_multipliers(self, duals: np.ndarray) -> tuple[np.ndarray, ...]:
        """Derivatives of the cost over the limited squares, and over the limited magnitudes.

        Parameters
        ----------
        duals : ndarray
            Of all rows of the form.

        Returns
        -------
        tuple of ndarray, shape (limits, periods)
            In the order of `phasors`; $/pu^2 and $/pu, positive at an upper limit.
        """
        return tuple(limits.multipliers(duals) for limits in self._limits.values())

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
            By `GROUPS`: shape (n + ideal rows, periods), complex, as the gradient of
            `ac.adjoint.solve_adjoint`, over the nodes' voltages and the ideal rows' currents. Loads
            at the upper end of their range are limited by a row, too (`blocks.load`).
        """
        found = {}
        for name in GROUPS:
            mine = self.group[name]
            flat = -(form.A[mine].T @ duals[mine])
            if name == "other":  # costs of voltages, which no block of ours has
                flat += form.sense * (form.c + form.Q @ x)
            found[name] = _taken(flat, self.real) + 1j * _taken(flat, self.imag)
        return found

    def row_gradients(self, form: LowerForm, duals: np.ndarray, rows: list[list[int]],
                      t: int) -> np.ndarray:
        """Derivatives of some rows of a period, weighed by their multipliers.

        Parameters
        ----------
        form : LowerForm
            The compiled model.
        duals : ndarray
            Of its rows.
        rows : list of list of int
            Numbers of rows that are taken together.
        t : int
            Number of the period.

        Returns
        -------
        ndarray, shape (n + ideal rows, groups), complex
            As a column of `limit_gradients`.
        """
        group = np.repeat(np.arange(len(rows)), [len(own) for own in rows])
        flat = np.concatenate(rows)
        weights = sp.csr_matrix((-duals[flat], (group, flat)), (len(rows), len(duals)))
        wide = sp.hstack([weights @ form.A, sp.csr_matrix((len(rows), 1))]).tocsc()
        # the last column, of zeros, is that of Vars that are fixed (-1)
        return (wide[:, self.real[:, t]] + 1j * wide[:, self.imag[:, t]]).toarray().T

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
        return node_prices(state, lam)

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
        real, imag = (np.where(at >= 0, x[at], known) for at, known in zip(
            (part[:self.circuit.n] for part in (self.real, self.imag)),
            (state.volts.real, state.volts.imag), strict=True))
        return self.incidence @ (real + 1j * imag)

    def _multipliers(self, state: AcState) -> np.ndarray:
        """m of the balances: the voltage, 1 at neutrals and where it is small."""
        volts = referred(state)
        phases = np.zeros(self.circuit.n, dtype=bool)
        phases[self.circuit.phase_nodes] = True
        return np.where(phases[:, None] & (np.abs(volts) >= SMALL), volts, 1.0)


def adjoints(state: AcState, prices: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """Adjoint of the DSO's cost in each period.

    Parameters
    ----------
    state : AcState
    prices : ndarray, shape (periods,)
        Of active power bought ($/MW of the period).
    limits : ndarray, shape (n + ideal rows or less, periods), complex
        The sum of `ModelMap.limit_gradients`.

    Returns
    -------
    ndarray, shape (size, periods), complex
    """
    found = np.empty_like(state.z)
    for t, price in enumerate(prices):
        gradient = price * bought_gradient(state, t)
        gradient[:len(limits)] += limits[:, t]
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
    """All rows but the network's own equations, by what they limit."""
    found: dict[str, list[int]] = {name: [] for name in GROUPS}
    known: dict[int, tuple[str, bool]] = {}  # by component, which holds the rows of all periods
    equality = form.equality.tolist()
    for i, row in enumerate(form.rows):
        component = row.parent_component()
        if id(component) not in known:
            known[id(component)] = _group(component)
        group, own = known[id(component)]
        if not (own and equality[i]):
            found[group].append(i)
    return {name: np.array(rows, dtype=int) for name, rows in found.items()}


def _group(component: Any) -> tuple[str, bool]:
    """What the rows of a component limit, and whether it is of the network."""
    block = component.parent_block()
    while block is not None and block.parent_component().local_name == "leg":
        block = block.parent_block()  # of a bus
    name = "" if block is None else block.parent_component().local_name
    unbalance = name == "bus" and component.local_name.startswith("unbalance")
    return "unbalance" if unbalance else OWNERS.get(name, "other"), name in _NETWORK


def _rows_of(component: Any, conductor: str, labels: list, rows: dict) -> list[int]:
    """Number of a balance in each period, -1 where there is none."""
    if component is None:
        return [-1] * len(labels)
    return [rows.get(id(component[k]), -1) if (k := (conductor, t)) in component else -1
            for t in labels]


def _taken(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    return np.where(places >= 0, values[places], 0.0)


class _Limits:
    """Rows on phasors of one power: each phasor once, and the rows that limit it."""

    def __init__(self, circuit: Circuit, periods: int):
        self.at, self.shape = circuit.at, (circuit.n, periods)
        self.known: dict[tuple, int] = {}
        self.entries: list[tuple[int, int, int]] = []  # phasor, period, row
        self.weights: list[Any] = []

    def add(self, bus: str, limited: LimitedPhasor, row: dict, number: dict) -> None:
        """Take rows that are in the form."""
        key = (bus, *limited.phasor.items())
        place = self.known.setdefault(key, len(self.known))
        for t, con in limited.rows:
            if id(con) in row:
                self.entries.append((place, number[t], row[id(con)]))
                self.weights.append(limited.weight)

    def phasors(self) -> sp.csr_matrix:
        """T of all of them."""
        found = [(i, self.at[bus, k], c) for (bus, *terms), i in self.known.items()
                 for k, c in terms if self.at[bus, k] >= 0]
        rows, columns, values = zip(*found, strict=True) if found else ((), (), ())
        return sp.csr_matrix((np.array(values, dtype=complex), (rows, columns)),
                             shape=(len(self.known), self.shape[0]))

    def multipliers(self, duals: np.ndarray) -> np.ndarray:
        """Derivative of the cost over |T V|^power, shape (phasors, periods)."""
        found = np.zeros((len(self.known), self.shape[1]))
        if self.entries:
            place, period, row = np.array(self.entries).T
            weights = np.array([w if isinstance(w, float) else pyo.value(w) for w in self.weights])
            np.subtract.at(found, (place, period), duals[row] * weights)
        return found
