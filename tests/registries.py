"""The tables of modes, strategies, solvers and markets, put back after a test."""

from contextlib import contextmanager

from pyomo_dlmp.market import MARKETS
from pyomo_dlmp.solve import STRATEGIES
from pyomo_dlmp.solvers import SOLVERS
from pyomo_dlmp.solvers.interfaces import forget_probes
from pyomo_dlmp.transform.complementarity import MODES


@contextmanager
def restored():
    """What is registered within is forgotten afterwards."""
    tables = (MODES, STRATEGIES, SOLVERS, MARKETS)
    before = [dict(table) for table in tables]
    try:
        yield
    finally:
        for table, kept in zip(tables, before, strict=True):
            table.clear()
            table.update(kept)
        forget_probes()
