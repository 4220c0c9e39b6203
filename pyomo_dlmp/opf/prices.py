"""What a device pays or is paid: prices of its power, of its legs.

    price of 1 MW drawn by leg (a, b)   = sum_k Re D_k lamP_k + Im D_k lamQ_k
    price of 1 Mvar drawn by it         = sum_k Re D_k lamQ_k - Im D_k lamP_k

over the bus's conductors k with the duals lamP, lamQ of their balances and the shares D of the
leg's power that they get: those of `blocks.legs` in the linear form; in the AC one the
derivative of the balances at the operating point. A device that its owner decides there is tied to
the DSO's problem by rows of its own (`blocks.taken`), whose duals are its prices, exact beside that
point too.

Sign: positive where drawing more costs the DSO more. A datacenter pays price x drawn, a generator
is paid price x generated. Unit: $ per MW (Mvar) of the period; divide by its hours for $/MWh.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyomo.environ as pyo

from pyomo_dlmp.blocks.registry import device_blocks
from pyomo_dlmp.errors import ModelError, nearest, shown

QUANTITIES = ("active", "reactive")


class PriceOf:
    """The method ``dso.price_of`` of a block that `build_opf` filled; clones and pickles with it.

    Parameters
    ----------
    dso : Block
        The block.
    """

    def __init__(self, dso: Any):
        self.dso = dso

    def __call__(self, device: Any, leg: str | None = None, t: Any = None,
                 quantity: str = "active") -> Any:
        """`price_of` with this block."""
        return price_of(self.dso, device, leg, t, quantity)


def price_of(dso: Any, device: Any, leg: str | None = None, t: Any = None,
             quantity: str = "active") -> Any:
    """Price of a device's power; see the module's text.

    Parameters
    ----------
    dso : Block
        Filled by `build_opf`.
    device : str or DeviceBlockData
        A device of it.
    leg : str or None
        One of the block's `legs`; None: of all legs together, each with the same power.
    t : hashable
        The period; may be left out where there is one.
    quantity : "active" or "reactive"
        Of MW or of Mvar.

    Returns
    -------
    expression or float
        In a LowerLevel an expression of `dual_of(...)`, for the upper level's objective; of an OPF
        alone the number, from the duals that `solve_opf` has loaded.

    Raises
    ------
    ModelError
        If the device, its leg, the period or the quantity is unknown, or an OPF alone is not
        solved.
    """
    block, t = _device(dso, device), _period(dso, t)
    if not (isinstance(quantity, str) and quantity in QUANTITIES):
        raise ModelError.at("price_of, quantity", f"is {shown(quantity)}",
                            f"Use one of {', '.join(QUANTITIES)}.")
    if leg is not None and leg not in block.legs:
        raise ModelError.at(f"price_of, {block.device.word} {block.device.name!r}",
                            f"has no leg {shown(leg)}", nearest(leg, block.legs))
    duals = _duals(dso)
    taken = block.component("taken_p" if quantity == "active" else "taken_q")
    if taken is not None:
        by_leg = (block.legs[0], t) in taken
        if leg is None and by_leg:
            return _mean(duals(taken)[one, t] for one in block.legs)
        if by_leg or leg is None:
            return duals(taken)[(leg, t) if by_leg else t]
    bus = dso.bus[block.bus_name]
    lam_p, lam_q = duals(bus.balance_p), duals(bus.balance_q)
    return _mean(_mapped(_shares(bus, one, t, block.device.name), lam_p, lam_q, t,
                         quantity == "reactive") for one in (block.legs if leg is None else (leg,)))


def _mapped(shares: Any, lam_p: Any, lam_q: Any, t: Any, reactive: bool) -> Any:
    """Price of a leg by those of its conductors."""
    first, other, sign = (lam_q, lam_p, -1.0) if reactive else (lam_p, lam_q, 1.0)
    total = 0.0
    for k, re, im in shares:
        total = total + re * first[k, t]
        if not (isinstance(im, float) and im == 0.0):
            total = total + sign * im * other[k, t]
    return total


def _shares(bus: Any, leg: str, t: Any, name: str) -> Any:
    """(conductor, re, im) of a leg's power."""
    if bus.form != "ac":
        return bus.leg_shares(leg, name)
    place = bus.at(leg, name)
    return [(k, place.power_r[k, t], place.power_i[k, t]) for k in place.ends]


def _mean(prices: Any) -> Any:
    found = list(prices)
    return found[0] if len(found) == 1 else sum(found) / len(found)


def _device(dso: Any, device: Any) -> Any:
    if not isinstance(device, str):
        return device
    known = dict(device_blocks(dso))
    if device not in known:
        raise ModelError.at("price_of", f"names the device {device!r}",
                            nearest(device, known) or "There is no device.")
    return known[device]


def _period(dso: Any, t: Any) -> Any:
    labels = list(dso.periods)
    if t is None and len(labels) == 1:
        return labels[0]
    if t is None or t not in dso.periods:
        raise ModelError.at("price_of, t", f"is {shown(t)}",
                            f"Give a period: {shown(labels[0])} to {shown(labels[-1])}.")
    return t


def _duals(dso: Any) -> Callable[[Any], Any]:
    """Row -> its duals by index."""
    if hasattr(dso, "dual_of"):
        return dso.dual_of
    suffix = dso.component("dual")
    if not isinstance(suffix, pyo.Suffix):
        raise ModelError.at(str(dso.name), "has no duals yet", "Call dlmp.solve_opf(model) first.")
    return lambda row: _Loaded(suffix, row)


class _Loaded:
    """Duals of a row as numbers, from a Suffix."""

    def __init__(self, suffix: Any, row: Any):
        self.suffix, self.row = suffix, row

    def __getitem__(self, k: Any) -> float:
        if self.row[k] not in self.suffix:
            raise ModelError.at(self.row[k].name, "has no dual yet",
                                "Call dlmp.solve_opf(model) first.")
        return self.suffix[self.row[k]]
