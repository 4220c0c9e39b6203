"""Columns that leave through equality rows, and maps that are too large to be kept."""

import numpy as np
import scipy.sparse as sp

from pyomo_dlmp.numerics import elimination
from pyomo_dlmp.numerics.elimination import eliminate


def chain(n):
    """Flows of a feeder of n buses in a row: each is the next one and the injection between."""
    flows = sp.eye(n) - sp.eye(n, k=1)
    E = sp.hstack([flows, sp.eye(n)], format="csr")
    return E, np.arange(n, dtype=float), np.arange(2 * n) < n


def test_flows_are_functions_of_injections():
    E, r, free = chain(6)
    found = eliminate(E, r, free)
    assert list(found.kept) == list(range(6, 12)) and len(found.rows_used) == 6
    assert np.abs(E @ found.lift(np.linspace(-1, 2, 6)) - r).max() < 1e-12


def test_a_map_that_would_fill_the_memory_is_not_made(monkeypatch):
    E, r, free = chain(6)
    monkeypatch.setattr(elimination, "_MOST_ENTRIES", 35)
    found = eliminate(E, r, free)
    assert len(found.kept) == 12 and not len(found.rows_used)
    monkeypatch.setattr(elimination, "_MOST_ENTRIES", 36)
    assert len(eliminate(E, r, free).kept) == 6
