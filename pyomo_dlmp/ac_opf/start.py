"""The first dispatch of the AC loop: nominal powers, and datacenters where they are fixed."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import numpy as np

from pyomo_dlmp.ac.circuit import Circuit
from pyomo_dlmp.network import Datacenter
from pyomo_dlmp.network.series import by_period
from pyomo_dlmp.network.units import mega


def start_injections(circuit: Circuit, labels: Sequence[Hashable],
                     datacenter_kw: Mapping | None) -> np.ndarray:
    """Powers of all devices at first.

    Parameters
    ----------
    circuit : Circuit
    labels : sequence
        Of the periods.
    datacenter_kw : mapping or None
        As of `OpfOptions`.

    Returns
    -------
    ndarray, shape (legs, periods), complex
        In MVA, injected.
    """
    legs, network = circuit.legs, circuit.network
    found = np.zeros((len(legs), len(labels)), dtype=complex)
    fixed = datacenter_kw or {}
    for name, device in network.devices.items():
        power = device.nominal_power()
        if power is None:
            continue
        p, q = (np.array(part)[:, None] for part in device.equal_legs(*map(mega, power)))
        share = np.ones(len(labels))
        if isinstance(device, Datacenter) and name in fixed and device.kw:
            drawn = by_period(fixed[name], list(labels), f"datacenter_kw of {name!r}")
            share = np.array([drawn[t] for t in labels]) / device.kw
        found[legs.of[name]] = (p + 1j * q) * share
    return found
