"""Marginal emissions bus by bus."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from pyomo_dlmp.report.derived import cases_of, pick
from pyomo_dlmp.report.figures.prices import heat_map
from pyomo_dlmp.report.figures.style import norm_of, styled


@styled
def emission_heat_map(emissions: pd.DataFrame, buses: pd.DataFrame, *,
                      sites: Mapping[str, str] | None = None) -> Figure:
    """Marginal emissions of every bus and hour; rows are cases, columns phases.

    Parameters
    ----------
    emissions : DataFrame
        Columns case, bus, phase, period, quantity, value (kg/MWh), unit.
    buses : DataFrame
        Columns bus, x, y (drawing units), distance_km (km from the substation).
    sites : mapping of str to str
        Name of a datacenter -> its bus, marked by a triangle.

    Returns
    -------
    Figure
    """
    rows = pick(emissions, quantity="active")
    norm, extend = norm_of(rows["value"].to_numpy(dtype=float))
    cases = [(case, pick(rows, case=case)) for case in cases_of(rows)]
    return heat_map(cases, rows, buses, sites or {}, norm, "cividis",
                    "marginal emissions (kg CO2/MWh)", extend)
