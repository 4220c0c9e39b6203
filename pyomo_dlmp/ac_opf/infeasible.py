"""Hard limits that no dispatch keeps: which they are, and by how much at least.

A loop with hard limits may fail because the AC equations allow no dispatch, or because only the
rows at its first point do not. Both are told apart by the same problem with soft limits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import sqrt
from typing import Any

import numpy as np
import pyomo.environ as pyo

from pyomo_dlmp.ac_opf.loop import AcLoop, Progress
from pyomo_dlmp.errors import Fault, SolverError, listed
from pyomo_dlmp.tolerances import ROW_HOLDS

PENALTY = 2000.0  # per $/MWh of the price: beyond what keeping a limit is worth, so that it is kept
_MOST = 5  # elements that a message names


def settle_hard(loop: AcLoop, options: Mapping[str, Any], max_rounds: int,
                progress: Progress | None = None) -> list[tuple]:
    """`AcLoop.settle`; where hard limits conflict, from the dispatch that breaks them least.

    Parameters
    ----------
    loop : AcLoop
        Not solved yet, alone (not in a LowerLevel).
    options : mapping
        Those of `build_opf` it was made with.
    max_rounds : int
    progress : callable, optional

    Returns
    -------
    list of tuple
        As of `AcLoop.settle`.

    Raises
    ------
    SolverError
        If no dispatch keeps the hard limits: it names those that are broken furthest.
    """
    try:
        return loop.settle(max_rounds, progress)
    except SolverError as failed:
        price = float(np.abs(loop.prices).max(initial=1.0)) / loop.hours
        softer = softened(options, PENALTY * max(price, 1.0))
        if softer == dict(options) or "infeasible" not in str(failed):
            raise
        soft = AcLoop(loop.network, **softer)
        soft.settle(max_rounds, progress)
        broken = broken_limits(soft, loop)
        if broken:
            raise SolverError([*broken[:_MOST], *_rest(loop, broken)]) from failed
        loop.state, loop.limits, loop.lam = soft.state, soft.limits, soft.lam
        loop.linearise()
        return loop.settle(max_rounds, progress)


def softened(options: Mapping[str, Any], penalty: float) -> dict[str, Any]:
    """Options with soft limits in place of hard ones.

    Parameters
    ----------
    options : mapping
        Of `build_opf`.
    penalty : float
        $ per pu^2 and hour, and per MVA and hour.

    Returns
    -------
    dict
    """
    found = dict(options)
    if found.get("voltage_limits") == "hard":
        found |= {"voltage_limits": "soft", "penalty": penalty}
    if found.get("thermal_penalty", penalty) is None:
        found["thermal_penalty"] = penalty
    if found.get("neutral_v_max") is not None and found.get("neutral_penalty", penalty) is None:
        found["neutral_penalty"] = penalty
    return found


def broken_limits(soft: AcLoop, hard: AcLoop) -> list[Fault]:
    """Limits that are hard in one loop and broken in the other: each element's worst one.

    Parameters
    ----------
    soft : AcLoop
        Settled, with soft limits.
    hard : AcLoop
        The same problem.

    Returns
    -------
    list of Fault
        The furthest beyond its limit first.
    """
    worst: dict[str, tuple[float, Fault]] = {}
    for beyond, element, fault in [*_voltages(soft, hard), *_neutrals(soft, hard),
                                   *_ratings(soft, hard)]:
        # of a balanced bus, whose phases differ by rounding alone, the first
        if element not in worst or beyond > worst[element][0] + ROW_HOLDS:
            worst[element] = beyond, fault
    return [fault for _, fault in sorted(worst.values(), key=lambda one: -one[0])]


def _voltages(soft: AcLoop, hard: AcLoop) -> Iterator[tuple[float, str, Fault]]:
    """(pu beyond, element, fault) of voltages."""
    for name, bus in soft.model.bus.items():
        for leg, block in [("", bus), *bus.leg.items()]:
            twin = hard.model.bus[name].leg[leg] if leg else hard.model.bus[name]
            if block.component("under") is None or twin.component("under") is not None:
                continue
            for k in block.under:
                low = block.under[k].value > ROW_HOLDS
                if not low and block.over[k].value <= ROW_HOLDS:
                    continue
                limit = sqrt(pyo.value(block.v_low[k].lower if low else block.v_high[k].upper))
                held = sqrt(max(pyo.value(block.w[k]), 0.0))
                phase, t = (leg, k) if leg else k
                yield abs(held - limit), f"bus {name!r}", Fault(
                    f"bus {name!r}, {'leg' if leg else 'phase'} {phase}, period {t!r}",
                    f"its voltage limit of {limit:g} pu cannot be kept in AC: {held:.4f} pu at "
                    f"best, too {'low' if low else 'high'} by {abs(held - limit):.2g} pu", _VOLTAGE)


def _neutrals(soft: AcLoop, hard: AcLoop) -> Iterator[tuple[float, str, Fault]]:
    """(pu beyond, element, fault) of neutrals."""
    for name, bus in soft.model.bus.items():
        excess = bus.component("neutral_excess")
        if excess is None or hard.model.bus[name].component("neutral_excess") is not None:
            continue
        for (k, t), var in excess.items():
            if var.value > ROW_HOLDS:
                yield var.value, f"bus {name!r}", Fault(
                    f"bus {name!r}, neutral {k}, period {t!r}", "its limit of "
                    f"{bus.neutral_v_max:.4g} pu (sides of the polygon) cannot be kept in AC: "
                    f"{var.value:.2g} pu beyond it at best", _NEUTRAL)


def _ratings(soft: AcLoop, hard: AcLoop) -> Iterator[tuple[float, str, Fault]]:
    """(MVA beyond, element, fault) of ratings."""
    for block in soft.model.component_data_objects(pyo.Block, descend_into=True):
        excess, twin = block.component("excess"), hard.model.find_component(block.name)
        if excess is None or twin is None or twin.component("excess") is not None:
            continue
        for k, var in excess.items():
            if var.value > ROW_HOLDS:
                yield var.value, block.name, Fault(
                    f"{block.name}, {_place(k)}", "its rating cannot be kept in AC: "
                    f"{1e3 * var.value:.4g} kVA beyond it at best", _RATING)


_VOLTAGE = 'Widen v_min and v_max, add reactive support, or take voltage_limits="soft".'
_NEUTRAL = "Raise neutral_v_max, balance the loads, or give a neutral_penalty."
_RATING = "Raise the rating, lower the load behind it, or give a thermal_penalty."


def _place(k: Any) -> str:
    parts = k if isinstance(k, tuple) else (k,)
    return ", ".join([f"phase {part}" for part in parts[:-1]] + [f"period {parts[-1]!r}"])


def _rest(loop: AcLoop, broken: list[Fault]) -> list[Fault]:
    """Where more elements are concerned than are named."""
    if len(broken) <= _MOST:
        return []
    return [Fault(f"network {loop.network.name!r}", "hard limits of "
                  f"{len(broken) - _MOST} further elements cannot be kept",
                  f"See {listed(fault.where for fault in broken[_MOST:])}.")]
