"""Complementarity as indicator constraints: exact, without constants, a binary for each pair.

Source: ``0 <= s complementary to mu >= 0``. Target, with `binds` binary:

    binds = 1  implies  s <= 0,        binds = 0  implies  mu <= 0

A solver with indicator constraints branches on the binary and imposes the row, so that no bound of
either is needed. Pyomo has no such constraint. The implied rows are therefore written as inactive
Constraints ``implied[label, value]``, and the Suffix `implied_by` holds for each the binary and the
value that implies it: `m.pprint` shows both, and `solvers.native` hands them to the solver. An
active row that no solver interface can read (`NAME_OF_GUARD`) keeps the model from being solved
without them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyomo.environ as pyo

from pyomo_dlmp.bilevel.guard import Untransformed
from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.tolerances import ACTIVE
from pyomo_dlmp.transform.complementarity.mode import Mode
from pyomo_dlmp.transform.kkt import LowerKkt

NAME_OF_SUFFIX = "implied_by"
NAME_OF_GUARD = "implications_are_for_solve_bilevel"


class Indicator(Mode):
    """Complementarity by indicator constraints; for SCIP and other solvers that have them."""

    name = "indicator"
    needs = frozenset({"indicator"})
    chosen_for = frozenset({"indicator"})

    def add(self, lower: LowerKkt, pairs: list[int], eps: float) -> None:
        """Add `binds`, `implied`, `implied_by`, `one_side` to the block."""
        del eps
        block = lower.block
        labels = [lower.kkt.label[p] for p in pairs]
        number = dict(zip(labels, pairs, strict=True))
        index = pyo.Set(initialize=labels)
        block.indicated_pairs = index
        block.binds = pyo.Var(index, domain=pyo.Binary, initialize=0)
        block.implied = pyo.Constraint(index, [0, 1], rule=_Implied(lower, number))
        state(block, {block.implied[label, value]: (block.binds[label], value)
                      for label in labels for value in (0, 1)})
        block.one_side = pyo.Constraint(pyo.Any)
        for side, pair, opposite in _apart(lower, number):
            block.one_side[side] = block.binds[pair] + block.binds[opposite] <= 1

    def fill(self, lower: LowerKkt, pairs: list[int], mu: np.ndarray,
             slack: np.ndarray) -> Iterable[tuple[Any, float]]:
        """A row binds where its slack is zero and, of two opposite sides, has the multiplier."""
        for p in pairs:
            label = lower.kkt.label[p]
            binds = slack[p] <= ACTIVE * (1 + abs(lower.kkt.s0[p])) and mu[p] > slack[p]
            yield lower.block.binds[label], float(binds)


class _Implied:
    """mu <= 0 (0) and slack <= 0 (1) (a class, so that models can be pickled)."""

    def __init__(self, lower: LowerKkt, number: dict[str, int]):
        self.lower, self.number = lower, number

    def __call__(self, block, label, value):
        p = self.number[label]
        if not value:
            return self.lower.mu[p] <= 0.0
        slack = self.lower.slack_expression(p)
        if slack.linear_vars:
            return slack <= 0.0
        return block.binds[label] <= float(slack.constant <= 0.0)  # a row of numbers


def _apart(lower: LowerKkt, number: dict[str, int]) -> Iterator[tuple[str, str, str]]:
    """(name, lower pair, upper pair) of two sides that are a constant > 0 apart: one binds."""
    kkt = lower.kkt
    for label, p in number.items():
        side = label.removesuffix(".lower")
        q = number.get(f"{side}.upper")
        if side == label or q is None:
            continue
        if kkt.s0[p] + kkt.s0[q] > 0 and not (kkt.T[p] + kkt.T[q]).nnz:
            yield side, label, f"{side}.upper"


def state(block: Any, implications: dict) -> None:
    """Write on a block which value of which binary implies each of some rows.

    Parameters
    ----------
    block : Block
        It gets the Suffix `implied_by` and a row that keeps solvers from leaving it unread.
    implications : dict
        {ConstraintData, linear and with one side: (binary VarData, 0 or 1)}; the rows are
        deactivated.
    """
    suffix = pyo.Suffix(direction=pyo.Suffix.LOCAL, datatype=None)
    block.add_component(NAME_OF_SUFFIX, suffix)
    for row, condition in implications.items():
        row.deactivate()
        suffix[row] = condition
    if implications:
        binary = next(iter(implications.values()))[0]
        block.add_component(NAME_OF_GUARD, pyo.Constraint(expr=Unread(binary) == 0.0))


class Unread(Untransformed):
    """A leaf of value zero; asking for its structure raises ModelError with the reason."""

    __slots__ = ()

    def __str__(self):
        return (f"(rows that '{self._var.name}' and others imply: call dlmp.solve_bilevel with a "
                "solver that takes indicator constraints)")

    def _refuse(self):
        raise ModelError.at(
            self._var.parent_block().name, "has rows that binaries imply (complementarity="
            f"'{Indicator.name}'), which Pyomo does not hand to solvers",
            "Call dlmp.solve_bilevel(model, solver='scip'), or use another complementarity mode.")


def implications_of(model: Any) -> list[tuple[Any, Any, int]]:
    """What `state` has written on the active blocks of a model.

    Parameters
    ----------
    model : Block

    Returns
    -------
    list of (ConstraintData, VarData, int)
        Each row, the binary, and the value of it that implies the row.
    """
    return [(row, *condition) for suffix in model.component_objects(
                pyo.Suffix, active=True, descend_into=True) if suffix.local_name == NAME_OF_SUFFIX
            for row, condition in suffix.items()]


@contextmanager
def guards_off(model: Any) -> Iterator[None]:
    """Deactivate, for the time of a solve, the rows that no solver interface can read."""
    guards = [row for row in model.component_objects(
        pyo.Constraint, active=True, descend_into=True) if row.local_name == NAME_OF_GUARD]
    for guard in guards:
        guard.deactivate()
    try:
        yield
    finally:
        for guard in guards:
            guard.activate()
