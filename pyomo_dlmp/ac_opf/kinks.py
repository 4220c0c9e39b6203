"""Loads at the upper end of their range: the slope on the side on which the model's point stands.

Where more load costs more, an optimum may stand exactly at `v_high` of a load, whose law bends
there. The model has the slope of one side, and a row for the other (`blocks.load`), whose
multiplier is part of the price. A state that is exactly there takes the model's side, too.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from pyomo_dlmp.ac.laws import above, inside
from pyomo_dlmp.ac.newton import AcState


def on_the_models_side(state: AcState, model: Any, labels: list) -> AcState:
    """A state with the slopes that the model has where loads bend.

    Parameters
    ----------
    state : AcState
    model : Block
        Of the AC form.
    labels : list
        Of the periods.

    Returns
    -------
    AcState
        The same object where no load bends.
    """
    slope, bend = state.legs.slope.copy(), state.legs.bend.copy()
    legs, changed = state.circuit.legs, False
    for name, block in model.demand.items():
        rows = block.component("kink")
        for leg, t in rows if rows is not None else ():
            side = block.bend[("side", leg, t)].value
            if not side:
                continue
            number, i = legs.of[name][legs.names[name].index(leg)], labels.index(t)
            x = np.array([abs(state.legs.u[number, i]) / legs.rated[number]])
            law = (inside if side > 0 else above)(state.circuit.network.loads[name], x)
            p, q = state.drawn[number, i].real, state.drawn[number, i].imag
            slope[number, i] = -x[0] * complex(p * law.dp[0], q * law.dq[0])
            bend[number, i] = -x[0] ** 2 * complex(p * law.d2p[0], q * law.d2q[0])
            changed = True
    if not changed:
        return state
    return replace(state, legs=replace(state.legs, slope=slope, bend=bend), _factors={})
