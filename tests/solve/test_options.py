"""Keywords of `solve_bilevel` and options of the transformations, refused in our own words."""

import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.status import Status
from tests.models import bard, consumer, solver_or_skip


@pytest.mark.parametrize("options, error, words", [
    ({"memory_limt": 1}, dlmp.ModelError, "no keyword 'memory_limt'. Did you mean 'memory_limit'"),
    ({"boundz": {}}, dlmp.ModelError, "Did you mean 'bounds'"),
    ({"periods": 3}, dlmp.ModelError, "does not take periods=3. Give True"),
    ({"gap": -1}, dlmp.ModelError, "does not take gap=-1. Give a number >= 0"),
    ({"gap": None}, dlmp.ModelError, "does not take gap=None"),
    ({"time_limit": "10 s"}, dlmp.ModelError, "time_limit='10 s'"),
    ({"gap": float("nan")}, dlmp.ModelError, "does not take gap=nan"),
    ({"gap": float("inf")}, dlmp.ModelError, "does not take gap=inf"),
    ({"time_limit": float("inf")}, dlmp.ModelError, "or None for no limit"),
    ({"memory_limit": float("nan")}, dlmp.ModelError, "memory_limit=nan"),
    ({"threads": 1.5}, dlmp.ModelError, "threads=1.5. Give a whole number"),
    ({"threads": 10 ** 12}, dlmp.ModelError, "Give a whole number up to 1024"),
    ({"progress": 3}, dlmp.ModelError, "progress=3. Give a function"),
    ({"start": "no"}, dlmp.ModelError, "start='no'. Give True or False"),
    ({"checkpoint": 3}, dlmp.ModelError, "Give the path of a file"),
    ({"bounds": {"low.rows": float("nan")}}, dlmp.ModelError, "low.rows: has the bound nan"),
    ({"bounds": {"low.rows": "a"}}, dlmp.ModelError, "low.rows: has the bound 'a'"),
    ({"bounds": 3}, dlmp.ModelError, "does not take bounds=3"),
    ({"bounds": {3: 3}}, dlmp.ModelError, "3: is given a bound and is not in the model"),
    ({"bounds": {bard().low.rows: 3}}, dlmp.ModelError, "is not in the model"),
    ({"complementarity_of": 3}, dlmp.ModelError, "does not take complementarity_of=3"),
    ({"cutoff": float("nan")}, dlmp.ModelError, "does not take cutoff=nan"),
    ({"eps": float("inf")}, dlmp.ModelError, "does not take eps=inf"),
    ({"bits": 1000}, dlmp.ModelError, "does not take bits=1000"),
    ({"ranges": {"a": (float("nan"), 1)}}, dlmp.ModelError, "does not take ranges="),
    ({"proved": 3}, dlmp.ModelError, "does not take proved=3"),
    ({"solver": "higs"}, dlmp.SolverError, "is unknown, to Pyomo too. Did you mean 'highs'"),
    ({"solver": None}, dlmp.SolverError, "solver None: is no name. Known are 'highs'"),
    ({"solver": ["highs"]}, dlmp.SolverError, "is no name"),
    ({"mip_options": 3}, dlmp.SolverError, "does not take mip_options=3"),
    ({"mip_options": {"time_limit": float("nan")}}, dlmp.SolverError, "time_limit=nan"),
    ({"complementarity": "bigmm"}, dlmp.ModelError, "Did you mean 'bigm'"),
    ({"complementarity_of": {"low.y": "sos"}}, dlmp.ModelError, "Did you mean 'sos1'"),
    ({"products": "mccormik"}, dlmp.ModelError, "Did you mean 'mccormick'"),
    ({"bits": -3}, dlmp.ModelError, "bits=-3. It is: number of bits"),
    ({"mip_options": {"mip_rel_gapp": 1}}, dlmp.SolverError, "Did you mean 'mip_rel_gap'"),
    ({"mip_options": {"mip_rel_gap": -1}}, dlmp.SolverError, "does not take mip_rel_gap=-1"),
    ({"mip_options": {"mip_max_nodes": "x"}}, dlmp.SolverError, "mip_max_nodes='x'"),
])
def test_what_is_wrong_is_said(options, error, words):
    with pytest.raises(error) as caught:
        dlmp.solve_bilevel(bard(), **options)
    assert words in str(caught.value)


def test_an_option_that_another_solver_does_not_have():
    with pytest.raises(dlmp.SolverError, match="does not take Presolv=1"):
        dlmp.solve_bilevel(bard(), solver=solver_or_skip("gurobi"), mip_options={"Presolv": 1})


def test_an_option_of_highs_goes_through():
    result = dlmp.solve_bilevel(bard(), mip_options={"mip_abs_gap": 1e-7, "random_seed": 3})
    assert result.objective == pytest.approx(-12)


def test_older_names_still_work():
    with pytest.warns(DeprecationWarning, match="atlas") as said:
        dlmp.solve_bilevel(consumer(), reuse=dlmp.Atlas())
    assert said[0].filename == __file__  # Python hides those that point into a package
    with pytest.warns(DeprecationWarning, match="segments") as said:
        dlmp.solve_bilevel(consumer(), products="mccormick", pieces=2)
    assert said[0].filename == __file__
    with pytest.warns(DeprecationWarning, match="SolveCache"):
        cache = dlmp.SolveCache()
    with pytest.warns(DeprecationWarning, match="atlas"):
        dlmp.solve_bilevel(consumer(), cache=cache)
    with pytest.raises(TypeError, match="give `atlas` alone"):
        dlmp.solve_bilevel(consumer(), cache=cache, atlas=cache)
    with pytest.raises(dlmp.ModelError, match="Give `segments` alone"):
        dlmp.solve_bilevel(consumer(), products="mccormick", pieces=2, segments=2)
    m = pyo.ConcreteModel()
    m.x = pyo.Var([0, 1], bounds=(0, 2))
    m.goal = pyo.Objective(expr=m.x[0] * m.x[1])
    with pytest.warns(DeprecationWarning, match="segments"):
        pyo.TransformationFactory("dlmp.mccormick").apply_to(m, pieces=2)


@pytest.mark.parametrize("name, options, words", [
    ("dlmp.single_level", {"bit": 3}, "Did you mean 'bits'"),
    ("dlmp.mccormick", {"segment": 3}, "Did you mean 'segments'"),
    ("dlmp.binary_expansion", {"bits": 0}, "does not take bits=0"),
])
def test_options_of_transformations(name, options, words):
    with pytest.raises(dlmp.ModelError) as caught:
        pyo.TransformationFactory(name).apply_to(bard(), **options)
    assert words in str(caught.value) and name in str(caught.value)


def test_a_status_is_its_word():
    result = dlmp.solve_bilevel(bard())
    assert result.status is Status.OPTIMAL and result.status == "optimal"
    assert f"{result.status:>8}|{result.status!r}|{result.status}" == " optimal|'optimal'|optimal"
    assert {Status.OPTIMAL} == {"optimal"}


@pytest.mark.parametrize("given, words", [
    ({"atlas": True}, "atlas=True"), ({"checkpoint": "no/such/folder/x.json"}, "no/such/folder"),
])
def test_what_would_fail_late_is_refused_at_once(given, words):
    with pytest.raises(dlmp.ModelError, match=words):
        dlmp.solve_bilevel(bard(), **given)


@pytest.mark.parametrize("call", [dlmp.audit, dlmp.solve_bilevel, dlmp.tighten])
def test_what_is_not_a_model(call):
    with pytest.raises(dlmp.ModelError, match="not a model of Pyomo"):
        call(5)
