"""The DSO's OPF in the AC form: every conductor and every element of the feeder as it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyomo_dlmp.ac.circuit import Circuit
from pyomo_dlmp.ac.elements import Element, IdealRow
from pyomo_dlmp.blocks import AcBusBlock, AcElementBlock, AcSubstationBlock, Horizon
from pyomo_dlmp.network import CenterTappedTransformer, Network
from pyomo_dlmp.network.ratings import limit_kva
from pyomo_dlmp.opf.ac_point import set_operating_point
from pyomo_dlmp.opf.branches import component_of
from pyomo_dlmp.opf.curvature import add_curvature
from pyomo_dlmp.opf.devices import add_devices
from pyomo_dlmp.opf.limits import add_neutral_limits, add_voltage_limits
from pyomo_dlmp.opf.objective import add_cost
from pyomo_dlmp.opf.options import OpfOptions
from pyomo_dlmp.opf.ownership import assign_decisions
from pyomo_dlmp.opf.unbalance import add_unbalance

COMPONENTS = ("line", "regulator", "transformer", "admittance", "shunt", "grounding", "zone")


def build_ac(m: Any, network: Network, given: OpfOptions) -> None:
    """Fill a model with the AC form of a network.

    Parameters
    ----------
    m : Block
        Empty.
    network : Network
        The feeder; it is not reduced.
    given : OpfOptions
        With an operating point.

    Raises
    ------
    ModelError
        If an element or the operating point does not fit.
    """
    horizon = Horizon(m, given.periods, given.hours)
    circuit = Circuit(network)
    grounded = circuit.grounded
    m.bus = AcBusBlock(list(network.buses))
    for name, bus in network.buses.items():
        m.bus[name].build(bus, horizon, name in grounded)
    m.substation = AcSubstationBlock(list(network.substations))
    prices = horizon.series(given.price, "price")
    for name, source in network.substations.items():
        m.substation[name].build(source, horizon, m.bus[source.bus], prices)
    _add_elements(m, circuit, horizon, given)
    add_devices(m, network, horizon, given, grounded)
    assign_decisions(m, horizon, given.datacenter_kw, given.price_takers)
    add_voltage_limits(m, network, given)
    add_neutral_limits(m, given)
    if given.unbalance is not None:
        add_unbalance(m, given.unbalance)
    add_cost(m, horizon, None)
    add_curvature(m, horizon)
    assert given.operating_point is not None  # its options say so
    set_operating_point(m, network, given.operating_point)


def _add_elements(m: Any, circuit: Circuit, horizon: Horizon, given: OpfOptions) -> None:
    """Elements by admittance and ideal rows; those of one branch are in one block."""
    network = circuit.network
    parts: dict[str, dict[str, tuple[list[Element], list[IdealRow]]]] = {
        component: {} for component in COMPONENTS}
    for element in circuit.elements:
        component, name = place_of(network, element)
        parts[component].setdefault(name, ([], []))[0].append(element)
    for row in circuit.ideal:
        component, name = place_of(network, row)
        parts[component].setdefault(name, ([], []))[1].append(row)
    for component, found in parts.items():
        m.add_component(component, AcElementBlock(list(found)))
        blocks = m.component(component)
        for name, (linear, rows) in found.items():
            block = blocks[name]
            for element in linear:
                block.build(element.terminals, element.y, horizon, m.bus)
            if rows:
                block.join([(row.terminals, row.coefs) for row in rows], horizon, m.bus)
            other = component in ("shunt", "grounding", "zone")  # named as a bus, perhaps
            branch = None if other else network.branches.get(name)
            kva = limit_kva(branch)
            if kva is not None:  # of the halves of a centre-tapped one
                at = branch.to_bus if isinstance(branch, CenterTappedTransformer) else None
                block.limit_current(kva, horizon, m.bus, given.thermal_sides,
                                    given.thermal_penalty, at)


def place_of(network: Network, part: Element | IdealRow) -> tuple[str, str]:
    """Where a model of the AC form has an element or an ideal row.

    Parameters
    ----------
    network : Network
    part : Element or IdealRow
        Of a circuit.

    Returns
    -------
    (str, str)
        Component, that of the linear form where it has one; name of the block in it.
    """
    name = part.name
    if isinstance(part, IdealRow) and part.kind != "zone":
        name = name.rpartition(".")[0]
    branch = network.branches.get(name)
    if branch is None or part.kind in ("shunt", "grounding", "zone"):
        return part.kind, name
    return component_of(branch), name


def joints_of(model: Any, circuit: Circuit) -> Iterator[tuple[Any, int]]:
    """Where the currents of a circuit's ideal rows are.

    Parameters
    ----------
    model : Block
        Of the AC form.
    circuit : Circuit
        Of its network.

    Yields
    ------
    (AcElementBlock, int)
        Block, and number of the row in its `jr` and `ji`, in the order of ``circuit.ideal``.
    """
    seen: dict[int, int] = {}
    for row in circuit.ideal:
        component, name = place_of(circuit.network, row)
        block = model.component(component)[name]
        number = seen[id(block)] = seen.get(id(block), -1) + 1
        yield block, number
