"""Best responses by `solve_bilevel`, for owners whose regions do not answer all.

The others' decisions are fixed Vars, the objective is the owner's own, and whatever solves a
strategic leader's problem solves this one: the KKT form, the tree. It is slower than slices of
common regions, and takes what these refuse (front ends that the DSO runs, many decisions an hour).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyomo.environ as pyo

from pyomo_dlmp.bilevel.values import load_values
from pyomo_dlmp.errors import SolverError
from pyomo_dlmp.market.owners import decisions_of
from pyomo_dlmp.market.responses import best_response, first_schedule
from pyomo_dlmp.parametric.leaders import Response
from pyomo_dlmp.solve import solve_bilevel
from pyomo_dlmp.tolerances import ABSOLUTE_GAP


class SolvedGame:
    """The owners' game, with the interface of `parametric.leaders.Leaders`.

    Parameters
    ----------
    m : ConcreteModel
        Of `bilevel_of`.
    dso : LinearDso or AcDso
    owners : mapping of str to AggregatorBlock
    options : mapping
        Further keywords of `solve_bilevel`.

    Attributes
    ----------
    columns : list of VarData
        All decisions.
    """

    def __init__(self, m: Any, dso: Any, owners: Mapping[str, Any], options: Mapping[str, Any]):
        self.m, self.dso, self.owners, self.options = m, dso, dict(owners), dict(options)
        self.columns: list[Any] = []
        self._own: dict[str, np.ndarray] = {}
        for name, block in self.owners.items():
            mine = decisions_of(m, block)
            self._own[name] = len(self.columns) + np.arange(len(mine))
            self.columns += mine
        self._paid: dict[bytes, dict[str, float]] = {}

    @property
    def names(self) -> list[str]:
        """Of the owners."""
        return list(self.owners)

    @property
    def whole(self) -> bool:
        """Whether any decision is an integer."""
        return any(not var.is_continuous() for var in self.columns)

    def own(self, name: str) -> np.ndarray:
        """Places of an owner's decisions in `columns`."""
        return self._own[name]

    def value(self, name: str, z: np.ndarray) -> float:
        """What an owner pays at decisions of all, by the DSO's problem."""
        return self.shared_values(z)[name]

    def shared_values(self, z: np.ndarray) -> dict[str, float]:
        """What each owner pays, at the same prices."""
        key = z.tobytes()
        if key not in self._paid:
            load_values(self.columns, z)
            self.dso.clear()
            self._paid[key] = self._payments()
        return self._paid[key]

    def shared_duals(self, z: np.ndarray) -> list[Any]:
        """No other prices than the DSO's own are known here."""
        return []

    def room(self, z: np.ndarray, way: np.ndarray) -> float:
        """No step ahead is taken: rows are not known as arrays."""
        return 0.0

    def response(self, name: str, z: np.ndarray, gap: float, room: float = 0.0,
                 time_limit: float | None = None) -> Response:
        """An owner's best response; `room` is not used.

        Parameters
        ----------
        name : str
        z : ndarray
            Decisions of all.
        gap : float
            Relative.
        room : float
        time_limit : float, optional
            Seconds.

        Returns
        -------
        Response

        Raises
        ------
        SolverError
            No response was found.
        """
        value = self.value(name, z)
        load_values(self.columns, z)
        others = [var for other in self.owners if other != name
                  for var in (self.columns[j] for j in self._own[other])]
        blocks = [block for other, block in self.owners.items() if other != name]
        mine = self.owners[name]
        try:
            for var in others:
                var.fix()
            for block in blocks:
                block.deactivate()
            if blocks:
                self.m.dca.cost.deactivate()
                mine.cost.activate()
            found = solve_bilevel(self.m, **{**self.options, "gap": max(gap, ABSOLUTE_GAP),
                                             "time_limit": time_limit})
        finally:
            for var in others:
                var.unfix()
            for block in blocks:
                block.activate()
                block.cost.deactivate()
            if blocks:
                mine.cost.deactivate()
                self.m.dca.cost.activate()
        if found.objective is None:
            raise SolverError.at(f"owner {name!r}", f"has no response: {found.status}",
                                 "Give more time, or a larger gap.")
        point = np.array([var.value for var in self.columns], dtype=float)
        # where prices are not unique those are kept that the response counts on
        self._paid[point.tobytes()] = self._payments()
        bound = -np.inf if found.bound is None else found.bound
        return Response(value, found.objective, bound, point)

    def schedule(self, name: str, weights: np.ndarray | None = None) -> np.ndarray:
        """Feasible decisions of one owner, from which to begin.

        Parameters
        ----------
        name : str
        weights : ndarray, optional
            Of its decisions: a corner of least weight; None: an even schedule.

        Returns
        -------
        ndarray
        """
        columns = [self.columns[j] for j in self._own[name]]
        if weights is None:
            first_schedule(self.m)
        else:
            self.m.dca.cost.deactivate()
            self.m.corner = pyo.Objective(expr=sum(
                float(w) * var for w, var in zip(weights, columns, strict=True)))
            try:
                best_response(self.m)
            finally:
                self.m.del_component("corner")
                self.m.dca.cost.activate()
        return np.array([var.value for var in columns], dtype=float)

    def _payments(self) -> dict[str, float]:
        return {name: float(pyo.value(block.cost.expr)) for name, block in self.owners.items()}
