"""Datacenter: demand whose active power is decided above the DSO.

    floor kw <= p <= kw (total, in MW)
    balanced:    each leg draws p/n and q/n (equal delta legs are the same as equal phases in the
                 linear form, and are not in the AC one)
    unbalanced:  leg_p in 0 .. kw/n for each leg, sum of leg_p == p
    reactive:    q = p tan(acos(power factor))                                (lagging: it draws q)
                 or free:  cos(t_k) p + sin(t_k) q <= S cos(pi/K),  k = 0..K-1  (p^2 + q^2 <= S^2)

In a `LowerLevel` p, leg_p and an aggregator's q are declared as the upper level's; rows over these
alone (`split`, an aggregator's rating) belong to whoever decides them and are written by
`front_end` and `split` there. In the AC form it draws through Vars of the
DSO's that are tied to them (`blocks.taken`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any
from warnings import warn

import pyomo.environ as pyo
from pyomo.core.base.block import declare_custom_block
from pyomo.core.expr.numeric_expr import NPV_MinExpression

from pyomo_dlmp.blocks.data_checks import check_data
from pyomo_dlmp.blocks.device import DeviceBlockData, Surroundings
from pyomo_dlmp.blocks.horizon import Horizon, constraint_over
from pyomo_dlmp.blocks.polygon import Polygon
from pyomo_dlmp.blocks.taken import drawn_channels, drawn_power, drawn_values, tie
from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.network.devices import FRONT_END, FRONT_END_SIDES, Datacenter
from pyomo_dlmp.network.units import mega

CIRCLE = Polygon(FRONT_END_SIDES)
SIDES = [k for k in range(FRONT_END_SIDES) if CIRCLE.direction(k)[1] != 0.0]


@declare_custom_block(name="DatacenterBlock")
class DatacenterBlockData(DeviceBlockData):
    """A datacenter that draws power.

    Attributes
    ----------
    p : Var
        [t]: total drawn (MW).
    q : Var or Expression
        [t]: total drawn (Mvar).
    leg_p, leg_q : Var or Expression
        [leg, t]: drawn by a leg (MW, Mvar); Vars where legs are chosen.
    capacity : Param
        [t]: greatest power (MW), mutable; the least is its `floor` times it. The
        rating limits it, too.
    drawn_p, drawn_q : Var
        [t], or [leg, t] where legs are chosen: what the DSO delivers (MW, Mvar); in the AC form.
    taken_p, taken_q : Constraint
        The same index: that it is what is decided; their duals are its prices.
    tan_phi : float
        Mvar per MW of its power factor.
    reactive : str
        Who chooses q, as of the `Datacenter`.
    """

    owner = "aggregator"

    def build(self, device: Datacenter, horizon: Horizon, bus: Any,
              penalty: float | None = None, grounded: bool = True) -> None:
        """Connect to a bus.

        Parameters
        ----------
        device : Datacenter
            The data.
        horizon : Horizon
            Periods and shared indices.
        bus : BusBlock
            Where it is connected.
        penalty : float or None
            $ per MVA beyond the rating of a front end that the DSO runs and hour (Expression
            `excess_cost[t]`, $); None: hard rating.
        grounded : bool
            Whether something grounds the bus.

        Raises
        ------
        ModelError
            If a leg is on a phase that the bus lacks, or legs to ground have no way back.
        """
        check_data(device, bus=bus)
        dc, top = device, mega(device.kw)
        self.tan_phi = math.tan(math.acos(dc.power_factor))
        self.phases, self.reactive, self.balanced = dc.phases, dc.reactive, dc.balanced
        self.ramp_mw = None if dc.ramp_kw is None else mega(dc.ramp_kw)
        ac = bus.form == "ac"
        self.legs = legs = _legs(dc, ac, grounded)
        self.rating_mva: float | None = None if dc.kva is None else mega(dc.kva)
        n, index = len(legs), horizon.index(legs)
        self.capacity = horizon.numbers(top, "capacity")
        self.p = pyo.Var(horizon.periods, initialize=dc.floor * top)
        for t in horizon.labels:
            self.p[t].setlb(dc.floor * self.capacity[t])
            self.p[t].setub(self._most(t))
        if dc.balanced:
            self.leg_p = pyo.Expression(index, initialize={k: self.p[k[1]] / n for k in index})
        else:
            self.leg_p = pyo.Var(index, initialize=dc.floor * top / n)
            for leg, t in index:
                self.leg_p[leg, t].setlb(0.0)
                self.leg_p[leg, t].setub(self._most(t) / n)
        self._reactive_power(horizon, index, n)
        if dc.reactive == "dso":
            self.rating = self._soft_rating(horizon, penalty)
        if ac:
            tie(self, horizon.labels, dc.balanced)
        self.attach(dc, horizon, bus, legs)

    def _most(self, t: Any) -> Any:
        """Greatest power: the capacity, and what a rating leaves without reactive power.

        It stands for the sides of the polygon that `front_end` leaves out, whatever capacity is
        set later.
        """
        if self.rating_mva is None:
            return self.capacity[t]
        return NPV_MinExpression((self.capacity[t], FRONT_END * self.rating_mva))

    def build_at(self, device: Datacenter, horizon: Horizon, bus: Any, at: Surroundings) -> None:
        """As `build`, in an OPF.

        Raises
        ------
        ModelError
            If it has unequal legs to neutral at a bus that is not grounded; also as of `build`.
        """
        if not (device.balanced or device.connection == "delta" or device.neutral or at.grounded):
            raise ModelError.at(
                f"datacenter '{device.name}'", "has legs of its own to neutral at bus "
                f"'{device.bus}', which nothing grounds", "Connect it in delta.")
        self.build(device, horizon, bus, at.penalty, at.grounded)

    def _reactive_power(self, horizon: Horizon, index, n: int) -> None:
        reach = self.rating_mva
        if reach is None:
            self.leg_q = pyo.Expression(index, initialize={
                k: self.tan_phi * self.leg_p[k] for k in index})
            self.q = pyo.Expression(horizon.periods, initialize={
                t: self.tan_phi * self.p[t] for t in horizon.labels})
        elif self.balanced:
            self.q = pyo.Var(horizon.periods, bounds=(-reach, reach), initialize=0.0)
            self.leg_q = pyo.Expression(index, initialize={k: self.q[k[1]] / n for k in index})
        else:
            self.leg_q = pyo.Var(index, bounds=(-reach / n, reach / n), initialize=0.0)
            self.q = pyo.Expression(horizon.periods, initialize={
                t: sum(self.leg_q[leg, t] for leg in self.legs) for t in horizon.labels})

    def _soft_rating(self, horizon: Horizon, penalty: float | None) -> pyo.Constraint:
        if penalty is None:
            return front_end(self, horizon.labels)
        index = horizon.periods if self.balanced else horizon.index(self.legs)
        self.excess = pyo.Var(index, domain=pyo.NonNegativeReals, initialize=0.0)
        by_period: dict = dict.fromkeys(horizon.labels, 0.0)
        for k, excess in self.excess.items():
            by_period[k if self.balanced else k[1]] += penalty * horizon.hours * excess
        self.excess_cost = pyo.Expression(horizon.periods, initialize=by_period)
        self.cost = pyo.Expression(expr=sum(by_period.values()))
        return front_end(self, horizon.labels, self.excess)

    def leg_power(self, leg: str, t: Any) -> tuple[Any, Any]:
        """Power that a leg draws, negative."""
        if self.component("drawn_p") is None:
            return -self.leg_p[leg, t], -self.leg_q[leg, t]
        return drawn_power(self, leg, t, self.balanced)

    def units(self, t: Any) -> Iterator[tuple[str | None, Any, Any]]:
        """What has a price of its own.

        Parameters
        ----------
        t : hashable
            The period.

        Yields
        ------
        (str or None, expression, expression)
            Leg, or None for all with equal power; drawn (MW, Mvar).
        """
        if self.balanced:
            yield None, self.p[t], self.q[t]
        else:
            yield from ((leg, self.leg_p[leg, t], self.leg_q[leg, t]) for leg in self.legs)

    def channels(self, t: Any) -> Iterator[tuple[Any, dict[str, complex]]]:
        """What it draws by Vars of the DSO's; see `DeviceBlockData.channels`."""
        yield from drawn_channels(self, t, self.balanced)

    def made(self, t: Any) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Power that each leg generates (MW, Mvar); it draws, so negative."""
        if not self.balanced:
            return super().made(t)
        return self.device.equal_legs(-pyo.value(self.p[t]), -pyo.value(self.q[t]))

    def dispatch(self, t: Any) -> Iterator[tuple[str, str, float]]:
        """The totals drawn, and the legs where they are chosen."""
        yield "", "active", pyo.value(self.p[t])
        yield "", "reactive", pyo.value(self.q[t])
        if not self.balanced:
            for quantity, part in (("active", self.leg_p), ("reactive", self.leg_q)):
                yield from ((leg, quantity, pyo.value(part[leg, t])) for leg in self.legs)

    def settings(self, t: Any, p: tuple[float, ...],
                 q: tuple[float, ...]) -> list[tuple[Any, float]]:
        """Its total, legs if they are chosen, reactive power if it is free."""
        found = [(self.p[t], -sum(p))]
        if not self.balanced:
            found += [(self.leg_p[leg, t], -x) for leg, x in zip(self.legs, p, strict=True)]
        if self.rating_mva is not None and self.balanced:
            found.append((self.q[t], -sum(q)))
        elif self.rating_mva is not None:
            found += [(self.leg_q[leg, t], -x) for leg, x in zip(self.legs, q, strict=True)]
        return found + drawn_values(self, t, p, q, self.balanced)

    def decisions(self) -> Iterator[Any]:
        """Vars that its operator decides: p, legs if they are chosen, q if it is the aggregator's.
        """
        yield self.p
        if not self.balanced:
            yield self.leg_p
        if self.reactive == "aggregator":
            yield self.q if self.balanced else self.leg_q

    def hold(self, t: Any, mw: float | None = None) -> None:
        """Fix its power in a period.

        Parameters
        ----------
        t : hashable
            The period.
        mw : float or None
            Power drawn (MW); None: its capacity.
        """
        self.fix_power(t, self.p[t].ub if mw is None else mw)

    def settle(self, t: Any, mw: float) -> None:
        """Older name of `fix_power`."""
        warn("DatacenterBlock.settle is now called fix_power", DeprecationWarning, stacklevel=2)
        self.fix_power(t, mw)

    def fix_power(self, t: Any, mw: float) -> None:
        """Fix its power in a period: equal legs, reactive power of the power factor.

        Parameters
        ----------
        t : hashable
            The period.
        mw : float
            Power drawn (MW).
        """
        self.p[t].fix(mw, skip_validation=True)  # a schedule read back is rounded at its bounds
        n = len(self.legs)
        for leg in self.legs if not self.balanced else ():
            self.leg_p[leg, t].fix(mw / n, skip_validation=True)
        if self.reactive == "aggregator":
            assert self.rating_mva is not None
            top = math.sqrt(max(0.0, (FRONT_END * self.rating_mva) ** 2 - mw**2))
            q = min(self.tan_phi * mw, top)
            for var, share in ((self.q[t], 1),) if self.balanced else (
                    (self.leg_q[leg, t], n) for leg in self.legs):
                var.fix(q / share, skip_validation=True)


def _legs(dc: Datacenter, ac: bool, grounded: bool) -> tuple[str, ...]:
    """Legs of its block: equal ones are those of its phases in the linear form."""
    if not dc.balanced:
        return dc.legs
    if not ac:
        return tuple(dc.phases)
    if len(dc.phases) < 3 and not (grounded or dc.neutral or dc.connection == "delta"):
        raise ModelError.at(
            f"datacenter '{dc.name}'", f"is between phase {', '.join(dc.phases)} and ground at "
            f"bus '{dc.bus}', which nothing grounds", "Connect it in delta.")
    return dc.legs


def front_end(dc: Any, periods: Iterable[Any], excess: Any = None) -> pyo.Constraint:
    """Rows [t, k] (or [leg, t, k]) of the polygon inside the rating, for whoever chooses q.

    The two sides that hold p alone are left out: bounds of p keep them.

    Parameters
    ----------
    dc : DatacenterBlock
        With a rating.
    periods : iterable
        Labels of the periods.
    excess : Var or None
        [t] (or [leg, t]): apparent power beyond the rating (MVA); None: hard rating.

    Returns
    -------
    Constraint
    """
    n = 1 if dc.balanced else len(dc.legs)
    top = dc.rating_mva / n * FRONT_END
    p, q = (dc.p, dc.q) if dc.balanced else (dc.leg_p, dc.leg_q)
    units = [(t,) for t in periods] if dc.balanced else [
        (leg, t) for leg in dc.legs for t in periods]

    def side(*key):
        *unit, k = key
        place = unit[0] if dc.balanced else tuple(unit)
        beyond = 0.0 if excess is None else excess[place]
        return CIRCLE.along(k, p[place], q[place]) - beyond <= top

    return constraint_over([(*unit, k) for unit in units for k in SIDES], side)


def split(dc: Any, periods: Iterable[Any]) -> pyo.Constraint:
    """Rows [t]: the legs of an unbalanced datacenter add up to its power.

    Parameters
    ----------
    dc : DatacenterBlock
        With Vars `leg_p`.
    periods : iterable
        Labels of the periods.

    Returns
    -------
    Constraint
    """
    return constraint_over(list(periods), lambda t: sum(
        dc.leg_p[leg, t] for leg in dc.legs) - dc.p[t] == 0)
