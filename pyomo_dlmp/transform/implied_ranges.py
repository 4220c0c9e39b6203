"""Ranges that were proved of Vars, lent to Vars without bounds while the model is transformed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from pyomo_dlmp.tolerances import ROW_HOLDS
from pyomo_dlmp.transform.kkt import LowerKkt


def lend_ranges(lowers: list[LowerKkt], variables: Iterable) -> None:
    """Give Vars without a bound the one that is proved; `LowerKkt.restore` takes it back.

    Parameters
    ----------
    lowers
        The lower levels, with what is proved of their upper and lower Vars.
    variables
        VarData that need finite bounds; those of no lower level are left alone.
    """
    wanted = {id(v): v for v in variables if v.lb is None or v.ub is None}
    ranges: dict[int, tuple[float, float]] = {}
    for lower in lowers if wanted else ():
        form, b = lower.kkt.form, lower.bounds
        for own, lo, hi in ((form.u, b.u_lo, b.u_hi), (form.x, b.x_lo, b.x_hi)):
            for var, low, high in zip(own, lo, hi, strict=True):
                if id(var) in wanted:
                    known = ranges.get(id(var), (-np.inf, np.inf))
                    ranges[id(var)] = max(known[0], low), min(known[1], high)
    for vid, (low, high) in ranges.items():
        _lend(lowers[0], wanted[vid], low, high)


def _lend(lower: LowerKkt, var: Any, low: float, high: float) -> None:
    before = var.lb, var.ub
    room = ROW_HOLDS if var.is_continuous() else 0.0
    if var.lb is None and np.isfinite(low):
        var.setlb(float(low - room * (1 + abs(low))))
    if var.ub is None and np.isfinite(high):
        var.setub(float(high + room * (1 + abs(high))))
    if (var.lb, var.ub) != before:
        lower.before.append((var, *before))
