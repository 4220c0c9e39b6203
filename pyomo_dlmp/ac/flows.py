"""Flows and losses of a solution of the AC equations, as an `OperatingPoint`."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from pyomo_dlmp.ac.adjoint import referred
from pyomo_dlmp.ac.elements import charging
from pyomo_dlmp.ac.newton import AcState
from pyomo_dlmp.network import Line, OperatingPoint


def operating_point(state: AcState, labels: Sequence[Hashable],
                    flows: bool = True) -> OperatingPoint:
    """Voltages, flows, injections, bought power and losses as data.

    Parameters
    ----------
    state : AcState
    labels : sequence
        Of the periods.
    flows : bool
        Whether it has the powers of branches and the losses, which no model needs.

    Returns
    -------
    OperatingPoint
    """
    point = OperatingPoint(periods=list(labels), settled=dict.fromkeys(labels, True))
    _voltages(state, point)
    _injections(state, point)
    for (_, k), row in zip(state.circuit.source.terminals, state.bought.tolist(), strict=True):
        point.source.update(((k, t), s) for t, s in zip(point.periods, row, strict=True))
    if flows:
        _flows(state, point)
    return point


def _voltages(state: AcState, point: OperatingPoint) -> None:
    c = state.circuit
    volts = referred(state).tolist()
    for (bus, k), node in c.at.items():
        row = [0j] * len(point.periods) if node < 0 else volts[node]
        point.voltages.update(((bus, k, t), v) for t, v in zip(point.periods, row, strict=True))


def _injections(state: AcState, point: OperatingPoint) -> None:
    legs = state.circuit.legs
    for name, at in legs.of.items():
        if legs.given[at[0]]:
            powers = state.injected[at]
            for i, t in enumerate(point.periods):
                s = powers[:, i]
                point.injections[name, t] = (tuple(s.real.tolist()), tuple(s.imag.tolist()))


def _flows(state: AcState, point: OperatingPoint) -> None:
    """Power that reaches the to-bus of each branch, and losses."""
    c, network = state.circuit, state.circuit.network
    base = referred(state)
    losses = np.zeros(state.z.shape[1])
    arrives: dict[str, dict[str, np.ndarray]] = {}
    for element in c.elements:
        at = [c.at[end] for end in element.terminals]
        current = element.y @ state.volts[at]
        losses += (state.volts[at] * current.conj()).real.sum(axis=0)
        branch = network.branches.get(element.name)
        if branch is None or element.kind in ("shunt", "grounding"):
            continue
        if isinstance(branch, Line) and branch.code.b is not None:  # before its charging
            current = (element.y - charging(network, branch)) @ state.volts[at]
        for (bus, k), node, i in zip(element.terminals, at, current, strict=True):
            if bus == branch.to_bus:
                arrives.setdefault(branch.name, {})[k] = -base[node] * i.conj()
    for number, row in enumerate(c.ideal):
        name = row.name.rpartition(".")[0]
        branch = network.branches.get(name)
        for (bus, k), coef in zip(row.terminals, row.coefs.tolist(), strict=True):
            if row.kind != "zone" and branch is not None and bus == branch.to_bus:
                s = -base[c.at[bus, k]] * np.conj(coef * state.z[c.n + number])
                before = arrives.setdefault(name, {}).get(k, 0.0)
                arrives[name][k] = before + s
    zero = np.zeros(len(point.periods), dtype=complex)
    for name, branch in network.branches.items():
        for k in branch.to_phases:
            values = arrives.get(name, {}).get(k, zero).tolist()
            point.flows.update(((name, k, t), s)
                               for t, s in zip(point.periods, values, strict=True))
    point.losses = dict(zip(point.periods, losses.tolist(), strict=True))
