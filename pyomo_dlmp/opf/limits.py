"""Voltage limits of an OPF."""

from __future__ import annotations

from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.network import Network

KINDS = ("soft", "hard", None)


def add_voltage_limits(model, network: Network, kind, v_min: float, v_max: float, penalty: float):
    """Limits at every bus but the substation's; a bus's own limits go before the defaults."""
    if kind not in KINDS:
        raise ModelError.at("voltage_limits", f"is {kind!r}", "Use 'soft', 'hard' or None.")
    if kind is None:
        return
    if kind == "soft" and not penalty > 0:
        raise ModelError.at("penalty", f"is {penalty!r}", "A soft limit costs more than 0.")
    (source,) = network.substations.values()
    for name, bus in network.buses.items():
        low = v_min if bus.v_min is None else bus.v_min
        high = v_max if bus.v_max is None else bus.v_max
        if not 0 < low < high:
            raise ModelError.at(f"bus '{name}'", f"has voltage limits {low} .. {high} pu",
                                "Give 0 < v_min < v_max.")
        if name != source.bus:
            model.bus[name].limit_voltage(low, high, penalty if kind == "soft" else None)
