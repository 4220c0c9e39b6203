"""`dlmp.tighten`: bounds that hold at every answer, with certificates that can be checked."""

import numpy as np
import pyomo.environ as pyo
import pytest
from hypothesis import given, settings

import pyomo_dlmp as dlmp
from pyomo_dlmp.bilevel import upper_data
from pyomo_dlmp.errors import DlmpError
from pyomo_dlmp.lower.solver import LowerSolver
from tests.library.random_small import smalls
from tests.models import bard, consumer, day_market


def check_bounds(m, proved, points: int = 25) -> int:
    """No answer of a lower level at random decisions breaks a slack's bound; how many were tried.

    Multipliers are compared where they are unique: a bound may hold for some optimal dual only.
    """
    rng, tried = np.random.default_rng(2), 0
    for kkt, b in zip(proved.systems, proved.bounds, strict=True):
        solver = LowerSolver(kkt)
        lo, hi = kkt.form.u_box()
        for _ in range(points):
            u = lo + (hi - lo) * rng.random(len(lo))
            try:
                solution = solver.solve(u)
            except DlmpError:
                continue
            for var, value in zip(kkt.form.u, u, strict=True):
                var.set_value(float(value), skip_validation=True)
            if any(_broken(row) for row in upper_data(m, pyo.Constraint)):
                continue  # bounds are for points that obey the upper rows
            tried += 1
            slack = kkt.slack(solution.x, u)
            assert (slack <= b.slack + 1e-6 * (1 + np.abs(slack))).all()
            assert (solution.mu <= b.mu + 1e-5 * (1 + np.abs(solution.mu))).all()
    return tried


def _broken(row) -> bool:
    value = pyo.value(row.body)
    return (row.lb is not None and value < row.lb - 1e-9) or (
        row.ub is not None and value > row.ub + 1e-9)


@pytest.mark.parametrize("make", [bard, day_market])
def test_bounds_hold_and_certificates_prove_them(make):
    m = make()
    for con in list(m.component_objects(pyo.Constraint, descend_into=False)):
        con.deactivate()  # so that random decisions obey the upper rows
    if make is day_market:
        m.dca.deactivate()
        m.none = pyo.Objective(expr=0.0)
    proved = dlmp.tighten(m)
    assert check_bounds(m, proved) >= 5
    assert any(b.certificates for b in proved.bounds)
    assert proved.check() <= 1e-8


def test_a_wrong_bound_fails_the_check():
    proved = dlmp.tighten(consumer())
    (kind, p), _ = next(iter(proved.bounds[0].certificates.items()))
    getattr(proved.bounds[0], kind)[p] *= 0.9
    assert proved.check() > 0.01


def test_the_table_names_a_certificate_for_each_bound():
    table = dlmp.tighten(consumer()).table()
    finite = np.isfinite(table["multiplier_bound"])
    assert (table.loc[finite, "multiplier_certificate"] != "").all()
    assert table["multiplier_certificate"].str.endswith("rows").any()


def test_proved_bounds_are_used_again():
    m = day_market()
    proved = dlmp.tighten(m)
    result = dlmp.solve_bilevel(m, proved=proved, gap=1e-4)
    again = dlmp.solve_bilevel(day_market(), complementarity="bigm", gap=1e-4)
    assert result.objective == pytest.approx(again.objective, rel=2e-4)
    assert result.size["pairs after bounds"] <= again.size["pairs after bounds"]


def test_a_cutoff_gives_bounds_for_better_points_only():
    m = consumer()
    best = dlmp.solve_bilevel(consumer()).objective
    plain, cut = dlmp.tighten(m), dlmp.tighten(m, cutoff=1.001 * best)
    assert sum(cut.bounds[0].mu) <= sum(plain.bounds[0].mu) + 1e-6
    assert cut.table()["multiplier_source"].str.contains("cutoff").any()
    assert dlmp.solve_bilevel(m, proved=cut).objective == pytest.approx(best, rel=1e-4)


def test_bounds_of_another_model_are_refused():
    m = consumer()
    proved = dlmp.tighten(m)
    m.low.more = pyo.Constraint(expr=m.low.g[0, 0] <= 2)
    with pytest.raises(dlmp.ModelError, match="tighten"):
        dlmp.solve_bilevel(m, proved=proved)


def test_certificates_of_random_bilevels():
    proved = []

    @settings(max_examples=40)
    @given(smalls())
    def search(small):
        try:
            bounds = dlmp.tighten(small.model())
        except DlmpError:
            return
        proved.append(sum(len(b.certificates) for b in bounds.bounds))
        assert bounds.check() <= 1e-7

    search()
    assert len(proved) >= 20 and sum(proved) >= 50, proved
