"""Blocks of the devices of a network, the same in every form."""

from __future__ import annotations

from typing import Any

from pyomo_dlmp.blocks import Horizon, Surroundings
from pyomo_dlmp.blocks.registry import device_models
from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.network import Network
from pyomo_dlmp.network.kinds import kind, label
from pyomo_dlmp.opf.load_scale import load_series, reactive_series
from pyomo_dlmp.opf.options import OpfOptions


def add_devices(m: Any, network: Network, horizon: Horizon, given: OpfOptions,
                grounded: set[str]) -> None:
    """Every device at its bus, by the component of its kind.

    Parameters
    ----------
    m : Block
        With its buses.
    network : Network
        That of the model.
    horizon : Horizon
        Periods and shared indices.
    given : OpfOptions
        Scale of loads, penalty of ratings.
    grounded : set of str
        Buses whose voltage to ground is held.

    Raises
    ------
    ModelError
        If a block refuses its data, or a class is not registered any more.
    """
    for device in network.devices.values():
        if kind(device) is None:  # it was when the network was made
            raise ModelError.at(
                label(device), f"its class {type(device).__name__} is not registered any more",
                "Register it with its block: dlmp.extend.register_device(...).")
    scale, q_scale = (series(network, given.load_scale, horizon.labels, given.hours)
                      for series in (load_series, reactive_series))
    for cls, row in device_models():
        devices = network.devices_of(cls.word)
        m.add_component(row.component, row.block(list(devices)))
        blocks = m.component(row.component)
        for name, device in devices.items():
            at = Surroundings(device.bus in grounded, given.thermal_penalty, scale.get(name, 1.0),
                              q_scale=q_scale.get(name))
            blocks[name].build_at(device, horizon, m.bus[device.bus], at)
