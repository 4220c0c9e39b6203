"""`dlmp.mccormick` and `dlmp.binary_expansion` on any bilinear model, apart from bilevel models."""

import pickle

import numpy as np
import pyomo.environ as pyo
import pytest
from pyomo.gdp import Disjunct

import pyomo_dlmp as dlmp
from pyomo_dlmp.testing import assert_reformulated
from pyomo_dlmp.transform.products.bilinear import is_convex
from tests.models import bilinear, solver_or_skip


def made(m, name="dlmp.mccormick", **options):
    return pyo.TransformationFactory(name).create_using(m, **options)


def solved(m, name="dlmp.mccormick", **options):
    """(objective, the transformed model with HiGHS's point)."""
    relaxed = made(m, name, **options)
    pyo.SolverFactory("highs").solve(relaxed)
    (goal,) = relaxed.component_data_objects(pyo.Objective, active=True)
    return pyo.value(goal), relaxed


def haverly():
    """Haverly's first pooling problem: sulphur p of the pool times each flow out of it; -400."""
    m = pyo.ConcreteModel()
    m.A, m.B = pyo.Var(bounds=(0, 300)), pyo.Var(bounds=(0, 300))
    m.Cx, m.Cy, m.Px, m.Py = (pyo.Var(bounds=(0, top)) for top in (100, 200, 100, 200))
    m.p = pyo.Var(bounds=(1, 3))
    m.pool = pyo.Constraint(expr=m.Px + m.Py == m.A + m.B)
    m.sulphur = pyo.Constraint(expr=m.p * (m.Px + m.Py) == 3 * m.A + m.B)
    m.first = pyo.Constraint(expr=m.p * m.Px + 2 * m.Cx <= 2.5 * (m.Px + m.Cx))
    m.second = pyo.Constraint(expr=m.p * m.Py + 2 * m.Cy <= 1.5 * (m.Py + m.Cy))
    m.most_x = pyo.Constraint(expr=m.Px + m.Cx <= 100)
    m.most_y = pyo.Constraint(expr=m.Py + m.Cy <= 200)
    m.cost = pyo.Objective(expr=6 * m.A + 16 * m.B + 10 * (m.Cx + m.Cy)
                           - 9 * (m.Px + m.Cx) - 15 * (m.Py + m.Cy))
    return m


def squares(sense=pyo.minimize, sign=-1.0):
    """-x^2 over [-2, 3]: -9 at 3."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(-2, 3))
    m.o = pyo.Objective(expr=sign * m.x * m.x, sense=sense)
    return m


def random_model(seed: int):
    """Two continuous Vars and an integer one; products and squares in the objective and rows."""
    rng = np.random.default_rng(seed)
    m = pyo.ConcreteModel()
    m.x = pyo.Var(range(3), bounds=lambda m, i: (-1 - i / 2, 2 + i / 3))
    m.x[2].domain = pyo.Integers

    def quadratic():
        Q = np.round(rng.uniform(-3, 3, (3, 3)) * (rng.random((3, 3)) < 0.6), 1)
        c = np.round(rng.uniform(-2, 2, 3), 1)
        return sum(Q[i, j] * m.x[i] * m.x[j] for i in range(3) for j in range(3)) + sum(
            c[i] * m.x[i] for i in range(3))

    m.upper = pyo.Constraint(expr=quadratic() <= 1.5)
    m.lower = pyo.Constraint(expr=quadratic() >= -2.0)
    m.goal = pyo.Objective(expr=quadratic(), sense=pyo.maximize if seed % 2 else pyo.minimize)
    return m


# ------------------------------------------------------------------ how tight


def test_rows_that_share_a_product_are_linked():
    """Three unlinked products p (Px + Py), p Px and p Py would give -1550."""
    bound, m = solved(haverly())
    assert bound == pytest.approx(-500, abs=1e-5)
    assert sorted(m.dlmp_products.product) == ["p * Px", "p * Py"]
    divided, m = solved(haverly(), segments=16)
    assert -440 <= divided <= -400 + 1e-6
    assert list(m.dlmp_products.division) == ["p"]


def test_an_expansion_of_haverly_brackets_the_optimum():
    relaxed, _ = solved(haverly(), "dlmp.binary_expansion", bits=5, remainder=True)
    grid, m = solved(haverly(), "dlmp.binary_expansion", bits=5)
    assert relaxed <= -400 + 1e-5 <= grid + 2e-5
    assert relaxed >= -420 and grid <= -390
    assert list(m.dlmp_products.expansion) == ["p"]


@pytest.mark.parametrize("seed", range(12))
def test_random_models(seed):
    """Relaxations bound the optimum and come near; a grid is feasible and comes near."""
    m = random_model(seed)
    solver = pyo.SolverFactory(solver_or_skip("gurobi"))
    solver.options["NonConvex"] = 2
    answer = solver.solve(m, load_solutions=False)
    if answer.solver.termination_condition != "optimal":
        pytest.skip("no feasible point")
    m.solutions.load_from(answer)
    best, sign = pyo.value(m.goal), (1.0 if m.goal.is_minimizing() else -1.0)
    bounds = {}
    for label, name, options in (
            ("plain", "dlmp.mccormick", {}), ("pieces", "dlmp.mccormick", {"segments": 6}),
            ("both", "dlmp.mccormick", {"segments": 6, "both": True}),
            ("bits", "dlmp.binary_expansion", {"bits": 5, "remainder": True})):
        value, relaxed = solved(m, name, keep_convex="none", **options)
        bounds[label] = sign * value
        assert sign * value <= sign * best + 1e-5 * (1 + abs(best)), label
        assert_errors_as_stated(relaxed)
    small = 1e-5 * (1 + abs(best))
    gap = {label: sign * best - bound for label, bound in bounds.items()}
    assert gap["pieces"] <= 0.5 * gap["plain"] + small
    assert gap["both"] <= gap["pieces"] + small
    assert gap["both"] <= 0.1 * gap["plain"] + small
    assert gap["bits"] <= 0.1 * gap["plain"] + small


def assert_errors_as_stated(relaxed):
    """Each w is within its `error_bound` of the product of the two Vars."""
    value = {v.name: pyo.value(v) for v in relaxed.component_data_objects(pyo.Var)}
    for name, block in relaxed.dlmp_products.product.items():
        v, Y = name.split(" * ") if " * " in name else [name.split(" ** ")[0]] * 2
        if block.component("w") is not None:
            error = abs(pyo.value(block.w) - value[v] * value[Y])
            assert error <= block.error_bound + 1e-5, name


@pytest.mark.parametrize("segments", [1, 2, 4, 8])
def test_pieces_divide_the_stated_error(segments):
    m = bilinear()
    one = made(m, segments=segments).dlmp_products.product["x * y"]
    two = made(m, segments=segments, both=True).dlmp_products.product["x * y"]
    assert one.error_bound == pytest.approx(4.0 / segments)
    assert two.error_bound == pytest.approx(4.0 / segments**2)


def test_dividing_both_is_tighter():
    m = random_model(7)
    one, two = (solved(m, segments=4, both=both, keep_convex="none")[0] for both in (False, True))
    assert 2.0129 <= two <= one - 0.5  # a maximisation; 2.01290 by a global solver


# -------------------------------------------------------------------- squares


@pytest.mark.parametrize("options, least", [
    ({}, -9.0 - 25 / 4), ({"segments": 8}, -9.1), ({"segments": 64}, -9.002)])
def test_a_concave_square_is_enveloped(options, least):
    for m in (squares(), squares(pyo.maximize, 1.0)):
        bound = solved(m, **options)[0] * (1 if m.o.is_minimizing() else -1)
        assert least <= bound <= -9 + 1e-6


def test_a_square_in_a_row():
    """max x over x^2 <= 5 is sqrt(5); min x over x^2 >= 4, x >= 0.5, is 2."""
    m = pyo.ConcreteModel()
    m.x = pyo.Var(bounds=(0.5, 4))
    m.row = pyo.Constraint(expr=m.x**2 <= 5)
    m.o = pyo.Objective(expr=m.x, sense=pyo.maximize)
    assert 5**0.5 - 1e-6 <= solved(m, segments=16)[0] <= 5**0.5 + 0.01
    assert 5**0.5 - 0.03 <= solved(m, "dlmp.binary_expansion", bits=8)[0] <= 5**0.5 + 1e-6
    m.row.set_value(m.x**2 >= 4)
    m.o.sense = pyo.minimize
    assert 2 - 0.02 <= solved(m, segments=16)[0] <= 2 + 1e-6
    assert 2 - 1e-6 <= solved(m, "dlmp.binary_expansion", bits=8)[0] <= 2.03


def test_a_square_expanded():
    assert solved(squares(), "dlmp.binary_expansion", bits=4)[0] == pytest.approx(-9)
    bound, _ = solved(squares(), "dlmp.binary_expansion", bits=4, remainder=True)
    assert -9 - 5 / 16 * 5 / 4 <= bound <= -9 + 1e-6


def test_a_convex_objective_stays_unless_told():
    m = squares(sign=1.0)
    assert made(m).component("dlmp_products") is None
    bound, _ = solved(m, segments=8, keep_convex="none")
    assert -0.1 <= bound <= 1e-6
    m.y = pyo.Var(bounds=(0, 1))
    m.o.set_value(m.x**2 - 2 * m.x * m.y + m.y**2)  # convex as a whole
    assert made(m).component("dlmp_products") is None
    m.o.set_value(m.x**2 - 3 * m.x * m.y + m.y**2)
    assert list(made(m).dlmp_products.product) == ["x * y"]  # the squares stay


def test_convex_rows_stay_for_a_solver_that_takes_them():
    m = squares(sign=1.0)
    m.row = pyo.Constraint(expr=m.x**2 <= 5)
    m.other = pyo.Constraint(expr=m.x**2 >= 1)
    assert list(made(m, keep_convex="all").dlmp_products.rows) == ["other"]
    assert list(made(m).dlmp_products.rows) == ["row", "other"]


@pytest.mark.parametrize("quadratic, sign, known", [
    ({(1, 1): 2.0}, 1.0, True), ({(1, 1): 2.0}, -1.0, False), ({(1, 2): 1.0}, 1.0, False),
    ({(1, 1): 1.0, (1, 2): 2.0, (2, 2): 1.0}, 1.0, True),
    ({(1, 1): 1.0, (1, 2): 2.1, (2, 2): 1.0}, 1.0, False),
    ({(1, 1): 1.0, (2, 2): 1.0, (3, 3): -1e-3, (3, 4): 0.0}, 1.0, False)])
def test_convexity_of_terms(quadratic, sign, known):
    assert is_convex(quadratic, sign) is known


# ----------------------------------------------------------- kinds of factors


@pytest.mark.parametrize("name, options", [
    ("dlmp.mccormick", {"segments": 4}), ("dlmp.binary_expansion", {"bits": 3}),
    ("dlmp.binary_expansion", {"bits": 3, "remainder": True})])
def test_an_integer_factor_is_exact(name, options):
    """min y - i y + i^2/2 over i in 0..7, y in [0.5, 3.3]: by hand the least over i."""
    m = pyo.ConcreteModel()
    m.i = pyo.Var(bounds=(-0.5, 7.2), domain=pyo.Integers)
    m.y = pyo.Var(bounds=(0.5, 3.3))
    m.o = pyo.Objective(expr=m.y - m.i * m.y + 0.5 * m.i**2)
    best = min(y - i * y + i * i / 2 for i in range(8) for y in (0.5, 3.3))
    bound, relaxed = solved(m, name, keep_convex="none", **options)
    assert bound == pytest.approx(best, abs=1e-6)
    assert all(b.error_bound == 0 for b in relaxed.dlmp_products.product.values())


def test_an_integer_with_too_few_bits_stays_on_whole_numbers():
    m = pyo.ConcreteModel()
    m.i = pyo.Var(bounds=(0, 10), domain=pyo.Integers)
    m.y = pyo.Var(bounds=(0, 1))
    m.row = pyo.Constraint(expr=m.i * m.y <= 4.5)
    m.o = pyo.Objective(expr=m.i + m.y, sense=pyo.maximize)
    value, relaxed = solved(m, "dlmp.binary_expansion", bits=2, expand=[m.i])
    assert value == pytest.approx(8 + 4.5 / 8, abs=1e-5)  # 0, 4, 8
    assert relaxed.i.value == pytest.approx(8, abs=1e-5)


def test_a_binary_factor_needs_no_pieces():
    m = bilinear()
    m.x.domain = pyo.Binary
    bound, relaxed = solved(m, segments=5)
    assert bound == pytest.approx(-4)
    assert relaxed.dlmp_products.component("division") is None


def test_a_factor_of_one_value():
    m = bilinear()
    m.x.setlb(4)
    for name in ("dlmp.mccormick", "dlmp.binary_expansion"):
        assert solved(m, name, expand=[m.x])[0] == pytest.approx(-6)


def test_fixed_vars_params_and_expressions():
    """They count as at the call; what has no product of free Vars stays as it is."""
    m = bilinear()
    m.k = pyo.Param(initialize=1.0, mutable=True)
    m.z = pyo.Var(initialize=2.0, bounds=(0, None))
    m.z.fix()
    m.e = pyo.Expression(expr=m.k * m.x * m.y)
    m.row.set_value(m.e + m.x <= 6)
    m.linear = pyo.Constraint(expr=m.z * m.x <= 7)
    bound, relaxed = solved(m, segments=4)
    assert bound == pytest.approx(-6, abs=1e-5)
    assert relaxed.linear.active and not relaxed.row.active
    m.k.set_value(3.0)
    assert solved(m, segments=4)[0] != pytest.approx(bound, abs=1e-3)


def test_deactivated_parts_are_left():
    m = bilinear()
    m.off = pyo.Constraint(expr=m.x * m.y * m.x >= 100)
    m.off.deactivate()
    m.b = pyo.Block()
    m.b.row = pyo.Constraint(expr=m.x * m.x >= 100)
    m.b.deactivate()
    relaxed = made(m)
    assert list(relaxed.dlmp_products.rows) == ["row"]
    assert not relaxed.off.active and relaxed.b.row.active and not relaxed.b.active


# ------------------------------------------------------------------- refusals


def cubic(m):
    m.row.set_value(m.x * m.y * m.x <= 1)


def sine(m):
    m.goal.set_value(pyo.sin(m.x) + m.x * m.y)


def unbounded(m):
    m.x.setub(None)
    m.y.setlb(None)


def second_objective(m):
    m.second = pyo.Objective(expr=m.x * m.y)


def in_a_disjunct(m):
    m.d = Disjunct()
    m.d.row = pyo.Constraint(expr=m.x * m.y <= 1)


@pytest.mark.parametrize("change, error, words", [
    (cubic, dlmp.ModelError, "row: has terms beyond products of two Vars, in 'x', 'y'.*Var of its"),
    (sine, dlmp.ModelError, "goal: has terms beyond products of two Vars, in 'x'"),
    (unbounded, dlmp.BoundError, r"(?s)x: has bounds \(0, None\).*y: has bounds.*finite bounds"),
    (second_objective, dlmp.ModelError, "second: is a second active objective"),
    (in_a_disjunct, dlmp.ModelError, r"d\.row: has products.*gdp\.bigm"),
])
@pytest.mark.parametrize("name", ["dlmp.mccormick", "dlmp.binary_expansion"])
def test_refused_by_name_and_unchanged(change, error, words, name):
    m = bilinear()
    change(m)
    before = {c.name: c.active for c in m.component_objects()}
    with pytest.raises(error, match=words):
        pyo.TransformationFactory(name).apply_to(m)
    assert {c.name: c.active for c in m.component_objects()} == before


def test_a_bilevel_model_is_refused_untransformed():
    m = bilinear()
    m.low = dlmp.LowerLevel()
    m.low.y = pyo.Var()
    m.low.o = pyo.Objective(expr=m.low.y**2 - m.x * m.low.y)
    with pytest.raises(dlmp.ModelError, match=r"dlmp\.single_level first"):
        made(m)


# ------------------------------------------------------------------- contract


@pytest.mark.parametrize("options", [{}, {"segments": 3}, {"segments": 2, "both": True}])
def test_the_contract(options):
    assert_reformulated(haverly, "dlmp.mccormick", refuses_twice=False, **options)


def test_a_second_application_finds_what_is_new():
    m = bilinear()
    pyo.TransformationFactory("dlmp.mccormick").apply_to(m)
    pyo.TransformationFactory("dlmp.mccormick").apply_to(m)
    assert [b.name for b in m.component_objects(pyo.Block, descend_into=False)] == [
        "dlmp_products"]
    m.late = pyo.Constraint(expr=m.x * m.x <= 9)
    pyo.TransformationFactory("dlmp.mccormick").apply_to(m)
    _, new = m.component_objects(pyo.Block, descend_into=False)
    assert list(new.rows) == ["late"]


def test_copies_solve_to_the_same_bound():
    bound, m = solved(haverly(), segments=2)
    for copy in (m.clone(), pickle.loads(pickle.dumps(m))):
        pyo.SolverFactory("highs").solve(copy)
        assert pyo.value(copy.cost) == pytest.approx(bound, abs=1e-4)
        assert list(copy.dlmp_products.rows) == ["sulphur", "first", "second"]


def test_which_var_is_expanded():
    """The Var in most pairs, unless the user prefers others."""
    m = haverly()
    assert list(made(m, "dlmp.binary_expansion").dlmp_products.expansion) == ["p"]
    chosen = made(m, "dlmp.binary_expansion", expand=[m.Px, m.Py])
    assert list(chosen.dlmp_products.expansion) == ["Px", "Py"]
