"""A frontier is what solves of their own give, prepared once."""

import numpy as np
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.uncertainty import CVaR, risk_frontier
from tests.uncertainty.tiny import market, scenarios

OPTIONS = {"flexibility": 0.1, "deviation_price": 8.0, "gap": 1e-6}


def test_it_equals_solves_of_their_own(monkeypatch):
    found = risk_frontier(market(), scenarios(), weights=[0.0, 0.5, 1.0], level=0.5, **OPTIONS)
    assert list(found.table["weight"]) == [0.0, 0.5, 1.0] and len(found.results) == 3
    for weight, one in zip(found.table["weight"], found.results, strict=True):
        alone = dlmp.solve_stochastic(market(), scenarios(), risk=CVaR(weight, 0.5), **OPTIONS)
        assert one.objective == pytest.approx(alone.objective, rel=3e-6)
        assert one.audit.passed and one.status == "optimal"
    table = found.table
    room = 1e-4
    assert (np.diff(table["expected"]) >= -room).all() and (np.diff(table["cvar"]) <= room).all()
    assert (table["bound"] <= table["objective"] + 1e-9).all()
    assert table["objective"].to_numpy() == pytest.approx(
        (1 - table["weight"]) * table["expected"] + table["weight"] * table["cvar"])


def test_the_scenarios_are_prepared_once(monkeypatch):
    from pyomo_dlmp.uncertainty.scenario_models import ScenarioModels
    count = []
    parts = ScenarioModels.parts
    monkeypatch.setattr(ScenarioModels, "parts", lambda self, name: (
        count.append(name), parts(self, name))[1])
    risk_frontier(market(), scenarios(), weights=[0.0, 1.0], audit=False, **OPTIONS)
    assert count == ["sunny", "dark"]


@pytest.mark.parametrize(("change", "says"), [
    ({"weights": []}, "Give numbers"), ({"weights": [2.0]}, "risk, weight"),
    ({"level": 1.2}, "risk, level"), ({"risk": CVaR()}, "Give weights"),
    ({"settlement": "two"}, "solves one weight"),
])
def test_faults(change, says):
    with pytest.raises(dlmp.ModelError, match=says):
        risk_frontier(market(), scenarios(), **{**OPTIONS, **change})
