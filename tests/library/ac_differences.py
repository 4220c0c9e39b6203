"""Marginal costs of any leg of a network, by central differences of the OpenDSS engine.

A probe (a load of constant power) stands at each leg; with devices at a fixed dispatch the cost is
price x power bought, and that of soft voltage limits where these are asked for. The truth is
extrapolated from central differences of a step and of half of it (their error falls with its
square); where the one-sided differences do not close as the step halves there is a kink (a load at
the edge of its range, a limit).
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np

import pyomo_dlmp as dlmp
from pyomo_dlmp.network import OperatingPoint
from pyomo_dlmp.opf.load_scale import load_series, reactive_series
from pyomo_dlmp.power_flow.ac_solver import AcSolver
from pyomo_dlmp.power_flow.dispatch import dispatch_by_period
from pyomo_dlmp.power_flow.engine_flow import _following

LOW_KV, LOW_KW, MEDIUM_KW = 1.0, 2.0, 10.0
GOOD = 1e-4  # $/MWh between the estimates of a step and of half of it
QUANTITIES = ("active", "reactive")


class Difference(NamedTuple):
    """Marginal cost ($/MWh or $/Mvarh) of a leg.

    Attributes
    ----------
    value : float
        Extrapolated from central differences.
    below, above : float
        One-sided, extrapolated from two steps.
    spread : float
        Between two such values, of a step and of half of it.
    kink : bool
    """

    value: float
    below: float
    above: float
    spread: float
    kink: bool


def legs_of(network, buses=None):
    """(bus, leg) with a price: phases to neutral or ground, pairs where nothing grounds the bus."""
    from pyomo_dlmp.network.zones import grounded_buses

    held = grounded_buses(network)
    for name in network.buses if buses is None else buses:
        bus = network.buses[name]
        if name in held or bus.phases in ("12", "1", "2"):
            end = "n" if "n" in bus.neutrals and bus.ground_z != 0 else ""
            yield from ((name, k + end) for k in bus.phases)
        else:
            yield from ((name, pair) for pair in ("ab", "bc", "ca") if set(pair) <= set(bus.phases))


class Probes:
    """An engine with a probe at each leg; `cost` is in $/h for powers drawn beside the dispatch.

    Parameters
    ----------
    network : Network
    legs : list of (str, str)
    price : float
    powers : mapping
        [device]: (kW by leg, kvar by leg), generated.
    scales : (mapping, mapping)
        Multipliers of loads, and of their reactive power.
    penalty : callable, optional
        $/h of an operating point of one period, 0.
    """

    def __init__(self, network, legs, price, powers, scales=({}, {}), penalty=None):
        self.names = {leg: f"probe{i}" for i, leg in enumerate(legs)}
        self.network = network.with_devices(*(
            dlmp.Load(name=name, bus=bus, legs=(leg,), kw=(1.0,), kvar=(1.0,), v_low=0.0,
                      v_high=9.0, connection="delta" if _pair(leg) else "wye")
            for (bus, leg), name in self.names.items()))
        self.price, self.penalty = price, penalty
        none = dict.fromkeys(self.names.values(), 0.0)
        self.scales = [{**scales[0], **none}, {**scales[1], **none}]
        self.powers, self.given = powers, scales
        self._begin()

    def _begin(self):
        """An engine at the solution without probes: from elsewhere it may find another one."""
        self.solver = AcSolver(self.network)
        self.powers = {**_following(self.solver.base, *self.given), **self.powers}
        self.solver.solve(self.powers, *self.scales)

    def cost(self, leg=None, kw=0.0, kvar=0.0):
        """Of the hour ($), with a draw at a leg."""
        p, q = (dict(scale) for scale in self.scales)
        if leg is not None:
            p[self.names[leg]], q[self.names[leg]] = kw, kvar
        self.solver.solve(self.powers, p, q)
        if not self.solver.engine.ActiveCircuit.Solution.Converged:
            self._begin()
            return np.nan
        cost = self.price * self.solver.bought_kw() / 1e3
        if self.penalty is not None:
            point = OperatingPoint(periods=[0])
            self.solver.read(point, 0)
            cost += self.penalty(point)
        return cost

    def steps(self, leg):
        """kW: first one that is neither rounding nor curvature as a rule."""
        usual = LOW_KW if self.network.buses[leg[0]].kv < LOW_KV else MEDIUM_KW
        return usual, usual / 10, usual * 10

    def difference(self, leg, quantity, step=None):
        """A `Difference` at a leg; of several steps the one whose two estimates agree best."""
        best = None
        for width in [step] if step else self.steps(leg):
            found = self._difference(leg, quantity, width)
            if best is None or not best.spread <= found.spread:
                best = found
            if best.spread < GOOD and not best.kink:
                break
        return best

    def _difference(self, leg, quantity, step, tolerance=5e-3):
        kw, kvar = (1.0, 0.0) if quantity == "active" else (0.0, 1.0)
        at = {f: self.cost(leg, f * step * kw, f * step * kvar)
              for f in (-1.0, -.5, -.25, 0.0, .25, .5, 1.0)}

        def slope(f, g):
            return 1e3 * (at[g] - at[f]) / ((g - f) * step)

        central = [slope(-f, f) for f in (1.0, .5, .25)]
        better = [(4 * fine - rough) / 3 for rough, fine in itertools.pairwise(central)]
        # smooth: above - below is the curvature x step, and halves with the step
        gap, half = (slope(0, f) - slope(-f, 0) for f in (.5, .25))
        kink = not abs(half - gap / 2) <= tolerance + 0.1 * abs(gap)
        below, above = (2 * slope(*sorted((0, .25 * sign))) - slope(*sorted((0, .5 * sign)))
                        for sign in (-1, 1))
        return Difference(better[0], below, above, abs(better[1] - better[0]), kink)


def _pair(leg):
    return leg == "12" or (len(leg) == 2 and set(leg) <= set("abc"))


def marginal_costs(network, legs=None, *, price=50.0, dispatch=None, load_scale=1.0, limits=None,
                   step=None, hours=1.0):
    """[bus, leg, period, quantity]: `Difference` at a fixed dispatch.

    Parameters
    ----------
    network : Network
    legs : list of (str, str), optional
        All of `legs_of`.
    price : float or sequence
        One number, or one per period.
    dispatch
        As of `ac_power_flow`.
    load_scale, hours
        As of `ac_power_flow`.
    limits : (float, float, float), optional
        v_min, v_max and penalty ($ per squared pu and hour) of soft limits.
    step : float, optional
        kW or kvar.
    """
    legs = list(legs_of(network) if legs is None else legs)
    by_period = dispatch_by_period(network, dispatch)
    both = [series(network, load_scale, list(by_period), hours)
            for series in (load_series, reactive_series)]
    prices = [price] * len(by_period) if np.isscalar(price) else list(price)
    penalty = None if limits is None else (lambda point: soft_cost(network, point, *limits))
    found = {}
    for now, (t, powers) in zip(prices, by_period.items(), strict=True):
        scales = [{name: each[name][t] for name in each} for each in both]
        probes = Probes(network, legs, now, powers, scales, penalty)
        found |= {(*leg, t, quantity): probes.difference(leg, quantity, step)
                  for leg in legs for quantity in QUANTITIES}
    return found


def soft_cost(network, point, v_min, v_max, penalty):
    """Of the magnitudes beyond their limits ($/h), in every period of a point."""
    total = 0.0
    for name, bus in network.buses.items():
        if name == network.substation.bus:
            continue
        low = v_min if bus.v_min is None else bus.v_min
        high = v_max if bus.v_max is None else bus.v_max
        for t in point.periods:
            neutral = point.voltages.get((name, "n", t), 0.0)
            for k in bus.phases:
                w = abs(point.voltages[name, k, t] - neutral) ** 2
                total += max(low**2 - w, w - high**2, 0.0)
    return penalty * total
