"""Substation in the AC form: a fixed EMF, ideal or behind an impedance, and energy bought.

    ideal:               V == emf (fixed Vars)
    with an impedance:   V + z J == emf,   conj(J) = (s + s0 - (s0 / V0) V) / V0,   s = p + jq

    cost[t] = price[t] h sum_phase p[phase, t]        ($)

J is the current of the power s that it sells at its bus, linear at the operating point.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pyomo.environ as pyo
from pyomo.core.base.block import declare_custom_block

from pyomo_dlmp.blocks.ac_leg import RATES
from pyomo_dlmp.blocks.horizon import Horizon, constraint_over
from pyomo_dlmp.blocks.substation import SubstationBlockData
from pyomo_dlmp.network.phases import ALPHA


@declare_custom_block(name="AcSubstationBlock")
class AcSubstationBlockData(SubstationBlockData):
    """The source bus of the AC form; Vars `p`, `q` and Param `price` as of `SubstationBlock`.

    Attributes
    ----------
    jr, ji : Expression
        [phase, t]: current of its power (MVA/pu), linear at the point, behind an impedance.
    voltage_r, voltage_i : Constraint
        [phase, t], behind an impedance.
    """

    def _hold(self, substation: Any, horizon: Horizon, bus: Any, volts, turns) -> None:
        """Fix the voltage of the bus, or write the rows of the impedance."""
        turn, angles = turns
        emf = {k: complex(volts[k] * ALPHA[k] * np.exp(1j * (turn + angles[k])))
               for k in bus.phases}
        index = horizon.index(bus.phases)
        self._place, self.emf = (bus,), emf  # a block as an attribute would be a component
        if substation.z is None or not np.any(substation.z):
            for k, t in index:
                bus.vr[k, t].fix(emf[k].real)
                bus.vi[k, t].fix(emf[k].imag)
            return
        z = substation.z / bus.kv_ln**2
        self.point = horizon.point(bus.phases, RATES)
        self.set_power(dict.fromkeys(index, 0j))
        real, imag = {}, {}
        for k in index:
            ar, ai, hr, hi, cr, ci = (self.point[(name, *k)] for name in RATES)
            p, q, vr, vi = self.p[k], self.q[k], bus.vr[k], bus.vi[k]
            real[k] = ar * p - ai * q + cr - hr * vr + hi * vi
            imag[k] = -(ar * q + ai * p + ci - hr * vi - hi * vr)
        self.jr = pyo.Expression(index, initialize=real)
        self.ji = pyo.Expression(index, initialize=imag)

        def row(i: int, part: str):
            first, second = (self.jr, self.ji) if part == "vr" else (self.ji, self.jr)
            sign = -1.0 if part == "vr" else 1.0
            return lambda t: getattr(bus, part)[bus.phases[i], t] + sum(
                float(z[i, j].real) * first[k, t] + sign * float(z[i, j].imag) * second[k, t]
                for j, k in enumerate(bus.phases)) == float(
                    emf[bus.phases[i]].real if part == "vr" else emf[bus.phases[i]].imag)

        for name, part in (("voltage_r", "vr"), ("voltage_i", "vi")):
            rows = {k: row(i, part) for i, k in enumerate(bus.phases)}
            self.add_component(name, constraint_over(index, lambda k, t, rows=rows: rows[k](t)))

    def set_power(self, powers: Mapping[tuple[str, Hashable], complex]) -> None:
        """Take its power at an operating point, for its rows and as values.

        Parameters
        ----------
        powers : mapping
            [phase, t]: complex (MVA).
        """
        (bus,), values = self._place, {}
        for k in self.p:
            s = powers[k]
            self.p[k].set_value(s.real, skip_validation=True)
            self.q[k].set_value(s.imag, skip_validation=True)
            v = bus.v0[k]
            rate, slope, const = 1.0 / v, s / v**2, s / v
            for name, value in zip(RATES, (rate.real, rate.imag, slope.real, slope.imag,
                                           const.real, const.imag), strict=True):
                values[(name, *k)] = value
        if self.component("point") is not None:
            self.point.store_values(values, check=False)
