"""Voltages of a solved DSO: magnitudes in pu, line to neutral and line to line.

Line-to-neutral values are sqrt(w), what the DSO's limits hold; on an ungrounded feeder they are
those with the zero sequence removed. Line-to-line values need angles: |V_x - V_y| / sqrt(3).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from pyomo_dlmp.network.phases import DELTA_PAIRS, phasors
from pyomo_dlmp.results.schema import VOLTAGES


def bus_phasors(bus, periods) -> np.ndarray:
    """Complex voltages (pu) of a bus block, periods x phases; angles 0 where none are modeled."""
    w = np.array([[bus.w[phase, t].value for phase in bus.phases] for t in periods])
    theta = np.zeros_like(w)
    if bus.component("theta") is not None:
        theta = np.array([[bus.theta[phase, t].value for phase in bus.phases] for t in periods])
    return phasors(w, theta, bus.phases)


def line_to_line(v: np.ndarray, phases: str) -> dict[str, np.ndarray]:
    """{pair: magnitude per period in pu of the line-to-line base} for pairs of the bus's phases."""
    at = {phase: v[:, i] for i, phase in enumerate(phases)}
    return {
        pair: np.abs(at[pair[0]] - at[pair[1]]) / np.sqrt(3.0)
        for pair in DELTA_PAIRS if set(pair) <= set(phases)}


def voltages_table(dso) -> pd.DataFrame:
    """Magnitudes at every bus and period (pu); quantity is line_to_neutral or line_to_line.

    Columns bus, phase (a or ab ...), period, quantity, value, unit.
    """
    periods = list(dso.periods)
    rows = []
    for name, bus in dso.bus.items():
        v = bus_phasors(bus, periods)
        parts = [("line_to_neutral", phase, np.abs(v[:, i])) for i, phase in enumerate(bus.phases)]
        if bus.component("theta") is not None:
            parts += [("line_to_line", k, m) for k, m in line_to_line(v, bus.phases).items()]
        for quantity, phase, values in parts:
            rows += [(name, phase, t, quantity, float(x), "pu")
                     for t, x in zip(periods, values, strict=True)]
    return VOLTAGES.frame(rows)
