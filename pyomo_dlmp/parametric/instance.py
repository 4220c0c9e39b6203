"""One bilevel model, many numbers: what does not change is done once, and nothing is written.

    instance = Instance(model, atlas)
    for hour in table:
        ...                          # set_value on mutable Params; setlb, setub; fix anew
        answer = instance.solve()    # arrays; the values on the model's Vars stay as they are

The structure (which Vars and rows there are, what multiplies what) must stay; where it does not,
the model is compiled anew, which `Instance.counts` tells.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass
class LowerAnswer:
    """A lower level's full primal-dual point.

    Attributes
    ----------
    x, u, y, mu
        Values of its own and the upper Vars (`columns`, `decisions` name them), duals of equality
        rows, multipliers of pairs; shapes (n,), (m,), (e,), (pairs,).
    row_duals
        Of all rows in the user's sign (what the block's `dual` Suffix would hold), shape (rows,).
    residual
        Of the full KKT system, relative (`lower.solver.Residual.relative`).
    columns, decisions, rows
        VarData of x and u, ConstraintData of row_duals.
    """

    x: np.ndarray
    u: np.ndarray
    y: np.ndarray
    mu: np.ndarray
    row_duals: np.ndarray
    residual: float
    columns: list
    decisions: list
    rows: list


@dataclass
class Answer:
    """The solution of a bilevel model at present numbers.

    Attributes
    ----------
    status
        As of `BilevelResult`.
    objective, bound, gap
        Upper objective in the user's sense, its proven bound, relative gap.
    repriced
        The upper objective computed from the arrays of `lowers` alone, independently of regions.
    decisions, columns
        Values of the upper Vars, shape (n,), and their VarData.
    regions
        Number of the region of each part that pays.
    recalled
        Parts whose regions were all known to the atlas, and parts in all.
    lowers
        The point of each lower level.
    """

    status: str
    objective: float
    bound: float
    gap: float
    repriced: float
    decisions: np.ndarray
    columns: list
    regions: list[int]
    recalled: tuple[int, int]
    lowers: list[LowerAnswer]


class Instance:
    """A bilevel model that is solved at ever new numbers.

    Parameters
    ----------
    model : ConcreteModel
        With an upper level that pays prices (as for `solve_bilevel` by critical regions).
    atlas : Atlas, optional
        States known so far; None: one of its own.

    Attributes
    ----------
    atlas
        Shared by all solves.
    """

    def __init__(self, model: Any, atlas: Any = None):
        raise NotImplementedError

    def solve(self, gap: float = 1e-4) -> Answer:
        """The answer at the present values of Params, bounds and fixed Vars.

        Parameters
        ----------
        gap
            Relative gap to reach.

        Returns
        -------
        Answer

        Raises
        ------
        NotExplicit
            The model is not one for critical regions: use `solve_bilevel`.
        SolverError
            A lower level is infeasible at the decisions found.
        """
        raise NotImplementedError
