"""Tiny models with known optima: what a solver can do is what it solves rightly.

Each probe takes a `SolverInterface` and raises `Wrong` (or what the solver raises) when the result
is not the known one. They are chosen so that a feature that is silently dropped changes the result.
"""

from __future__ import annotations

import pyomo.environ as pyo
import scipy.sparse as sp
from pyomo.common.tee import capture_output

from pyomo_dlmp.numerics.highs import Highs
from pyomo_dlmp.numerics.outer_approximation import solve_outer
from pyomo_dlmp.solvers.native import extended
from pyomo_dlmp.transform.compile import compile_program
from pyomo_dlmp.transform.complementarity.indicator import state


class Wrong(Exception):
    """The solver's result is not the known one."""


def _solve(interface, m) -> float:
    """Objective at the solver's point (embedded HiGHS: the package's own outer approximation)."""
    if interface.embedded:
        program = compile_program(m)
        outcome = solve_outer(program, gap=1e-7)
        if outcome.z is None:
            raise Wrong(outcome.status)
        for var, value in zip(program.columns, outcome.z, strict=True):
            var.set_value(float(value), skip_validation=True)
    else:
        solver = interface.solver()
        for key, value in interface.options.items():
            solver.options[key] = value
        with capture_output(), extended(interface.factory, solver, m):
            results = solver.solve(m, load_solutions=False)
            condition = str(results.solver.termination_condition)
            if condition != "optimal":
                raise Wrong(f"ended as {condition}")
            m.solutions.load_from(results)
    return float(pyo.value(next(iter(m.component_data_objects(pyo.Objective, active=True)))))


def _expect(interface, m, value: float, tolerance: float = 1e-5) -> None:
    found = _solve(interface, m)
    if abs(found - value) > tolerance:
        raise Wrong(f"returned {found:.6g} instead of {value:g}")


def _two(domain=pyo.Reals, bounds=(0, 4)) -> pyo.ConcreteModel:
    m = pyo.ConcreteModel()
    m.x = pyo.Var([0, 1], domain=domain, bounds=bounds)
    m.row = pyo.Constraint(expr=2 * m.x[0] + m.x[1] >= 3)
    return m


def _lp(interface) -> None:
    m = _two()
    m.cost = pyo.Objective(expr=3 * m.x[0] + 2 * m.x[1])
    _expect(interface, m, 4.5)


def _qp(interface) -> None:
    m = _two()
    m.cost = pyo.Objective(expr=m.x[0] ** 2 + m.x[1] ** 2 - m.x[0] * m.x[1])
    _expect(interface, m, 27.0 / 28.0)


def _milp(interface) -> None:
    m = _two(pyo.Integers)
    m.cost = pyo.Objective(expr=3 * m.x[0] + 2 * m.x[1])
    _expect(interface, m, 5.0)


def _miqp(interface) -> None:
    m = _two(pyo.Integers)
    m.cost = pyo.Objective(expr=(m.x[0] - 0.6) ** 2 + (m.x[1] - 0.8) ** 2)
    _expect(interface, m, 0.2)


def _qcp(interface) -> None:
    m = _two()
    m.disc = pyo.Constraint(expr=m.x[0] ** 2 + m.x[1] ** 2 <= 2)
    m.cost = pyo.Objective(expr=-m.x[0] - m.x[1])
    _expect(interface, m, -2.0, 1e-4)


def _nonconvex(interface) -> None:
    m = _two()
    m.disc = pyo.Constraint(expr=m.x[0] * m.x[1] <= 1)
    m.cost = pyo.Objective(expr=m.x[0] * m.x[1] - m.x[0] - 1.5 * m.x[1])
    _expect(interface, m, -6.0, 1e-4)  # x = (0, 4): local optima elsewhere


def _nlp(interface) -> None:
    m = _two()
    m.x[0].set_value(1.0)
    m.x[1].set_value(2.0)
    m.disc = pyo.Constraint(expr=m.x[0] * m.x[1] >= 1)
    m.cost = pyo.Objective(expr=m.x[0] ** 2 + 4 * m.x[1] ** 2)
    _expect(interface, m, 4.0, 1e-4)  # the row x y >= 1 binds, x^2 = 2


def _sos1(interface) -> None:
    """With bounds on both members of each pair SCIP 10.0 returns -7."""
    for bounded in (False, True):
        m = _bard(bounded)
        m.pair = pyo.SOSConstraint([1, 4, 5], rule=lambda m, k: [m.s[k], m.mu[k]], sos=1)
        _expect(interface, m, -12.0)


def _indicator(interface) -> None:
    """Multipliers of 1e6, with and without bounds: a constant in the solver's place is seen."""
    for bounded, cost in ((False, 1.0), (False, 1e6), (True, 1.0), (True, 1e6)):
        m = _bard(bounded, cost)
        m.binds = pyo.Var([1, 4, 5], domain=pyo.Binary)
        m.implied = pyo.Constraint(
            [1, 4, 5], [0, 1], rule=lambda m, k, value: (m.s if value else m.mu)[k] <= 0)
        state(m, {row: (m.binds[k], value) for (k, value), row in m.implied.items()})
        _expect(interface, m, -12.0)


def _bard(bounded: bool, cost: float = 1.0) -> pyo.ConcreteModel:
    """KKT form of Bard (1998), 5.1.1, without its pairs: the optimum with them is -12.

    `cost`: of the lower level's y, to which the multipliers are proportional.
    """
    top = {1: (15.0, 1.0001), 4: (28.0, 0.50005), 5: (12.0, 1.0001)}
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0, 10))
    m.y = pyo.Var(bounds=(0, 20))
    m.mu = pyo.Var([1, 4, 5], bounds=lambda _, k: (0, top[k][1] * cost if bounded else None))
    m.s = pyo.Var([1, 4, 5], bounds=lambda _, k: (0, top[k][0] if bounded else None))
    m.row1 = pyo.Constraint(expr=m.x + m.y >= 3)
    m.row2 = pyo.Constraint(expr=2 * m.x - m.y >= 0)
    m.row3 = pyo.Constraint(expr=2 * m.x + m.y <= 12)
    m.row4 = pyo.Constraint(expr=-3 * m.x + 2 * m.y >= -4)
    m.stationarity = pyo.Constraint(expr=m.mu[1] + 2 * m.mu[4] + m.mu[5] == cost)
    slack = {1: m.x + m.y - 3, 4: -3 * m.x + 2 * m.y + 4, 5: m.y}
    m.slack = pyo.Constraint([1, 4, 5], rule=lambda m, k: m.s[k] == slack[k])
    m.cost = pyo.Objective(expr=m.x - 4 * m.y)
    return m


def _duals(interface) -> None:
    """Signed duals of a minimisation and a maximisation."""
    if interface.embedded:
        row = sp.csr_matrix([[2.0, 1.0]])
        answer = Highs([3.0, 2.0], row, [3.0], [float("inf")], [0, 0], [4, 4]).solve()
        if answer.row_dual is None or abs(answer.row_dual[0] - 1.5) > 1e-6:
            raise Wrong("gave another dual than 1.5")
        return
    for sign, sense in ((1.0, pyo.minimize), (-1.0, pyo.maximize)):
        m = _two()
        m.cost = pyo.Objective(expr=sign * (3 * m.x[0] + 2 * m.x[1]), sense=sense)
        m.dual = pyo.Suffix(direction=pyo.Suffix.IMPORT)
        _solve(interface, m)
        if abs(m.dual.get(m.row, 0.0) - 1.5 * sign) > 1e-6:
            raise Wrong(f"gave the dual {m.dual.get(m.row)} instead of {1.5 * sign:g}")


def _warmstart(interface) -> None:
    """A start is taken without complaint, and the optimum found from it."""
    if interface.embedded:
        m = _two(pyo.Integers)
        m.cost = pyo.Objective(expr=3 * m.x[0] + 2 * m.x[1])
        program = compile_program(m)
        start = solve_outer(program).z
        if start is None or abs(solve_outer(program, start=start).objective - 5.0) > 1e-6:
            raise Wrong("lost the optimum that it was started from")
        return
    if not interface.solver().warm_start_capable():
        raise Wrong("is not offered by Pyomo")
    m = _two(pyo.Integers)
    m.cost = pyo.Objective(expr=3 * m.x[0] + 2 * m.x[1])
    m.x[0].set_value(2)
    m.x[1].set_value(0)
    with capture_output():
        interface.solver().solve(m, warmstart=True)
    if abs(pyo.value(m.cost) - 5.0) > 1e-6:
        raise Wrong(f"returned {pyo.value(m.cost)} instead of 5")


PROBES = {
    "lp": _lp, "qp": _qp, "milp": _milp, "miqp": _miqp, "qcp": _qcp, "nonconvex": _nonconvex,
    "nlp": _nlp, "sos1": _sos1, "indicator": _indicator,
    "duals": _duals, "warmstart": _warmstart,
}
