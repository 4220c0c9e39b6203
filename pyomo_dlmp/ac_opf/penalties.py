"""Parts of prices in AC that are penalties of broken soft limits, each by the limit that makes it.

The adjoint is linear in the gradient of the cost, so the multiplier of each row has a price of its
own at every node. A limit that is met and not broken is no penalty: its part is what it costs to
keep it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from pyomo.environ import value

from pyomo_dlmp.ac.adjoint import node_prices, solve_adjoint
from pyomo_dlmp.ac_opf.loop import AcLoop
from pyomo_dlmp.network.units import KILO
from pyomo_dlmp.tolerances import ACTIVE

_SLACKS = {"v_low": "under", "v_high": "over", "neutral": "neutral_excess", "thermal": "excess"}
"""What a row of a soft limit may be broken by, by the row's component."""


@dataclass(frozen=True, eq=False)
class LimitPenalties:
    """Of one period.

    Attributes
    ----------
    limits : list of str
        Broken limits in words.
    parts : ndarray, shape (limits, nodes)
        What each makes of the active price of each phase ($/MWh), in the order of
        `Circuit.phase_nodes`.
    """

    limits: list[str]
    parts: np.ndarray


def limit_penalties(loop: AcLoop) -> dict[Hashable, LimitPenalties]:
    """What broken limits make of prices.

    Parameters
    ----------
    loop : AcLoop
        Solved at its point.

    Returns
    -------
    dict
        By period.
    """
    assert loop.form is not None and loop.map is not None and loop.solution is not None
    duals = loop.solution.row_duals
    rows: dict[Hashable, dict[tuple, list[int]]] = {t: {} for t in loop.labels}
    words: dict[tuple, str] = {}
    for i in np.flatnonzero(duals).tolist():
        for key, t, said in _broken(loop.form.rows[i]):
            rows[t].setdefault(key, []).append(i)
            words[key] = said
    found: dict[Hashable, LimitPenalties] = {}
    where = loop.circuit.phase_nodes
    for number, t in enumerate(loop.labels):
        keys = rows[t]
        parts = np.zeros((len(keys), len(where)))
        if keys:
            gradient = loop.map.row_gradients(loop.form, duals, list(keys.values()), number)
            right = np.zeros((loop.circuit.size, len(keys)), dtype=complex)
            right[:len(gradient)] = gradient
            lam = solve_adjoint(loop.state, number, right)
            parts = node_prices(loop.state, lam, number)[0][where].T / loop.hours
        found[t] = LimitPenalties([words[key] for key in keys], parts)
    return found


def _broken(row: Any) -> Iterator[tuple[tuple, Hashable, str]]:
    """Of a row: the limit (one for several rows of a polygon), its period, and words; if broken."""
    component = row.parent_component()
    block = component.parent_block()
    slack = block.component(_SLACKS.get(component.local_name, ""))
    if slack is None:
        return
    index = row.index()
    of_leg = block.parent_component().local_name == "leg"
    key = index if of_leg else index[:2]
    t = index if of_leg else index[1]
    excess = value(slack[key])
    if component.local_name.startswith("v_"):
        limit = value(block.v_low[key].lower if component.local_name == "v_low"
                      else block.v_high[key].upper)
        if excess <= 2 * ACTIVE * (1 + limit):
            return
        bus = block.parent_block().bus_name if of_leg else block.bus_name
        leg = block.index() if of_leg else index[0]
        v, sign = sqrt(max(value(block.w[key]), 0.0)), "<" if slack.local_name == "under" else ">"
        yield (bus, leg, t, sign), t, f"{bus}.{leg} {v:.4f} pu {sign} {sqrt(limit):g} pu"
    elif excess > 2 * ACTIVE:
        name = block.index() if slack.local_name == "excess" else f"neutral of {block.bus_name}"
        said = f"rating of {name}, by {KILO * excess:.0f} kVA" if (
            slack.local_name == "excess") else f"voltage of the {name}"
        yield (slack.local_name, name, *key), t, said
