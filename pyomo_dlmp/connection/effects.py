"""What a site does to losses, voltages and unbalance in a few telling hours."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd

from pyomo_dlmp.ac.legs import leg_state
from pyomo_dlmp.connection.limits import LimitOptions, Limits
from pyomo_dlmp.network.units import KILO

_KEYS = ("lowest_pu", "highest_pu", "vuf_percent", "losses_kw", "loading_percent", "most_loaded")


def effects_table(study: Any) -> pd.DataFrame:
    """See `ConnectionStudy.effects`.

    Parameters
    ----------
    study : ConnectionStudy

    Returns
    -------
    DataFrame
    """
    grid, hours = study.grid, study.hours
    load = grid.load
    mean = int(np.argmin(np.abs(load - load[grid.of_hour].mean())))
    cases = {"limiting hour": study.binding.hour,
             "greatest load": grid.hour_of(int(np.argmax(load))),
             "mean load": grid.hour_of(mean), "least load": grid.hour_of(int(np.argmin(load)))}
    kw = study.firm_kw * hours.share[list(cases.values())]
    feeder, z = _with_site(study, list(cases.values()), kw)
    legs, power = study.site.injected(grid.circuit, kw)
    injected = feeder.injected.copy()
    injected[legs] += power
    before = _figures(grid, feeder.start, feeder.injected, feeder.drawn)
    after = _figures(grid, z, injected, feeder.drawn)
    table = pd.DataFrame({"case": list(cases), "hour": list(cases.values()), "kw": kw})
    for key in _KEYS:
        table[f"{key}_before"], table[key] = before[key], after[key]
    return table


def voltages_table(study: Any) -> pd.DataFrame:
    """See `ConnectionStudy.voltages`.

    Parameters
    ----------
    study : ConnectionStudy

    Returns
    -------
    DataFrame
    """
    grid = study.grid
    which = list(dict.fromkeys((study.binding.hour, grid.hour_of(int(np.argmax(grid.load))))))
    feeder, z = _with_site(study, which, study.firm_kw * study.hours.share[which])
    volts = Limits(grid.circuit, LimitOptions(v_min=0.0, v_max=2.0, thermal=False))
    loads = Counter(load.bus for load in grid.network.loads.values())
    before, after = volts.values(feeder.start), volts.values(z)
    rows = [(t, row.element, row.phase, loads[row.element], before[r, i], after[r, i],
             after[r, i] - before[r, i])
            for i, t in enumerate(which) for r, row in enumerate(volts.rows)
            if row.what == "voltage"]
    return pd.DataFrame(rows, columns=["hour", "bus", "phase", "loads", "before_pu", "after_pu",
                                       "change_pu"])


def _with_site(study: Any, which: list[int], kw: np.ndarray) -> tuple[Any, np.ndarray]:
    """The feeder in some hours, and its states with the site drawing there (kW)."""
    feeder = study.grid.feeder(study.grid.of_hour[which], study.site)
    z, _ = feeder.solve(study.site, kw, np.arange(len(which)), feeder.start)
    return feeder, z


def _figures(grid: Any, z: np.ndarray, injected: np.ndarray, drawn: np.ndarray,
             ) -> dict[str, np.ndarray]:
    circuit = grid.circuit
    volts = Limits(circuit, LimitOptions(v_min=0.0, v_max=2.0, thermal=False))
    vuf = Limits(circuit, LimitOptions(v_min=None, v_max=None, thermal=False, vuf=100.0))
    v = volts.values(z)
    own = np.array([row.what == "voltage" for row in vuf.rows], dtype=bool)  # buses' own limits
    unbalance = vuf.values(z)[~own]
    state = leg_state(circuit.legs, circuit.legs.incidence(circuit.n) @ z[:circuit.n], injected,
                      drawn)
    bought = z[circuit.source_nodes] * np.conj(z[circuit.source_columns])
    losses = KILO * (bought.real.sum(axis=0) + state.s.real.sum(axis=0))
    loads = Limits(circuit, LimitOptions(v_min=None, v_max=None))
    places = [i for i, row in enumerate(loads.rows) if row.what == "loading"]
    share = loads.values(z)[places]
    names = np.array([loads.rows[i].name for i in places] or [""])
    most = share.argmax(axis=0) if places else np.zeros(z.shape[1], dtype=int)
    return {"loading_percent": 100.0 * share.max(axis=0, initial=0.0) if places else np.full(
                z.shape[1], np.nan), "most_loaded": names[most],
            "lowest_pu": v.min(axis=0), "highest_pu": v.max(axis=0), "losses_kw": losses,
            "vuf_percent": 100.0 * unbalance.max(axis=0, initial=0.0)}
