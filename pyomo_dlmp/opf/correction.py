"""Fit a linear model to an AC operating point: exact there, linear around it.

Every balance, voltage and angle row gets as its right-hand side the value that its left-hand side
has at the AC point (losses, and all linearisation errors). With the same powers the model
then has the AC voltages; with others, errors of second order. The quadratic losses of the objective
are taken at the AC voltages, less their value at the point, where the balances hold them already.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Hashable
from typing import Any

import numpy as np
import pyomo.environ as pyo

from pyomo_dlmp.blocks.parallel import branch_blocks, flow_blocks
from pyomo_dlmp.blocks.registry import device_blocks
from pyomo_dlmp.blocks.substation import source_angles
from pyomo_dlmp.deprecation import renamed_arguments
from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.network import Network, OperatingPoint
from pyomo_dlmp.network.operating_point import leg_voltage_pu
from pyomo_dlmp.network.phases import ALPHA
from pyomo_dlmp.tolerances import RANK, ROUNDING


@renamed_arguments(net="network")
def fit_to_operating_point(model: Any, network: Network, point: OperatingPoint) -> None:
    """Load an operating point into a model that was built with ``losses="corrected"``.

    Values of all Vars become those of the point, the devices' too.

    Parameters
    ----------
    model : Block
        Filled by `build_opf`.
    network : Network
        That of the model.
    point : OperatingPoint
        Of an AC power flow of the same network.

    Raises
    ------
    ModelError
        If the model has no residuals, a period or device is not in the point, or a fixed Var has
        another value there.
    """
    (source,) = model.substation.values()
    first = next(iter(model.bus.values()))
    if first.component("p_residual") is None:
        raise ModelError.at(str(model.name), "has no residuals",
                            "Build it with losses='corrected' and an operating point.")
    missing = [t for t in model.periods if t not in point.periods]
    if missing:
        raise ModelError.at("operating point", f"lacks period {missing[0]!r}",
                            "Solve the AC power flow for every period of the model.")
    _load_devices(model, point)
    _load_voltages(model, network, point)
    _load_flows(model, point)
    _load_source(point, source)
    for bus in model.bus.values():
        for k in bus.balance_p:
            bus.p_residual[k] = pyo.value(bus.net_p[k])
            bus.q_residual[k] = pyo.value(bus.net_q[k])
    branches = [block for _, block in branch_blocks(model)]
    for block in [source, *branches]:
        for row, residual in (("voltage", "w_residual"), ("angle", "theta_residual")):
            rows = block.component(row)
            for k in rows if rows is not None else ():
                param = getattr(block, residual)
                param[k] = 0.0
                param[k] = pyo.value(rows[k].body) - pyo.value(rows[k].lower)
    for block in branches:
        if block.component("loss_start") is not None:
            for t in model.periods:
                flows = np.array([complex(block.p[k, t].value, block.q[k, t].value)
                                  for k in block.phases])
                block.loss_start[t] = block.loss_at(flows, t)


def loads_outside(network: Network, point: OperatingPoint | None) -> dict[str, set]:
    """Legs of loads whose voltage at an operating point is beyond `v_low` .. `v_high`.

    Parameters
    ----------
    network : Network
        The feeder.
    point : OperatingPoint or None
        None: no legs.

    Returns
    -------
    dict of str to set of (leg, period)
        By load; with the point's `impedance_legs`.
    """
    if point is None:
        return {}
    found: dict[str, set] = {name: set(legs) for name, legs in point.impedance_legs.items()}
    for t in point.periods:
        for name, load in network.loads.items():
            bus = network.buses[load.bus]
            for leg in load.legs:
                if not load.v_low <= leg_voltage_pu(load, bus, point, leg, t) <= load.v_high:
                    found.setdefault(name, set()).add((leg, t))
    return found


def _load_voltages(m, network: Network, point: OperatingPoint) -> None:
    """Squared magnitudes, and angles near those of the parent (phase shifts may pass 180)."""
    (substation,) = network.substations.values()
    base, _ = source_angles(substation, m.bus[substation.bus].phases)
    for name, near in _shifts(m, substation.bus).items():
        bus = m.bus[name]
        for k, t in bus.w.index_set():
            v = point.voltages[name, k, t]
            if not bus.w[k, t].fixed:
                bus.w[k, t].set_value(abs(v) ** 2)
            if bus.component("theta") is not None and not bus.theta[k, t].fixed:
                theta = cmath.phase(v / ALPHA[k]) - base
                theta += 2 * math.pi * round((near - theta) / (2 * math.pi))
                bus.theta[k, t].set_value(theta)


def _load_devices(m, point: OperatingPoint) -> None:
    """Power that each device generates at the point."""
    dispatched = [(name, block) for name, block in device_blocks(m)
                  if block.device.nominal_power() is not None]
    for t in m.periods:
        for name, block in dispatched:
            if (name, t) not in point.injections:
                raise ModelError.at(
                    f"{block.device.word} '{name}'", "is not in the operating point",
                    "Solve the AC power flow of the same network.")
            _set(block.settings(t, *point.injections[name, t]))


def _set(settings) -> None:
    for var, value in settings:
        if not var.fixed:
            var.set_value(value, skip_validation=True)
        elif abs(var.value - value) > ROUNDING:
            raise ModelError.at(
                var.name, f"is fixed at {var.value:g}, the operating point has {value:g}",
                "Solve the AC power flow of the dispatch that the model fixes.")


def _shifts(m, root: str) -> dict[str, float]:
    """Turns of nominal angles by connections from the source on (rad), by bus."""
    beside: dict[str, list[tuple[str, float]]] = {}
    for _, block in branch_blocks(m):
        first = block.from_bus_name
        for k, shift in zip(block.phases, block.connection.shift, strict=True):
            there, _ = block.at(k)
            beside.setdefault(first, []).append((there, float(shift)))
            beside.setdefault(there, []).append((first, -float(shift)))
    seen, queue = {root: 0.0}, [root]
    for here in queue:
        for there, shift in beside.get(here, ()):
            if there not in seen:
                seen[there] = seen[here] + shift
                queue.append(there)
    return seen


def _load_flows(m, point: OperatingPoint) -> None:
    """Flows of branches; those of a bank are the sum of its members'."""
    for name, block in branch_blocks(m):
        if block.bank is not None:
            for t in m.periods:
                for k, s in _bank_flows(m, block, point, t).items():
                    block.p[k, t].set_value(s.real)
                    block.q[k, t].set_value(s.imag)
            continue
        for k, t in block.p.index_set():
            s = _flow(point, name, k, t)
            block.p[k, t].set_value(s.real)
            block.q[k, t].set_value(s.imag)
    for name, block in flow_blocks(m):
        if block.component("p_residual") is None:
            continue
        for k, t in block.p.index_set():
            s = _flow(point, name, k, t) if block.bank_name else 0.0
            for param, power, value in ((block.p_residual, block.p, complex(s).real),
                                        (block.q_residual, block.q, complex(s).imag)):
                param[k, t] = 0.0
                param[k, t] = value - pyo.value(power[k, t])


def _bank_flows(m, block, point: OperatingPoint, t: Hashable) -> dict[str, complex]:
    """Power that a bank, or an element of several buses, brings to its to-side."""
    bank = block.bank
    labels = bank.second.labels
    if len(bank.members) == 1:  # by its admittance: a flow at each of its buses
        first = np.array([point.voltages[block.from_bus_name, k, t] for k in bank.first.labels])
        second = np.array([point.voltages[(*block.at(k), t)] for k in labels])
        current = np.linalg.pinv(bank.port.z, rcond=RANK) @ (bank.port.turns @ first - second)
        return dict(zip(labels, (second * current.conj()).tolist(), strict=True))
    total = dict.fromkeys(labels, 0j)
    for member in bank.members:
        names = bank.first.labels if member.turned else labels
        for i, place in zip(member.first if member.turned else member.second, member.second,
                            strict=False):
            s = _flow(point, member.branch.name, names[i], t)
            total[labels[place]] += -s if member.turned else s
    return total


def _flow(point: OperatingPoint, name: str, k: str, t: Hashable) -> complex:
    if (name, k, t) not in point.flows:
        raise ModelError.at("operating point", f"lacks the flow of branch {name!r}",
                            "Solve the AC power flow of the same network.")
    return point.flows[name, k, t]


def _load_source(point: OperatingPoint, source) -> None:
    for k, t in source.p.index_set():
        s = point.source[k, t]
        source.p[k, t].set_value(s.real)
        source.q[k, t].set_value(s.imag)
