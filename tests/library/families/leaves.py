"""The problems that are left once it is settled what is tight: a feasibility LP, an LP or a QP."""

from __future__ import annotations

import highspy
import numpy as np

from tests.library.families.arrays import INF
from tests.library.families.system import System

EXACT = 1e-9
FAR = 1e5  # box of what is free in a QP; one ten times as large tells whether the QP is unbounded


class LinearProgram:
    """An LP over the system's columns in HiGHS; only boxes change between solves."""

    def __init__(self, system: System, cost: np.ndarray):
        rows = np.vstack([system.E, system.R])
        n = rows.shape[1]
        self.n, self.solver = n, highspy.Highs()
        for option, value in (
                ("output_flag", False), ("primal_feasibility_tolerance", EXACT),
                ("dual_feasibility_tolerance", EXACT), ("presolve", "off")):
            self.solver.setOptionValue(option, value)
        lp = highspy.HighsLp()
        lp.num_col_, lp.num_row_ = n, len(rows)
        lp.col_cost_ = cost
        lp.col_lower_, lp.col_upper_ = system.least, system.greatest
        lp.row_lower_ = np.concatenate([system.e, system.lo])
        lp.row_upper_ = np.concatenate([system.e, system.hi])
        lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        at, k = np.nonzero(rows)
        lp.a_matrix_.start_ = np.concatenate([[0], np.cumsum(np.bincount(at, minlength=len(rows)))])
        lp.a_matrix_.index_, lp.a_matrix_.value_ = k, rows[at, k]
        self.solver.passModel(lp)
        self.all = np.arange(n, dtype=np.int32)

    def solve(self, least, greatest) -> tuple[str, float, np.ndarray | None]:
        """(optimal | infeasible | unbounded, value, point)."""
        self.solver.changeColsBounds(self.n, self.all, least, greatest)
        self.solver.run()
        status = self.solver.getModelStatus()
        kinds = highspy.HighsModelStatus
        if status in (kinds.kUnbounded, kinds.kUnboundedOrInfeasible):
            return "unbounded", -INF, None  # callers know that it is feasible
        if status == kinds.kInfeasible:
            return "infeasible", INF, None
        if status != kinds.kOptimal:
            self.solver.clearSolver()
            self.solver.run()
            status = self.solver.getModelStatus()
            assert status == kinds.kOptimal, status
        found = self.solver.getInfo().objective_function_value
        return "optimal", found, np.array(self.solver.getSolution().col_value)


class QuadraticProgram:
    """A QP over the system's columns in Gurobi, convex or not.

    Where the equations and what is fixed leave a convex problem, that is solved; a product of a
    price and an answer that follows it is of that kind.
    """

    def __init__(self, system: System):
        import gurobipy

        self.system, self.gurobi = system, gurobipy
        self.environment = gurobipy.Env(params={"OutputFlag": 0})

    def solve(self, least, greatest) -> tuple[str, float, np.ndarray | None]:
        """As of a `LinearProgram`; unbounded where a box ten times as large gives more."""
        model, z = self._model(least, greatest)
        status, value, point = self._in_box(model, z, least, greatest, FAR)
        if status != "optimal" or not np.any(np.abs(point) > 0.5 * FAR):
            return status, value, point
        more = self._in_box(model, z, least, greatest, 10 * FAR)
        if more[1] < value - 1e-4 * max(1.0, abs(value)):
            return "unbounded", -INF, None
        return status, value, point

    def _model(self, least, greatest):
        system, m = self.system, self.gurobi.Model(env=self.environment)
        z = m.addMVar(len(system.cost), lb=-FAR, ub=FAR)
        m.addConstr(system.E @ z == system.e)
        for a, lo, hi in zip(system.R, system.lo, system.hi, strict=True):
            if np.isfinite(lo):
                m.addConstr(a @ z >= lo)
            if np.isfinite(hi):
                m.addConstr(a @ z <= hi)
        reduced = self._convex(least, greatest)
        if reduced is None:
            m.setObjective(0.5 * (z @ system.H @ z) + system.cost @ z)
        else:
            start, N, H, cost = reduced
            y = m.addMVar(N.shape[1], lb=-INF)
            m.addConstr(z == start + N @ y)
            constant = 0.5 * start @ system.H @ start + system.cost @ start
            m.setObjective(0.5 * (y @ H @ y) + cost @ y + constant)
        m.Params.NonConvex, m.Params.Threads = 2, 1
        m.Params.FeasibilityTol = m.Params.OptimalityTol = EXACT
        m.Params.BarConvTol, m.Params.BarQCPConvTol = 1e-11, 1e-11
        m.Params.MIPGap, m.Params.MIPGapAbs, m.Params.TimeLimit = 1e-8, 1e-8, 60
        return m, z

    def _convex(self, least, greatest):
        """(start, N, H, cost): z = start + N y on the equations, convex in y; None: it is not."""
        system = self.system
        fixed = np.flatnonzero(least == greatest)
        unit = np.eye(len(least))[fixed]
        equations = np.vstack([system.E, unit])
        right = np.concatenate([system.e, least[fixed]])
        _, sizes, V = np.linalg.svd(equations)
        N = V[np.sum(sizes > 1e-9 * sizes[0]):].T
        if not N.shape[1]:
            return None
        H = N.T @ system.H @ N
        values, vectors = np.linalg.eigh(H)
        if values[0] < -1e-9 * max(1.0, values[-1]):
            return None
        start = np.linalg.lstsq(equations, right, rcond=None)[0]
        cost = N.T @ (system.cost + system.H @ start)
        return start, N, vectors * np.maximum(values, 0) @ vectors.T, cost

    def _in_box(self, model, z, least, greatest, far: float):
        z.LB, z.UB = np.maximum(least, -far), np.minimum(greatest, far)
        codes = self.gurobi.GRB
        for method, focus in ((-1, 0), (0, 0), (1, 3)):  # numerical trouble: another algorithm
            model.Params.Method, model.Params.NumericFocus = method, focus
            model.optimize()
            if model.Status == codes.OPTIMAL:
                return "optimal", model.ObjVal, z.X
            if model.Status in (codes.INFEASIBLE, codes.INF_OR_UNBD):
                return "infeasible", INF, None
        raise AssertionError(f"Gurobi ends with status {model.Status}")
