"""Checks that every transformation and every bilevel answer must pass, whatever is new."""

from pyomo_dlmp.testing import assert_bilevel_feasible


def components(model) -> set[str]:
    """Names of all active components."""
    return {c.name for c in model.component_objects(active=True)}


def check_answer(model, result, tolerance: float = 1e-5) -> None:
    """A bilevel answer, judged by the audit and apart from it."""
    assert_bilevel_feasible(model, result, tolerance=tolerance)
    assert result.audit.passed
