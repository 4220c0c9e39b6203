"""`validate_feeder`: the forms of a feeder's model against AC, in one table."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyomo.environ as pyo

from pyomo_dlmp.ac_opf import AcLoop
from pyomo_dlmp.blocks.registry import device_blocks
from pyomo_dlmp.network import Network, OperatingPoint
from pyomo_dlmp.network.units import mega
from pyomo_dlmp.opf import build_opf
from pyomo_dlmp.power_flow import AcPowerFlow, ac_power_flow
from pyomo_dlmp.solve import solve_opf
from pyomo_dlmp.tolerances import ROUNDING
from pyomo_dlmp.validation.outside import loads_outside
from pyomo_dlmp.validation.prices import compare_prices

LINEAR = {"lossless": None, "with losses": "quadratic"}
PREDICTED = (0.9, 1.1)
PRICES = ("price_error", "price_at", "reactive_price_error", "reactive_price_at")
COLUMNS = ["form", "load", "max_error", "at", "mean_error", "unit", *PRICES, "price_unit",
           "legs_across"]


def validate_feeder(network: Network, progress: Callable[[str], None] | None = None, *,
                    predicted: Sequence[float] = PREDICTED) -> tuple[pd.DataFrame, AcPowerFlow]:
    """Errors of the model's forms against AC, taps fixed, and the AC power flow itself.

    Forms: the linear one, lossless and with losses in the objective, at nominal load; the AC form
    at its operating point, there and as a prediction at other loads.

    Parameters
    ----------
    network : Network
        The feeder.
    progress : callable, optional
        progress(stage) is called before each step.
    predicted : sequence of float
        Loads (share of nominal) at which the AC form at nominal load predicts voltages.

    Returns
    -------
    (DataFrame, AcPowerFlow)
        Columns form, load (share of nominal), max_error, at (bus.phase), mean_error, unit (pu) of
        voltages; price_error, price_at (bus.leg), reactive_price_error, reactive_price_at,
        price_unit ($/MWh; $/Mvarh if reactive): the greatest error of a leg's price against the
        adjoint of the AC equations at a price of 50 $/MWh, nan where it is predicted; legs_across:
        legs of loads whose voltage crosses an end of their range between nominal and this load,
        where their law has a kink. And the AC power flow at nominal load, by the OpenDSS engine.

    Raises
    ------
    OpenDssError
        If the AC power flow does not converge.
    SolverError
        If the AC equations have no solution.
    """
    tell = progress or (lambda _: None)
    tell("AC power flow at nominal load")
    ac = ac_power_flow(network)
    tell("AC form at its operating point")
    loop = AcLoop(network, voltage_limits=None)
    rows = []
    for form, losses in LINEAR.items():
        tell(f"linear model, {form}")
        m = build_opf(network, voltage_limits=None, losses=losses)
        rows.append((form, 1.0, *_errors(m, network, ac), *_price_errors(loop, m), 0))
    m = loop.model
    rows.append(("AC", 1.0, *_errors(m, network, ac), *_price_errors(loop, m), 0))
    for scale in predicted:
        tell(f"AC form at {100 * scale:g} % load")
        m = _ac_form(network, loop.point, scale)
        _solve(m, network)
        other = ac_power_flow(network, m, load_scale=scale)
        rows.append(("AC", scale, *_worst(m, other), *_NOT_COMPARED, _across(network, ac, other)))
    columns = [name for name in COLUMNS if name not in ("unit", "price_unit")]
    table = pd.DataFrame(rows, columns=columns).assign(unit="pu", price_unit="$/MWh")
    return table[COLUMNS], ac


_NOT_COMPARED = (np.nan, "", np.nan, "")


def _across(network: Network, one: AcPowerFlow, other: AcPowerFlow) -> int:
    """Legs of loads that are inside their range in one power flow alone."""
    first, second = (loads_outside(network, ac.point) for ac in (one, other))
    return sum(len(first.get(name, set()) ^ second.get(name, set()))
               for name in {*first, *second})


def _ac_form(network: Network, point: OperatingPoint, scale: float) -> Any:
    """The AC form at an operating point, with other loads than those of the point."""
    return build_opf(network, voltage_limits=None, form="ac", operating_point=point,
                     load_scale=scale)


def _errors(m: Any, network: Network, ac: AcPowerFlow) -> tuple[float, str, float]:
    _solve(m, network)
    return _worst(m, ac)


def _solve(m: Any, network: Network) -> None:
    """Fix devices at their nominal powers, deactivate their own rows, and solve."""
    for name, block in device_blocks(m):
        power = network.devices[name].nominal_power()
        if power is None:
            continue
        for row in block.component_objects(pyo.Constraint, active=True):
            row.deactivate()
        legs = network.devices[name].equal_legs(*map(mega, power))
        for t in m.periods:
            for var, value in block.settings(t, *legs):
                var.fix(_within(var, value))
    solve_opf(m)


def _within(var: Any, value: float) -> float:
    """A value without the rounding by which it is beyond a bound of its Var."""
    for bound in (var.lb, var.ub):
        if bound is not None and abs(value - bound) <= ROUNDING * (1.0 + abs(bound)):
            return float(bound)
    return value


def _worst(m: Any, ac: AcPowerFlow) -> tuple[float, str, float]:
    """Greatest voltage error, where it is, and the mean."""
    errors = {f"{bus}.{phase}": abs(ours - theirs)
              for bus, phase, _, ours, theirs in ac.against(m)}
    at = max(errors, key=lambda key: errors[key])
    return errors[at], at, sum(errors.values()) / len(errors)


def _price_errors(loop: AcLoop, m: Any) -> tuple:
    """Greatest error of an active and of a reactive price, and where."""
    found: list = []
    table = compare_prices(loop, m)
    for quantity in ("active", "reactive"):
        part = table[table["quantity"] == quantity]
        worst = part.iloc[int(part["error"].abs().to_numpy().argmax())]
        found += [abs(worst["error"]), f"{worst['bus']}.{worst['leg']}"]
    return tuple(found)


def timed(network: Network, progress: Callable[[str], None] | None = None,
          ) -> tuple[pd.DataFrame, AcPowerFlow, float]:
    """`validate_feeder` and its duration.

    Parameters
    ----------
    network : Network
        The feeder.
    progress : callable, optional
        As of `validate_feeder`.

    Returns
    -------
    (DataFrame, AcPowerFlow, float)
        As of `validate_feeder`, and seconds.
    """
    start = time.monotonic()
    table, ac = validate_feeder(network, progress)
    return table, ac, time.monotonic() - start
