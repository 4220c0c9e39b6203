"""A convex quadratic objective as a sum of squares of linear forms.

    1/2 z'Qz = sum_k weight_k (form_k'z)^2,    weight_k > 0

A solver that bounds a quadratic term by term has no bound of ``z_i z_j`` where a Var is unbounded
(a multiplier), though the whole be convex; of a square it has one without any bound of its root.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyomo.environ as pyo

from pyomo_dlmp.bilevel.quadratics import QuadraticParts
from pyomo_dlmp.numerics.components import component_labels
from pyomo_dlmp.numerics.sparse import csr_of
from pyomo_dlmp.tolerances import CONVEX, RANK

_LARGE = 400  # columns of a part beyond which dense eigenvectors are not worth their entries


Square = tuple[float, list[tuple[float, Any]]]


def squares(parts: QuadraticParts, sense: Any) -> list[Square] | None:
    """The squares whose sum the quadratic terms of an objective are.

    Parameters
    ----------
    parts
        The objective's terms.
    sense
        Pyomo's, minimize or maximize.

    Returns
    -------
    list, or None
        (signed weight, [(coefficient, VarData)]) of each square. None where the terms are squares
        already, every Var in them has bounds, they are not convex, or a part is too large.
    """
    ids = list(dict.fromkeys(key for pair in parts.quadratic for key in pair))
    variables = [parts.var_map[key] for key in ids]
    mixed = any(i != j for i, j in parts.quadratic)
    if not mixed or all(v.has_lb() and v.has_ub() for v in variables):
        return None
    sign = 1.0 if sense == pyo.minimize else -1.0
    place = {key: k for k, key in enumerate(ids)}
    entries = [(place[i], place[j], sign * c / 2.0) for (i, j), c in parts.quadratic.items()]
    Q = csr_of([*entries, *((j, i, c) for i, j, c in entries)], (len(ids), len(ids)))
    labels, _ = component_labels(csr_of([], (0, len(ids))), Q)
    found: list[Square] = []
    for label in range(labels.max() + 1):
        columns = np.flatnonzero(labels == label)
        if len(columns) > _LARGE:
            return None
        value, vector = np.linalg.eigh(Q[columns][:, columns].toarray())
        if value[0] < -CONVEX * max(value[-1], 0.0):
            return None
        for k in np.flatnonzero(value > RANK * value[-1]):
            found.append((sign * float(value[k]), [
                (float(f), variables[j]) for f, j in zip(vector[:, k], columns, strict=True) if f]))
    return found
