"""Checks that every transformation and every bilevel answer must pass, whatever is new."""

import pickle
import re

import numpy as np
import pyomo.environ as pyo
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.lower.form import compile_lower
from pyomo_dlmp.lower.kkt_system import build_kkt
from pyomo_dlmp.lower.solver import LowerSolver


def components(model) -> set[str]:
    """Names of all active components."""
    return {c.name for c in model.component_objects(active=True)}


def check_transformation(make, name: str, tmp_path, **options):
    """The contract of section 5 of the design, on a model that `make()` builds.

    One new block; nothing deleted; clone and pickle keep it; create_using leaves the original as it
    was; a second application raises; every row's name can be read in an .lp file.
    """
    transformation = pyo.TransformationFactory(name)
    m = make()
    before, whole = components(m), {c.name for c in m.component_objects()}
    new = transformation.create_using(m, **options)
    assert components(m) == before, "create_using changed the original"
    transformation.apply_to(m, **options)
    for model in (m, new, m.clone(), *_pickled(m, make)):
        assert whole <= {c.name for c in model.component_objects()}, "something was deleted"
        added = {c.name.split(".")[0] for c in model.component_objects()} - {
            n.split(".")[0] for n in whole}
        assert len(added) == 1, added
    if "single_level" in name or "kkt" in name:
        with pytest.raises(dlmp.ModelError, match="already"):
            transformation.apply_to(m, **options)
    for con in m.component_data_objects(pyo.Constraint, active=True):
        assert not re.fullmatch(r".*\[\d+\]", con.name.split(".")[-1]) or (
            not con.name.startswith("dlmp")), f"{con.name} says nothing"
    return m


def _pickled(model, make):
    """The model through pickle, where the user's own rules can be pickled."""
    try:
        pickle.dumps(make())
    except (AttributeError, pickle.PicklingError):
        return []
    return [pickle.loads(pickle.dumps(model))]


def check_answer(model, result, tolerance: float = 1e-5) -> None:
    """A bilevel answer, judged apart from the audit: each lower level solved again at u.

    Upper rows hold, the lower level's cost is the optimal one, duals are the slope of that cost.
    """
    for con in model.component_data_objects(pyo.Constraint, active=True):
        if isinstance(con.parent_block(), type(None)) or "apply_dlmp" in con.name:
            continue
        value = pyo.value(con.body)
        assert con.lb is None or value >= con.lb - tolerance * (1 + abs(con.lb)), con.name
        assert con.ub is None or value <= con.ub + tolerance * (1 + abs(con.ub)), con.name
    for block in dlmp.lower_levels(model):
        kkt = build_kkt(compile_lower(block))
        u = np.array([v.value for v in kkt.form.u])
        cost = pyo.value(kkt.form.objective.expr)
        constant = cost - _cost(kkt, u)
        best = LowerSolver(kkt).solve(u).cost + constant
        assert cost == pytest.approx(best, rel=tolerance, abs=tolerance)
    assert result.audit.passed
    assert result.objective == pytest.approx(pyo.value(_goal(model).expr), rel=1e-6, abs=1e-9)


def _cost(kkt, u) -> float:
    x = np.array([v.value for v in kkt.form.x])
    return float(kkt.form.c @ x + 0.5 * x @ (kkt.form.Q @ x) + x @ (kkt.form.D @ u))


def _goal(model):
    inside = {id(o) for b in dlmp.lower_levels(model)
              for o in b.component_data_objects(pyo.Objective)}
    return next(o for o in model.component_data_objects(pyo.Objective, active=True)
                if id(o) not in inside)
