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
from pyomo_dlmp.results.voltages import bus_phasors, line_to_line


def unbalance_table(dso) -> pd.DataFrame:
    """Columns bus, period, quantity (VUF, PVUR, LVUR), value, unit (%)."""
    periods = list(dso.periods)
    rows = []
    for name, bus in dso.bus.items():
        if bus.phases != PHASES:
            continue
        v = bus_phasors(bus, periods)
        measures = {"PVUR": spread(np.abs(v))}
        if bus.component("theta") is not None:
            _, positive, negative = symmetrical_components(v).T
            measures["VUF"] = np.abs(negative) / np.abs(positive)
            measures["LVUR"] = spread(np.column_stack(list(line_to_line(v, PHASES).values())))
        for quantity in ("VUF", "PVUR", "LVUR"):
            if quantity in measures:
                rows += [(name, t, quantity, 100 * float(x), "%")
                         for t, x in zip(periods, measures[quantity], strict=True)]
    return pd.DataFrame(rows, columns=["bus", "period", "quantity", "value", "unit"])


def spread(magnitudes: np.ndarray) -> np.ndarray:
    """Greatest deviation from the mean over the mean, for each row."""
    mean = magnitudes.mean(axis=1)
    return np.abs(magnitudes - mean[:, None]).max(axis=1) / mean
