"""Values of a lower level on its Pyomo Vars: read, and written."""

from __future__ import annotations

import numpy as np

from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.lower.form import LowerForm
from pyomo_dlmp.lower.kkt_system import KktSystem


def decisions_of(form: LowerForm) -> np.ndarray:
    """Values of the upper Vars of a lower level.

    Returns
    -------
    np.ndarray
        Shape (m,).

    Raises
    ------
    ModelError
        A Var has no value.
    """
    return _values(form, form.u)


def values_of(form: LowerForm) -> tuple[np.ndarray, np.ndarray]:
    """Values of a lower level's own Vars and of the upper ones that it uses.

    Returns
    -------
    tuple
        (x, u), shapes (n,) and (m,).

    Raises
    ------
    ModelError
        A Var has no value.
    """
    return _values(form, form.x), _values(form, form.u)


def point_of(kkt: KktSystem) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """The point that is loaded on a lower level's Vars and its `dual` Suffix.

    Returns
    -------
    tuple
        (x, u, duals of rows in the user's sign), shapes (n,), (m,), (rows,); the last is None
        where a row has no dual.

    Raises
    ------
    ModelError
        A Var has no value.
    """
    form = kkt.form
    x, u = values_of(form)
    suffix = form.block.component("dual")
    duals = [] if suffix is None else [suffix.get(row) for row in form.rows]
    if suffix is None or any(dual is None for dual in duals):
        return x, u, None
    return x, u, np.array(duals, dtype=float)


def _values(form: LowerForm, variables) -> np.ndarray:
    values = [v.value for v in variables]
    missing = [v.name for v, value in zip(variables, values, strict=True) if value is None]
    if missing:
        raise ModelError.at(
            form.block.name, f"has {len(missing)} Vars without a value ({missing[0]} ...)",
            "Solve the model first.")
    return np.array(values, dtype=float)
