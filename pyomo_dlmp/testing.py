"""Helpers for tests of your own bilevel models and transformations; they need no pytest.

Each compares an answer with something that was found another way: a grid of upper decisions, the
model before a transformation, a difference quotient. All raise AssertionError with the point, the
component and both numbers.

::

    import pyomo_dlmp as dlmp
    from pyomo_dlmp.testing import assert_bilevel_optimal

    def test_my_market():
        m = my_market()
        result = dlmp.solve_bilevel(m)
        assert_bilevel_optimal(m, result, points=15)
"""

from __future__ import annotations

import itertools
import pickle
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import pyomo.environ as pyo
from pyomo.common.collections import ComponentMap, ComponentSet

from pyomo_dlmp.auditing.statements import broken_statements
from pyomo_dlmp.bilevel import lower_levels, upper_data, upper_objective
from pyomo_dlmp.bilevel.components import upper_components
from pyomo_dlmp.errors import ModelError, SolverError
from pyomo_dlmp.lower.form import compile_lower
from pyomo_dlmp.solve.opf import solve_opf
from pyomo_dlmp.tolerances import ROW_HOLDS
from pyomo_dlmp.transform.record import single_level_data
from pyomo_dlmp.transform.single_level import bounds_table

_MOST_POINTS = 100_000
_ANONYMOUS = re.compile(r"(^|\.)\w+\[\d+\]$")  # a component that is told apart by a number only


def assert_bilevel_feasible(model, result, *, tolerance: float = 1e-5) -> None:
    """Check that the loaded values are a point of the bilevel model, and the stated objective its.

    Upper rows and bounds hold, each lower level is solved again at the upper decisions and costs no
    less than the loaded values say, and the upper objective of the values is the answer's.

    Parameters
    ----------
    model : ConcreteModel
        The untransformed model, with the answer's values loaded.
    result : BilevelResult
        What `solve_bilevel(model)` returned.
    tolerance : float
        Relative to 1 + abs(limit, cost or objective).

    Raises
    ------
    AssertionError
        One of these does not hold.
    """
    for row in upper_data(model, pyo.Constraint):
        assert _holds(row, tolerance), f"{row.name}: {pyo.value(row.body)} breaks the row"
    for name, over in broken_statements(model):
        raise AssertionError(f"{name}: does not hold, by {over}")
    for var in _upper_vars(model):
        if var.value is None:
            continue  # nothing uses it
        inside = _between(var.value, var.lb, var.ub, tolerance)
        assert inside, f"{var.name}: {var.value} is outside its bounds {var.bounds}"
    value = pyo.value(upper_objective(model).expr)
    assert abs(result.objective - value) <= tolerance * (1 + abs(value)), (
        f"objective {result.objective}, but the values give {value}")
    with _values_kept(model):
        for block in lower_levels(model):
            goal = compile_lower(block).objective
            cost = pyo.value(goal.expr)
            solve_opf(block)
            best = pyo.value(goal.expr)
            assert abs(cost - best) <= tolerance * (1 + abs(best)), (
                f"{block.name}: the values cost {cost}, the lower level's optimum is {best}")


def assert_bilevel_optimal(
    model, result, *, points: int = 9, decisions: Callable[[], Iterable[Mapping]] | None = None,
    tolerance: float = 1e-4,
) -> float:
    """Check an answer of `solve_bilevel` by brute force over the upper decisions.

    It must be a point of the model (`assert_bilevel_feasible`). At each point of a grid the lower
    levels are solved again and their answers and duals loaded; of the points that obey all upper
    rows none may be better than the answer by more than its own gap, nor better than its bound.

    Parameters
    ----------
    model : ConcreteModel
        The untransformed model, with the answer's values loaded; they are there again afterwards.
    result : BilevelResult
        What `solve_bilevel(model)` returned.
    points : int
        Grid points along each upper Var that is not integer (an integer Var takes all its values).
    decisions : callable, optional
        Gives ``ComponentMap`` objects from Var data to value in place of the grid: for upper levels
        with equations (a day's energy), which a grid would miss, or with Vars without bounds.
    tolerance : float
        Relative to max(1, abs(objective)), on top of the answer's gap.

    Returns
    -------
    float
        The best upper objective among the points that were tried, in the model's unit.

    Raises
    ------
    AssertionError
        The answer is no point of the model; a point is better than it, or than its bound; or no
        point obeys the upper rows.
    ModelError
        An upper Var has no bounds and `decisions` is not given; the grid has over 100,000 points.

    Notes
    -----
    Where a lower level has several answers or duals, a point takes one of them, not the best for
    the upper level: brute force may then miss a better point, and never invents one.
    """
    if result.objective is not None:
        assert_bilevel_feasible(model, result, tolerance=tolerance)
    goal, rows = upper_objective(model), list(upper_data(model, pyo.Constraint))
    sign = 1.0 if goal.is_minimizing() else -1.0
    best, at = np.inf, {}
    with _values_kept(model):
        for point in decisions() if decisions else _grid(_upper_vars(model), points):
            for var, value in point.items():
                var.set_value(value, skip_validation=True)
            if _solve_lower(model) and all(map(_holds, rows)) and not broken_statements(model):
                value = sign * pyo.value(goal.expr)
                if value < best:
                    best, at = value, {var.name: value for var, value in point.items()}
    assert at, "no point that was tried obeys the upper rows: give `decisions`"
    assert result.objective is not None, f"{result.status} without a point, but {at} is one"
    room = tolerance * max(1.0, abs(best))
    gap = abs(result.objective - result.bound) if result.bound is not None else 0.0
    assert sign * result.objective <= best + gap + room, (
        f"objective {result.objective}, but {sign * best} at {at}")
    if result.bound is not None:
        assert sign * result.bound <= best + room, (
            f"bound {result.bound}, but {sign * best} at {at}")
    return sign * float(best)


def assert_reformulated(
    make: Callable, transformation: str, *, refuses_twice: bool = True, **options,
):
    """Check what every transformation of this package promises, on a model that ``make()`` builds.

    The original is left alone by ``create_using``; ``apply_to`` adds one block and deletes nothing;
    values of Vars are unchanged; rows of the new block have names that say what they are; a second
    application raises ModelError; clone and pickle keep the transformed model, and of
    ``dlmp.single_level`` the table of its pairs and bounds.

    Parameters
    ----------
    make : callable
        Builds a fresh model; called a few times. Pickle is tried where the model it builds can be
        pickled.
    transformation : str
        A registered name, such as ``"dlmp.single_level"`` or your own.
    refuses_twice : bool
        False for a transformation that may be applied again (it then finds nothing to do).
    **options
        Options of the transformation.

    Returns
    -------
    ConcreteModel
        The transformed model.

    Raises
    ------
    AssertionError
        A promise is broken; the text says which.
    """
    factory = pyo.TransformationFactory(transformation)
    m = make()
    before, values, whole = _active(m), _values(m), _components(m)
    copy = factory.create_using(m, **options)
    changed = _active(m) ^ before
    assert not changed, f"create_using changed the original: {', '.join(sorted(changed))}"
    factory.apply_to(m, **options)
    for model in (m, copy, m.clone(), *_pickled(m, make)):
        gone = whole - _components(model)
        assert not gone, f"deleted: {', '.join(sorted(gone))}"
        tops = {name.split(".")[0] for name in _components(model) - whole}
        tops -= {name.split(".")[0] for name in whole}
        assert len(tops) == 1, f"new components in {len(tops)} places: {', '.join(sorted(tops))}"
        assert _active(model) == _active(m), "a copy has other active components"
        moved = [name for name, value in values.items() if _values(model)[name] != value]
        assert not moved, f"values have changed: {', '.join(moved)}"
        if single_level_data(m) is not None:
            assert bounds_table(model).equals(bounds_table(m)), "a copy lost its pairs and bounds"
    added = m.component(tops.pop())
    unnamed = [data.name for ctype in (pyo.Constraint, pyo.SOSConstraint)
               for data in added.component_data_objects(ctype) if _ANONYMOUS.search(data.name)]
    assert not unnamed, f"names that say nothing: {', '.join(unnamed[:5])}"
    if refuses_twice:
        _assert_refused(factory, m, transformation, options)
    return m


def assert_duals_by_finite_differences(
    block, *, rows=None, step: float = 1e-4, tolerance: float = 1e-3,
) -> int:
    """Check the loaded duals of a lower level: each is the slope of its optimal cost.

    Each row's right-hand side is moved by `step` up and down and the lower level is solved again.
    The optimal cost is convex in it (concave for a maximisation), so a dual lies between the two
    slopes; where they differ the dual is not unique. The sign is that of ``dual_of``.

    Parameters
    ----------
    block : LowerLevel or ConcreteModel
        Solved: Vars have values, duals stand in ``block.dual`` (`solve_bilevel`, `solve_opf`).
    rows : iterable of ConstraintData, optional
        The rows to check; all active rows of the block by default (two solves for each).
    step : float
        In units of a row (MW ...), small against the distance to the next change of active rows.
    tolerance : float
        Of a dual, relative to max(1, abs(dual)), in cost per unit of a row.

    Returns
    -------
    int
        How many duals were checked.

    Raises
    ------
    AssertionError
        A dual is no slope of the optimal cost; the text has the row and the three numbers.
    ModelError
        The block has no loaded duals.
    """
    duals = block.component("dual")
    if duals is None:
        raise ModelError.at(block.name, "has no loaded duals",
                            "Call dlmp.solve_bilevel or dlmp.solve_opf first.")
    form = compile_lower(block)
    sign = 1.0 if form.objective.is_minimizing() else -1.0
    held, checked = ComponentMap(duals), 0
    with _values_kept(block):
        base = solve_opf(block).cost
        for row in form.rows if rows is None else rows:
            low, high = sorted((_moved_cost(block, row, move, sign) - base) / move
                               for move in (-step, step))
            dual = held[row]
            room = tolerance * max(1.0, abs(dual))
            assert low - room <= dual <= high + room, (
                f"{row.name}: dual {dual}, but slopes from {low} to {high}")
            checked += 1
    return checked


def _moved_cost(block, row, move: float, sign: float) -> float:
    """Optimal cost with a row's right-hand side moved; infinite where the row then cannot hold."""
    held, body = row.expr, row.body
    low, high = (None if end is None else end + move for end in (row.lb, row.ub))
    try:
        row.set_value(body == low if row.equality else (low, body, high))
        return solve_opf(block).cost
    except SolverError:
        return sign * np.inf
    finally:
        row.set_value(held)


def _upper_vars(model) -> list:
    declared = [v for block in lower_levels(model) for v in block.declared_upper()]
    stated = [v for component in upper_components(model) if component.ctype is pyo.Var
              for v in component.values()]  # indicators of Disjuncts, too
    return [v for v in ComponentSet([*stated, *declared]) if not v.fixed]


def _grid(variables: list, points: int) -> Iterator[Mapping]:
    axes = []
    for var in variables:
        if var.lb is None or var.ub is None:
            raise ModelError.at(var.name, "has no finite bounds, so it has no grid",
                                "Give it bounds, or give the points to try as `decisions`.")
        axes.append(np.arange(np.ceil(var.lb), var.ub + 0.5) if not var.is_continuous()
                    else np.linspace(var.lb, var.ub, points))
    if np.prod([float(len(axis)) for axis in axes]) > _MOST_POINTS:
        raise ModelError.at("the grid", f"has more than {_MOST_POINTS} points",
                            "Give fewer points, or the points to try as `decisions`.")
    for values in itertools.product(*axes):
        yield ComponentMap(zip(variables, map(float, values), strict=True))


def _solve_lower(model) -> bool:
    """Load each lower level's answer at the values of the upper Vars; False where it has none."""
    try:
        for block in lower_levels(model):
            solve_opf(block)
    except SolverError:
        return False
    return True


@contextmanager
def _values_kept(model) -> Iterator[None]:
    """Values of Vars and of `dual` Suffixes are the same afterwards."""
    values = ComponentMap((v, v.value) for v in model.component_data_objects(pyo.Var))
    duals = [(suffix, ComponentMap(suffix)) for suffix in model.component_objects(pyo.Suffix)
             if suffix.local_name == "dual"]
    try:
        yield
    finally:
        for var, value in values.items():
            var.set_value(value, skip_validation=True)
        for suffix, entries in duals:
            suffix.update(entries)


def _holds(row, tolerance: float = ROW_HOLDS) -> bool:
    return _between(pyo.value(row.body), row.lb, row.ub, tolerance)


def _between(value: float, low, high, tolerance: float) -> bool:
    return ((low is None or value >= low - tolerance * (1 + abs(low)))
            and (high is None or value <= high + tolerance * (1 + abs(high))))


def _components(model) -> set[str]:
    return {c.name for c in model.component_objects()}


def _active(model) -> set[str]:
    return {c.name for c in model.component_objects(active=True)}


def _values(model) -> dict[str, float | None]:
    return {v.name: v.value for v in model.component_data_objects(pyo.Var)}


def _pickled(model, make: Callable) -> list:
    """The model through pickle, where what `make` builds can be pickled."""
    try:
        pickle.dumps(make())
    except (AttributeError, TypeError, pickle.PicklingError):
        return []
    return [pickle.loads(pickle.dumps(model))]


def _assert_refused(factory, model, name: str, options: dict) -> None:
    try:
        factory.apply_to(model, **options)
    except ModelError:
        return
    raise AssertionError(f"a second application of {name} was accepted")


__all__ = [
    "assert_bilevel_feasible", "assert_bilevel_optimal", "assert_duals_by_finite_differences",
    "assert_reformulated"]
