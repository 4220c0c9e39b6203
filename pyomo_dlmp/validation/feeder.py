"""`validate_feeder`: the linear model of a feeder against AC at nominal load, in one table."""

from __future__ import annotations

import time
from collections.abc import Callable

import pandas as pd
import pyomo.environ as pyo

from pyomo_dlmp.blocks.registry import device_blocks
from pyomo_dlmp.network import Network
from pyomo_dlmp.network.units import mega
from pyomo_dlmp.opf import build_opf, fit_to_operating_point
from pyomo_dlmp.power_flow import AcPowerFlow, ac_power_flow
from pyomo_dlmp.solve import solve_opf
from pyomo_dlmp.tolerances import ROUNDING

COLUMNS = ["form", "load", "max_error", "at", "mean_error", "unit"]


def validate_feeder(network: Network, progress: Callable[[str], None] | None = None,
                    ) -> tuple[pd.DataFrame, AcPowerFlow]:
    """Voltage errors of the model's forms against AC, taps fixed, and the AC power flow itself.

    Forms: lossless at nominal load (a); corrected at the AC point (c), there and as a prediction at
    90 and 110 % of the load it was fitted to.

    Parameters
    ----------
    network : Network
        The feeder.
    progress : callable, optional
        progress(stage) is called before each step.

    Returns
    -------
    (DataFrame, AcPowerFlow)
        Columns form, load (share of nominal), max_error, at (bus.phase), mean_error, unit (pu); and
        the AC power flow at nominal load.

    Raises
    ------
    OpenDssError
        If the extra ``opendss`` is missing, or the AC power flow does not converge.
    """
    tell = progress or (lambda _: None)
    tell("AC power flow at nominal load")
    ac = ac_power_flow(network)
    tell("lossless model")
    rows = [("lossless", 1.0, *_errors(network, ac, 1.0, losses=None))]
    tell("corrected model, fitted to it")
    m = _fitted(network, ac, 1.0)
    solve_opf(m)
    rows.append(("corrected", 1.0, *_worst(m, ac)))
    for scale in (0.9, 1.1):
        tell(f"corrected model at {100 * scale:.0f} % load")
        other = ac_power_flow(network, load_scale=scale)
        rows.append(("corrected", scale, *_predicted(network, m, ac, other, scale)))
    table = pd.DataFrame(rows, columns=COLUMNS[:-1])
    return table.assign(unit="pu"), ac


def _errors(network: Network, ac: AcPowerFlow, scale: float, **options):
    m = build_opf(network, voltage_limits=None, load_scale=scale, **options)
    _hold(m, network)
    solve_opf(m)
    return _worst(m, ac)


def _fitted(network: Network, ac: AcPowerFlow, scale: float):
    """The corrected form, its devices held before it is fitted."""
    m = build_opf(network, voltage_limits=None, load_scale=scale, losses="corrected",
                  operating_point=ac.point)
    _hold(m, network)
    fit_to_operating_point(m, network, ac.point)
    return m


def _predicted(network: Network, m, fitted: AcPowerFlow, other: AcPowerFlow, scale: float):
    """The corrected form with other loads: a new model with the residuals of the fitted one."""
    n = _fitted(network, fitted, scale)
    for name, bus in m.bus.items():
        for key in ("p_residual", "q_residual"):
            getattr(n.bus[name], key).store_values(getattr(bus, key).extract_values())
    solve_opf(n)
    return _worst(n, other)


def _hold(m, network: Network) -> None:
    """Fix devices at their powers in the AC power flow, and deactivate their own rows."""
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


def _within(var, value: float) -> float:
    """A value without the rounding by which it is beyond a bound of its Var."""
    for bound in (var.lb, var.ub):
        if bound is not None and abs(value - bound) <= ROUNDING * (1.0 + abs(bound)):
            return bound
    return value


def _worst(m, ac: AcPowerFlow):
    errors = {f"{bus}.{phase}": abs(ours - theirs)
              for bus, phase, _, ours, theirs in ac.against(m)}
    at = max(errors, key=lambda key: errors[key])
    return errors[at], at, sum(errors.values()) / len(errors)


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
