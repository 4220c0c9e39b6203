"""Voltages of a solved DSO: magnitudes in pu, line to neutral and line to line.

Line-to-neutral values are what the DSO's limits hold: sqrt(w) in the linear form, |V| in the AC
form; on an ungrounded feeder they are those with the zero sequence removed. Line-to-line values
need angles: |V_x - V_y| / sqrt(3). All other results read voltages from here, in both forms.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from pyomo_dlmp.network.phases import DELTA_PAIRS, phasors
from pyomo_dlmp.results.schema import VOLTAGES


def bus_phasors(bus, periods) -> np.ndarray:
    """Complex voltages of a bus block; angles are 0 where none are modeled.

    Where nothing grounds a bus of the AC form, they are those less their mean.

    Parameters
    ----------
    bus : BusBlock or AcBusBlock
        Solved.
    periods : sequence
        Its periods.

    Returns
    -------
    complex ndarray, shape (periods, phases)
        In pu.
    """
    if exact(bus):
        v = conductor_phasors(bus, periods, bus.phases)
        return v - v.mean(axis=1, keepdims=True) if bus.floats else v
    w = np.array([[bus.w[phase, t].value for phase in bus.phases] for t in periods])
    theta = np.zeros_like(w)
    if has_angles(bus):
        theta = np.array([[bus.theta[phase, t].value for phase in bus.phases] for t in periods])
    return phasors(w, theta, bus.phases)


def exact(bus) -> bool:
    """Whether a bus block, or each bus of a DSO, holds phasors: the AC form.

    Parameters
    ----------
    bus : BusBlock, AcBusBlock, or a block filled by `build_opf`

    Returns
    -------
    bool
    """
    if (buses := bus.component("bus")) is not None:
        bus = next(iter(buses.values()))
    return bus.component("vr") is not None


def has_angles(bus) -> bool:
    """Whether the phases of a bus have angles.

    Parameters
    ----------
    bus : BusBlock or AcBusBlock

    Returns
    -------
    bool
    """
    return exact(bus) or bus.component("theta") is not None


def conductor_phasors(bus, periods, conductors) -> np.ndarray:
    """Voltages to ground of some conductors of a bus of the AC form.

    Parameters
    ----------
    bus : AcBusBlock
        Solved.
    periods : sequence
        Its periods.
    conductors : sequence of str
        Phases and neutrals of it.

    Returns
    -------
    complex ndarray, shape (periods, conductors)
        In pu of the bus's nominal phase voltage.
    """
    real, imag = (np.array([[part[k, t].value for k in conductors] for t in periods], dtype=float)
                  for part in (bus.vr, bus.vi))
    return (real + 1j * imag).reshape(len(periods), len(conductors))


def line_to_line(v: np.ndarray, phases: str) -> dict[str, np.ndarray]:
    """Magnitudes between the phases of a bus.

    Parameters
    ----------
    v : complex ndarray, shape (periods, phases)
        In pu of the line-to-neutral base.
    phases : str
        Of the bus, such as "abc".

    Returns
    -------
    dict of str to ndarray, shape (periods,)
        Pair -> magnitude in pu of the line-to-line base.
    """
    at = {phase: v[:, i] for i, phase in enumerate(phases)}
    return {
        pair: np.abs(at[pair[0]] - at[pair[1]]) / np.sqrt(3.0)
        for pair in DELTA_PAIRS if set(pair) <= set(phases)}


def voltages_table(dso) -> pd.DataFrame:
    """Magnitudes at every bus and period.

    Parameters
    ----------
    dso : block or MarketResult
        Filled by `build_opf` and solved by `solve_bilevel` or `solve_opf`; or what `solve_market`
        returned.

    Returns
    -------
    DataFrame
        Columns bus, phase (a or ab ...), period, quantity (line_to_neutral, line_to_line), value
        (pu), unit.
    """
    dso = getattr(dso, "dso", dso)
    periods = list(dso.periods)
    rows = []
    for name, bus in dso.bus.items():
        if not bus.phases:
            continue  # a neutral alone
        v = bus_phasors(bus, periods)
        parts = [("line_to_neutral", phase, np.abs(v[:, i])) for i, phase in enumerate(bus.phases)]
        if has_angles(bus):
            parts += [("line_to_line", k, m) for k, m in line_to_line(v, bus.phases).items()]
        for quantity, phase, values in parts:
            rows += [(name, phase, t, quantity, float(x), "pu")
                     for t, x in zip(periods, values, strict=True)]
    return VOLTAGES.frame(rows)
