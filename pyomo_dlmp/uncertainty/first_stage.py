"""What is decided before it is known which scenario comes, and how it binds each of them.

With x the columns of the first stage and z those of a scenario:

    schedule   u_it - up_it + down_it == x_it,   0 <= up, down <= rho cap_i,   kappa $/MWh on both
    jobs       start_j == x_j                    for each possible start of a job without pause
    capacity   u_it <= x_i                       at a price $/kW for the horizon, paid once
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import scipy.sparse as sp

from pyomo_dlmp.network.units import KILO
from pyomo_dlmp.numerics.program import Program
from pyomo_dlmp.uncertainty.scenario_parts import ScenarioParts

KINDS = ("schedule", "jobs", "capacity")


@dataclass(frozen=True)
class Terms:
    """How a first stage binds the scenarios, in the units of the model.

    Parameters
    ----------
    kinds : tuple of str
        Some of `KINDS`.
    capacity_mw : dict of str to float
        Of each site.
    flexibility : dict of str to float
        Greatest deviation from the schedule, a share of the site's capacity.
    deviation_price : float
        $/MWh of a deviation, up or down.
    capacity_price : float
        $/kW of subscribed capacity for the horizon.
    """

    kinds: tuple[str, ...]
    capacity_mw: dict[str, float]
    flexibility: dict[str, float]
    deviation_price: float
    capacity_price: float


@dataclass
class FirstStage:
    """Columns that are the same in all scenarios; n of them.

    Attributes
    ----------
    labels
        ("schedule", site, period), ("jobs", name of a start) or ("capacity", site); period is a
        position.
    c, lb, ub, integer
        Cost ($) and bounds, shape (n,). Powers in MW.
    """

    labels: list[tuple] = field(default_factory=list)
    c: np.ndarray = field(default_factory=lambda: np.zeros(0))
    lb: np.ndarray = field(default_factory=lambda: np.zeros(0))
    ub: np.ndarray = field(default_factory=lambda: np.zeros(0))
    integer: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))

    @property
    def size(self) -> int:
        """Number of columns."""
        return len(self.labels)

    def add(self, labels: Sequence[tuple], c: float, ub: Sequence[float],
            integer: bool = False) -> None:
        """Append columns from 0 to `ub`."""
        n = len(labels)
        self.labels += labels
        self.c, self.lb = np.append(self.c, np.full(n, c)), np.append(self.lb, np.zeros(n))
        self.ub = np.append(self.ub, np.asarray(ub, float))
        self.integer = np.append(self.integer, np.full(n, integer))


@dataclass
class Recourse:
    """A scenario's program with what binds it to the first stage.

    Attributes
    ----------
    scenario
        Its arrays.
    program
        Its own columns, then deviations up and down (sites x periods each) where there is a
        schedule; its own rows, then those of the first stage at x = 0.
    links
        Numbers of the rows of the first stage.
    B
        Coefficients of the first stage in all rows, shape (rows, n): lo <= A z + B x <= hi.
    deviations
        Columns of deviations up and down, shape (2, sites, periods); None without a schedule.
    """

    scenario: ScenarioParts
    program: Program
    links: np.ndarray
    B: sp.csr_matrix
    deviations: np.ndarray | None

    def at(self, x: np.ndarray) -> Program:
        """The program at a first stage, shape (n,)."""
        p, shift = self.program, self.B @ x
        return replace(p, lo=p.lo - shift, hi=p.hi - shift)


def first_stage_of(scenarios: Sequence[ScenarioParts], terms: Terms) -> FirstStage:
    """The columns of the first stage.

    Parameters
    ----------
    scenarios
        All scenarios.
    terms
        Which kinds there are.

    Returns
    -------
    FirstStage
    """
    found, one = FirstStage(), scenarios[0]
    periods = one.power.shape[1]
    if "schedule" in terms.kinds:
        found.add([("schedule", site, t) for site in one.sites for t in range(periods)], 0.0,
                  [terms.capacity_mw[site] for site in one.sites for _ in range(periods)])
    if "jobs" in terms.kinds:
        found.add([("jobs", name) for name in one.starts], 0.0, [1.0] * len(one.starts), True)
    if "capacity" in terms.kinds:
        found.add([("capacity", site) for site in one.sites], KILO * terms.capacity_price,
                  [terms.capacity_mw[site] for site in one.sites])
    return found


def recourse_of(scenario: ScenarioParts, first: FirstStage, terms: Terms) -> Recourse:
    """A scenario's program with its rows of the first stage.

    Parameters
    ----------
    scenario
        The scenario.
    first, terms
        The first stage, and how it binds.

    Returns
    -------
    Recourse
    """
    p, n = scenario.program, first.size
    place = {label: j for j, label in enumerate(first.labels)}
    sites, power = scenario.sites, scenario.power
    count = power.size if "schedule" in terms.kinds else 0
    base, own = len(p.c), p.A.shape[0]
    rows = _Rows(own)
    deviations = None
    if count:
        deviations = base + np.arange(2 * count).reshape(2, *power.shape)
        at = [place["schedule", site, t] for site in sites for t in range(power.shape[1])]
        rows.add(np.column_stack([power.ravel(), *deviations.reshape(2, -1)]), (1.0, -1.0, 1.0),
                 at, (0.0, 0.0))
    if "jobs" in terms.kinds:
        rows.add(np.array(list(scenario.starts.values()), int)[:, None], (1.0,),
                 [place["jobs", name] for name in scenario.starts], (0.0, 0.0))
    if "capacity" in terms.kinds:
        rows.add(power.ravel()[:, None], (1.0,),
                 [place["capacity", site] for site in sites for _ in range(power.shape[1])],
                 (-np.inf, 0.0))
    width = base + 2 * count
    A, B, lo, hi = rows.matrices(width, n)
    room = np.array([terms.flexibility[site] * terms.capacity_mw[site] for site in sites])
    most = np.tile(np.repeat(room, power.shape[1]), 2) if count else np.zeros(0)
    wide = sp.csr_matrix((p.A.data, p.A.indices, p.A.indptr), shape=(own, width))
    program = Program(
        A=sp.vstack([wide, A], format="csr"), lo=np.append(p.lo, lo), hi=np.append(p.hi, hi),
        lb=np.append(p.lb, np.zeros(2 * count)), ub=np.append(p.ub, most),
        c=np.append(p.c, np.full(2 * count, scenario.hours * terms.deviation_price)),
        constant=p.constant, integer=np.append(p.integer, np.zeros(2 * count, bool)))
    return Recourse(scenario, program, own + np.arange(len(lo)),
                    sp.vstack([sp.csr_matrix((own, n)), B], format="csr"), deviations)


class _Rows:
    """Rows  sum_k coef_k z[columns_k] - x[at]  within limits, collected."""

    def __init__(self, own: int):
        self.own, self.count = own, 0
        self.entries: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self.at: list[int] = []
        self.limits: list[tuple[float, float]] = []

    def add(self, columns: np.ndarray, coef: tuple[float, ...], at: list[int],
            limits: tuple[float, float]) -> None:
        k, many = columns.shape
        self.entries.append((np.repeat(self.count + np.arange(k), many), columns.ravel(),
                             np.tile(coef, k)))
        self.at += at
        self.limits += [limits] * k
        self.count += k

    def matrices(self, width: int, n: int) -> tuple:
        # a site that is not there has no column of power
        row, column, data = (
            np.concatenate(part) if part else np.zeros(0, int)
            for part in (zip(*self.entries, strict=True) if self.entries else ((), (), ())))
        there = column >= 0
        A = sp.csr_matrix((data[there], (row[there], column[there])), shape=(self.count, width))
        B = sp.csr_matrix((-np.ones(self.count), (np.arange(self.count), self.at)),
                          shape=(self.count, n))
        lo, hi = np.array(self.limits, float).reshape(-1, 2).T
        return A, B, lo, hi
