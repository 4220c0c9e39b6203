"""A thin layer over highspy: sparse arrays in, solution out, with progress and interrupts."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import highspy
import numpy as np
import scipy.sparse as sp

from pyomo_dlmp.numerics import limits
from pyomo_dlmp.numerics.highs_run import WORDS, Run, run_once
from pyomo_dlmp.numerics.program import Program
from pyomo_dlmp.numerics.refused import convex_diagonal, refuse_model, refuse_rows
from pyomo_dlmp.status import ENDED, Status

INF = highspy.kHighsInf
BASIC, AT_LOWER = highspy.HighsBasisStatus.kBasic, highspy.HighsBasisStatus.kLower
_EXACT_SECONDS = 0.5  # for a point's exact values, however little the user's limit leaves
_LONG = 20_000  # entries beyond which the LPs of a loop see Ctrl-C while they run


@dataclass
class HighsResult:
    """How a run of HiGHS ended.

    Attributes
    ----------
    status
        A `Status`, or HiGHS's own text where it means none of them.
    z, objective
        Best point, shape (n,), and its cost; None without one.
    bound
        Proven lower bound of the minimum; None where there is none.
    row_dual, col_dual
        Row multipliers and reduced costs of an LP or QP, shapes (m,) and (n,); None where there
        are none.
    """

    status: str
    z: np.ndarray | None = None
    objective: float | None = None
    bound: float | None = None
    row_dual: np.ndarray | None = None
    col_dual: np.ndarray | None = None


def new_highs() -> highspy.Highs:
    """A silent HiGHS instance (the first one of a process prints a banner: it is caught)."""
    global _greeted
    if _greeted:
        h = highspy.Highs()
    else:
        with _no_banner():
            h = highspy.Highs()
        _greeted = True
    h.silent()
    return h


_greeted = False


@contextmanager
def _no_banner():
    """Discard the process's standard output inside the `with`."""
    sys.stdout.flush()
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


class Highs:
    """One HiGHS instance; rows may be added and data changed between two solves.

    Minimises  c'z + 1/2 z'Qz + offset  subject to  lo <= A z <= hi,  lb <= z <= ub.

    Parameters
    ----------
    c, lb, ub
        Cost and bounds of the columns, shape (n,).
    A, lo, hi
        Rows, shapes (m, n), (m,), (m,).
    integer
        Mask of integer columns, shape (n,); None: none.
    Q
        Symmetric positive semidefinite matrix, shape (n, n); None: a linear objective.
    offset
        Constant of the objective.
    **options
        Options of HiGHS by name.

    Raises
    ------
    ValueError
        HiGHS does not take an option.
    """

    def __init__(self, c, A: sp.spmatrix, lo, hi, lb, ub, integer=None, Q=None, **options):
        self._h = new_highs()
        for key, value in options.items():
            self.set(key, value)
        self._pass(np.asarray(c, float), A.tocsr(), lo, hi, lb, ub, integer, Q)
        quadratic = 0 if Q is None else int(Q.nnz)
        self._run = Run(self._h, int(A.nnz) + quadratic, integer is not None and bool(
            np.any(integer)), quadratic > 0)

    @classmethod
    def of(cls, program: Program, **options) -> Highs:
        """The solver of a `Program`; options of HiGHS by name."""
        highs = cls(program.c, program.A, program.lo, program.hi, program.lb, program.ub,
                    program.integer, program.Q, **options)
        highs.set_offset(program.constant)
        return highs

    @property
    def is_mip(self) -> bool:
        """Whether it has integer columns."""
        return self._run.is_mip

    @property
    def columns(self) -> int:
        """Number of columns."""
        return self._h.getNumCol()

    def set(self, key: str, value: Any) -> None:
        """Set an option of HiGHS.

        Raises
        ------
        ValueError
            HiGHS does not know it, or does not take the value.
        """
        if self._h.setOptionValue(key, value) != highspy.HighsStatus.kOk:
            raise ValueError(f"HiGHS does not take option {key}={value!r}")

    def _pass(self, c, A, lo, hi, lb, ub, integer, Q) -> None:
        lp = highspy.HighsLp()
        lp.num_col_, lp.num_row_ = A.shape[1], A.shape[0]
        lp.col_cost_ = c
        lp.col_lower_, lp.col_upper_ = _inf(lb), _inf(ub)
        lp.row_lower_, lp.row_upper_ = _inf(lo), _inf(hi)
        lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        lp.a_matrix_.start_ = A.indptr.astype(np.int32)
        lp.a_matrix_.index_ = A.indices.astype(np.int32)
        lp.a_matrix_.value_ = A.data.astype(float)
        if integer is not None and np.any(integer):
            kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
            lp.integrality_ = [kinds[int(k)] for k in integer]
        model = highspy.HighsModel()
        model.lp_ = lp
        if Q is not None and Q.nnz:
            lower = sp.tril(Q).tocsc()
            model.hessian_.dim_ = A.shape[1]
            model.hessian_.format_ = highspy.HessianFormat.kTriangular
            model.hessian_.start_ = lower.indptr.astype(np.int32)
            model.hessian_.index_ = lower.indices.astype(np.int32)
            model.hessian_.value_ = convex_diagonal(lower)
        if self._h.passModel(model) == highspy.HighsStatus.kError:
            refuse_model(lp, model.hessian_)

    def add_rows(self, lo: np.ndarray, hi: np.ndarray, A: sp.csr_matrix) -> None:
        """Append rows lo <= A z <= hi; shapes (k,), (k,), (k, n)."""
        A = A.tocsr()
        self._run.entries += A.nnz
        status = self._h.addRows(
            A.shape[0], _inf(lo), _inf(hi), A.nnz, A.indptr[:-1].astype(np.int32),
            A.indices.astype(np.int32), A.data.astype(float))
        if status == highspy.HighsStatus.kError:
            refuse_rows(A, lo, hi)

    def set_offset(self, constant: float) -> None:
        """Replace the constant of the objective."""
        self._h.changeObjectiveOffset(float(constant))

    def set_cost(self, columns: np.ndarray, values: np.ndarray) -> None:
        """Replace the linear cost of some columns (their numbers); shapes (k,), (k,)."""
        columns = np.asarray(columns, dtype=np.int32)
        self._h.changeColsCost(len(columns), columns, np.asarray(values, float))

    def set_bounds(self, columns: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> None:
        """Replace the bounds of some columns (their numbers); shapes (k,), (k,), (k,)."""
        columns = np.asarray(columns, dtype=np.int32)
        self._h.changeColsBounds(len(columns), columns, _inf(lower), _inf(upper))

    def set_row_bounds(self, rows: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> None:
        """Replace the limits of some rows (their numbers); shapes (k,), (k,), (k,)."""
        rows = np.asarray(rows, dtype=np.int32)
        self._h.changeRowsBounds(  # type: ignore[attr-defined]
            len(rows), rows, _inf(lower), _inf(upper))

    def set_entry(self, row: int, column: int, value: float) -> None:
        """Replace one entry of the matrix."""
        self._h.changeCoeff(int(row), int(column), float(value))

    def run(self) -> str:
        """Run without callbacks; only how it ended, for loops of very many short LPs."""
        run_once(self._h)
        status = self._h.getModelStatus()
        return WORDS.get(status) or self._run.word()

    def point(self) -> np.ndarray:
        """The columns' values after `run`, shape (n,)."""
        return np.array(self._h.getSolution().col_value)

    def cost(self) -> float:
        """The objective after `run`."""
        return float(self._h.getObjectiveValue())

    def basis(self) -> Any:
        """The basis after `run`, to be given back by `set_basis`."""
        return self._h.getBasis()

    def set_basis(self, basis: Any) -> None:
        """Start the next run from a basis."""
        self._h.setBasis(basis)

    def begin_at(self, columns: list, rows: list) -> None:
        """Start the next run from statuses of columns and rows, which HiGHS makes a basis."""
        basis = highspy.HighsBasis()
        basis.valid = basis.alien = True
        basis.col_status, basis.row_status = columns, rows
        self._h.setBasis(basis)

    def primal_ray(self) -> np.ndarray | None:
        """A ray of an unbounded LP after `run` without presolve, shape (n,); None without one."""
        _, has_ray, ray = self._h.getPrimalRay()  # type: ignore[attr-defined]
        return np.array(ray) if has_ray else None

    def set_integer(self, columns: np.ndarray, integer: bool) -> None:
        """Make some columns (their numbers) integer, or all integer ones continuous.

        The program counts as a MIP afterwards where `integer` is True, else as an LP or QP.
        """
        columns = np.asarray(columns, dtype=np.int32)
        kind = highspy.HighsVarType.kInteger if integer else highspy.HighsVarType.kContinuous
        self._h.changeColsIntegrality(len(columns), columns, np.full(len(columns), kind))
        self._run.is_mip = integer

    def forget(self) -> None:
        """Drop basis, solution and MIP start."""
        self._h.clearSolver()

    def with_fixed(self, columns: np.ndarray, values: np.ndarray,
                   tolerance: float) -> np.ndarray | None:
        """Optimal z with some columns continuous and fixed; this program is not changed.

        Parameters
        ----------
        columns, values
            Numbers of the columns and where to fix them, shapes (k,).
        tolerance
            Primal and dual feasibility tolerance (absolute).

        Returns
        -------
        np.ndarray or None
            Shape (n,); None where HiGHS found no optimum.
        """
        columns = np.asarray(columns, dtype=np.int32)
        lp = new_highs()
        lp.passModel(self._h.getLp())
        lp.changeColsIntegrality(
            len(columns), columns, np.full(len(columns), highspy.HighsVarType.kContinuous))
        lp.changeColsBounds(len(columns), columns, values, values)
        for name in ("primal", "dual"):
            lp.setOptionValue(f"{name}_feasibility_tolerance", tolerance)
        if np.isfinite(limits.last_left()):
            lp.setOptionValue("time_limit", max(_EXACT_SECONDS, limits.last_left()))
        lp.run()
        if lp.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            return None
        return np.array(lp.getSolution().col_value)

    def solve_lp(self) -> HighsResult:
        """Run an LP or QP that has no use for a partial result, one of the many of a loop, say.

        Returns
        -------
        HighsResult

        Raises
        ------
        Stopped
            Time, memory, work or Ctrl-C ended it; see `limits`.
        SolverError
            HiGHS failed, on a linear program by all its methods.
        """
        limits.check()
        if limits.work_left() <= 0.0:
            raise limits.Stopped(Status.WORK_LIMIT)
        self._run.limit(limits.last_left())
        self._run.go(None, None, self._run.entries > _LONG)
        answer = self._answer()
        if answer.status in ENDED:
            raise limits.Stopped(answer.status)
        return answer

    def start_from(self, z: np.ndarray) -> None:
        """Give a MIP start, shape (n,)."""
        solution = highspy.HighsSolution()
        solution.col_value = list(map(float, z))
        solution.value_valid = True
        self._h.setSolution(solution)

    def solve(self, time_limit: float | None = None,
              progress: Callable[[float, float], None] | None = None,
              found: Callable[[np.ndarray], None] | None = None) -> HighsResult:
        """Run a search; the limits of the call (`limits`) end it with what it has.

        Parameters
        ----------
        time_limit
            Seconds, which may go to the last end of the call; None: to the end of its search.
        progress
            progress(incumbent, bound), called as a MIP advances.
        found
            found(z), called with each better point of a MIP.

        Returns
        -------
        HighsResult

        Raises
        ------
        SolverError
            HiGHS failed, on a linear program or a MIP by all its methods.
        """
        status = limits.stopped(last=time_limit is not None)
        if status is not None or limits.work_left() <= 0.0:
            return HighsResult(status or Status.WORK_LIMIT)
        self._run.limit(
            limits.left() if time_limit is None else min(time_limit, limits.last_left()))
        self._run.go(*((progress, found) if self.is_mip else (None, None)), True)
        return self._answer()

    def _answer(self) -> HighsResult:
        if not self.columns:  # HiGHS calls it empty, whatever the rows require of zero
            lp = self._h.getLp()
            holds = np.all(np.array(lp.row_lower_) <= 0) and np.all(np.array(lp.row_upper_) >= 0)
            return HighsResult(Status.OPTIMAL, np.zeros(0), lp.offset_, lp.offset_, np.zeros(
                lp.num_row_), np.zeros(0)) if holds else HighsResult(Status.INFEASIBLE)
        status = self._run.status()
        info, solution = self._h.getInfo(), self._h.getSolution()
        feasible = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
        bound = info.mip_dual_bound if self.is_mip else info.objective_function_value
        known = np.isfinite(bound) and status in (
            (Status.OPTIMAL, *ENDED) if self.is_mip else (Status.OPTIMAL,))
        answer = HighsResult(status, bound=bound if known else None)
        if feasible:
            answer.z = np.array(solution.col_value)
            answer.objective = info.objective_function_value
        if solution.dual_valid:
            answer.row_dual = np.array(solution.row_dual)
            answer.col_dual = np.array(solution.col_dual)
        return answer


def solve_small_lp(c: np.ndarray, A: np.ndarray, lo: np.ndarray, hi: np.ndarray, lb: np.ndarray,
                   ub: np.ndarray) -> np.ndarray | None:
    """Solve a dense LP of a few columns, without presolve.

    Parameters
    ----------
    c, lb, ub
        Cost and bounds of the columns, shape (n,).
    A, lo, hi
        Rows, shapes (m, n), (m,), (m,).

    Returns
    -------
    np.ndarray or None
        Optimal z, shape (n,); None where there is none.
    """
    h = new_highs()
    h.setOptionValue("presolve", "off")
    rows, columns = A.shape
    h.addVars(columns, _inf(lb), _inf(ub))
    h.changeColsCost(columns, np.arange(columns, dtype=np.int32), np.asarray(c, float))
    h.addRows(rows, _inf(lo), _inf(hi), A.size, np.arange(0, A.size, columns, dtype=np.int32),
              np.tile(np.arange(columns, dtype=np.int32), rows), A.ravel())
    h.run()
    if h.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        return None
    return np.array(h.getSolution().col_value)


def _inf(values) -> np.ndarray:
    values = np.asarray(values, float)
    return np.clip(values, -INF, INF)
