"""A model that HiGHS does not take is refused with the number that is the reason."""

import numpy as np
import pytest
import scipy.sparse as sp

from pyomo_dlmp.errors import SolverError
from pyomo_dlmp.numerics.highs import Highs


def _solved(a=1.0, low=1.0, q=0.0):
    """Least x + y + y^2/2 + q x^2/2 with low <= a x + y <= 5."""
    h = Highs(np.ones(2), sp.csr_matrix([[a, 1.0]]), np.array([low]), np.array([5.0]), np.zeros(2),
              np.full(2, 10.0), Q=sp.csr_matrix(np.diag([q, 1.0])))
    h.solve()
    return h


@pytest.mark.parametrize(("given", "said"), [
    ({"a": 3e16}, "numbers of the matrix are 1e.15 or more, up to 3e.16"),
    ({"q": 3e16}, "numbers of the quadratic costs are 1e.15 or more"),
    ({"low": np.nan}, "row 0 is to be within nan"),
    ({"q": -2.0}, "not convex in column 0 .the factor of its square is -1, the greatest 1"),
])
def test_the_number_that_is_refused_is_named(given, said):
    with pytest.raises(SolverError, match=said):
        _solved(**given)


def test_rounding_below_zero_on_the_diagonal_is_no_reason():
    """HiGHS itself forgives -1e-9, not what is as small beside costs of 1e6."""
    h = Highs(np.ones(2), sp.csr_matrix([[1.0, 1.0]]), np.ones(1), np.full(1, 5.0), np.zeros(2),
              np.full(2, 10.0), Q=sp.csr_matrix(np.diag([-1e-4, 1e6])))
    assert h.solve().z == pytest.approx([1.0, 0.0], abs=1e-5)


def test_further_rows_with_such_a_number():
    h = _solved()
    with pytest.raises(SolverError, match="further rows: 1 numbers of the matrix"):
        h.add_rows(np.zeros(1), np.ones(1), sp.csr_matrix([[1e20, 0.0]]))
