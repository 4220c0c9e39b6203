"""The answer of one problem as plain data, and all of them as tidy tables."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from pyomo_dlmp.errors import ResultsFileError
from pyomo_dlmp.series.spans import Span, State
from pyomo_dlmp.series.table import Table

STEPS = ["problem", "time", "rows", "status", "payment", "repriced", "objective", "bound", "gap",
         "residual", "known", "new", "judged", "cpu_s", "note"]
DISPATCH = ["time", "element", "quantity", "value", "unit"]
PRICES = ["time", "bus", "phase", "quantity", "value", "unit"]
FILES = {"steps": "series_steps.csv", "dispatch": "series_dispatch.csv",
         "prices": "series_prices.csv"}
FAILED = "failed"


@dataclass
class Answer:
    """One problem solved; plain data that a file can hold.

    Attributes
    ----------
    number : int
        Of the problem.
    status : str
    payment, repriced : float
        Of the rows that are bought ($), by the market's rule, and from prices and powers alone.
    objective, bound, gap : float
        Of the whole problem ($, $, relative).
    residual : float
        Greatest relative KKT residual of the lower levels.
    known, new : int
        Parts whose critical regions were known, and those that were computed.
    judged : str
        "passed", where the full audit has seen it.
    cpu : float
        Seconds of this process.
    note : str
    mw, mvar : dict of str to list of float
        Drawn by each datacenter in the rows that are bought.
    prices : list of [bus, phase, quantity, values]
        $/MWh or $/Mvarh in these rows.
    state : State or None
        After them, in a rolling horizon.
    """

    number: int
    status: str
    payment: float = math.nan
    repriced: float = math.nan
    objective: float = math.nan
    bound: float = math.nan
    gap: float = math.nan
    residual: float = math.nan
    known: int = 0
    new: int = 0
    judged: str = ""
    cpu: float = 0.0
    note: str = ""
    mw: dict[str, list[float]] = field(default_factory=dict)
    mvar: dict[str, list[float]] = field(default_factory=dict)
    prices: list[list[Any]] = field(default_factory=list)
    state: State | None = None

    def plain(self) -> dict[str, Any]:
        """As data that JSON holds; nan as None."""
        found = asdict(self)
        return {key: None if isinstance(x, float) and math.isnan(x) else x
                for key, x in found.items()}

    @classmethod
    def of(cls, given: dict[str, Any]) -> Answer:
        """From `plain` data."""
        numbers = ("payment", "repriced", "objective", "bound", "gap", "residual")
        state = given.get("state")
        return cls(**{**given, **{k: math.nan for k in numbers if given[k] is None},
                      "state": None if state is None else State(**state)})


@dataclass(repr=False)
class SeriesResult:
    """What `solve_series` returns.

    Attributes
    ----------
    steps : DataFrame
        One row for each problem: problem, time (of its first row), rows (that it buys), status,
        payment and repriced ($, of the rows bought; by the market's rule, and recomputed from
        prices and powers alone), objective, bound ($, of the whole problem), gap, residual (KKT,
        relative), known and new (parts whose critical regions were known, or computed), judged
        ("passed" where the full audit has seen it), cpu_s, note.
    dispatch : DataFrame
        Columns time, element, quantity ("active", "reactive"), value, unit (MW, Mvar).
    prices : DataFrame
        Columns time, bus, phase, quantity, value, unit ($/MWh, $/Mvarh).
    total : int
        Number of problems of the table; fewer rows in `steps` where it was interrupted.
    interrupted : bool
        Whether Ctrl-C has ended it; what is finished is here.
    """

    steps: pd.DataFrame
    dispatch: pd.DataFrame
    prices: pd.DataFrame
    total: int
    interrupted: bool = False

    @property
    def payment(self) -> float:
        """Sum of what was bought at the prices of its rows ($)."""
        return float(self.steps["payment"].sum())

    @property
    def energy_mwh(self) -> float:
        """Energy of all datacenters in the rows that were bought (MWh)."""
        active = self.dispatch[self.dispatch["quantity"] == "active"]
        return float(active["value"].sum() * self.hours)

    hours: float = 1.0

    def __repr__(self) -> str:
        solved = int((self.steps["payment"] == self.steps["payment"]).sum())
        worst = self.steps["residual"].max()
        ended = ", interrupted" if self.interrupted else ""
        return (f"<SeriesResult {solved} of {self.total} problems solved, payment "
                f"{self.payment:.6g}, greatest KKT residual {worst:.1g}{ended}>")

    def to_csv(self, folder: str | Path) -> None:
        """Write ``series_steps.csv``, ``series_dispatch.csv`` and ``series_prices.csv``.

        Parameters
        ----------
        folder : path
            It is made where it is not there.

        Raises
        ------
        ResultsFileError
            If it cannot be written.
        """
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
            for name, file in FILES.items():
                getattr(self, name).to_csv(Path(folder) / file, index=False)
        except OSError as err:
            raise ResultsFileError.at(
                str(folder), f"cannot be written ({err.strerror or err})",
                "Give a folder that you may write.") from None


def result_of(answers: Iterable[Answer], spans: list[Span], table: Table,
              interrupted: bool = False) -> SeriesResult:
    """Tidy tables of answers.

    Parameters
    ----------
    answers : iterable of Answer
        In any order.
    spans : list of Span
        Of all problems.
    table : Table
    interrupted : bool

    Returns
    -------
    SeriesResult
    """
    steps, dispatch, prices = [], [], []
    for a in sorted(answers, key=lambda a: a.number):
        span = spans[a.number]
        times = list(table.stamps[span.first:span.first + span.bought])
        steps.append((a.number, times[0], span.bought, a.status, a.payment, a.repriced, a.objective,
                      a.bound, a.gap, a.residual, a.known, a.new, a.judged, a.cpu, a.note))
        for quantity, powers, unit in (("active", a.mw, "MW"), ("reactive", a.mvar, "Mvar")):
            for name, values in powers.items():
                dispatch += [(t, name, quantity, x, unit)
                             for t, x in zip(times, values, strict=True)]
        for bus, phase, quantity, values in a.prices:
            unit = "$/MWh" if quantity == "active" else "$/Mvarh"
            prices += [(t, bus, phase, quantity, x, unit)
                       for t, x in zip(times, values, strict=True)]
    return SeriesResult(
        pd.DataFrame(steps, columns=STEPS), pd.DataFrame(dispatch, columns=DISPATCH),
        pd.DataFrame(prices, columns=PRICES), total=len(spans), interrupted=interrupted,
        hours=table.hours)
