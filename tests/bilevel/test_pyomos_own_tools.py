"""Pyomo's own tools on a bilevel model: each works, or says in our words what to do.

On the transformed model all of them work, and its solvers find the bilevel optimum.
"""

import importlib
import io
import pickle

import pyomo.environ as pyo
import pytest
from pyomo.repn import generate_standard_repn

import pyomo_dlmp as dlmp
from tests.models import bard

WORDS = r"(?s)dlmp\.solve_bilevel.*apply\s+dlmp\.single_level\s+first"
OPTIMUM = -12.0


def call(name, *args, **options):
    """A function or class of Pyomo, called with the model."""
    def run(m, tmp_path):
        module, _, attribute = name.rpartition(".")
        return getattr(importlib.import_module(module), attribute)(m, *args, **options)
    return run


def transformed(name, **options):
    return lambda m, tmp_path: pyo.TransformationFactory(name).create_using(m, **options)


def written(ending, **options):
    def run(m, tmp_path):
        file = tmp_path / f"model.{ending}"
        m.write(str(file), **options)
        assert file.stat().st_size > 0
    return run


def solved(name):
    def run(m, tmp_path):
        solver = pyo.SolverFactory(name)
        if not solver.available(exception_flag=False):
            pytest.skip(f"{name} is not installed")
        solver.solve(m)
        assert pyo.value(m.cost) == pytest.approx(OPTIMUM, abs=1e-4)
    return run


def persistent(m, tmp_path):
    solver = pyo.SolverFactory("gurobi_persistent")
    if not solver.available(exception_flag=False):
        pytest.skip("Gurobi is not installed")
    solver.set_instance(m)
    solver.solve(m)
    assert pyo.value(m.cost) == pytest.approx(OPTIMUM, abs=1e-4)


def scaled(m, tmp_path):
    m.scaling_factor = pyo.Suffix(direction=pyo.Suffix.EXPORT)
    for var in m.component_data_objects(pyo.Var):
        if var.is_continuous():
            m.scaling_factor[var] = 0.5
    for row in m.component_data_objects(pyo.Constraint, active=True):
        m.scaling_factor[row] = 3.0
    factory = pyo.TransformationFactory("core.scale_model")
    copy = factory.create_using(m)
    pyo.SolverFactory("highs").solve(copy)
    factory.propagate_solution(copy, m)
    assert pyo.value(m.cost) == pytest.approx(OPTIMUM, abs=1e-4)


def repn(m, tmp_path):
    return [generate_standard_repn(row.body, compute_values=False)
            for row in m.component_data_objects(pyo.Constraint, active=True)]


def incidence(m, tmp_path):
    from pyomo.contrib.incidence_analysis import IncidenceGraphInterface
    return IncidenceGraphInterface(m).dulmage_mendelsohn()


def standard_form(m, tmp_path):
    from pyomo.repn.plugins.standard_form import LinearStandardFormCompiler
    return LinearStandardFormCompiler().write(m)


WORK_ANYWHERE = {
    "pprint": lambda m, tmp_path: m.pprint(ostream=io.StringIO()),
    "display": lambda m, tmp_path: m.display(ostream=io.StringIO()),
    "clone": lambda m, tmp_path: m.clone(),
    "pickle": lambda m, tmp_path: pickle.loads(pickle.dumps(m)),
    "compute_statistics": lambda m, tmp_path: m.compute_statistics(),
    "strings of rows": lambda m, tmp_path: [
        str(row.expr) for row in m.component_data_objects(pyo.Constraint)],
    "log_infeasible": call("pyomo.util.infeasible.log_infeasible_constraints"),
    **{name: transformed(name) for name in (
        "core.relax_integer_vars", "contrib.detect_fixed_vars", "contrib.init_vars_midpoint",
        "contrib.init_vars_zero", "gdp.bigm", "gdp.hull", "core.logical_to_linear")},
}
NEED_A_SINGLE_LEVEL = {
    "fbbt": call("pyomo.contrib.fbbt.fbbt.fbbt"),
    "model size": call("pyomo.util.model_size.build_model_size_report"),
    "incidence": incidence,
    "standard form": standard_form,
    "generate_standard_repn": repn,
    "scale_model": scaled,
    **{name: transformed(name) for name in (
        "contrib.propagate_fixed_vars", "core.add_slack_variables", "contrib.aggregate_vars",
        "contrib.deactivate_trivial_constraints", "contrib.constraints_to_var_bounds",
        "dlmp.mccormick", "dlmp.binary_expansion")},
    **{f"write {ending}": written(ending) for ending in ("lp", "nl", "gms", "bar", "mps")},
    "older lp": written("lp", format="lp_v1"), "older nl": written("nl", format="nl_v1"),
    "gurobi_persistent": persistent,
    **{name: solved(name) for name in (
        "gurobi", "gurobi_direct", "gurobi_direct_v2", "gurobi_persistent_v2",
        "gurobi_direct_minlp", "highs", "appsi_highs", "appsi_gurobi", "cplex_direct",
        "xpress_direct", "scip_direct")},
}


@pytest.mark.parametrize("tool", WORK_ANYWHERE)
def test_it_works_on_an_untransformed_model(tool, tmp_path):
    m = bard()
    WORK_ANYWHERE[tool](m, tmp_path)
    assert dlmp.solve_bilevel(m).objective == pytest.approx(OPTIMUM, abs=1e-5)


@pytest.mark.parametrize("tool", NEED_A_SINGLE_LEVEL)
def test_it_says_in_our_words_what_to_do(tool, tmp_path):
    with pytest.raises(Exception, match=WORDS):
        NEED_A_SINGLE_LEVEL[tool](bard(), tmp_path)


@pytest.mark.parametrize("tool", [*WORK_ANYWHERE, *NEED_A_SINGLE_LEVEL])
def test_it_works_on_a_single_level(tool, tmp_path):
    m = bard()
    pyo.TransformationFactory("dlmp.single_level").apply_to(m)
    (WORK_ANYWHERE | NEED_A_SINGLE_LEVEL)[tool](m, tmp_path)


@pytest.mark.parametrize("name", ["core.relax_integer_vars", "contrib.detect_fixed_vars",
                                  "contrib.init_vars_midpoint", "gdp.bigm"])
def test_what_works_keeps_the_answer(name):
    m = pyo.TransformationFactory(name).create_using(bard())
    assert dlmp.solve_bilevel(m).objective == pytest.approx(OPTIMUM, abs=1e-5)


def test_the_row_guards_again_when_it_is_switched_on(tmp_path):
    m = bard()
    dlmp.solve_bilevel(m)  # transforms, and undoes it
    with pytest.raises(Exception, match=WORDS):
        m.write(str(tmp_path / "unused.lp"))
    assert m.clone().low.apply_dlmp_single_level_first_notice.active
