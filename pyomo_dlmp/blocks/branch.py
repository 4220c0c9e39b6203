"""Branch: an ideal connection followed by a series impedance; lines, regulators, transformers.

Symbols, per phase and period: p, q = power through the impedance towards the to-bus (MW, Mvar;
lossless, so the same at both ends); z = r + jx (pu on 1 MW per phase: ohm / kV_ln^2);
Gamma = alpha alpha^H; D, gain, shift: the ideal connection of `network.phases` (a line's: 1).

    voltage   w_to = gain (Re D w_from - 2 Im D theta_from) - M^P p - M^Q q
    angle     theta_to = shift + Re D theta_from + Im D (w_from - 1)/2 - 1/2 M^Q p + 1/2 M^P q
    from-bus  S_from = D^T S (+ shunt),      to-bus  S_to = S
    M^P = 2 (Re Gamma o r + Im Gamma o x),   M^Q = 2 (Re Gamma o x - Im Gamma o r)

Sources: Gan and Low, PSCC 2014; Arnold et al., PES GM 2016; angles: Sankur et al., arXiv
1804.02080.
Losses at voltages v (pu):  L = sum_{phi psi} r_{phi psi} Re(S_phi conj(S_psi) Gamma_{psi phi})
/ (v_phi v_psi), in MW; convex in (p, q) since r is positive semidefinite. Thermal limits are
inscribed polygons: cos(t_k) p + sin(t_k) q <= S cos(pi/K), safe for p^2 + q^2 <= S^2.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np
import pyomo.environ as pyo
from pyomo.core.base.block import BlockData, declare_custom_block
from pyomo.core.expr.relational_expr import EqualityExpression

from pyomo_dlmp.blocks.horizon import GivenRows, Horizon, Term, constraint_over
from pyomo_dlmp.blocks.polygon import Polygon
from pyomo_dlmp.blocks.quadratic import upper_rows
from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.expressions import QuadraticForm
from pyomo_dlmp.network.phases import Connection, gamma
from pyomo_dlmp.network.units import mega
from pyomo_dlmp.tolerances import CONVEX, ENTRY


def drop_matrices(z: np.ndarray, phases: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """M^P and M^Q of an impedance (Gan and Low, PSCC 2014; see the module's text).

    Parameters
    ----------
    z : ndarray, shape (n, n), complex
        Impedance (pu on 1 MW per phase).
    phases : sequence of str
        Its n phases.

    Returns
    -------
    (ndarray, ndarray), each of shape (n, n)
        M^P and M^Q (pu^2 per MW and per Mvar).
    """
    rotation = gamma(phases)
    r, x = z.real, z.imag
    return (2 * (rotation.real * r + rotation.imag * x),
            2 * (rotation.real * x - rotation.imag * r))


def affine_rows(into: dict, phase: str, horizon: Horizon, terms: Iterable[Term],
                right: float) -> None:
    """Rows: sum of coefficient x var[k, t] == right, for one phase and every period.

    Parameters
    ----------
    into : dict
        Rows of a Constraint, filled at [phase, t].
    phase : str
        Index of the rows.
    horizon : Horizon
        Periods of the model.
    terms : iterable of (float, Var, hashable)
        (coefficient, var, k); coefficients that are practically 0 are left out.
    right : float
        Right-hand side.
    """
    kept = [(c, v, k) for c, v, k in terms if abs(c) > ENTRY]
    right = float(right)
    for t, body in zip(horizon.labels, horizon.sums(kept), strict=True):
        into[phase, t] = EqualityExpression((body, right))


@declare_custom_block(name="BranchBlock")
class BranchBlockData(BlockData):
    """A two-ended branch; see the module's text. Concrete elements fill it by `connect`.

    Attributes
    ----------
    p, q : Var
        [phase, t]: power through the impedance towards the to-bus (MW, Mvar).
    voltage, angle : Constraint
        [phase, t]; `angle` only where buses carry angles.
    """

    lossy = True  # whether it may have losses
    bank: Any = None  # `network.parallel.Bank` of a block of several branches
    bank_name = ""  # of a member: its bank
    what = ""  # in messages, where its own name says too little

    def at(self, label: str) -> tuple[str, str]:
        """Bus and phase of one of its outputs.

        Parameters
        ----------
        label : str
            One of `phases`.

        Returns
        -------
        (str, str)
        """
        return self.to_bus_name, label

    def connect(self, name: str, horizon: Horizon, from_bus: Any, to_bus: Any, z_pu: np.ndarray,
                connection: Connection) -> None:
        """Declare flows and voltage rows, and inject into both buses.

        Parameters
        ----------
        name : str
            Of the branch, in messages.
        horizon : Horizon
            Periods and shared indices.
        from_bus, to_bus : BusBlock
            The ends; the from-bus is the side of the substation.
        z_pu : ndarray, shape (n, n), complex
            Impedance behind the connection (pu on 1 MW per phase), n the connection's outputs.
        connection : Connection
            From the phases of the from-bus to those of the to-bus.

        Raises
        ------
        ModelError
            If a bus lacks a phase, or angles are needed and the model has none.
        """
        phases: Sequence[str] = connection.outputs
        if all(len(phase) == 1 for phase in phases):
            phases = "".join(phases)
        for bus, needed in ((from_bus, connection.inputs), (to_bus, phases)):
            missing = [phase for phase in needed if phase not in bus.phases]
            if missing:
                raise ModelError.at(
                    name, f"has phase '{missing[0]}' that bus '{bus.name}' lacks ({bus.phases})",
                    "Add that phase to the bus, or remove it from the branch.")
        if np.abs(connection.d.imag).max() > ENTRY and not horizon.angles:
            raise ModelError.at(name, "couples phases by their angles, which are switched off",
                                "Build with angles=True.")
        index = horizon.index(phases)
        self.phases, self.z_pu, self.connection = phases, z_pu, connection
        self.from_bus_name, self.to_bus_name = str(from_bus.index()), str(to_bus.index())
        self.p = pyo.Var(index, initialize=0.0)
        self.q = pyo.Var(index, initialize=0.0)
        self._voltage_rows(horizon, from_bus, to_bus)
        self._inject(horizon, from_bus, to_bus)

    def _voltage_rows(self, horizon, from_bus, to_bus) -> None:
        """Each row as (coefficients, constant) by phase, and one row of it for every period."""
        phases, (inputs, D) = self.phases, (self.connection.inputs, self.connection.d)
        MP, MQ = drop_matrices(self.z_pu, phases)
        gain, shift = self.connection.gain, self.connection.shift
        p, q, to_w, from_w = self.p, self.q, to_bus.w, from_bus.w
        flows = [(p, phase) for phase in phases] + [(q, phase) for phase in phases]
        voltage: dict = {}
        angle: dict = {}
        index = p.index_set()
        for i, phase in enumerate(phases):
            real, imag = D[i].real, D[i].imag
            terms = [(1.0, to_w, phase)]
            terms += [(-gain[i] * a, from_w, k) for a, k in zip(real, inputs, strict=True)]
            terms += [(c, v, k) for c, (v, k) in zip((*MP[i], *MQ[i]), flows, strict=True)]
            if horizon.angles:
                theta = from_bus.theta
                terms += [(2 * gain[i] * a, theta, k) for a, k in zip(imag, inputs, strict=True)]
                turn = [(1.0, to_bus.theta, phase)]
                turn += [(-a, theta, k) for a, k in zip(real, inputs, strict=True)]
                turn += [(-0.5 * a, from_w, k) for a, k in zip(imag, inputs, strict=True)]
                turn += [(c, v, k) for c, (v, k) in zip(
                    (*(0.5 * MQ[i]), *(-0.5 * MP[i])), flows, strict=True)]
                affine_rows(angle, phase, horizon, turn,
                            float(shift[i] - 0.5 * imag.sum()))
            affine_rows(voltage, phase, horizon, terms, 0.0)
        self.voltage = GivenRows(index, voltage)
        if horizon.angles:
            self.angle = GivenRows(index, angle)

    def _inject(self, horizon, from_bus, to_bus) -> None:
        p, q = self.p, self.q
        taken: dict[str, tuple[list[Term], list[Term]]] = {}
        for phase, row in zip(self.phases, self.connection.d, strict=True):
            to_bus.inject_sums(phase, horizon, [(1.0, p, phase)], [(1.0, q, phase)])
            for other, d in zip(self.connection.inputs, row, strict=True):
                if abs(d) <= ENTRY:
                    continue
                active, reactive = taken.setdefault(other, ([], []))
                active.append((-d.real, p, phase))
                reactive.append((-d.real, q, phase))
                if abs(d.imag) > ENTRY:
                    active.append((d.imag, q, phase))
                    reactive.append((-d.imag, p, phase))
        for other, (active, reactive) in taken.items():
            from_bus.inject_sums(other, horizon, active, reactive)

    def add_losses(self, horizon: Horizon) -> None:
        """Add the Expression `loss[t]` (MW), quadratic in p and q; see the module's text.

        Parameters
        ----------
        horizon : Horizon
            Periods of the model.

        Raises
        ------
        ModelError
            If the resistance matrix is not positive semidefinite.
        """
        self._losses = self.loss_matrix(np.ones(len(self.phases)))
        self._loss_rows = upper_rows(self._losses)
        columns = [horizon.column(var, k) for var in (self.p, self.q) for k in self.phases]
        self._flows = dict(zip(horizon.labels, zip(*columns, strict=True), strict=True))
        self.loss = pyo.Expression(horizon.periods, initialize={
            t: QuadraticForm(self._loss_rows, x) if self._loss_rows else 0.0
            for t, x in self._flows.items()})

    def loss_cost(self, t: Hashable, price: Any) -> Any:
        """``price * loss[t]`` in the form that every solver interface of Pyomo takes.

        Parameters
        ----------
        t : hashable
            The period.
        price : float or expression of Params
            $ per MW lost.

        Returns
        -------
        expression
            In $.
        """
        return QuadraticForm(self._loss_rows, self._flows[t], price) if self._loss_rows else 0.0

    def loss_slopes(self, x: np.ndarray) -> np.ndarray:
        """Derivatives of the losses at given flows.

        Parameters
        ----------
        x : ndarray, shape (2n,)
            p by phase, then q by phase (MW, Mvar).

        Returns
        -------
        ndarray, shape (2n,)
            In MW per MW and per Mvar.
        """
        return 2.0 * self._losses @ x

    def loss_matrix(self, v: np.ndarray) -> np.ndarray:
        """H of the losses (p, q)' H (p, q).

        Parameters
        ----------
        v : ndarray, shape (n,)
            Voltage magnitudes by phase (pu).

        Returns
        -------
        ndarray, shape (2n, 2n)
            In MW per MW^2, Mvar^2; symmetric.

        Raises
        ------
        ModelError
            If the resistance matrix is not positive semidefinite.
        """
        rotated = self.z_pu.real * gamma(self.phases).conj() / np.outer(v, v)
        # sum r (p_i + j q_i)(p_j - j q_j) Gamma_ji = sum Re(c)(pp + qq) - Im(c)(q_i p_j - p_i q_j)
        real, imag = rotated.real, rotated.imag
        H = np.block([[real, imag], [-imag, real]])
        H = 0.5 * (H + H.T)
        least = np.linalg.eigvalsh(H)[0]
        if least < -CONVEX * max(CONVEX, np.abs(H).max()):
            raise ModelError.at(
                self.what or self.name,
                f"has losses that are not convex (least eigenvalue {least:.3g} of r)",
                "A resistance matrix is positive semidefinite: check its entries.")
        return H

    def limit_flow(self, kva: float, sides: int = 12, penalty: float | None = None,
                   hours: float = 1.0) -> None:
        """Rows `thermal[phase, t, side]` for |S| <= kva: a polygon inside the circle.

        Parameters
        ----------
        kva : float
            Rating per phase (kVA).
        sides : int
            Of the polygon, at least 4.
        penalty : float or None
            Soft limit: $ per MVA beyond the rating and hour (Expression `cost`, $); None: hard.
        hours : float
            Length of a period (h).

        Raises
        ------
        ModelError
            If there are fewer than 4 sides.
        """
        if sides < 4:
            raise ModelError.at(self.name, f"has a thermal polygon of {sides} sides",
                                "Use 8, 12 or 16.")
        self.rating_mva = mega(kva)
        circle = Polygon(sides)
        top = self.rating_mva * circle.inscribed
        index, soft = self.p.index_set(), penalty is not None
        if penalty is not None:
            self.excess = pyo.Var(index, domain=pyo.NonNegativeReals, initialize=0.0)
            self.cost = pyo.Expression(expr=penalty * hours * sum(self.excess.values()))
        self.thermal = constraint_over(
            [(phase, t, k) for phase, t in index for k in range(sides)], lambda phase, t, k: (
                circle.along(k, self.p[phase, t], self.q[phase, t])
                - (self.excess[phase, t] if soft else 0.0) <= top))
