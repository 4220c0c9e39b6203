"""What is known of a leader's answer in AC beside its proven gap: its edge, and moves of it.

At a limit that binds the price jumps: on the one side it is that of energy and losses, on the other
it holds the penalty, too. A leader stops exactly there, so what one kW more costs is part of the
answer. And since a fixed point of the linear problems need not be the best in AC, moves of the
schedule are tried, each with the DSO's AC OPF at it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyomo.environ as pyo

from pyomo_dlmp.errors import SolverError
from pyomo_dlmp.market.data import Market
from pyomo_dlmp.market.deadline import Deadline
from pyomo_dlmp.market.dso import AcDso, charged_at, leaders_sites
from pyomo_dlmp.network.units import KILO
from pyomo_dlmp.opf.limits import limited_blocks
from pyomo_dlmp.solve import solve_opf
from pyomo_dlmp.tolerances import AUDITED_ROW, ROW_HOLDS

BEYOND = AUDITED_ROW  # pu; a limit that is exceeded by less is kept
_JUMP = 0.01  # share of an hour's payment that a kW costs where there is a jump
_SIZES = (1.0, 10.0, 50.0, 150.0)  # kW of moves
_STEPS = 6  # rounds of the DSO at a move
# pu between voltages of a problem and of the power flow; those of the next are apart by its square
_NEAR = 10.0 * BEYOND


@dataclass
class Cliff:
    """The edge that an answer stands on.

    Attributes
    ----------
    table : DataFrame
        Columns element ("": all together), period, quantity, value, unit.
    beyond : float
        The payment just beyond the limits that bind ($); nan where no price jumps.
    left : int
        Moves of a site that there was no time for.
    """

    table: pd.DataFrame
    beyond: float
    left: int = 0


def voltages_beyond(model: Any) -> Iterator[float]:
    """How far voltages (of phases, legs, neutrals) are beyond their limits; below 0 within (pu).

    Of a model at its AC point, limits hard or soft.
    """
    for bus in model.bus.values():
        for _, block in limited_blocks(bus):
            for name, sign in (("v_low", 1.0), ("v_high", -1.0)):
                rows = block.component(name)
                for k in () if rows is None else rows:
                    limit = rows[k].lower if sign > 0 else rows[k].upper
                    yield sign * float(np.sqrt(pyo.value(limit)) - np.sqrt(
                        max(0.0, pyo.value(block.w[k]))))
        loose = bus.component("neutral_excess")
        yield from () if loose is None else (over.value for over in loose.values())


def count_broken(model: Any) -> int:
    """Voltages beyond their limits by more than `BEYOND`; as of `voltages_beyond`."""
    return sum(over > BEYOND for over in voltages_beyond(model))


def hourly(m: Any) -> dict[Hashable, float]:
    """What the leader pays in each period ($), at the loaded prices."""
    paid = dict.fromkeys(m.dso.periods, 0.0)
    for part in (m.dca.pay_active, m.dca.pay_reactive):
        for k in part:
            paid[k[-1]] += float(pyo.value(part[k]))
    return paid


def shift(dc: Any, t: Hashable, mw: float) -> bool:
    """Add to a site's power, in equal legs; False where its range has no room."""
    n = 1 if dc.balanced else len(dc.legs)
    found = [(dc.p[t], mw)] + [(dc.leg_p[leg, t], mw / n) for leg in dc.legs if not dc.balanced]
    if any(not var.lb - ROW_HOLDS <= var.value + move <= var.ub + ROW_HOLDS
           for var, move in found):
        return False
    for var, move in found:
        var.set_value(var.value + move, skip_validation=True)
    return True


def cliff_of(m: Any, dso: AcDso, deadline: Deadline) -> Cliff:
    """Payments at an answer and one kW beside it, by the DSO's problem at the answer's AC point.

    Parameters
    ----------
    m : ConcreteModel
        The bilevel model; its values stay.
    dso : AcDso
        Settled at them.
    deadline : Deadline
        Moves that it leaves no time for are left out.

    Returns
    -------
    Cliff
    """
    solver, before = dso.solver(), _values(m)
    answer, base = dso.loop.solution, hourly(m)
    rows, most, left = [], dict(base), 0
    for name, dc in leaders_sites(m).items():
        for word, move in (("more", 1.0 / KILO), ("less", -1.0 / KILO)):
            if deadline.passed():
                left += 1
                continue
            moved = [t for t in base if shift(dc, t, move)]
            try:
                solver.solve_here().load()
                paid = hourly(m)
            except SolverError:  # beyond a hard limit
                paid = dict.fromkeys(base, float("nan"))
            _restore(before)
            for t in moved:
                rows.append((name, t, f"cost_of_one_{word}_kW", paid[t] - base[t]))
                most[t] = max(most[t], paid[t])
    dso.take(answer)
    jump = any(most[t] - base[t] > _JUMP * max(abs(base[t]), 1.0 / KILO) for t in base)
    rows = [*(("", t, "payment_at_the_answer", base[t]) for t in base),
            *(("", t, "payment_just_beyond", most[t]) for t in base), *rows]
    table = pd.DataFrame(rows, columns=["element", "period", "quantity", "value"])
    table["unit"] = "$"
    return Cliff(table, sum(most.values()) + charged_at(m) if jump else float("nan"), left)


def try_deviations(m: Any, dso: AcDso, market: Market, paid: float,
                   deadline: Deadline, tell: Callable[[str], None] = lambda _: None,
                   ) -> tuple[pd.DataFrame, int]:
    """Payments in AC at moves of the answer; where hours are independent, several at a time.

    Parameters
    ----------
    m : ConcreteModel
        The bilevel model; its values and its DSO's point stay.
    dso : AcDso
        Settled at them.
    market : Market
        With `deviations` and `seed`.
    paid : float
        The payment at the answer ($).
    deadline : Deadline
        Moves that it leaves no time for are left out.
    tell : callable, optional
        tell(stage) before each solve.

    Returns
    -------
    (DataFrame, int)
        As `AcMarket.deviations`; payment and change are nan where a move has no solution. And how
        many moves were left out.
    """
    coupled = bool(len(market.takers) or len(m.dso.storage) or m.component("contract"))
    base, before = hourly(m), _values(m)
    state, answer = dso.loop.state, dso.loop.solution

    def tried(moves: list[tuple]) -> list[tuple]:
        """Rows of a day's moves; where it has no solution, of each alone, to see which has none."""
        try:
            return _pay_for(m, dso, moves, base, paid, coupled)
        except SolverError:
            _restore(before)
            dso.restore(state, answer)
            if len(moves) == 1:
                return [(_words(*moves[0]), KILO * moves[0][-1], np.nan, np.nan, np.nan)]
            return [row for move in moves for row in tried([move])]
        finally:
            _restore(before)

    left = list(_moves(m, market, base))
    rows: list[tuple] = []
    while left and not deadline.passed():
        used: set = set()
        now: list[tuple] = []
        for move in list(left):
            hours = {move[1], move[3]}
            if not (used & hours) and not (coupled and now):
                used |= hours
                now.append(move)
                left.remove(move)
        tell(f"deviations in AC: {len(rows)} of {len(rows) + len(now) + len(left)}")
        rows += tried(now)
    dso.restore(state, answer)
    columns = ["move", "kw", "payment", "change", "limits_broken"]
    table = pd.DataFrame(rows, columns=columns)
    table.insert(0, "deviation", range(1, len(table) + 1))
    return table, len(left)


def _pay_for(m: Any, dso: AcDso, moves: list[tuple], base: dict, paid: float,
             coupled: bool) -> list[tuple]:
    """Rows of the moves of one day, which do not share an hour."""
    sites = leaders_sites(m)
    for one, t, other, u, mw in moves:
        shift(sites[one], t, mw)
        shift(sites[other], u, -mw)
    for _ in range(_STEPS):
        dso.step()
        if dso.loop.model_gap <= _NEAR:
            break
    dso.solve()
    after, broken = hourly(m), count_broken(dso.model)
    found = []
    for one, t, other, u, mw in moves:
        new = sum(after.values()) + charged_at(m) if coupled else paid + sum(
            after[hour] - base[hour] for hour in {t, u})
        found.append((_words(one, t, other, u), KILO * mw, new, new - paid, broken))
    return found


def _words(one: str, t: Hashable, other: str, u: Hashable, *_: float) -> str:
    """A move in words."""
    return f"{one} in {t} from {other} in {u}"


def _moves(m: Any, market: Market, base: dict) -> Iterator[tuple]:
    """(site, hour, site, hour, MW) of moves that the workload allows, coordinates first.

    Hours are drawn without return until none is left, so that as many moves as may be are of
    different hours.
    """
    rng = np.random.default_rng(market.seed)
    sites, before = leaders_sites(m), _values(m)
    names, hours = list(sites), sorted(base, key=lambda t: -base[t])
    if len(hours) < 2 and len(names) < 2:
        return
    given = 0
    deck: list = []
    for k in range(20 * market.deviations):
        if given == market.deviations:
            return
        if len(deck) < 2:
            deck = [hours[i] for i in rng.permutation(len(hours))]
        t = deck.pop()
        u = deck.pop() if deck else t
        one = names[k % len(names)]
        other = one if k < len(names) * len(hours) and u != t else names[rng.integers(len(names))]
        mw = _SIZES[k % len(_SIZES)] / KILO * (1.0 if rng.random() < 0.5 else -1.0)
        if (one, t) == (other, u):
            continue
        fits = shift(sites[one], t, mw) and shift(sites[other], u, -mw) and _serves(m)
        _restore(before)
        if fits:
            given += 1
            yield one, t, other, u, mw


def _serves(m: Any) -> bool:
    """Whether the leader's own rows can hold at the sites' present powers."""
    decided = [v for dc in leaders_sites(m).values() for v in dc.p.values() if not v.fixed]
    for var in decided:
        var.fix()
    m.dso.deactivate()
    m.dca.cost.deactivate()
    own = [v for v in m.dca.component_data_objects(pyo.Var, descend_into=pyo.Block)
           if not v.fixed]
    try:
        if not own:
            return all(_holds(row) for row in m.dca.component_data_objects(
                pyo.Constraint, active=True, descend_into=pyo.Block))
        m.any_will_do = pyo.Objective(expr=sum(own))
        solve_opf(m)
        return True
    except SolverError:
        return False
    finally:
        if m.component("any_will_do") is not None:
            m.del_component("any_will_do")
        m.dca.cost.activate()
        m.dso.activate()
        for var in decided:
            var.unfix()


def _holds(row: Any) -> bool:
    body = pyo.value(row.body)
    low, high = (None if x is None else pyo.value(x) for x in (row.lower, row.upper))
    room = ROW_HOLDS * (1.0 + abs(body))
    return (low is None or body >= low - room) and (high is None or body <= high + room)


def _values(m: Any) -> list[tuple[Any, Any]]:
    return [(v, v.value) for v in m.component_data_objects(pyo.Var, descend_into=pyo.Block)]


def _restore(values: list[tuple[Any, Any]]) -> None:
    for var, value in values:
        var.set_value(value, skip_validation=True)
