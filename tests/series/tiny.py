"""A market on two buses and tables for it, which the tests of series share."""

import numpy as np
import pandas as pd

import pyomo_dlmp as dlmp
from pyomo_dlmp.market import Market
from tests.models import feeder

LOAD = dlmp.Load(name="l", bus="end", legs=("a", "b", "c"), kw=(100,) * 3, kvar=(40,) * 3)
DC = dlmp.Datacenter(name="dc", bus="end", kw=900, floor=0.1)
NET = feeder(LOAD, DC)


def market(work=0.5, network=NET, **opf):
    return Market(network, work, {"periods": 1, "hours": 1.0, "v_min": 0.97, **opf})


def hours(n, start="2025-01-01", freq="h", **columns):
    """A table of n rows with a price that differs from row to row."""
    wave = np.arange(n)
    return pd.DataFrame({
        "time": pd.date_range(start, periods=n, freq=freq),
        "price": np.round(42 + 9 * np.sin(1.3 * wave), 3), **columns})
