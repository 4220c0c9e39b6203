"""Pyomo rows as numbers: coefficients by Var, and limits."""

from __future__ import annotations

from typing import Any

import numpy as np
from pyomo.repn.linear import LinearRepnVisitor
from pyomo.repn.util import OrderedVarRecorder


class RowReader:
    """Reads linear rows; `var_map` collects {id of a Var: Var} of all rows that were read.

    Parameters
    ----------
    recorder
        Of a caller that reads quadratic expressions into the same map, too; None: a new one.
    cache
        Of named Expressions, for a caller that empties it; None: a new one.
    """

    def __init__(self, recorder: OrderedVarRecorder | None = None, cache: dict | None = None):
        recorder = recorder or OrderedVarRecorder({}, {}, None)
        self.var_map: dict = recorder.var_map
        self._visitor = LinearRepnVisitor({} if cache is None else cache, var_recorder=recorder)

    def read(self, row: Any) -> tuple[dict[int, float], float, float] | None:
        """A row as numbers; fixed Vars and Params enter with their values.

        Parameters
        ----------
        row
            ConstraintData.

        Returns
        -------
        tuple or None
            ({id of a Var: coefficient}, lower limit, upper limit), limits infinite where there is
            none; None where the row is not linear.
        """
        lower, body, upper = row.to_bounded_expression(evaluate_bounds=True)
        repn = self._visitor.walk_expression(body)
        if repn.nonlinear is not None:
            return None
        return (repn.linear, -np.inf if lower is None else lower - repn.constant,
                np.inf if upper is None else upper - repn.constant)
