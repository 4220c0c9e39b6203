"""What a solved model says of voltages, flows and power bought, as an `OperatingPoint`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyomo.environ as pyo

from pyomo_dlmp.ac.circuit import Circuit
from pyomo_dlmp.ac.flows import operating_point
from pyomo_dlmp.ac.legs import leg_state
from pyomo_dlmp.ac.newton import AcState
from pyomo_dlmp.blocks.parallel import flow_blocks
from pyomo_dlmp.network import Network
from pyomo_dlmp.opf.ac_form import joints_of
from pyomo_dlmp.opf.ac_point import is_ac_form

Flows = dict[tuple[str, str, Any], complex]


def model_flows(model: Any, network: Network) -> Flows:
    """Power that reaches the to-bus of each branch in a solved model.

    Parameters
    ----------
    model : Block
        Filled by `build_opf` in any form.
    network : Network
        That of the model.

    Returns
    -------
    dict
        [branch, conductor, period]: complex (MVA), as `OperatingPoint.flows`.
    """
    if is_ac_form(model):
        return _of_voltages(model, network)
    return {(name, k, t): complex(pyo.value(block.p[k, t]), pyo.value(block.q[k, t]))
            for name, block in flow_blocks(model) for k, t in block.p.index_set()}


def _of_voltages(model: Any, network: Network) -> Flows:
    """By the elements' admittances, and the currents of ideal rows, of the AC form."""
    circuit, labels = Circuit(network), list(model.periods)
    z = np.zeros((circuit.size, len(labels)), dtype=complex)
    z[:circuit.n] = [[complex(model.bus[bus].vr[k, t].value, model.bus[bus].vi[k, t].value)
                      for t in labels] for bus, k in circuit.nodes]
    for number, (block, i) in enumerate(joints_of(model, circuit)):
        z[circuit.n + number] = [complex(block.jr[i, t].value, block.ji[i, t].value)
                                 for t in labels]
    source = model.substation[network.substation.name]
    s = np.array([[complex(source.p[k, t].value, source.q[k, t].value) for t in labels]
                  for _, k in circuit.source.terminals])
    z[circuit.source_columns] = np.conj(s / z[circuit.source_nodes])
    none = np.zeros((len(circuit.legs), len(labels)), dtype=complex)
    volts = circuit.legs.incidence(circuit.n) @ z[:circuit.n]
    state = AcState(circuit, z, leg_state(circuit.legs, volts, none, none), none, none,
                    np.zeros(len(labels), dtype=int))
    return operating_point(state, labels).flows
