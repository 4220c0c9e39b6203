"""One number or one per period; numbers that are none."""

import numpy as np
import pytest

import pyomo_dlmp as dlmp
from pyomo_dlmp.network.series import by_period, is_number


@pytest.mark.parametrize("values, expected", [
    (2, [2, 2]), (np.float64(2.5), [2.5, 2.5]), ([1, 2], [1, 2]), (np.array([1, 2]), [1, 2]),
    ((x for x in (3, 4)), [3, 4]), ({"b": 2, "a": 1}, [1, 2]),
])
def test_values(values, expected):
    assert by_period(values, ["a", "b"], "x") == dict(zip("ab", expected, strict=True))


@pytest.mark.parametrize("values, message", [
    ([1, 2, 3], "price: has 3 values for 2 periods"), ([], "price: has 0 values"),
    ("ab", "price: is 'ab'"), (None, "price: is None"), (True, "price: is True"),
    ([1, True], "price: holds True"), ({"a": 1}, "price: has no value for period 'b'"),
        ([1, float("nan")], "price: holds nan"), (float("inf"), "price: is inf"),
        ({1, 2}, "price: is {1, 2}"), (10**400, "price: is inf"),
])
def test_wrong_values(values, message):
    with pytest.raises(dlmp.ModelError) as caught:
        by_period(values, ["a", "b"], "price")
    assert message in str(caught.value)
    with pytest.raises(dlmp.errors.NetworkError):
        by_period(values, ["a", "b"], "price", dlmp.errors.NetworkError)


def test_numbers():
    assert all(map(is_number, (1, 1.5, np.int64(3), float("nan"))))
    assert not any(map(is_number, (True, np.True_, "1", None, 1j)))
