"""What a contract would mean that a user asks for: hours in which it is not possible, and why."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pyomo_dlmp.connection.answer import Flexible, contracts, curtailment, kw_words
from pyomo_dlmp.connection.limits import Limit
from pyomo_dlmp.errors import ModelError, shown
from pyomo_dlmp.network.series import is_number
from pyomo_dlmp.tolerances import SAME_VOLTAGE

_AT_ONCE = 2e7  # entries of the states that are looked at


@dataclass(frozen=True, eq=False)
class Asked:
    """The answer of `ConnectionStudy.at`.

    Attributes
    ----------
    kw : float
        The contract (kW).
    curtailment : Flexible
        In how many hours, and how much, it must be curtailed for every limit to be kept.
    count : int
        Limits that would be broken if it drew what it wants, in the hours that were looked at.
    worst : Limit or None
        The one that would be broken furthest; None: none, or there is no power flow.
    value : float
        Of the limited quantity there (pu, share of the rating, VUF).
    hour : int
        Where; or the first hour without a power flow.
    no_solution : int
        Hours (of those looked at) that would have no power flow.
    """

    kw: float
    curtailment: Flexible
    count: int
    worst: Limit | None
    value: float
    hour: int
    no_solution: int

    @property
    def possible(self) -> bool:
        """Whether it is firm: possible in every hour."""
        return self.curtailment.hours == 0

    @property
    def sentence(self) -> str:
        """The answer in words."""
        words = f"{kw_words(self.kw)} kW: "
        if self.possible:
            return f"{words}possible in every hour."
        lost = self.curtailment
        words += (f"not possible in {lost.hours:,g} h, in which it would be curtailed by "
                  f"{_figure(lost.curtailed_kwh / 1e3)} MWh in all ({100 * lost.share:.3g} % of "
                  f"its energy) and by at most {math.ceil(lost.worst_kw):,} kW")
        if self.no_solution:
            return (f"{words}; not curtailed, the feeder has no power flow in {self.no_solution:,} "
                    f"different hours (the first: hour {self.hour}).")
        if self.worst is not None:
            more = "" if self.count == 1 else f", the furthest of {self.count:,} broken limits"
            words += f"; not curtailed, there would be {self.worst.words(self.value)}, hour " \
                     f"{self.hour}{more}"
        elif not self.count:
            words += "; at just this power every limit is kept, but not on the way from 0 to it"
        return f"{words}."

    @property
    def table(self) -> pd.DataFrame:
        """The same as rows: quantity, value, unit."""
        lost = self.curtailment
        worst = "no power flow" if self.no_solution else (
            "" if self.worst is None else f"{self.worst.words(self.value)}, hour {self.hour}")
        return pd.DataFrame(
            [("asked", self.kw, "kW"), ("asked_not_possible", lost.hours, "h"),
             ("asked_curtailed", lost.curtailed_kwh / 1e3, "MWh"),
             ("asked_curtailed_share", lost.share, "1"),
             ("asked_worst_curtailment", lost.worst_kw, "kW"),
             ("asked_worst_limit", worst, ""), ("asked_broken_limits", self.count, "1")],
            columns=["quantity", "value", "unit"])

    def __str__(self) -> str:
        return self.sentence


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def asked_of(study: Any, kw: float) -> Asked:
    """See `ConnectionStudy.at`.

    Parameters
    ----------
    study : ConnectionStudy
    kw : float

    Returns
    -------
    Asked

    Raises
    ------
    ModelError
        If it is no number above 0, or more than what was looked for.
    """
    if not is_number(kw) or not 0 < kw < math.inf:
        raise ModelError.at("at, kw", f"is {shown(kw)}", "Give kW above 0.")
    if kw > study.max_kw * (1 + SAME_VOLTAGE):
        raise ModelError.at("at, kw", f"is {kw:g}, and no more than {study.max_kw:g} kW were "
                            "looked for", f"Give connection_study(max_kw={kw:g}).")
    hours, grid = study.hours, study.grid
    lost = curtailment(study.hourly.kw, hours.share, float(kw), hours.hours)
    # each different hour once, at the greatest share that is wanted of it
    order = np.argsort(contracts(study.hourly.kw, hours.share), kind="stable")
    _, first = np.unique(grid.of_hour[order], return_index=True)  # different hours are by load
    most = max(16, int(_AT_ONCE / grid.circuit.size))
    if len(first) > most:  # those that allow least, and those of the greatest load
        first = np.union1d(np.sort(first)[:most // 2], first[-(most // 2):])
    which = order[np.sort(first)]
    feeder = grid.feeder(grid.of_hour[which], study.site)
    z, excess = feeder.solve(study.site, kw * hours.share[which], np.arange(len(which)),
                             feeder.start)
    gone = np.isinf(excess).any(axis=0)
    broken = (excess[:, ~gone] > SAME_VOLTAGE).any(axis=1)
    count = int(broken.sum())
    if gone.any() or not count:
        hour = int(which[gone].min()) if gone.any() else int(which[0])
        return Asked(float(kw), lost, count, None, math.nan, hour, int(gone.sum()))
    row, at = np.unravel_index(int(np.argmax(excess)), excess.shape)
    value = float(grid.limits.values(z[:, [at]])[row, 0])
    return Asked(float(kw), lost, count, grid.limits.rows[int(row)], value, int(which[at]), 0)
