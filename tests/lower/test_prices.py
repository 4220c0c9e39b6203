"""Prices of a lower level alone against an implementation of its own."""

import numpy as np
import pytest
from scipy.optimize import linprog

import pyomo_dlmp as dlmp
from tests.models import consumer


def test_lower_prices_against_scipy():
    """The LP's duals by scipy, an implementation of its own."""
    m = consumer(quadratic=False)
    m.d[0].set_value(3.5)
    m.d[1].set_value(1.5)
    dlmp.solve_opf(m.low)
    A = np.array([[1, 0, 1, 0, 1, 0], [0, 1, 0, 1, 0, 1]])
    answer = linprog([10, 10, 30, 30, 100, 100], A_eq=A, b_eq=[3.5, 2.5],
                     bounds=[(0, 3)] * 4 + [(0, None)] * 2)
    ours = [m.low.dual[m.low.balance[t]] for t in (0, 1)]
    assert ours == pytest.approx(list(answer.eqlin.marginals))
