"""One BLAS thread inside a call, and as many as before afterwards."""

import threading

import numpy  # noqa: F401  # loads the library whose threads are counted
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from pyomo_dlmp.numerics import limits
from pyomo_dlmp.numerics.blas import one_blas_thread


def _threads():
    return [lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"]


@pytest.fixture(autouse=True)
def _two_threads():
    with threadpool_limits(2, user_api="blas"):
        yield


def test_inside_and_after():
    before = _threads()
    with limits.call(None):
        assert set(_threads()) <= {1}
        with one_blas_thread():
            assert set(_threads()) <= {1}
        assert set(_threads()) <= {1}
    assert _threads() == before


def test_an_error_restores_them():
    before = _threads()
    with pytest.raises(ValueError), one_blas_thread():
        raise ValueError
    assert _threads() == before


def test_a_call_in_another_thread_leaves_them():
    before, seen = _threads(), []

    def call():
        with one_blas_thread():
            seen.append(_threads())

    other = threading.Thread(target=call)
    other.start()
    other.join()
    assert seen == [before] and _threads() == before
