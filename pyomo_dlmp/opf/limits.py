"""Voltage limits of an OPF."""

from __future__ import annotations

from typing import Any

from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.network import Network
from pyomo_dlmp.opf.options import OpfOptions


def add_voltage_limits(model: Any, network: Network, options: OpfOptions) -> None:
    """Limits at every bus except the substation's; a bus's own limits replace the defaults.

    Parameters
    ----------
    model : Block
        With its buses.
    network : Network
        That of the model.
    options : OpfOptions
        Default limits (pu), soft or hard.

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
        if name != network.substation.bus:
            model.bus[name].limit_voltage(low, high, penalty)
