"""Answers of connection studies that once were wrong, with their right values."""

import pytest

import pyomo_dlmp as dlmp
from tests.connection.test_capacity import two_buses


@pytest.mark.parametrize("v_max", [1.005, 1.012, 1.015])
def test_the_peak_at_the_rating_of_a_static_var_generator_is_not_passed_over(v_max):
    """Voltages rise up to 150 kW and fall beyond: 3,500 kW keep v_max again."""
    study = dlmp.connection_study(two_buses(r=.05, x=2.0), "end", power_factor=1.0, svg=150,
                                  v_min=.9, v_max=v_max)
    assert study.firm_kw < 150 and study.check.passed
    free = dlmp.connection_study(two_buses(r=.05, x=2.0), "end", power_factor=1.0, svg=150,
                                 v_min=.9, v_max=1.05, check=False)
    assert free.firm_kw > 3000
