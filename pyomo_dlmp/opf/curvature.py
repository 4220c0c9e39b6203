"""Curvature of the DSO's cost over the powers of its devices, in the AC form.

    1/2 sum_t (d - d0)' H (d - d0)

d: the powers of the devices' channels (`DeviceBlockData.channels`) in a period, d0 those at the
operating point; H from outside ($/MW^2 of the period). At the operating point value and slope are
0: no price at it depends on H, but the slopes of all prices do.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pyomo.environ as pyo
from pyomo.core.expr import SumExpression
from pyomo.core.expr.visitor import identify_variables

from pyomo_dlmp.blocks import Horizon
from pyomo_dlmp.blocks.registry import device_blocks
from pyomo_dlmp.errors import ModelError


class Channel(NamedTuple):
    """A power of a device that may vary.

    Attributes
    ----------
    device : str
        Name of the device.
    power : expression
        In MW or Mvar, generated.
    shares : dict of str to complex
        By leg of the bus: s of the leg per unit of `power`; -1j stands for nothing drawn.
    """

    device: str
    power: Any
    shares: dict[str, complex]


def channels(model: Any, t: Hashable) -> list[Channel]:
    """The channels of all devices in a period, in the order of the curvature's matrix.

    Parameters
    ----------
    model : Block
        Of the AC form.
    t : hashable
        The period.

    Returns
    -------
    list of Channel
    """
    return [Channel(name, power, shares) for name, block in device_blocks(model)
            if block.device.nominal_power() is not None
            for power, shares in block.channels(t) if _varies(power)]


def _varies(power: Any) -> bool:
    """Whether there is a Var in it; a fixed one may be freed later."""
    return not isinstance(power, int | float) and any(
        True for _ in identify_variables(power, include_fixed=True))


def add_curvature(m: Any, horizon: Horizon) -> None:
    """Add the term to the Objective `cost`, by mutable Params: H and d0 are 0 at first.

    Parameters
    ----------
    m : Block
        With its devices and `cost`.
    horizon : Horizon
        Periods of the model.
    """
    found = {t: channels(m, t) for t in horizon.labels}
    size = {t: range(len(found[t])) for t in horizon.labels}
    m.curvature_h = pyo.Param([(i, j, t) for t in horizon.labels for i in size[t]
                               for j in size[t] if j >= i], initialize=0.0, mutable=True)
    m.curvature_d0 = pyo.Param([(i, t) for t in horizon.labels for i in size[t]],
                               initialize=0.0, mutable=True)
    terms = []
    for t in horizon.labels:
        moved = [c.power - m.curvature_d0[i, t] for i, c in enumerate(found[t])]
        for i in size[t]:  # each pair once: the diagonal has its half
            row = [(0.5 if i == j else 1.0) * m.curvature_h[i, j, t] * moved[j]
                   for j in size[t] if j >= i]
            terms.append(moved[i] * SumExpression(row))
    m.curvature = pyo.Expression(expr=SumExpression(terms) if terms else 0.0)
    if terms:
        m.cost.set_value(m.cost.expr + m.curvature)


def set_curvature(model: Any, matrices: Mapping[Hashable, np.ndarray] | None) -> None:
    """Take a matrix for each period, around the channels' present values.

    Parameters
    ----------
    model : Block
        Of the AC form, with the values of the operating point.
    matrices : mapping of period to ndarray, shape (n, n), or None
        Symmetric, in $/MW^2 of the period, in the order of `channels`; None: zeros.

    Raises
    ------
    ModelError
        If a matrix is missing, or has another shape.
    """
    for t in model.periods:
        found = channels(model, t)
        n = len(found)
        given = np.zeros((n, n)) if matrices is None else np.asarray(matrices.get(t, ()), float)
        if given.shape != (n, n):
            raise ModelError.at("curvature", f"of period {t!r} has the shape {given.shape}, the "
                                f"model has {n} channels there", "Give one row per channel.")
        for i, channel in enumerate(found):
            model.curvature_d0[i, t] = pyo.value(channel.power)
            for j in range(i, n):
                model.curvature_h[i, j, t] = float(given[i, j] + given[j, i]) / 2
