"""Duals and multipliers of one lower level: in the user's sign, and in the system's."""

from __future__ import annotations

import numpy as np
import pyomo.environ as pyo

from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.lower.kkt_system import KktSystem


def point_of(kkt: KktSystem):
    """(x, u, row duals or None) as loaded on the Vars and the LowerLevel's `dual` Suffix."""
    form = kkt.form
    missing = [v.name for v in (*form.x, *form.u) if v.value is None]
    if missing:
        raise ModelError.at(
            form.block.name, f"has {len(missing)} Vars without a value ({missing[0]} ...)",
            "Solve the model first.")
    x = np.array([v.value for v in form.x])
    u = np.array([v.value for v in form.u])
    suffix = form.block.component("dual")
    if suffix is None or any(suffix.get(r) is None for r in form.rows):
        return x, u, None
    return x, u, np.array([suffix[r] for r in form.rows], dtype=float)


def multipliers_from(kkt: KktSystem, x, u, row_duals):
    """(y, mu) from the duals of rows: bounds' multipliers are what stationarity leaves."""
    y = row_duals[kkt.equality_rows]
    mu = np.zeros(kkt.pairs)
    for p in range(kkt.pairs):
        if kkt.kind[p] == "row":
            value = kkt.sigma * row_duals[kkt.index[p]]
            mu[p] = max(0.0, value if kkt.side[p] == "lower" else -value)
    rest = kkt.sigma * kkt.stationarity(x, u, y, mu)
    for p in range(kkt.pairs):
        if kkt.kind[p] == "bound":
            value = rest[kkt.index[p]]
            mu[p] = max(0.0, value if kkt.side[p] == "lower" else -value)
    return y, mu


def load_duals(kkt: KktSystem, row_duals: np.ndarray) -> None:
    """Write the duals of all rows into the LowerLevel's `dual` Suffix and the user's dual Vars."""
    block = kkt.form.block
    if block.component("dual") is None:
        block.add_component("dual", pyo.Suffix(direction=pyo.Suffix.IMPORT))
    suffix = block.component("dual")
    for row, value in zip(kkt.form.rows, row_duals, strict=True):
        suffix[row] = float(value)
    value_of = {id(r): v for r, v in zip(kkt.form.rows, row_duals, strict=True)}
    for component, bound, dual in getattr(block, "dual_vars", lambda: ())():
        if bound is None:
            for key, var in dual.items():
                if id(component[key]) in value_of:
                    var.set_value(float(value_of[id(component[key])]), skip_validation=True)


def columns_of(kkt: KktSystem) -> dict[int, list[tuple[int, float]]]:
    """id(Var) -> [(column of (u, x, y, mu), sign)]; a user's dual is a sum of multipliers."""
    form = kkt.form
    m, n, e = len(form.u), len(form.x), len(kkt.equality_rows)
    where: dict[int, list[tuple[int, float]]] = {
        id(v): [(j, 1.0)] for j, v in enumerate([*form.u, *form.x])}
    row_of = {id(row): r for r, row in enumerate(form.rows)}
    column_of = {id(v): j for j, v in enumerate(form.x)}
    eq_of = {int(r): k for k, r in enumerate(kkt.equality_rows)}
    of: dict[tuple[str, int, str], int] = {
        (k, int(i), s): p
        for p, (k, i, s) in enumerate(zip(kkt.kind, kkt.index, kkt.side, strict=True))}
    for component, bound, dual in getattr(form.block, "dual_vars", lambda: ())():
        for key, var in dual.items():
            data = component[key]
            kind, number = ("row", row_of.get(id(data))) if bound is None else (
                "bound", column_of.get(id(data)))
            if number is None:
                continue
            if kind == "row" and number in eq_of:
                where[id(var)] = [(m + n + eq_of[number], 1.0)]
                continue
            where[id(var)] = [
                (m + n + e + of[kind, number, side], kkt.sigma * sign)
                for side, sign in (("lower", 1.0), ("upper", -1.0))
                if (kind, number, side) in of and bound in (None, side)]
    return {k: v for k, v in where.items() if v}

