"""Blocks of the branches and shunts of a reduced network."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyomo_dlmp.blocks import (
    AdmittanceBlock,
    Horizon,
    LineBlock,
    ParallelBlock,
    RegulatorBlock,
    ShuntBlock,
    TransformerBlock,
)
from pyomo_dlmp.blocks.parallel import Ports, carry_nothing, follow
from pyomo_dlmp.blocks.shunt import inject_charging
from pyomo_dlmp.network import Branch, Line, Network, Regulator
from pyomo_dlmp.network.admittance import NodalAdmittance
from pyomo_dlmp.network.parallel import Side, bank_of, element_bank
from pyomo_dlmp.network.ratings import limit_kva
from pyomo_dlmp.opf.options import OpfOptions
from pyomo_dlmp.opf.reduction import Reduction
from pyomo_dlmp.tolerances import RANK

KINDS = {"line": LineBlock, "regulator": RegulatorBlock, "transformer": TransformerBlock,
         "admittance": AdmittanceBlock}


def component_of(branch: Branch) -> str:
    """The component of a model that holds a branch.

    Parameters
    ----------
    branch : Branch
        Any branch.

    Returns
    -------
    str
        A regulator with an impedance is among the transformers.
    """
    if isinstance(branch, Line):
        return "line"
    if isinstance(branch, Regulator):
        return "regulator" if branch.kva is None else "transformer"
    return "admittance" if isinstance(branch, NodalAdmittance) else "transformer"


def add_branches(m: Any, reduction: Reduction, horizon: Horizon, given: OpfOptions,
                 grounded: set[str]) -> None:
    """Every branch by its name, banks of parallel ones, and shunts.

    Parameters
    ----------
    m : Block
        With its buses.
    reduction : Reduction
        Its network, and how branches are held.
    horizon : Horizon
        Periods and shared indices.
    given : OpfOptions
        Of thermal limits.
    grounded : set of str
        Buses whose voltage to ground is held.

    Raises
    ------
    ModelError
        If a block refuses its data.
    """
    network, held = reduction.network, reduction.branches
    names: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for branch in network.branches.values():
        names[component_of(branch)].append(branch.name)
    for kind, block in KINDS.items():
        m.add_component(kind, block(names[kind]))
    m.parallel = ParallelBlock([bank[0][0].name for bank in held.banks])
    limits = (given.thermal_sides, given.thermal_penalty)
    for branch in held.single:
        block = m.component(component_of(branch))[branch.name]
        ends = m.bus[branch.from_bus], m.bus[branch.to_bus]
        if isinstance(branch, NodalAdmittance):
            _add_admittance(m, branch, horizon, branch.to_bus in grounded)
        elif isinstance(branch, Regulator) and branch.kva is None:
            block.build(branch, horizon, *ends)
        else:
            block.build(branch, horizon, *ends, *limits, branch.to_bus in grounded)
    for bank in held.banks:
        _add_bank(m, network, horizon, given, grounded, bank)
    for branch in held.idle:
        ends = m.bus[branch.from_bus], m.bus[branch.to_bus]
        carry_nothing(m.component(component_of(branch))[branch.name], branch.phases, horizon, ends)
        if isinstance(branch, Line):
            inject_charging(branch, horizon, ends)
    m.shunt = ShuntBlock(list(network.shunts))
    for name, shunt in network.shunts.items():
        m.shunt[name].build(shunt, horizon, m.bus[shunt.buses[0]])


def _add_bank(m, network: Network, horizon: Horizon, given: OpfOptions, grounded: set[str],
              pairs: list[tuple[Branch, bool]]) -> None:
    """Parallel branches: the bank, and its members' own flows, ratings and charging."""
    branches, turned = [list(column) for column in zip(*pairs, strict=True)]
    bank = bank_of(branches, network.buses, turned)
    sides = {(b.to_bus, b.from_bus) if back else (b.from_bus, b.to_bus) for b, back in pairs}
    first, second = next(((b.to_bus, b.from_bus) if back else (b.from_bus, b.to_bus))
                         for b, back in pairs)
    block = m.parallel[branches[0].name]
    block.build(bank, horizon, m.bus[first], m.bus[second], second in grounded,
                inject=len(sides) == 1)
    for member in bank.members:
        branch = member.branch
        own = m.component(component_of(branch))[branch.name]
        ends = m.bus[branch.from_bus], m.bus[branch.to_bus]
        follow(own, member, block, horizon, ends)
        kva = limit_kva(branch)
        if kva is not None:
            own.limit_flow(kva, given.thermal_sides, given.thermal_penalty, horizon.hours)
        if isinstance(branch, Line):
            inject_charging(branch, horizon, ends)


def _add_admittance(m, element: NodalAdmittance, horizon: Horizon, grounded: bool) -> None:
    """Its first bus as one side, all others as the other, without conductors of no admittance."""
    live = np.abs(element.y).max(axis=1) > RANK * np.abs(element.y).max()
    places = [i for i, row in enumerate(live) if row]
    y = element.y[np.ix_(places, places)]
    terminals = [element.terminals[i] for i in places]
    head, *rest = element.buses
    first = [k for bus, k in terminals if bus == head]
    at = {(k if bus == rest[0] else f"{k} at {bus}"): (m.bus[bus], k)
          for bus, k in terminals if bus != head}
    bank = element_bank(
        element, Side(tuple(first), np.full(len(first), m.bus[head].kv_ln)),
        Side(tuple(at), np.array([bus.kv_ln for bus, _ in at.values()])), y)
    m.admittance[element.name].build(
        bank, horizon, m.bus[head], m.bus[rest[0]] if len(rest) == 1 else Ports(at), grounded)
