"""A chance limit on AC voltage: counted in AC, apart from the check that the search uses."""

import numpy as np
import pandas as pd
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.uncertainty import solve_chance, voltage_chance
from pyomo_dlmp.uncertainty.chance import _left_over
from tests.uncertainty.tiny import NET, OPF, PRICE, SUN, market, scenarios

LIMIT = 0.98
OPTIONS = {"flexibility": 0.3, "deviation_price": 8.0}


def tight():
    return market(v_min=LIMIT, penalty=500.0)


def broken_in_ac(result) -> float:
    """Probability of the scenarios whose lowest voltage is below the limit, by AC OPFs alone."""
    total = 0.0
    for s, (name, p) in enumerate((("sunny", 0.4), ("dark", 0.6))):
        kw = result.schedule.loc[result.schedule["scenario"] == name, "kw"].tolist()
        found = dlmp.solve_ac_opf(NET, periods=2, price=list(PRICE[s]), datacenter_kw={"dc": kw},
                                  load_scale={"pv": list(SUN[s])}, check=False,
                                  **{**OPF, "v_min": LIMIT, "penalty": 500.0})
        lowest = np.abs(list(found.loop.point.voltages.values())).min()
        total += p * (lowest < LIMIT - 1e-5)
    return total


def test_limits_are_drawn_together_until_the_share_is_kept():
    first = dlmp.solve_stochastic(tight(), scenarios(), **OPTIONS)
    assert broken_in_ac(first) == pytest.approx(0.6)
    table = voltage_chance(first)
    assert table.loc[table["broken"], "probability"].sum() == pytest.approx(0.6)
    found = solve_chance(tight(), scenarios(), share=0.05, **OPTIONS)
    assert found.kept and found.share == 0.0 and broken_in_ac(found.result) == 0.0
    assert found.result.objective >= first.objective - 1e-6 and len(found.rounds) == 2
    enough = solve_chance(tight(), scenarios(), share=0.6, **OPTIONS)
    assert enough.kept and len(enough.rounds) == 1
    assert enough.result.objective == pytest.approx(first.objective, rel=1e-4)


def test_what_cannot_be_kept_is_said():
    found = solve_chance(market(v_min=0.985, penalty=500.0), scenarios(), share=0.1, **OPTIONS)
    assert not found.kept and found.share > 0.1 and "NOT kept" in repr(found)


def test_the_worst_scenarios_are_left_out_first():
    table = pd.DataFrame({"probability": [0.2, 0.3, 0.1, 0.4],
                          "shortfall": [0.01, 0.03, 0.02, -0.01]})
    for share, left in ((0.0, 0.03), (0.29, 0.03), (0.3, 0.02), (0.4, 0.01), (0.6, -0.01),
                        (1.0, -np.inf)):
        assert _left_over(table, share) == left


def test_faults():
    with pytest.raises(dlmp.ModelError, match=r"(?s)share.*max_rounds"):
        solve_chance(tight(), scenarios(), share=2.0, max_rounds=0)
