"""Price of power between any two conductors of a bus, by the adjoint of the AC equations.

With lam the cost per current injected (`ac.adjoint`) and u = V_a - V_b, 1 MW drawn by the leg costs

    Re(conj(lam_b - lam_a) / conj(u))        1 Mvar: Im of it

In four wires a phase has one price to its neutral and another one to ground.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from pyomo_dlmp.ac.adjoint import SMALL, price_across
from pyomo_dlmp.ac_opf.loop import AcLoop
from pyomo_dlmp.errors import ModelError, listed, nearest, shown


class LegPrice(NamedTuple):
    """What more power costs at a leg.

    Attributes
    ----------
    active : float
        $/MWh of power drawn.
    reactive : float
        $/Mvarh.
    """

    active: float
    reactive: float


def leg_price(loop: AcLoop, bus: str, leg: str, period: Any = None) -> LegPrice:
    """Price of the power that is drawn between two conductors.

    Parameters
    ----------
    loop : AcLoop
        Solved at its point.
    bus : str
    leg : str
        A conductor (to ground) or two, such as ``"an"``, ``"ab"``.
    period : hashable
        May be left out where there is one.

    Returns
    -------
    LegPrice

    Raises
    ------
    ModelError
        If the bus, a conductor or the period is unknown; if the leg is to ground where nothing
        grounds the bus, or has hardly a voltage: no power has a price there.
    """
    circuit, t = loop.circuit, _number(loop, period)
    known = circuit.network.buses
    if not (isinstance(bus, str) and bus in known):
        raise ModelError.at("leg_price, bus", f"is {shown(bus)}", nearest(bus, known))
    a, b = _ends(loop, bus, leg)
    where = f"leg_price, leg {leg!r} of bus {bus!r}"
    if bus not in circuit.grounded and min(a, b) < 0:
        raise ModelError.at(where, "is to ground, where nothing grounds the bus: a current to "
                            "ground has no way back", "Take a leg between two conductors.")
    volts, lam = loop.state.volts[:, t], loop.lam[:, t]
    u, across = (sum(sign * part[end] for end, sign in ((a, 1.0), (b, -1.0)) if end >= 0)
                 for part in (volts, lam))
    if abs(u) < SMALL:
        raise ModelError.at(where, f"has {abs(u):.2g} pu, with which no power has a price",
                            "Take a leg between a phase and another conductor.")
    price = complex(price_across(across, u)) / loop.hours
    return LegPrice(price.real, price.imag)


def _number(loop: AcLoop, period: Any) -> int:
    labels = list(loop.labels)
    if period is None and len(labels) == 1:
        return 0
    if period not in labels:
        raise ModelError.at("leg_price, period", f"is {shown(period)}",
                            f"Give a period: {shown(labels[0])} to {shown(labels[-1])}.")
    return labels.index(period)


def _ends(loop: AcLoop, bus: str, leg: Any) -> tuple[int, int]:
    """Nodes of a leg, -1 of ground."""
    conductors = loop.circuit.network.buses[bus].conductors
    if not (isinstance(leg, str) and len(leg) in (1, 2) and set(leg) <= set(conductors)
            and len(set(leg)) == len(leg)):
        raise ModelError.at(f"leg_price, bus {bus!r}", f"has no leg {shown(leg)}",
                            f"Give one or two of its conductors {listed(conductors)}.")
    at = [loop.circuit.at[bus, k] for k in leg]
    return (at[0], at[1] if len(at) > 1 else -1)
