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
    circuit = loop.circuit
    where = np.array([i for i, (bus, k) in enumerate(circuit.nodes)
                      if k in circuit.network.buses[bus].phases])
    gradients = loop.limit_gradients()
    stiff = _without_response(loop.state)
    frames: list[pd.DataFrame] = []
    for t, label in enumerate(loop.labels):
        price = float(loop.prices[t])
        bought = price * bought_gradient(loop.state, t)
        found = {name: _prices(loop.state, t, _padded(circuit.size, limit[:, t]))
                 for name, limit in gradients.items()}
        whole, constant = _prices(loop.state, t, bought), _prices(stiff, t, bought)
        energy = np.zeros_like(whole)
        energy[0] = price
        found |= {"energy": energy, "losses": constant - energy,
                  "load response": found["load response"] + whole - constant}
        for part in PARTS:
            if part == "other" and not found[part].any():
                continue
            frames.extend(pd.DataFrame({
                "bus": [circuit.nodes[i][0] for i in where],
                "phase": [circuit.nodes[i][1] for i in where], "period": label,
                "quantity": quantity, "part": part,
                "value": found[part][side][where] / loop.hours, "unit": unit})
                for side, (quantity, unit) in enumerate((("active", "$/MWh"),
                                                         ("reactive", "$/Mvarh"))))
    return pd.concat(frames, ignore_index=True)


def _without_response(state: AcState) -> AcState:
    """The same state with loads of constant power; capacitors stay impedances."""
    loads = np.zeros(len(state.circuit.legs), dtype=bool)
    for members in state.circuit.legs.at_load.values():
        loads[members] = True
    slope = np.where(loads[:, None], 0.0, state.legs.slope)
    return replace(state, legs=replace(state.legs, slope=slope), _factors={})


def _prices(state: AcState, t: int, gradient: np.ndarray) -> np.ndarray:
    """Prices of all nodes that a gradient makes, shape (2, n): P, Q."""
    if not np.any(gradient):
        return np.zeros((2, state.circuit.n))
    return np.array(node_prices(state, t, solve_adjoint(state, t, gradient)))


def _padded(size: int, nodes: np.ndarray) -> np.ndarray:
    found = np.zeros(size, dtype=complex)
    found[:len(nodes)] = nodes
    return found
