"""SVG (static var generator), wye or delta.

Each leg's q (Mvar, positive: generates) is free in -/+ its equal share of the rating, or all legs
together:  sum_leg |q| <= Q. A wye leg injects jq at its phase; where nothing grounds the bus its
legs are equal, since a star without a neutral has no way back for unequal currents. A delta leg
acts through the delta map and moves *active* power between phases: for leg ab, p_a = +q/(2 sqrt3),
p_b = -q/(2 sqrt3) as injections, q/2 each. That is how an SVG balances a feeder.

    with losses or a total rating:  q = make - absorb,  make, absorb >= 0
    sum_leg (make + absorb) <= Q,   drawn active power  l (make + absorb)

(make and absorb at once would burn energy: it pays only at negative prices.) Source of the map:
Byeon, Ryu, Kim, arXiv 2211.07942.
"""

from __future__ import annotations

import pyomo.environ as pyo
from pyomo.core.base.block import BlockData, declare_custom_block

from pyomo_dlmp.blocks.frame import Frame, rows
from pyomo_dlmp.blocks.legs import leg_map, phase_powers, shares_of
from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.network.devices import StaticVarGenerator


@declare_custom_block(name="SvgBlock")
class SvgBlockData(BlockData):
    """An SVG; Var `q[leg, t]` in Mvar, generated; Expression `loss[leg, t]` in MW, drawn.

    `owner`: "dso" or "datacenter"; `shares`: how its legs meet the phases;
    `injected_p[phase, t]`, `injected_q[phase, t]`: what it gives to each phase (MW, Mvar).
    """

    def build(self, svg: StaticVarGenerator, frame: Frame, bus, grounded: bool = True) -> None:
        """Connect to a BusBlock. ModelError for a leg on a phase that the bus lacks, a wye of fewer
        than three legs where nothing grounds the bus."""
        legs, total = svg.legs, svg.kvar / 1000
        self.legs, self.owner, self.bus_name = legs, svg.owner, svg.bus
        self.alike = svg.connection == "wye" and not grounded
        if self.alike and len(legs) < 3:
            raise ModelError.at(
                f"svg '{svg.name}'", f"stands between phase {', '.join(legs)} and neutral at bus "
                f"'{svg.bus}', which nothing grounds", "Connect it in delta.")
        share = total / len(legs) if svg.sharing == "equal" or self.alike else total
        self.split = svg.loss_percent > 0 or svg.sharing == "total"
        D = leg_map(svg.name, legs, svg.connection, bus.phases)
        index = frame.index(legs)
        self.q = pyo.Var(index, bounds=(-share, share), initialize=0.0)
        lost = svg.loss_percent / 100
        if self.split:
            self.make = pyo.Var(index, bounds=(0.0, share), initialize=0.0)
            self.absorb = pyo.Var(index, bounds=(0.0, share), initialize=0.0)
            self.loss = pyo.Expression(index, initialize={
                k: lost * (self.make[k] + self.absorb[k]) for k in index})
        else:
            self.loss = pyo.Expression(index, initialize=0.0)
        self.total_mvar = total if svg.sharing == "total" else None
        if svg.owner == "dso":
            limit_svg(self, self, frame.labels)
        self._inject(frame, bus, D)

    def _inject(self, frame: Frame, bus, D) -> None:
        given = {}
        self.shares = shares_of(D, self.legs, bus.phases)
        for t in frame.labels:
            q = [self.q[leg, t] for leg in self.legs]
            p = [-self.loss[leg, t].expr if self.split else 0.0 for leg in self.legs]
            for phase, power in phase_powers(D, bus.phases, p, q).items():
                given[phase, t] = power
                bus.inject((phase, t), *power)
        index = frame.index(dict.fromkeys(phase for phase, _ in given))
        self.injected_p = pyo.Expression(index, initialize={k: p for k, (p, _) in given.items()})
        self.injected_q = pyo.Expression(index, initialize={k: q for k, (_, q) in given.items()})

    def decisions(self):
        """Vars of its owner."""
        yield self.q
        if self.split:
            yield from (self.make, self.absorb)


def limit_svg(block, svg, periods) -> None:
    """Rows of an SVG on `block`: of the SVG itself, or of the aggregator that owns it."""
    index = [(leg, t) for leg in svg.legs for t in periods]
    if svg.split:
        block.sides = rows(index, lambda leg, t: (
            svg.q[leg, t] - svg.make[leg, t] + svg.absorb[leg, t] == 0))
    if svg.total_mvar is not None:
        block.total = rows(list(periods), lambda t: sum(
            svg.make[leg, t] + svg.absorb[leg, t] for leg in svg.legs) <= svg.total_mvar)
    if svg.alike:
        block.equal = rows([(leg, t) for leg in svg.legs[1:] for t in periods], lambda leg, t: (
            svg.q[leg, t] - svg.q[svg.legs[0], t] == 0))
