"""One of several leaders, on the arrays of the joint problem: what it decides and what it pays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pyomo_dlmp.parametric.explicit import Explicit
from pyomo_dlmp.parametric.region_costs import Quadratic, cost_on, refuse_hidden
from pyomo_dlmp.parametric.upper_terms import assign_terms, read_upper


@dataclass
class LeaderTerms:
    """What a leader decides and pays, on the arrays of the joint problem.

    Attributes
    ----------
    own, rows
        Its columns, and the upper rows with any of them.
    c, constant
        Linear part of its objective, shape (columns,), and a number.
    at
        Its own decisions of each part.
    costs
        Of each part and piece; None where it pays nothing there.
    """

    own: np.ndarray
    rows: np.ndarray
    c: np.ndarray
    constant: float
    at: list[np.ndarray]
    costs: list[list[Quadratic] | None]


def read_leader(ready: Explicit, model: Any, objective: Any, decides: list) -> LeaderTerms:
    """A leader's terms on the regions of the joint problem.

    Parameters
    ----------
    ready
        The joint problem, prepared.
    model
        Its model.
    objective
        The leader's Objective.
    decides
        VarData of its decisions.

    Returns
    -------
    LeaderTerms

    Raises
    ------
    NotExplicit
        Its duals are not unique in a way that regions do not show.
    """
    hull = ready.hull
    program = hull.upper
    terms = read_upper(model, ready.systems, objective)
    worths = assign_terms(terms, ready.systems, hull.parts)
    ids = {id(var) for var in decides}
    mine = np.array([id(var) in ids for var in ready.columns], dtype=bool)
    c = np.zeros(len(ready.columns))
    for j, var in enumerate(ready.columns):
        c[j] = terms.linear.get(id(var), 0.0)
    costs: list[list[Quadratic] | None] = []
    for worth, found, pieces in zip(worths, ready.regions, hull.pieces, strict=True):
        if not worth.terms:
            costs.append(None)
            continue
        refuse_hidden(worth, found)
        sigma = ready.systems[worth.part.lower].sigma
        costs.append([cost_on(worth, found.regions[p.region], sigma) for p in pieces])
    touched = np.flatnonzero(np.diff(program.A[:, mine].tocsr().indptr))
    return LeaderTerms(np.flatnonzero(mine), touched, c, terms.constant,
                       [np.flatnonzero(mine[at]) for at in hull.u], costs)
