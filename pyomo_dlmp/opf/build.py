"""`build_opf`: a Network becomes the DSO's optimal power flow."""

from __future__ import annotations

from typing import Any

import pyomo.environ as pyo
from pyomo.common.gc_manager import PauseGC
from pyomo.core.base.block import BlockData

from pyomo_dlmp.blocks import BusBlock, Horizon, SubstationBlock
from pyomo_dlmp.blocks.data_checks import sound
from pyomo_dlmp.blocks.parallel import branch_blocks
from pyomo_dlmp.deprecation import renamed_arguments
from pyomo_dlmp.errors import ModelError, listed, require_kind, shown
from pyomo_dlmp.network import Line, Network
from pyomo_dlmp.network.zones import grounded_buses
from pyomo_dlmp.opf.ac_form import build_ac
from pyomo_dlmp.opf.branches import add_branches
from pyomo_dlmp.opf.devices import add_devices
from pyomo_dlmp.opf.limits import add_voltage_limits
from pyomo_dlmp.opf.objective import add_cost
from pyomo_dlmp.opf.options import OpfOptions
from pyomo_dlmp.opf.ownership import assign_decisions
from pyomo_dlmp.opf.prices import PriceOf
from pyomo_dlmp.opf.reduction import reduced, refuse_nonconvex_losses
from pyomo_dlmp.opf.unbalance import add_unbalance


@renamed_arguments(net="network")
def build_opf(network: Network, *, into: Any = None, **options: Any) -> Any:
    """The DSO's OPF of a feeder: three-phase power flow, convex quadratic cost in $.

    The power flow is linear (``form="lindist"``), or the AC equations, linear at an operating point
    where they are then exact in values and slopes (``form="ac"``; `solve_ac_opf` finds the point).

    Parameters
    ----------
    network : Network
        The feeder.
    into : Block, optional
        A block to fill, such as a LowerLevel; None makes a ConcreteModel.
    **options
        Fields of `OpfOptions`: periods, hours, price, load_scale, form, losses, voltage_limits,
        v_min, v_max, penalty, voltage_legs, neutral_v_max, neutral_penalty, thermal_sides,
        thermal_penalty, angles, datacenter_kw, operating_point, unbalance, price_takers.

    Returns
    -------
    ConcreteModel or Block
        With blocks `bus, substation, line, regulator, transformer` by name (and `admittance`,
        `shunt`, and `parallel` of merged branches), one for each kind of devices
        (`demand` for loads, `generator, storage, capacitor, datacenter, svg`, and those
        registered from outside) and the Objective `cost`. In a LowerLevel each datacenter's
        decisions are declared the upper level's (and those of the SVGs it owns); alone, its power
        is fixed at `datacenter_kw`, or at its capacity. `price_takers` stay free.

    Raises
    ------
    ModelError
        If options or an element are wrong. All options are checked, alone and with the network,
        before a component is made: the message names every one that is wrong.
    """
    require_kind(network, Network, "build_opf")
    given = OpfOptions.of(options, network)
    _require_empty(into)
    m = pyo.ConcreteModel(name=network.name) if into is None else into
    with PauseGC(), sound(network.elements):
        (build_ac if given.form == "ac" else _build_linear)(m, network, given)
    m.price_of = PriceOf(m)
    return m


def _build_linear(m: Any, network: Network, given: OpfOptions) -> None:
    """The linear form, of a reduced network."""
    reduction = reduced(network)
    network = reduction.network
    if given.losses is not None:
        refuse_nonconvex_losses(b for b in reduction.branches.single if isinstance(b, Line))
    horizon = Horizon(m, given.periods, given.hours, given.angles)
    grounded = grounded_buses(network)
    _add_buses(m, network, horizon, horizon.series(given.price, "price"))
    add_branches(m, reduction, horizon, given, grounded)
    add_devices(m, network, horizon, given, grounded)
    assign_decisions(m, horizon, given.datacenter_kw, given.price_takers)
    add_voltage_limits(m, network, given)
    if given.unbalance is not None:
        add_unbalance(m, given.unbalance)
    if given.losses is not None:
        for _, branch in branch_blocks(m):
            if branch.lossy:
                branch.add_losses(horizon)
    add_cost(m, horizon, given.losses)


def _require_empty(into: Any) -> None:
    """Refuse what is no block, or holds components of the names that the OPF gives its own."""
    if into is None:
        return
    if not isinstance(into, BlockData):
        raise ModelError.at("build_opf", f"was given into={shown(into)}",
                            "Give it a block such as a LowerLevel(), or leave it out.")
    taken = [name for name in ("bus", "substation", "line", "regulator", "transformer", "cost")
             if into.component(name) is not None]
    if taken:
        raise ModelError.at("build_opf", f"was given the block {into.name!r}, which holds "
                            f"{listed(taken)} already", "Give it an empty block.")


# Blocks are built by calls, not by rules: Pyomo would print an error of its own before ours.


def _add_buses(m, network: Network, horizon: Horizon, prices) -> None:
    m.bus = BusBlock(list(network.buses))
    for name, bus in network.buses.items():
        m.bus[name].build(bus, horizon)
    m.substation = SubstationBlock(list(network.substations))
    for name, source in network.substations.items():
        m.substation[name].build(source, horizon, m.bus[source.bus], prices)
