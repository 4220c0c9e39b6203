"""Calls of connection studies with values that do not belong there: right, or refused by name."""

import random

import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.connection import hosting_map
from pyomo_dlmp.errors import DlmpError
from tests.faults.junk import NOWHERE_RIGHT, check_error, junk
from tests.faults.test_calls import TINY

STUDY = {
    "network": TINY, "bus": "t", "max_kw": 100.0, "load": None, "phases": None,
    "power_factor": 0.95, "svg": None, "load_scale": 1.0, "price": 50.0, "hours": 1.0,
    "v_min": 0.95, "v_max": 1.05, "voltage_legs": "phase", "thermal": True, "vuf": None,
    "existing": "relaxed", "check": False, "progress": None}
IMPACT = {"network": TINY, "bus": "t", "kw": 100.0, "phases": None, "power_factor": 0.95,
          "svg": None, "labels": None, "site": None, "load_scale": 1.0, "price": 50.0}
MAP = {"network": TINY, "buses": ["t"], "hours_per_year": 22.0, "on_bus": None, **{
    key: STUDY[key] for key in STUDY if key not in ("network", "bus", "phases", "check")}}


@pytest.mark.parametrize("call, sound, values", [
    (dlmp.connection_study, STUDY, 9), (dlmp.price_impact, IMPACT, 3), (hosting_map, MAP, 6)])
def test_calls_are_right_or_refused(call, sound, values, recwarn):
    rng = random.Random(call.__name__)
    cases = [(key, value) for key in sound for value in rng.sample(junk(), values)
             if not callable(value)]  # a function that fails when it is called is the user's
    refused = 0
    for key, value in cases:
        try:
            call(**{**sound, key: value})
        except DlmpError as error:
            check_error(error)
            refused += 1
        except Exception as error:
            raise AssertionError(f"{call.__name__}, {key}") from error
        else:
            assert not isinstance(value, NOWHERE_RIGHT), key
    assert refused > len(cases) // 3


def test_all_of_a_wrong_kind_are_told_at_once():
    with pytest.raises(dlmp.ModelError) as caught:
        dlmp.connection_study(None, "t", existing="moved", thermal="yes", phases="abz",
                              svg=10**400, hours=0, progress=7)
    assert {fault.where.split(", ")[1] for fault in caught.value.faults} == {
        "network", "existing", "thermal", "phases", "svg", "hours", "progress"}
