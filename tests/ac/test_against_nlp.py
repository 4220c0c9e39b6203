"""`solve_ac_opf` against the AC OPF as a nonlinear program, the engine and other dispatches."""

import pytest

import pyomo_dlmp as dlmp
from tests.feeders import engine
from tests.library.ac_compare import check_opf_against_nlp
from tests.library.ac_feeders import FEEDERS
from tests.library.ac_hunt import judge
from tests.library.ac_nlp import program
from tests.library.ac_random import ac_random, on_feeder

TINY = [name for name in FEEDERS if name != "tied_123"]
# hard, soft and no limits; three periods; ungrounded parts; four wires; loads at their kinks; at
# prices below 0 (72, 189) SVGs that make and absorb at once
SEEDS = (3, 6, 12, 16, 25, 35, 42, 44, 67, 72, 75, 189)


@pytest.mark.parametrize("name", TINY)
def test_tiny_network(name):
    engine(), program()
    network = FEEDERS[name](devices_too=True)
    answer = dlmp.solve_ac_opf(network, price=50.0)
    assert answer.settled and len(answer.rounds) <= 6
    assert answer.certificate["difference"].abs().max() < 1e-5
    assert answer.engine_difference < 1e-7
    check_opf_against_nlp(network, answer, price=50.0)


@pytest.mark.parametrize("seed", SEEDS)
def test_random_feeder(seed):
    engine(), program()
    found = judge(*ac_random(seed), samples=1, seed=seed)
    assert "settled" in found and not found.faults, str(found)


@pytest.mark.parametrize("name", ["ieee13", "ieee37"])
def test_random_devices_on_a_shipped_feeder(name):
    engine(), program()
    found = judge(*on_feeder(name, 0), samples=0)
    assert "settled" in found and "price" in found and not found.faults, str(found)
