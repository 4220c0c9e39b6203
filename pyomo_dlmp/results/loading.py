"""Hours of high loading: those in which the datacenters of a study's first case draw most.

Figures of a day mix hours in which datacenters run at capacity with hours in which they idle. What
they do to voltages, and what a device does about it, shows in the first. The hours are taken from
one case, the first of the study, so that all its cases are compared over the same hours.
"""

from __future__ import annotations

from collections.abc import Hashable

import pandas as pd

from pyomo_dlmp.tolerances import ROUNDING

HIGH_LOADING = 0.9
"""Share of the datacenters' greatest joint power from which an hour is one of high loading."""


def high_loading(dispatch: pd.DataFrame) -> list[Hashable]:
    """Periods in which all datacenters together draw nearly as much as they ever do.

    Parameters
    ----------
    dispatch : DataFrame
        A `dispatch_table`, of one case.

    Returns
    -------
    list
        Periods in which their joint active power is at least `HIGH_LOADING` of its greatest, in
        their order; empty where they draw nothing.
    """
    rows = dispatch[(dispatch["kind"] == "datacenter") & (dispatch["quantity"] == "active")
                    & (dispatch["phase"] == "")]
    power = rows.groupby("period", sort=False)["value"].sum()
    most = power.max() if len(power) else 0.0
    return power.index[power >= HIGH_LOADING * most].tolist() if most > ROUNDING else []
