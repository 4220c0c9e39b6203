"""Answers of connection studies that once were wrong, with their right values."""

import numpy as np
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.connection import hosting_map
from pyomo_dlmp.connection.answer import curtailment
from tests.connection.test_capacity import closed_form, two_buses


@pytest.mark.parametrize("v_max", [1.005, 1.012, 1.015])
def test_the_peak_at_the_rating_of_a_static_var_generator_is_not_passed_over(v_max):
    """Voltages rise up to 150 kW and fall beyond: 3,500 kW keep v_max again."""
    study = dlmp.connection_study(two_buses(r=.05, x=2.0), "end", power_factor=1.0, svg=150,
                                  v_min=.9, v_max=v_max)
    assert study.firm_kw < 150 and study.check.passed
    free = dlmp.connection_study(two_buses(r=.05, x=2.0), "end", power_factor=1.0, svg=150,
                                 v_min=.9, v_max=1.05, check=False)
    assert free.firm_kw > 3000


def test_no_contract_is_greater_than_what_was_looked_for():
    """Half of a contract is drawn: 1.2 times what fits may be contracted, and no more was asked."""
    full = closed_form(.95, .95)
    study = dlmp.connection_study(two_buses(), "end", load=.5, max_kw=1.2 * full)
    assert study.firm_kw == pytest.approx(1.2 * full) and study.binding.what == "no limit"
    assert study.check.keeps and study.check.breaks is None
    row = hosting_map(two_buses(), load=.5, max_kw=1.2 * full).table.iloc[0]
    assert row["firm_kw"] == row["flexible_kw"] == study.firm_kw and row["what"] == "no limit"
    more = dlmp.connection_study(two_buses(), "end", load=.5, max_kw=3 * full, check=False)
    assert more.firm_kw == pytest.approx(2 * full, rel=1e-4)


def test_flexible_kw_are_no_more_than_what_was_looked_for():
    study = dlmp.connection_study(two_buses(), "end", load=[100.0, 400.0], check=False)
    for allowed in ({"hours": 1}, {"energy_share": .3}):
        found = study.flexible(**allowed)
        assert (found.kw, found.hours, found.curtailed_kwh) == (400, 0, 0)


def test_cvar_counts_the_last_of_the_worst_hours_in_part():
    """5 % of 24 hours are 1.2 hours: the worst, and a fifth of the next."""
    found = curtailment(np.full(24, 100.0), np.r_[np.full(22, .5), 1.0, .9], 120.0, 1.0)
    assert found.cvar_kw == pytest.approx((20 + .2 * 8) / 1.2)
    assert curtailment(np.full(6, 100.0), np.r_[np.full(5, .5), 1.0], 120.0, 1.0).cvar_kw == 20


def test_hours_of_curtailment_of_a_map_are_a_number_of_at_least_0():
    with pytest.raises(dlmp.ModelError, match="hours_per_year"):
        hosting_map(two_buses(), hours_per_year=-1)
