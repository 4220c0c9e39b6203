"""The answer of `solve_ac_opf` as its reader meets it."""

import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp import results


@pytest.fixture(scope="module")
def answer():
    return dlmp.solve_ac_opf(dlmp.load_feeder("ieee4_yy"), check=False)


def test_what_is_no_network_or_no_round_is_refused():
    with pytest.raises(dlmp.ModelError, match=r"was given 'ieee37'.*Network"):
        dlmp.solve_ac_opf("ieee37")
    with pytest.raises(dlmp.ModelError, match=r"max_rounds: is 0"):
        dlmp.solve_ac_opf(dlmp.load_feeder("ieee4_yy"), max_rounds=0)


def test_parts_of_an_answer_add_up_to_its_prices(answer):
    keys = ["bus", "phase", "period", "quantity"]
    whole = answer.price_parts().groupby(keys)["value"].sum()
    assert (whole - answer.prices.set_index(keys)["value"]).abs().max() < 1e-6


def test_the_linear_forms_parts_name_those_of_the_ac_form(answer):
    with pytest.raises(dlmp.ModelError, match=r"price_parts\(\)"):
        results.decomposition_table(answer.model)


def test_the_table_of_neutrals_is_exported(answer):
    assert list(results.neutrals_table(answer.model))[:2] == ["element", "conductor"]


def test_broken_soft_limits_are_told():
    answer = dlmp.solve_ac_opf(dlmp.load_feeder("ieee4_gyd"), check=False)
    assert answer.penalty > 1.0 and "for broken voltage limits" in repr(answer)
    free = dlmp.solve_ac_opf(dlmp.load_feeder("ieee4_gyd"), voltage_limits=None, check=False)
    assert free.penalty == 0.0 and "broken" not in repr(free)
