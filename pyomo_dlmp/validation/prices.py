"""Prices of a model beside those of the AC equations at the same dispatch, at every leg.

With lam of a conductor: the cost per unit of current that is injected there, drawing 1 MW (1 Mvar)
between a and b costs  Re x (Re(-j x)),  x = -conj((lam_a - lam_b) / u),  u the leg's voltage. In a
model lam = -m conj(dual_p + j dual_q), m the multiplier of the balance's row: the nominal phasor
in the linear form, of which the formula is then the transposed map of its delta legs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from pyomo_dlmp.ac.adjoint import price_across
from pyomo_dlmp.ac_opf import AcLoop
from pyomo_dlmp.network import Network
from pyomo_dlmp.network.phases import ALPHA, DELTA_PAIRS, NEUTRAL
from pyomo_dlmp.network.zones import grounded_buses
from pyomo_dlmp.opf.ac_point import is_ac_form

COLUMNS = ["bus", "leg", "period", "quantity", "model", "ac", "error", "unit"]
UNITS = {"active": "$/MWh", "reactive": "$/Mvarh"}
Price = Callable[[str, str, Any], complex]


def priced_legs(network: Network) -> Iterator[tuple[str, str]]:
    """Legs that have a price: phases to neutral or ground, pairs where nothing grounds the bus.

    Parameters
    ----------
    network : Network

    Yields
    ------
    (str, str)
        Bus and leg.
    """
    grounded = grounded_buses(network)
    for name, bus in network.buses.items():
        if name in grounded or not set(bus.phases) <= set("abc"):
            end = NEUTRAL if NEUTRAL in bus.neutrals and bus.ground_z != 0 else ""
            yield from ((name, k + end) for k in bus.phases)
        else:
            yield from ((name, pair) for pair in DELTA_PAIRS if set(pair) <= set(bus.phases))


def compare_prices(loop: AcLoop, model: Any) -> pd.DataFrame:
    """Prices of a solved model beside the AC marginal costs at the loop's state.

    Parameters
    ----------
    loop : AcLoop
        Its state is the AC power flow of the dispatch, `lam` the adjoint.
    model : Block
        Filled by `build_opf` in any form, of the same network and periods, with duals.

    Returns
    -------
    DataFrame
        Columns bus, leg, period, quantity, model, ac, error (model less ac), unit.
    """
    theirs, ours = _of_ac(loop), price_in_model(model)
    rows = []
    for bus, leg in priced_legs(loop.network):
        for i, t in enumerate(loop.labels):
            mine, true = ours(bus, leg, t), theirs(bus, leg, i)
            if np.isnan(mine) or np.isnan(true):
                continue  # no such leg in the model's reduced network, or no voltage
            for quantity, part in (("active", np.real), ("reactive", np.imag)):
                a, b = float(part(mine)), float(part(true))
                rows.append((bus, leg, t, quantity, a, b, a - b, UNITS[quantity]))
    return pd.DataFrame(rows, columns=COLUMNS)


def _of_ac(loop: AcLoop) -> Price:
    """P + j Q price of a leg by the adjoint ($/MWh, $/Mvarh)."""
    at, n = loop.circuit.at, loop.circuit.n
    volts, lam = (np.vstack([values[:n], np.zeros((1, len(loop.labels)))])
                  for values in (loop.state.volts, loop.lam))

    def price(bus: str, leg: str, i: int) -> complex:
        ends = [at.get((bus, k), -1) for k in leg]  # -1 is ground: the last row
        a, b = ends if len(ends) == 2 else (ends[0], -1)
        return complex(price_across(lam[a, i] - lam[b, i], volts[a, i] - volts[b, i])) / loop.hours
    return price


def price_in_model(model: Any) -> Price:
    """Prices of any leg by the duals of the balances.

    Parameters
    ----------
    model : Block
        Filled by `build_opf` in any form, with duals.

    Returns
    -------
    callable
        price(bus, leg, period): active + j reactive ($/MWh, $/Mvarh); nan where the model has no
        such leg.
    """
    exact, blocks = is_ac_form(model), dict(model.bus.items())

    def price(bus: str, leg: str, t: Any) -> complex:
        block = blocks.get(bus)
        across = voltage = 0j
        for k, sign in zip(leg, (1.0, -1.0), strict=False):
            if block is None or (k, t) not in block.balance_p:
                if k == NEUTRAL:
                    continue  # the linear form has reduced it away
                return complex("nan")
            m = block.point["mr", k, t].value + 1j * block.point["mi", k, t].value if exact else (
                ALPHA[k])
            v = block.v0[k, t] if exact else ALPHA[k]
            dual = complex(model.dual[block.balance_p[k, t]], model.dual[block.balance_q[k, t]])
            across -= sign * m * np.conj(dual)
            voltage += sign * v
        return complex(price_across(across, voltage)) / model.period_hours
    return price
