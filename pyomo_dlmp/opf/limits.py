"""Limits of voltages in an OPF: of phases, between phases, of neutrals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyomo_dlmp.blocks.ac_leg import LimitedPhasor
from pyomo_dlmp.blocks.ac_limits import PLUS
from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.network import Network
from pyomo_dlmp.network.phases import DELTA_PAIRS, PHASES
from pyomo_dlmp.opf.options import OpfOptions

_PAIRS = (*DELTA_PAIRS, "12")


def add_voltage_limits(model: Any, network: Network, options: OpfOptions) -> None:
    """Limits at every bus except the substation's; a bus's own limits replace the defaults.

    Parameters
    ----------
    model : Block
        With its buses.
    network : Network
        That of the model.
    options : OpfOptions
        Default limits (pu), soft or hard, and whether of phases or between them.

    Raises
    ------
    ModelError
        If limits are not 0 < v_min < v_max.
    """
    if options.voltage_limits is None:
        return
    penalty = options.penalty if options.voltage_limits == "soft" else None
    for name, bus in network.buses.items():
        low = options.v_min if bus.v_min is None else bus.v_min
        high = options.v_max if bus.v_max is None else bus.v_max
        if not 0 < low < high:
            raise ModelError.at(f"bus '{name}'", f"has voltage limits {low} .. {high} pu",
                                "Give 0 < v_min < v_max.")
        if name == network.substation.bus:
            continue
        pairs = [pair for pair in _PAIRS if set(pair) <= set(bus.phases)]
        if options.voltage_legs != "line" or not pairs:
            model.bus[name].limit_voltage(low, high, penalty)
        for pair in pairs if options.voltage_legs != "phase" else ():
            model.bus[name].limit_leg(pair, low, high, penalty)


def limited_blocks(bus: Any) -> list[tuple[str, Any]]:
    """Blocks of a bus that may have the rows `v_low` and `v_high` on their squared voltage `w`.

    Parameters
    ----------
    bus : BusBlock or AcBusBlock

    Returns
    -------
    list of (str, Block)
        ``""`` and the bus itself, whose rows are of its phases; each of its legs by name.
    """
    return [("", bus), *(bus.leg.items() if bus.form == "ac" else ())]


def add_neutral_limits(model: Any, options: OpfOptions) -> None:
    """Limit the voltage to ground of every neutral that is not solidly grounded.

    Parameters
    ----------
    model : Block
        Of the AC form, with its buses.
    options : OpfOptions
        Limit (pu) and penalty.

    Raises
    ------
    ModelError
        If there is a limit and no such neutral.
    """
    if options.neutral_v_max is None:
        return
    found = [bus for bus in model.bus.values() if set(bus.conductors) - set(bus.phases)]
    if not found:
        raise ModelError.at(
            "build_opf, neutral_v_max", f"is {options.neutral_v_max:g} pu, but every neutral of "
            "the network is solidly grounded, or there is none",
            "Leave it out, or give buses with neutrals whose ground_r, ground_x are not 0.")
    for bus in found:
        bus.limit_neutral(options.neutral_v_max, options.thermal_sides, options.neutral_penalty)


def limited_phasors(model: Any) -> Iterator[tuple[str, LimitedPhasor]]:
    """All rows on magnitudes of phasors that are linear at the operating point.

    Their second derivative is not in the rows: it belongs to the curvature of the cost.

    Parameters
    ----------
    model : Block
        Of the AC form.

    Yields
    ------
    (str, LimitedPhasor)
        Bus, and rows: limits of voltages, bends of loads, limits of unbalance (on |V+|).
    """
    for name, bus in model.bus.items():
        for limited in bus.limited_phasors():
            yield name, limited
        rows = bus.component("unbalance_limit")
        if rows is not None:
            yield name, LimitedPhasor([(t, row) for (t, _), row in rows.items()],
                                      -bus.unbalance_reach,
                                      dict(zip(PHASES, PLUS.tolist(), strict=True)), 1)
    for load, block in model.demand.items():
        rows, bus = block.component("kink"), model.bus[block.bus_name]
        for leg, t in rows if rows is not None else ():
            place = bus.at(leg, load)
            yield block.bus_name, LimitedPhasor(
                [(t, rows[leg, t])], -block.bend["side", leg, t] / place.nominal**2, place.phasor)
