"""A scenario as arrays: what a master problem of many scenarios needs of each, and no more.

Nothing here refers to a model or to a lower level's matrices, so that it can be sent to another
process: the upper level's program, for each condensed part (an hour, say) the range of its
decisions and its pieces of cost, and what the columns mean.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pyomo_dlmp.numerics.program import Program
from pyomo_dlmp.parametric.hull import Hull
from pyomo_dlmp.parametric.region_costs import RegionCost


@dataclass(frozen=True)
class PartRange:
    """The range of a part's decisions (MW), shape (m,) each: all that a master needs of a part."""

    lo: np.ndarray
    hi: np.ndarray

    @property
    def m(self) -> int:
        """Number of decisions."""
        return len(self.lo)


@dataclass
class ScenarioParts:
    """A scenario's decisions, costs and rows.

    Attributes
    ----------
    name, probability
        Of the scenario.
    program
        Its upper level's own rows and linear cost ($); `columns` are names.
    parts, pieces, u
        Range, pieces of cost ($, unweighted) and columns in `program` of each part.
    sites
        Names of the datacenters that decide.
    power
        Column in `program` of each site's power (MW) by period, shape (sites, periods); -1 of a
        site that is not there, and draws nothing.
    starts
        Column of each binary start of a job without pause by (job, site, period).
    hours
        Length of a period (h).
    """

    name: str
    probability: float
    program: Program
    parts: list[PartRange]
    pieces: list[list[RegionCost]]
    u: list[np.ndarray]
    sites: tuple[str, ...]
    power: np.ndarray
    starts: dict[tuple[str, str, Any], int]
    hours: float

    @property
    def regions(self) -> int:
        """Number of pieces of all parts."""
        return sum(map(len, self.pieces))

    def mw(self, z: np.ndarray) -> np.ndarray:
        """Powers of the sites (MW) at decisions, shape (sites, periods)."""
        return np.where(self.power < 0, 0.0, z[self.power])

    def named(self, z: np.ndarray) -> dict[str, float]:
        """Values of its own columns by name; further columns of z are left out."""
        return dict(zip(self.program.columns, z[:len(self.program.c)].tolist(), strict=True))


def arrays_of(name: str, probability: float, hull: Hull, power: dict[str, list],
                   starts: dict[tuple[str, str, Any], Any], hours: float) -> ScenarioParts:
    """The arrays of a scenario.

    Parameters
    ----------
    name, probability
        Of the scenario.
    hull
        Its master, with all regions listed, over Vars of a model.
    power
        Var of each site's power by period, None of a site that is not there.
    starts
        Var of each start of a job without pause.
    hours
        As of `ScenarioParts`.

    Returns
    -------
    ScenarioParts
    """
    upper = hull.upper
    place = upper.place
    return ScenarioParts(
        name, probability,
        replace(upper, columns=[var.name for var in upper.columns],
                rows=[None] * len(upper.lo)),
        [PartRange(part.lo.copy(), part.hi.copy()) for part in hull.parts], hull.pieces, hull.u,
        tuple(power), np.array([[-1 if var is None else place[var] for var in row]
                                for row in power.values()], dtype=int),
        {key: int(place[var]) for key, var in starts.items()}, hours)
