"""SVG (static var generator), wye or delta.

Each leg's q (Mvar, positive: generates) is free in -/+ its equal share of the rating, or all legs
together:  sum_leg |q| <= Q. A wye leg injects jq at its phase; where nothing grounds the bus its
legs are equal, since a star without a neutral has no way back for unequal currents. A delta leg
acts through the delta map and moves *active* power between phases: for leg ab, p_a = +q/(2 sqrt3),
p_b = -q/(2 sqrt3) as injections, q/2 each. That is how an SVG balances a feeder.

    with losses or a total rating:  q = make - absorb,  make, absorb >= 0
    sum_leg (make + absorb) <= Q [+ excess at a penalty],  drawn active power  l (make + absorb)

(make and absorb at once would burn energy: it pays only at negative prices.) Source of the map:
Byeon, Ryu, Kim, arXiv 2211.07942.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pyomo.environ as pyo
from pyomo.core.base.block import declare_custom_block

from pyomo_dlmp.blocks.data_checks import check_data
from pyomo_dlmp.blocks.device import DeviceBlockData, Surroundings
from pyomo_dlmp.blocks.horizon import Horizon, constraint_over, number
from pyomo_dlmp.blocks.taken import drawn_channels, drawn_power, drawn_values, tie
from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.network.devices import StaticVarGenerator
from pyomo_dlmp.network.units import mega


@declare_custom_block(name="SvgBlock")
class SvgBlockData(DeviceBlockData):
    """An SVG.

    Attributes
    ----------
    q : Var or Expression
        [leg, t]: generated (Mvar). An Expression if the legs are equal (`alike`, of the Var
        `each[t]`), or with losses or a total rating (of `make` and `absorb`).
    rating_mvar : Param
        Its rating (Mvar), mutable.
    loss : Expression
        [leg, t]: drawn (MW).
    drawn_p, drawn_q : Var
        [leg, t], or [t] of equal legs together: what the DSO delivers (MW, Mvar), of an SVG that an
        aggregator decides in the AC form; `taken_p` and `taken_q` tie it (`blocks.taken`).
        `drawn_p` only where there are losses.
    owner : "dso" or "datacenter"
        Who decides it.
    """

    def build(self, device: StaticVarGenerator, horizon: Horizon, bus: Any, grounded: bool = True,
              penalty: float | None = None) -> None:
        """Connect to a bus.

        Parameters
        ----------
        device : StaticVarGenerator
            The data.
        horizon : Horizon
            Periods and shared indices.
        bus : BusBlock
            Where it is connected.
        grounded : bool
            Whether the bus is grounded; if not, the legs of a wye are equal.
        penalty : float or None
            $ per Mvar beyond a total rating and hour (Expression `cost`, $); None: hard rating.

        Raises
        ------
        ModelError
            If a leg is on a phase that the bus lacks, or a wye of fewer than three legs is at a
            bus that is not grounded.
        """
        check_data(device, bus=bus)
        svg, legs = device, device.legs
        self.rating_mvar = total = number(mega(device.kvar), pyo.NonNegativeReals)
        self.owner, ac = svg.owner, bus.form == "ac"
        self.alike = svg.connection == "wye" and not (grounded or (ac and svg.neutral))
        if self.alike and len(legs) < 3:
            raise ModelError.at(
                f"svg '{svg.name}'", f"is between phase {', '.join(legs)} and neutral at bus "
                f"'{svg.bus}', which nothing grounds", "Connect it in delta.")
        self.legs = legs
        share = total / len(legs) if svg.sharing == "equal" or self.alike else total
        self.split = svg.loss_percent > 0 or svg.sharing == "total"
        index = horizon.index(legs)
        # equal legs share one Var, others have one each
        own = horizon.periods if self.alike else index
        if self.split:
            self.make, self.absorb = pyo.Var(own, initialize=0.0), pyo.Var(own, initialize=0.0)
            for part in (self.make, self.absorb):
                part.setlb(0.0)
                part.setub(share)
            self.q = pyo.Expression(index, initialize={
                k: self.make[self.key(k)] - self.absorb[self.key(k)] for k in index})
        elif self.alike:
            self.each = pyo.Var(own, initialize=0.0)
            self.q = pyo.Expression(index, initialize={k: self.each[k[1]] for k in index})
        else:
            self.q = pyo.Var(own, initialize=0.0)
        if not self.split:
            var = self.each if self.alike else self.q
            var.setlb(-share)
            var.setub(share)
        lost = svg.loss_percent / 100
        self.loss = pyo.Expression(index, initialize={
            k: lost * self.size(k) if self.split else 0.0 for k in index})
        self.shared = svg.sharing == "total"
        if svg.owner == "dso" and self.shared:
            self._limit_total(horizon, penalty)
        if svg.owner == "datacenter" and ac:
            tie(self, horizon.labels, self.alike)
        self.attach(svg, horizon, bus, legs)

    def build_at(self, device: StaticVarGenerator, horizon: Horizon, bus: Any,
                 at: Surroundings) -> None:
        """As `build`, with what the OPF knows of its bus."""
        self.build(device, horizon, bus, at.grounded, at.penalty)

    @property
    def total_mvar(self) -> Any:
        """Rating of its legs together (Mvar), a Param; None where each has its share."""
        return self.rating_mvar if self.shared else None

    def _limit_total(self, horizon: Horizon, penalty: float | None) -> None:
        if penalty is None:
            self.total = limit_total(self, horizon.labels)
            return
        self.excess = pyo.Var(horizon.periods, domain=pyo.NonNegativeReals, initialize=0.0)
        self.cost = pyo.Expression(expr=penalty * horizon.hours * sum(self.excess.values()))
        self.total = limit_total(self, horizon.labels, self.excess)

    def key(self, k: tuple[str, Any]) -> Any:
        """Index of the Var behind a leg and period.

        Parameters
        ----------
        k : (str, hashable)
            (leg, period).

        Returns
        -------
        hashable
        """
        return k[1] if self.alike else k

    def size(self, k: tuple[str, Any]) -> Any:
        """|q| of an SVG that has Vars `make` and `absorb`.

        Parameters
        ----------
        k : (str, hashable)
            (leg, period).

        Returns
        -------
        expression
            In Mvar.
        """
        return self.make[self.key(k)] + self.absorb[self.key(k)]

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
        parts = [(leg, self.loss[leg, t].expr, -self.q[leg, t]) for leg in self.legs]
        if self.alike:
            yield None, sum(p for _, p, _ in parts), sum(q for *_, q in parts)
        else:
            yield from parts

    def leg_power(self, leg: str, t: Any) -> tuple[Any, Any]:
        """q generated, and the losses drawn."""
        if self.component("drawn_q") is not None:
            return drawn_power(self, leg, t, self.alike)
        return (-self.loss[leg, t].expr if self.split else 0.0), self.q[leg, t]

    def channels(self, t: Any) -> Iterator[tuple[Any, dict[str, complex]]]:
        """The legs' powers, or those of equal legs together; see `DeviceBlockData.channels`."""
        if self.component("drawn_q") is not None:
            yield from drawn_channels(self, t, self.alike)
        elif self.alike:
            (_, p, q), n = next(self.units(t)), len(self.legs)
            for power, unit in ((-p, 1.0 + 0j), (-q, 1j)):
                yield power, dict.fromkeys(self.legs, unit / n)
        else:
            yield from super().channels(t)

    def dispatch(self, t: Any) -> Iterator[tuple[str, str, float]]:
        """Legs: what they generate, and their losses if there are any."""
        for leg in self.legs:
            yield leg, "reactive", pyo.value(self.q[leg, t])
        for leg in self.legs if self.split else ():
            yield leg, "active", -pyo.value(self.loss[leg, t])

    def decisions(self) -> Iterator[Any]:
        """Vars of its owner."""
        if self.split:
            yield from (self.make, self.absorb)
        else:
            yield self.each if self.alike else self.q

    def settings(self, t: Any, p: tuple[float, ...],
                 q: tuple[float, ...]) -> list[tuple[Any, float]]:
        """The legs' reactive powers; losses beyond those of them are made and absorbed at once."""
        found = []
        for leg, lost, value in zip(self.legs, p, q, strict=True):
            k = self.key((leg, t))
            if self.split:
                share = self.device.loss_percent / 100
                both = max(0.0, -lost / share - abs(value)) / 2 if share else 0.0
                found += [(self.make[k], max(value, 0.0) + both),
                          (self.absorb[k], max(-value, 0.0) + both)]
            else:
                found.append((self.each[k] if self.alike else self.q[k], value))
        return found + drawn_values(self, t, p, q, self.alike)


def limit_total(svg: Any, periods: Iterable[Any], excess: Any = None) -> pyo.Constraint:
    """Rows [t] of a total rating: the SVG's own, or those of the aggregator that owns it.

    Parameters
    ----------
    svg : SvgBlock
        With a total rating.
    periods : iterable
        Labels of the periods.
    excess : Var or None
        [t]: Mvar beyond the rating; None: hard rating.

    Returns
    -------
    Constraint
    """
    return constraint_over(list(periods), lambda t: sum(svg.size((leg, t)) for leg in svg.legs) - (
        0.0 if excess is None else excess[t]) <= svg.total_mvar)
