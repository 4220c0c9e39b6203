"""Elements in the AC form: currents from voltages, linear and exact at any operating point.

    by admittance    I = y V, drawn from the terminals                    (no Vars)
    ideal row        sum_k n_k V_k == 0, current J, of which n_k J is drawn from terminal k

y in MVA/pu^2 and V in pu of each bus's nominal phase voltage; I and J are in MVA/pu. An ideal row
conserves power, since sum_k V_k conj(n_k J) = 0. A rating (MVA at nominal voltage) limits the
current of each phase of one bus:

    cos(t_k) Re I + sin(t_k) Im I - excess <= I_max cos(pi/K),    cost rho h excess
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pyomo.environ as pyo
from pyomo.core.base.block import BlockData, declare_custom_block
from pyomo.core.expr import LinearExpression

from pyomo_dlmp.blocks.horizon import Horizon, constraint_over
from pyomo_dlmp.blocks.polygon import Polygon
from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.network.units import mega
from pyomo_dlmp.tolerances import ENTRY

Terminal = tuple[str, str]


@declare_custom_block(name="AcElementBlock")
class AcElementBlockData(BlockData):
    """A line, transformer, regulator, shunt or joint of the AC form; see the module's text.

    Attributes
    ----------
    terminals : tuple of (str, str)
        Bus and conductor of each row of `y`.
    y : ndarray, shape (m, m), complex
        MVA/pu^2; shape (0, 0) of an ideal element.
    jr, ji : Var
        [number of the row, t]: currents of its ideal rows (MVA/pu), if it has any.
    joint_r, joint_i : Constraint
        [number of the row, t]: its ideal rows.
    """

    joints: tuple[tuple[tuple[Terminal, ...], tuple[float, ...]], ...] = ()  # of its ideal rows
    terminals: tuple[Terminal, ...] = ()
    y: np.ndarray = np.zeros((0, 0), dtype=complex)

    def build(self, terminals: Sequence[Terminal], y: np.ndarray, horizon: Horizon,
              buses: Mapping[str, Any]) -> None:
        """Connect by its admittance.

        Parameters
        ----------
        terminals : sequence of (str, str)
            Bus and conductor of each of its m terminals, none at ground.
        y : ndarray, shape (m, m), complex
            MVA/pu^2.
        horizon : Horizon
            Periods and shared indices.
        buses : mapping of str to AcBusBlock
            By name.

        Raises
        ------
        ModelError
            If a bus lacks a conductor, or the matrix does not fit.
        """
        self.terminals, self.y = tuple(terminals), np.asarray(y, dtype=complex)
        self._check(self.terminals, buses)
        m = len(self.terminals)
        if self.y.shape != (m, m):
            raise ModelError.at(str(self.name), f"has {m} terminals and an admittance of shape "
                                f"{self.y.shape}", "Give one row and column per terminal.")
        self._place = (buses,)  # a block as an attribute would be a component
        for i, (bus, k) in enumerate(self.terminals):
            for t in horizon.labels:
                buses[bus].bring((k, t), *self._current(i, t, buses, -1.0))

    def join(self, rows: Sequence[tuple[Sequence[Terminal], Sequence[float]]], horizon: Horizon,
             buses: Mapping[str, Any]) -> None:
        """Connect by ideal rows.

        Parameters
        ----------
        rows : sequence of (terminals, coefficients)
            Of each row: bus and conductor, and n_k.
        horizon : Horizon
            Periods and shared indices.
        buses : mapping of str to AcBusBlock
            By name.

        Raises
        ------
        ModelError
            If a bus lacks a conductor.
        """
        for terminals, _ in rows:
            self._check(terminals, buses)
        self.joints = tuple((tuple(terminals), tuple(map(float, coefs)))
                            for terminals, coefs in rows)
        index = [(i, t) for i in range(len(rows)) for t in horizon.labels]
        self.jr, self.ji = pyo.Var(index, initialize=0.0), pyo.Var(index, initialize=0.0)

        def row(part: str):
            return lambda i, t: sum(float(n) * getattr(buses[bus], part)[k, t]
                                    for (bus, k), n in zip(*rows[i], strict=True)) == 0

        self.joint_r = constraint_over(index, row("vr"))
        self.joint_i = constraint_over(index, row("vi"))
        for i, t in index:
            for (bus, k), n in zip(*rows[i], strict=True):
                buses[bus].bring((k, t), -float(n) * self.jr[i, t], -float(n) * self.ji[i, t])

    def _check(self, terminals: Sequence[Terminal], buses: Mapping[str, Any]) -> None:
        for bus, k in terminals:
            if bus not in buses or k not in buses[bus].conductors:
                raise ModelError.at(str(self.name), f"is at conductor {k!r} of bus {bus!r}, which "
                                    "the model lacks", "Build that bus with the conductor.")

    def _current(self, i: int, t: Hashable, buses: Mapping[str, Any], sign: float = 1.0) -> tuple:
        """Real and imaginary part of the current into a terminal, times a sign."""
        g, b = (sign * self.y[i].real).tolist(), (sign * self.y[i].imag).tolist()
        least = ENTRY * np.abs(self.y[i]).max()
        real, imag = [], []
        for (bus, k), gk, bk in zip(self.terminals, g, b, strict=True):
            vr, vi = buses[bus].vr[k, t], buses[bus].vi[k, t]
            if abs(gk) > least:
                real.append((gk, vr))
                imag.append((gk, vi))
            if abs(bk) > least:
                real.append((-bk, vi))
                imag.append((bk, vr))
        return _linear(real), _linear(imag)

    def _drawn(self, end: Terminal, t: Hashable, buses: Mapping[str, Any]) -> tuple[Any, Any]:
        """Real and imaginary part of the current into a terminal, by admittance or ideal rows."""
        if end in self.terminals:
            return self._current(self.terminals.index(end), t, buses)
        shares = [(n, i) for i, (terminals, coefs) in enumerate(self.joints)
                  for other, n in zip(terminals, coefs, strict=True) if other == end]
        return (_linear([(n, self.jr[i, t]) for n, i in shares]),
                _linear([(n, self.ji[i, t]) for n, i in shares]))

    def currents(self, t: Hashable) -> np.ndarray:
        """Currents into its terminals, by its admittance, at the values of a solution.

        Parameters
        ----------
        t : hashable
            The period.

        Returns
        -------
        ndarray, shape (m,), complex
            In MVA/pu.
        """
        (buses,) = self._place
        volts = [complex(buses[bus].vr[k, t].value, buses[bus].vi[k, t].value)
                 for bus, k in self.terminals]
        return self.y @ np.array(volts)

    def limit_current(self, kva: float, horizon: Horizon, buses: Mapping[str, Any],
                      sides: int = 12, penalty: float | None = None,
                      at: str | None = None) -> None:
        """Rows `thermal[conductor, t, side]` of one bus's phases: a polygon in the circle.

        Parameters
        ----------
        kva : float
            Rating per phase (kVA) at nominal voltage.
        horizon : Horizon
            Periods and shared indices.
        buses : mapping of str to AcBusBlock
            By name.
        sides : int
            Of the polygon, at least 4.
        penalty : float or None
            Soft limit: $ per MVA/pu beyond the rating and hour (Expression `cost`, $); None: hard.
        at : str or None
            The bus whose phases are meant; None: that of the first terminal.

        Raises
        ------
        ModelError
            If there are fewer than 4 sides.
        """
        if sides < 4:
            raise ModelError.at(str(self.name), f"has a thermal polygon of {sides} sides",
                                "Use 8, 12 or 16.")
        self.rating_mva = mega(kva)
        circle = Polygon(sides)
        ends = list(self.terminals) or [end for terminals, _ in self.joints for end in terminals]
        own = [k for bus, k in ends if bus == (at or ends[0][0]) and k in buses[bus].phases]
        index = horizon.index(own)
        current = {(k, t): self._drawn((at or ends[0][0], k), t, buses) for k, t in index}
        self.ir = pyo.Expression(index, initialize={k: parts[0] for k, parts in current.items()})
        self.ii = pyo.Expression(index, initialize={k: parts[1] for k, parts in current.items()})
        top, soft = self.rating_mva * circle.inscribed, penalty is not None
        if penalty is not None:
            self.excess = pyo.Var(index, domain=pyo.NonNegativeReals, initialize=0.0)
            self.cost = pyo.Expression(expr=penalty * horizon.hours * sum(self.excess.values()))
        self.thermal = constraint_over(
            [(k, t, side) for k, t in index for side in range(sides)], lambda k, t, side: (
                circle.along(side, self.ir[k, t], self.ii[k, t])
                - (self.excess[k, t] if soft else 0.0) <= top))


def _linear(terms: list[tuple[float, Any]]) -> Any:
    return LinearExpression(constant=0.0, linear_coefs=[c for c, _ in terms],
                            linear_vars=[v for _, v in terms])
