"""DLMPs of a solved DSO: the duals of its balances by the hour."""

from __future__ import annotations

import pandas as pd

from pyomo_dlmp.errors import ModelError

UNITS = {"active": "$/MWh", "reactive": "$/Mvarh"}


def prices_table(dso) -> pd.DataFrame:
    """Prices at every bus, phase and period.

    dso: a block filled by `build_opf` and solved by `solve_bilevel` or `solve_opf`. Columns bus,
    phase, period, quantity (active, reactive), value, unit. ModelError when no duals are loaded.
    """
    duals = dso.component("dual")
    if duals is None:
        raise ModelError.at(dso.name, "has no duals", "Solve it: solve_bilevel or solve_opf.")
    rows = [
        (name, phase, t, quantity, duals[balance[phase, t]] / bus.hours, UNITS[quantity])
        for name, bus in dso.bus.items()
        for quantity, balance in (("active", bus.balance_p), ("reactive", bus.balance_q))
        for phase, t in balance
    ]
    return pd.DataFrame(rows, columns=["bus", "phase", "period", "quantity", "value", "unit"])
