"""`build_opf`: a Network becomes the DSO's optimal power flow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pyomo.environ as pyo
from pyomo.common.gc_manager import PauseGC

from pyomo_dlmp.blocks import (
    BusBlock,
    CapacitorBlock,
    DatacenterBlock,
    GeneratorBlock,
    Horizon,
    LineBlock,
    LoadBlock,
    RegulatorBlock,
    StorageBlock,
    SubstationBlock,
    SvgBlock,
    TransformerBlock,
)
from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.network import Branch, Line, Network, OperatingPoint, Regulator, Transformer
from pyomo_dlmp.network.zones import grounded_buses
from pyomo_dlmp.opf.correction import fit_to_operating_point, loads_outside
from pyomo_dlmp.opf.limits import add_voltage_limits
from pyomo_dlmp.opf.load_scale import LoadScale, load_series
from pyomo_dlmp.opf.objective import add_cost
from pyomo_dlmp.opf.ownership import assign_decisions
from pyomo_dlmp.opf.unbalance import Unbalance, add_unbalance

LOSSES = ("quadratic", "corrected", None)


def build_opf(
    network: Network, *, periods: int | Sequence = 1, hours: float = 1.0,
    price: float | Sequence[float] = 50.0, load_scale: LoadScale = 1.0,
    losses: str | None = "quadratic", voltage_limits: str | None = "soft",
    v_min: float = 0.95, v_max: float = 1.05, penalty: float = 2000.0, thermal_sides: int = 12,
    thermal_penalty: float | None = 2000.0, angles: bool = True,
    datacenter_kw: Mapping[str, float | Sequence[float]] | None = None, into=None,
    operating_point: OperatingPoint | None = None, unbalance: Unbalance | None = None,
    price_takers: Iterable[str] = (),
):
    """The DSO's OPF of a feeder: linear three-phase power flow, convex quadratic cost in $.

    periods: number or labels; hours: length of one. price: $/MWh at the substation, a number or one
    per period. load_scale: multiplier of the loads: a number, one per period, a mapping by load, or
    "profiles" (each its own). losses: "quadratic" (in the objective
    at the substation price), "corrected" (the same, and all rows fitted to the AC
    `operating_point`, where they are then exact) or None. voltage_limits: "soft" ($ `penalty` per
    pu^2 of squared voltage and hour), "hard" or None, line-to-neutral in v_min .. v_max pu.
    thermal_sides: polygon of rated branches, soft at `thermal_penalty` ($ per MVA and hour; of
    front ends and total SVG ratings that the DSO runs, too) or hard (None).
    angles: carry voltage angles. into: a Block (a LowerLevel, say) to fill; None makes a
    ConcreteModel. unbalance: limits or a penalty on voltage unbalance (`Unbalance`). Returns the
    model with blocks `bus, substation, line, regulator, transformer, demand, generator, storage,
    capacitor, datacenter, svg` by name (loads are `demand`: Pyomo reserves `load`) and the
    Objective `cost`.

    In a LowerLevel each datacenter's decisions are declared the upper level's (and those of the
    SVGs it owns); alone, its power is fixed at `datacenter_kw[name]` (number or one per period), or
    at its capacity. Those named in `price_takers` stay free: their aggregator is a part of the
    same problem (`market.AggregatorBlock`).
    Raises ModelError naming the argument or element.
    """
    if losses not in LOSSES:
        raise ModelError.at("losses", f"is {losses!r}",
                            "Use 'quadratic', 'corrected' or None.")
    if (losses == "corrected") != (operating_point is not None):
        raise ModelError.at(
            "operating_point", "goes with losses='corrected'",
            "Give ac_power_flow(network, ...).point, or let solve_corrected_opf do it.")
    m = pyo.ConcreteModel(name=network.name) if into is None else into
    with PauseGC():
        horizon = Horizon(m, periods, hours, angles, corrected=losses == "corrected")
        bus = _buses(m, network, horizon)
        m.substation = SubstationBlock(list(network.substations), rule=lambda b, n: b.build(
            network.substations[n], horizon, bus[network.substations[n].bus], price))
        lines, ideal, banks = sort_branches(network)
        grounded = grounded_buses(network)
        for kind, block, items, options in (
            ("line", LineBlock, lines, (thermal_sides, thermal_penalty)),
            ("regulator", RegulatorBlock, ideal, ()),
            ("transformer", TransformerBlock, banks, (thermal_sides, thermal_penalty)),
        ):
            rule = _branch_rule(items, horizon, bus, options, grounded)
            m.add_component(kind, block(list(items), rule=rule))
        outside = loads_outside(network, operating_point)
        scales = load_series(network, load_scale, horizon.labels, hours)
        m.demand = LoadBlock(list(network.loads), rule=lambda b, n: b.build(
            network.loads[n], horizon, bus[network.loads[n].bus], scales[n],
            outside.get(n, frozenset())))
        for kind, block, devices, extra in (
            ("generator", GeneratorBlock, network.generators, None),
            ("storage", StorageBlock, network.storages, None),
            ("capacitor", CapacitorBlock, network.capacitors, None),
            ("datacenter", DatacenterBlock, network.datacenters, lambda _: (thermal_penalty,)),
            ("svg", SvgBlock, network.svgs, lambda at: (at in grounded, thermal_penalty)),
        ):
            rule = _device_rule(devices, horizon, bus, extra)
            m.add_component(kind, block(list(devices), rule=rule))
        _refuse_stars(network, grounded)
        assign_decisions(m, horizon, datacenter_kw, price_takers)
        add_voltage_limits(m, network, voltage_limits, v_min, v_max, penalty)
        if unbalance is not None:
            add_unbalance(m, unbalance)
        if losses is not None:
            for branch in (*m.line.values(), *m.transformer.values()):
                branch.add_losses(horizon, *_start(branch, operating_point))
        add_cost(m, horizon, losses)
        if operating_point is not None:
            fit_to_operating_point(m, network, operating_point)
    return m


def _start(branch, point: OperatingPoint | None) -> tuple:
    """Voltages at the to-bus of an operating point, and that there is one; or nothing."""
    if point is None:
        return ()
    bus = branch.to_bus_name
    return (lambda phase, t: abs(point.voltages[bus, phase, t])), True


def _buses(m, network: Network, horizon: Horizon):
    m.bus = BusBlock(list(network.buses), rule=lambda b, n: b.build(network.buses[n], horizon))
    return m.bus


def sort_branches(network: Network) -> tuple[dict, dict, dict]:
    """Lines, ideal regulators, and all else by name: single branches, or banks of them.

    Branches side by side form a bank where one of them couples phases; it has the name of its
    first transformer or regulator.
    """
    beside: dict[tuple[str, str], list[Branch]] = {}
    for branch in network.branches.values():
        beside.setdefault((branch.from_bus, branch.to_bus), []).append(branch)
    lines: dict[str, Branch] = {}
    ideal: dict[str, Branch] = {}
    banks: dict[str, tuple[Branch, ...]] = {}
    for group in beside.values():
        if len(group) > 1 and any(len(leg) > 1 for b in group for leg in _legs(b)):
            group.sort(key=lambda branch: isinstance(branch, Line))
            banks[group[0].name] = tuple(group)
            continue
        for branch in group:
            if isinstance(branch, Line):
                lines[branch.name] = branch
            elif isinstance(branch, Regulator) and branch.kva is None:
                ideal[branch.name] = branch
            else:
                banks[branch.name] = (branch,)
    return lines, ideal, banks


def _legs(branch: Branch) -> tuple[str, ...]:
    return branch.legs[1] if isinstance(branch, Transformer) else tuple(branch.to_phases)


def _branch_rule(items, horizon, bus, options, grounded):
    def build(block, name):
        item = items[name]
        first = item[0] if isinstance(item, tuple) else item
        more = () if isinstance(item, Regulator) else (first.to_bus in grounded,)
        block.build(item, horizon, bus[first.from_bus], bus[first.to_bus], *options, *more)
    return build


def _device_rule(items, horizon, bus, extra=None):
    return lambda b, n: b.build(
        items[n], horizon, bus[items[n].bus], *(extra(items[n].bus) if extra else ()))


def _refuse_stars(network: Network, grounded) -> None:
    """A datacenter whose legs differ needs a neutral, or a delta."""
    for name, dc in network.datacenters.items():
        if not dc.balanced and dc.connection == "wye" and dc.bus not in grounded:
            raise ModelError.at(
                f"datacenter '{name}'", f"has legs of its own to neutral at bus '{dc.bus}', which "
                "nothing grounds", "Connect it in delta.")
