"""`solve_ac_opf` and its answer."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyomo.environ as pyo

from pyomo_dlmp.ac_opf.infeasible import settle_hard
from pyomo_dlmp.ac_opf.leg_prices import LegPrice, leg_price
from pyomo_dlmp.ac_opf.loop import AcLoop, Progress
from pyomo_dlmp.ac_opf.parts import price_parts
from pyomo_dlmp.ac_opf.penalties import LimitPenalties, limit_penalties
from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.network import Network
from pyomo_dlmp.opf.limits import limited_blocks
from pyomo_dlmp.power_flow import AcPowerFlow, ac_power_flow
from pyomo_dlmp.tolerances import SAME_MONEY

ROUNDS = ["round", "voltage_change_pu", "price_change_per_mwh", "cost"]


@dataclass(repr=False)
class AcOpf:
    """An OPF whose optimum and prices are those of the AC equations.

    Attributes
    ----------
    model : Block
        The model of the AC form at the answer, with values and duals.
    ac : AcPowerFlow or None
        Of the answer's dispatch, by the OpenDSS engine; None if it was not asked for.
    prices : DataFrame
        Columns bus, phase, period, quantity ("active", "reactive"), value, unit ($/MWh, $/Mvarh):
        the cost of drawing one more at that node.
    settled : bool
        Whether the loop converged.
    rounds : DataFrame
        Columns round, voltage_change_pu, price_change_per_mwh, cost ($).
    certificate : DataFrame
        Columns bus, phase, period, quantity, price, dual, difference, unit: prices by the adjoint
        of the AC equations beside the duals of the model's balances.
    engine_difference : float
        Greatest difference of a voltage between the answer and the engine (pu).
    loop : AcLoop
        What it was solved with.
    """

    model: Any
    ac: AcPowerFlow | None
    prices: pd.DataFrame
    settled: bool
    rounds: pd.DataFrame
    certificate: pd.DataFrame
    engine_difference: float
    loop: AcLoop = field(repr=False)

    @property
    def cost(self) -> float:
        """Of the DSO ($)."""
        return float(self.rounds["cost"].iloc[-1])

    @property
    def penalty(self) -> float:
        """What broken soft limits of voltages add to the cost ($); prices contain its slope.

        Of phases, of legs and of neutrals.
        """
        return sum(float(pyo.value(cost)) for bus in self.model.bus.values()
                   for _, block in limited_blocks(bus) for name in ("cost", "neutral_cost")
                   if (cost := block.component(name)) is not None)

    def leg_price(self, bus: str, leg: str, period: Any = None) -> LegPrice:
        """Price ($/MWh, $/Mvarh) between any two conductors; see `leg_prices.leg_price`.

        `prices` has a phase's to its neutral, if it has one that is not solidly grounded.
        """
        return leg_price(self.loop, bus, leg, period)

    def price_parts(self) -> pd.DataFrame:
        """What each price is made of: `parts.price_parts`."""
        return price_parts(self.loop)

    def limit_penalties(self) -> dict[Hashable, LimitPenalties]:
        """What each broken soft limit makes of the prices, by period: `penalties`."""
        return limit_penalties(self.loop)

    def __repr__(self) -> str:
        state = "settled" if self.settled else "NOT settled"
        last, count = self.rounds.iloc[-1], len(self.rounds)
        moves = "" if self.settled else (
            f" (voltages still move by {last['voltage_change_pu']:.1e} pu, prices by "
            f"{last['price_change_per_mwh']:.1e} $/MWh a round)")
        worst = self.certificate["difference"].abs().max()
        broken = self.penalty
        of_it = f" ({broken:.3g} $ of it for broken voltage limits)" if (
            broken > SAME_MONEY * (1.0 + abs(self.cost))) else ""
        return (f"<AcOpf {state} in {count} round{'s' * (count != 1)}{moves}, "
                f"cost {self.cost:.6g} ${of_it}, prices within {worst:.1e} $/MWh of the duals>")


def solve_ac_opf(network: Network, *, max_rounds: int = 20, check: bool = True,
                 progress: Progress | None = None, **options: Any) -> AcOpf:
    """The DSO's OPF with the AC equations: optimum, prices and their certificate.

    Parameters
    ----------
    network : Network
        The feeder: any windings, meshes, neutral conductors.
    max_rounds : int
        Most rounds of the loop.
    check : bool
        Whether the OpenDSS engine confirms the answer.
    progress : callable, optional
        progress(stage, cost, voltage change) after each round.
    **options
        Of `build_opf`, without `form`, `losses`, `operating_point` and `into`.

    Returns
    -------
    AcOpf

    Raises
    ------
    ModelError
        If `network` is none, or an option is not allowed.
    SolverError
        If the AC equations have no solution (it names the period and the bus), or no dispatch
        keeps hard limits (it names those that are broken furthest, and by how much).
    OpenDssError
        If the engine does not converge.
    """
    for key in ("form", "losses", "operating_point", "into"):
        if key in options:
            raise ModelError.at(f"solve_ac_opf, {key}", "is set by the loop", "Leave it out.")
    if not isinstance(network, Network):
        raise ModelError.at("solve_ac_opf", f"was given {network!r:.60}", "Give it a Network(...).")
    if max_rounds < 1:
        raise ModelError.at("solve_ac_opf, max_rounds", f"is {max_rounds}", "Give at least 1.")
    loop = AcLoop(network, **options)
    return answer_of(loop, settle_hard(loop, options, max_rounds, progress), check=check)


def answer_of(loop: AcLoop, rounds: list[tuple], check: bool = True) -> AcOpf:
    """The tables of a loop that has ended.

    Parameters
    ----------
    loop : AcLoop
    rounds : list of tuple
        As of `AcLoop.settle`.
    check : bool
        Whether the OpenDSS engine confirms it.

    Returns
    -------
    AcOpf
    """
    ac, apart = None, float("nan")
    if check:
        ac = ac_power_flow(loop.network, loop.model, hours=loop.hours,
                           load_scale=loop.load_scale)
        apart = max(abs(ac.point.voltages[k] - v) for k, v in loop.point.voltages.items())
    certificate = certificate_of(loop)
    prices = certificate.drop(columns=["dual", "difference"]).rename(columns={"price": "value"})
    return AcOpf(loop.model, ac, prices, loop.settled, pd.DataFrame(rounds, columns=ROUNDS),
                 certificate, apart, loop)


def certificate_of(loop: AcLoop) -> pd.DataFrame:
    """Prices by the adjoint beside the duals of the balances.

    Parameters
    ----------
    loop : AcLoop
        Solved at its point.

    Returns
    -------
    DataFrame
        As `AcOpf.certificate`.
    """
    circuit = loop.circuit
    adjoint = loop.node_prices() / loop.hours
    dual = loop.dual_prices() / loop.hours
    where = circuit.phase_nodes
    frames = []
    for side, (quantity, unit) in enumerate((("active", "$/MWh"), ("reactive", "$/Mvarh"))):
        shape = (len(where), len(loop.labels))
        frames.append(pd.DataFrame({
            "bus": np.repeat([circuit.nodes[i][0] for i in where], shape[1]),
            "phase": np.repeat([circuit.nodes[i][1] for i in where], shape[1]),
            "period": np.tile(np.array(loop.labels, dtype=object), shape[0]),
            "quantity": quantity,
            "price": adjoint[side][where].ravel(), "dual": dual[side][where].ravel(),
            "difference": (adjoint[side] - dual[side])[where].ravel(), "unit": unit}))
    return pd.concat(frames, ignore_index=True)
