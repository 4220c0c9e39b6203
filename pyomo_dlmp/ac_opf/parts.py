"""What a price in AC is made of: parts that add up to it.

The adjoint is linear in the gradient of the cost, so each group of terms has a price of its own:

    energy          what the source charges for active power, with no feeder between
    losses          the rest of the price of power bought, loads taken as constant powers
    load response   what the loads' dependence on voltage changes of it, bends at `v_high` included
    voltage         limits of voltages, weighed by their multipliers
    congestion      ratings of lines and transformers
    unbalance       limits and costs of unbalance
    other           rows of users and their devices on voltages (left out where zero)

(all but the first two with the loads' response).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from pyomo_dlmp.ac.adjoint import bought_gradient, node_prices, solve_adjoint
from pyomo_dlmp.ac.newton import AcState
from pyomo_dlmp.ac_opf.loop import AcLoop

PARTS = ("energy", "losses", "load response", "voltage", "congestion", "unbalance", "other")


def price_parts(loop: AcLoop) -> pd.DataFrame:
    """Parts of the prices of all phases.

    Parameters
    ----------
    loop : AcLoop
        Solved at its point.

    Returns
    -------
    DataFrame
        Columns bus, phase, period, quantity, part (one of `PARTS`), value, unit ($/MWh, $/Mvarh).
    """
    circuit, state, hours = loop.circuit, loop.state, loop.hours
    where, periods = circuit.phase_nodes, len(loop.labels)
    gradients = dict(loop.limit_gradients())
    bought = np.array([price * bought_gradient(state, t)
                       for t, price in enumerate(loop.prices)]).T
    gradients["bought"] = bought
    found = _prices(state, gradients)
    whole, constant = found.pop("bought"), _prices(_without_response(state), {"": bought})[""]
    energy = np.zeros_like(whole)
    energy[0] = loop.prices
    found |= {"energy": energy, "losses": constant - energy,
              "load response": found["load response"] + whole - constant}
    names = [np.array([circuit.nodes[i][k] for i in where], dtype=object) for k in (0, 1)]
    kept = [[part for part in PARTS if part != "other" or found[part][:, :, t].any()]
            for t in range(periods)]
    places = [(t, part, side) for t in range(periods) for part in kept[t] for side in (0, 1)]

    def each(values: list) -> np.ndarray:
        """A value of each place, for all its nodes."""
        own = np.empty(len(values), dtype=object)
        own[:] = values
        return np.repeat(own, len(where))

    return pd.DataFrame({
        "bus": np.tile(names[0], len(places)), "phase": np.tile(names[1], len(places)),
        "period": pd.Series(each([loop.labels[t] for t, *_ in places])).infer_objects(),
        "quantity": each([("active", "reactive")[side] for *_, side in places]),
        "part": each([part for _, part, _ in places]),
        "value": np.concatenate([found[part][side, where, t] for t, part, side in places]) / hours,
        "unit": each([("$/MWh", "$/Mvarh")[side] for *_, side in places])})


def _without_response(state: AcState) -> AcState:
    """The same state with loads of constant power; capacitors stay impedances."""
    loads = np.zeros(len(state.circuit.legs), dtype=bool)
    for members in state.circuit.legs.at_load.values():
        loads[members] = True
    slope = np.where(loads[:, None], 0.0, state.legs.slope)
    return replace(state, legs=replace(state.legs, slope=slope), _factors={})


def _prices(state: AcState, gradients: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Prices of all nodes that gradients make, each of shape (2, n, periods): P, Q.

    Gradients are over the first unknowns or all, shape (n or more, periods).
    """
    live = [name for name, gradient in gradients.items() if np.any(gradient)]
    lam = np.zeros((len(live), *state.z.shape), dtype=complex)
    for t in range(state.z.shape[1]):
        right = np.zeros((state.circuit.size, len(live)), dtype=complex)
        for column, name in enumerate(live):
            right[:len(gradients[name]), column] = gradients[name][:, t]
        if live:
            lam[:, :, t] = solve_adjoint(state, t, right).T
    none = np.zeros((2, state.circuit.n, state.z.shape[1]))
    found = dict.fromkeys(gradients, none)
    for own, name in zip(lam, live, strict=True):
        found[name] = node_prices(state, own)
        found[name][:, :, ~gradients[name].any(axis=0)] = 0.0
    return found
