"""The corrected OPF as a loop: solve, AC power flow of the dispatch, fit, until both agree."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import pyomo.environ as pyo

from pyomo_dlmp.blocks.registry import device_blocks
from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.network import Network
from pyomo_dlmp.opf import build_opf, fit_to_operating_point
from pyomo_dlmp.opf.correction import loads_outside
from pyomo_dlmp.opf.load_scale import LoadScale
from pyomo_dlmp.power_flow import AcPowerFlow, ac_power_flow
from pyomo_dlmp.solve import solve_opf

TOLERANCE = 0.002  # pu


@dataclass
class CorrectedOpf:
    """A corrected OPF: the solved model and the AC power flow of its dispatch.

    Attributes
    ----------
    model : ConcreteModel
        With values and duals.
    ac : AcPowerFlow
        Of its dispatch.
    settled : bool
        Whether the loop converged: the greatest voltage difference is within the tolerance.
    rounds : DataFrame
        Columns round, greatest_difference_pu (pu), at (bus.phase and period), cost ($),
        ac_losses_mwh (MWh of all periods).
    """

    model: Any
    ac: AcPowerFlow
    settled: bool
    rounds: pd.DataFrame = field(repr=False)


def solve_corrected_opf(
    network: Network, *, tolerance: float = TOLERANCE, max_rounds: int = 10,
    load_scale: LoadScale = 1.0, **options: Any,
) -> CorrectedOpf:
    """The DSO's OPF with losses and voltages of an AC power flow of its own dispatch.

    Form (c): the rows hold exactly at the AC operating point, and the objective has the quadratic
    losses around it, so that prices have their loss part. A load whose voltage left its range at
    one of the points is an impedance from then on, as it is in AC there.

    Parameters
    ----------
    network : Network
        The feeder.
    tolerance : float
        The loop stops when every AC voltage magnitude is within this of the model's (pu).
    max_rounds : int
        Most rounds. The loop does not converge if the optimal dispatch jumps between two points:
        `settled` is then False, and a smaller step (tighter device limits) is the cure.
    load_scale : float, sequence, mapping or "profiles"
        As of `OpfOptions`.
    **options
        Of `build_opf`.

    Returns
    -------
    CorrectedOpf

    Raises
    ------
    ModelError
        If an option is given that the loop sets itself.
    OpenDssError
        If the extra ``opendss`` is missing, or the AC power flow does not converge.
    """
    for key in ("losses", "operating_point", "into"):
        if key in options:
            raise ModelError.at(key, "is set by solve_corrected_opf", "Leave it out.")
    common = {**options, "load_scale": load_scale}
    hours = options.get("hours", 1.0)
    first = build_opf(network, losses=None, **common)
    if any(not var.fixed for _, block in device_blocks(first)
           for var in block.component_data_objects(pyo.Var)):
        solve_opf(first)
    ac = ac_power_flow(network, first, load_scale=load_scale, hours=hours)
    m = build_opf(network, losses="corrected", operating_point=ac.point, **common)
    outside = loads_outside(network, ac.point)
    rows = []
    settled = False
    for number in range(1, max_rounds + 1):
        solve_opf(m)
        ac = ac_power_flow(network, m, load_scale=load_scale, hours=hours)
        error, where = greatest_difference(m, ac)
        rows.append((number, error, where, pyo.value(m.cost),
                     hours * sum(ac.losses.values())))
        # once an impedance, always one: else two points may alternate
        ac.point.impedance_legs = outside
        grown = loads_outside(network, ac.point)
        settled = error <= tolerance and grown == outside
        if settled or number == max_rounds:
            break
        if grown != outside:
            outside = grown
            m = build_opf(network, losses="corrected", operating_point=ac.point, **common)
        else:
            fit_to_operating_point(m, network, ac.point)
    return CorrectedOpf(m, ac, settled, pd.DataFrame(
        rows, columns=["round", "greatest_difference_pu", "at", "cost", "ac_losses_mwh"]))


def greatest_difference(m: Any, ac: AcPowerFlow) -> tuple[float, str]:
    """Greatest difference of voltage magnitudes between a model and an AC power flow.

    Parameters
    ----------
    m : Block
        Filled by `build_opf`, solved.
    ac : AcPowerFlow
        Of the same network and periods.

    Returns
    -------
    (float, str)
        The difference (pu), and where it is: bus.phase and period.
    """
    return max((abs(ours - theirs), f"{bus}.{phase} period {t}")
               for bus, phase, t, ours, theirs in ac.against(m))
