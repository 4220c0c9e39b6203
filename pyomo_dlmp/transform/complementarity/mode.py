"""What a complementarity mode is: everything that is particular to it, in one object."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pyomo_dlmp.transform.kkt import LowerKkt


@dataclass
class LevelRow:
    """A row of a whole lower level, whose products are left to the products step.

    The row reads ``expression + sum of c * dual * u <= limit``; it is written on the lower level's
    block as `name`, its products kept or replaced by linear stand-ins as the option `products`
    states.

    Attributes
    ----------
    name : str
        Of the Constraint to be written.
    expression : Pyomo expression
        The row without its products.
    products : list of (float, VarData, VarData)
        (coefficient, dual or column of the lower level, upper Var).
    limit : Param
        Right-hand side.
    """

    name: str
    expression: Any
    products: list
    limit: Any


class Mode(ABC):
    """How ``0 <= slack complementary to multiplier >= 0`` is written for some pairs.

    Subclass it, set the attributes, write `add`, and register an object with `register_mode`:
    `solve_bilevel(m, complementarity="its name")` and `dlmp.single_level` then take it.

    Attributes
    ----------
    name : str
        What users write; also of a mode given by `complementarity_of`.
    needs : frozenset of str
        Capabilities of solvers (see `pyomo_dlmp.solvers.PROBES`), one of which is enough.
    chosen_for : frozenset of str
        Capabilities of which one makes ``complementarity="auto"`` take the mode, if no mode
        earlier in the table is chosen.
    leaves_products : bool
        Whether `add` returns a `LevelRow`.
    without_bounds : str
        What to do where a bound that the mode needs cannot be proved; ends an error's cure.
    """

    name: str
    needs: frozenset[str]
    chosen_for: frozenset[str] = frozenset()
    leaves_products: bool = False
    without_bounds: str = "use a complementarity mode that needs no bounds"

    @abstractmethod
    def add(self, lower: LowerKkt, pairs: list[int], eps: float) -> LevelRow | None:
        """Write the mode's components on `lower.block`.

        Parameters
        ----------
        lower : LowerKkt
            The lower level with its multipliers and stationarity written: `lower.mu[p]` is the
            multiplier Var of pair p, `lower.slack_expression(p)` its slack, `lower.kkt.label[p]`
            its name, `lower.bounds` what is proved of both.
        pairs : list of int
            Numbers of the pairs that are in this mode.
        eps : float
            The user's tolerance; exact modes do without.
        """

    def needs_bounds(self, capabilities: Iterable[str]) -> bool:
        """Whether finite bounds of slack and multiplier must be known.

        Parameters
        ----------
        capabilities
            Of the solver, names of `pyomo_dlmp.solvers.PROBES`.

        Returns
        -------
        bool
        """
        del capabilities
        return False

    def fill(self, lower: LowerKkt, pairs: list[int], mu: np.ndarray,
             slack: np.ndarray) -> Iterable[tuple[Any, float]]:
        """Start values of the mode's own Vars at a solution of the lower level.

        Parameters
        ----------
        lower, pairs
            As given to `add`.
        mu, slack : ndarray
            Of every pair of the lower level, at the solution, shape (pairs,).

        Returns
        -------
        iterable of (VarData, float)
        """
        del lower, pairs, mu, slack
        return ()

    def is_exact(self, eps: float) -> bool:
        """Whether every point of the single level is a solution of the lower level.

        Parameters
        ----------
        eps
            The user's tolerance.

        Returns
        -------
        bool
        """
        del eps
        return True

    def continuation(self, lower: LowerKkt) -> Any:
        """The mutable Param that a local solver's sequence of solves drives to zero, or None."""
        del lower
        return None

    def refuse(self, lower: LowerKkt, capabilities: frozenset[str]) -> tuple[str, str] | None:
        """Why a solver cannot take this lower level in this mode; `needs` is checked before.

        Parameters
        ----------
        lower
            The lower level with its multipliers and stationarity written.
        capabilities
            Of the solver, names of `pyomo_dlmp.solvers.PROBES`.

        Returns
        -------
        tuple of str, or None
            (what the solver cannot do, cure), the first to follow "solver 'name' "; None: it can.
        """
        del lower, capabilities
        return None
