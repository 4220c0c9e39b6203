"""Rows of a single level as arrays, and what they are written to: a Pyomo Block, or a program.

A transformation states its rows once, as sparse matrices over lists of Vars (`Rows`). `PyomoRows`
makes Constraints and Vars of them, by name, on a Block: for a solver that Pyomo reaches, and for
the user. `ArrayRows` keeps them as they are for `compile_program`, which hands them to the embedded
solver; its Vars stand in Pyomo's expressions as others do, but on no Block.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyomo.environ as pyo
import scipy.sparse as sp
from pyomo.core.base.component_namer import index_repr
from pyomo.core.base.var import VarData
from pyomo.core.expr import LinearExpression

from pyomo_dlmp.numerics import limits

Labels = Callable[[], Sequence[str]]
"""Index of each row or Var of a component, made where it is needed: names take time."""


@dataclass
class Rows:
    """Rows  lo <= sum of M v + constant <= hi  of one component; m rows.

    Attributes
    ----------
    name
        Of the component on the transformation's Block.
    labels
        Index of each row.
    parts
        [(sparse matrix of m rows, VarData of its columns)].
    constant, lo, hi
        Shapes (m,), limits infinite where there is none.
    of
        The ConstraintData that they are, where the model has them already.
    """

    name: str
    labels: Labels
    parts: list[tuple[Any, list]]
    constant: np.ndarray
    lo: np.ndarray
    hi: np.ndarray
    of: Sequence[Any] | None = None

    def with_vars(self) -> tuple[Rows, np.ndarray]:
        """(the rows that have a Var, their mask)."""
        filled = sum((np.diff(sp.csr_matrix(M).indptr) for M, _ in self.parts),
                     np.zeros(len(self.constant), dtype=int)) > 0
        if filled.all():
            return self, filled
        kept = np.flatnonzero(filled)
        parts = [(sp.csr_matrix(M)[kept], own) for M, own in self.parts]
        return replace(
            self, labels=_Chosen(self.labels, kept), constant=self.constant[kept],
            lo=self.lo[kept], hi=self.hi[kept], parts=parts), filled


class _Chosen:
    """Some of the labels (a class, so that models can be pickled)."""

    def __init__(self, labels: Labels, kept: np.ndarray):
        self.labels, self.kept = labels, kept

    def __call__(self) -> list[str]:
        labels = self.labels()
        return [labels[k] for k in self.kept]


class RowWriter(ABC):
    """Where a lower level's Vars and rows are written."""

    @abstractmethod
    def columns(self, name: str, labels: Labels, low: np.ndarray, high: np.ndarray,
                binary: bool = False) -> list:
        """New Vars.

        Parameters
        ----------
        name, labels
            Of the component and its members.
        low, high
            Bounds, infinite where there is none, shape (n,).
        binary
            Whether they are 0 or 1.

        Returns
        -------
        list of VarData
        """

    @abstractmethod
    def rows(self, rows: Rows) -> list:
        """Write rows; what `Program.rows` then holds for each."""

    def kept(self) -> Sequence[Rows]:
        """Rows that are on no Block."""
        return ()


class PyomoRows(RowWriter):
    """Vars and Constraints on a Block.

    Parameters
    ----------
    block
        The Block.
    """

    def __init__(self, block: Any):
        self.block = block

    def columns(self, name: str, labels: Labels, low: np.ndarray, high: np.ndarray,
                binary: bool = False) -> list:
        """An indexed Var."""
        domain = pyo.Binary if binary else pyo.Reals
        var = pyo.Var(pyo.Set(initialize=list(labels())), domain=domain, initialize=0.0)
        self.block.add_component(name, var)
        found = list(var.values())
        for data, lo, hi in zip(found, low, high, strict=True):
            if np.isfinite(lo) and not binary:
                data.setlb(float(lo))
            if np.isfinite(hi) and not binary:
                data.setub(float(hi))
        return found

    def rows(self, rows: Rows) -> list:
        """An indexed Constraint."""
        labels = list(rows.labels())
        component = pyo.Constraint(pyo.Set(initialize=labels), rule=_Written(rows, labels))
        self.block.add_component(rows.name, component)
        return list(component.values())


class _Written:
    """The rule of rows (a class, so that models can be pickled)."""

    def __init__(self, rows: Rows, labels: list[str]):
        self.linear = LinearRows([(sp.csr_matrix(M), own) for M, own in rows.parts])
        self.constant, self.lo, self.hi = (x.tolist() for x in (rows.constant, rows.lo, rows.hi))
        self.number = {label: i for i, label in enumerate(labels)}

    def __call__(self, _, label):
        limits.check()
        i = self.number[label]
        expression = self.linear.row(i, self.constant[i])
        lo, hi = self.lo[i], self.hi[i]
        if lo == hi:
            return expression == lo
        if lo == -np.inf:
            return expression <= hi
        return expression >= lo if hi == np.inf else (lo, expression, hi)


class LinearRows:
    """Rows of stacked sparse matrices as Pyomo LinearExpressions.

    The arrays are kept as lists, of which a slice costs a tenth of a slice of an array.

    Parameters
    ----------
    parts
        [(csr matrix, list of the VarData of its columns)]; row i of the result adds up row i of
        each matrix.
    """

    def __init__(self, parts):
        self.parts = [
            (m.indptr.tolist(), m.indices.tolist(), m.data.tolist(), variables)
            for m, variables in parts if m.nnz]

    def row(self, i: int, constant: float = 0.0,
            extra: Iterable[tuple[float, Any]] = ()) -> LinearExpression:
        """Row i plus a constant and further (coefficient, VarData) terms."""
        coefs: list[float] = [c for c, _ in extra]
        variables: list = [v for _, v in extra]
        for indptr, indices, values, owners in self.parts:
            first, last = indptr[i], indptr[i + 1]
            coefs += values[first:last]
            variables += [owners[j] for j in indices[first:last]]
        return LinearExpression(constant=constant, linear_coefs=coefs, linear_vars=variables)


@dataclass
class ArrayRows(RowWriter):
    """Rows that are kept as arrays; nothing is written on the Block but by modes of their own way.

    Attributes
    ----------
    block
        The Block, for names.
    written
        The rows.
    """

    block: Any
    written: list[Rows] = field(default_factory=list)

    def columns(self, name: str, labels: Labels, low: np.ndarray, high: np.ndarray,
                binary: bool = False) -> list:
        """Vars on no Block."""
        named, domain = (self.block, name, labels), pyo.Binary if binary else pyo.Reals
        found = []
        for k, (lo, hi) in enumerate(zip(low.tolist(), high.tolist(), strict=True)):
            var = ArrayVar()
            var._named, var._number, var._domain, var._value = named, k, domain, 0.0
            var._lb, var._ub = lo if lo > -np.inf else None, hi if hi < np.inf else None
            found.append(var)
        return found

    def rows(self, rows: Rows) -> list:
        """The rows as they are."""
        if rows.of is None:
            rows.of = [ArrayRow((self.block, rows.name, rows.labels), k)
                       for k in range(len(rows.constant))]
        self.written.append(rows)
        return list(rows.of)

    def kept(self) -> Sequence[Rows]:
        """All rows."""
        return self.written


class ArrayVar(VarData):
    """A Var of `ArrayRows`: a Pyomo Var but that no component holds it."""

    __slots__ = ("_named", "_number")

    def getname(self, fully_qualified=False, name_buffer=None, relative_to=None):
        """Its name if it stood on the Block."""
        return _name(self._named, self._number, fully_qualified)


class ArrayRow:
    """What stands for a row of `ArrayRows`."""

    __slots__ = ("_named", "_number")

    def __init__(self, named: tuple, number: int):
        self._named, self._number = named, number

    @property
    def name(self) -> str:
        """Its name if it stood on the Block."""
        return _name(self._named, self._number, True)


def _name(named: tuple, number: int, full: bool) -> str:
    block, component, labels = named
    own = f"{component}{index_repr(labels()[number])}"
    return f"{block.name}.{own}" if full else own
