"""One call of `solve_bilevel`: its keywords, as the searches read them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyomo.environ as pyo

from pyomo_dlmp.bilevel import lower_levels, upper_data
from pyomo_dlmp.numerics import limits
from pyomo_dlmp.search.checkpoint import Checkpoint
from pyomo_dlmp.search.clock import Clock
from pyomo_dlmp.solvers.interfaces import SolverInterface
from pyomo_dlmp.status import Status
from pyomo_dlmp.tolerances import GAP
from pyomo_dlmp.transform.record import single_level_data


@dataclass
class Settings:
    """The keywords of a call of `solve_bilevel`, see there.

    Attributes
    ----------
    model, interface, clock
        The user's model, the solver and the clock of the call.
    gap, threads, start, mip_options, periods, check_bounds
        As of `solve_bilevel`; its limits are found by `numerics.limits`.
    checkpoint
        Where the best point is written, or None.
    atlas
        An `Atlas` or None.
    options
        Those of ``dlmp.single_level``.
    known
        {id of Var: value} of a bilevel-feasible point that was found before the search, or None.
    own
        Whether the call itself transforms the model (False: the user did).
    """

    model: Any
    interface: SolverInterface
    clock: Clock
    gap: float = GAP
    threads: int = 0
    start: bool = True
    mip_options: dict = field(default_factory=dict)
    periods: bool | None = None
    checkpoint: Checkpoint | None = None
    atlas: Any = None
    check_bounds: bool = True
    options: dict = field(default_factory=dict)
    known: dict[int, float] | None = None

    def __post_init__(self):
        self.own = single_level_data(self.model) is None

    def left(self) -> float | None:
        """Seconds until the search ends, at least 0; None without a time limit."""
        left = limits.left()
        return left if np.isfinite(left) else None

    @property
    def over(self) -> bool:
        """Whether a limit is passed, or Ctrl-C was pressed."""
        return limits.stopped() is not None

    def save_point(self, decisions: Callable, objective: float | None, bound: float | None,
                   status: str = Status.SEARCHING, final: bool = False) -> None:
        """Write a point to the checkpoint, if there is one; see `Checkpoint.keep`."""
        if self.checkpoint is not None:
            with limits.shield():  # written whole
                self.checkpoint.keep(decisions, objective, bound, status, final)

    def save_result(self, status: str, objective: float | None, bound: float | None) -> None:
        """Write the values on the Vars to the checkpoint, as its last point."""
        if self.checkpoint is None:
            return
        columns = self._upper_vars()
        self.save_point(lambda: self.upper_names(columns)([v.value for v in columns]),
                        objective, bound, status, True)

    def upper_names(self, columns: Sequence) -> Callable:
        """How to name the upper decisions among the values of some columns.

        Parameters
        ----------
        columns
            VarData.

        Returns
        -------
        callable
            From their values to {name: value} of the upper Vars among them.
        """
        if self.checkpoint is None:
            return lambda _: {}
        upper = {id(v) for v in self._upper_vars()}
        names = [(j, v.name) for j, v in enumerate(columns)
                 if id(v) in upper and not v.name.startswith("dlmp_single_level")]
        return lambda values: {name: float(values[j]) for j, name in names
                               if values[j] is not None}

    def _upper_vars(self) -> list:
        """The Vars that the upper level decides."""
        declared = [v for block in lower_levels(self.model) for v in block.declared_upper()]
        return [*upper_data(self.model, pyo.Var), *declared]
