"""Voltage unbalance at three-phase buses, in percent.

    VUF   |V-| / |V+|                                        (IEC 61000-3-13)
    PVUR  max |v - mean v| / mean v,  v line to neutral      (IEEE 141)
    LVUR  the same with line-to-line magnitudes              (NEMA MG 1)

VUF and LVUR need angles and are left out where none are modeled: from line-to-neutral magnitudes
alone VUF is wrong by a factor of about two.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from pyomo_dlmp.network.phases import PHASES, symmetrical_components
from pyomo_dlmp.results.schema import UNBALANCE
from pyomo_dlmp.results.voltages import bus_phasors, has_angles, line_to_line


def unbalance_table(dso) -> pd.DataFrame:
    """Unbalance at every three-phase bus and period.

    Parameters
    ----------
    dso : block or MarketResult
        Filled by `build_opf` and solved by `solve_bilevel` or `solve_opf`; or what `solve_market`
        returned.

    Returns
    -------
    DataFrame
        Columns bus, period, quantity (VUF, PVUR, LVUR), value (%), unit.
    """
    dso = getattr(dso, "dso", dso)
    periods = list(dso.periods)
    rows = []
    for name, bus in dso.bus.items():
        if bus.phases != PHASES:
            continue
        v = bus_phasors(bus, periods)
        found = measures(v) if has_angles(bus) else {"PVUR": spread(np.abs(v))}
        for quantity, values in found.items():
            rows += [(name, t, quantity, 100 * float(x), "%")
                     for t, x in zip(periods, values, strict=True)]
    return UNBALANCE.frame(rows)


def measures(v: np.ndarray) -> dict[str, np.ndarray]:
    """VUF, PVUR and LVUR; exact for AC phasors.

    Parameters
    ----------
    v : complex ndarray, shape (periods, 3)
        Phasors of phases a, b, c (pu).

    Returns
    -------
    dict of str to ndarray, shape (periods,)
        Shares, not percent.
    """
    _, positive, negative = symmetrical_components(v).T
    return {"VUF": np.abs(negative) / np.abs(positive), "PVUR": spread(np.abs(v)),
            "LVUR": spread(np.column_stack(list(line_to_line(v, PHASES).values())))}


def spread(magnitudes: np.ndarray) -> np.ndarray:
    """Greatest deviation from the mean over the mean, for each row.

    Parameters
    ----------
    magnitudes : ndarray, shape (periods, n)
        In one unit.

    Returns
    -------
    ndarray, shape (periods,)
    """
    mean = magnitudes.mean(axis=1)
    return np.abs(magnitudes - mean[:, None]).max(axis=1) / mean
