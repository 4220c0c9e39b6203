"""Which rows each problem covers, their numbers, and what a problem begins with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pyomo_dlmp.market import Market
from pyomo_dlmp.network.series import period_labels, series_findings
from pyomo_dlmp.series.table import Table


@dataclass(frozen=True)
class Span:
    """Rows of a problem.

    Attributes
    ----------
    number : int
        Of the problem, from 0.
    first, length : int
        Rows that it covers.
    bought : int
        The first of them that are bought.
    """

    number: int
    first: int
    length: int
    bought: int


@dataclass
class State:
    """What a problem of a rolling horizon begins with.

    Attributes
    ----------
    done : float
        Work done so far in the window that the next row belongs to (MWh).
    job : dict of str to float
        The same of each job (its own unit).
    kw : dict of str to float
        Power in the row before (kW), by datacenter.
    ups, storage : dict of str to float
        Stored (kWh), by site or name.
    """

    done: float = 0.0
    job: dict[str, float] = field(default_factory=dict)
    kw: dict[str, float] = field(default_factory=dict)
    ups: dict[str, float] = field(default_factory=dict)
    storage: dict[str, float] = field(default_factory=dict)


def spans_of(rows: int, length: int, step: int) -> list[Span]:
    """Rows of every problem.

    Parameters
    ----------
    rows : int
        Of the table.
    length : int
        Rows that a problem covers.
    step : int
        Rows from one problem to the next.

    Returns
    -------
    list of Span
        All rows are bought exactly once.
    """
    found = []
    for number, first in enumerate(range(0, rows, step)):
        covered = min(length, rows - first)
        last = first + covered >= rows
        found.append(Span(number, first, covered, covered if last else step))
        if last:
            break
    return found


class Rows:
    """Numbers of a market along a table.

    Parameters
    ----------
    market : Market
    table : Table

    Attributes
    ----------
    periods : int
        Of the market.
    """

    def __init__(self, market: Market, table: Table):
        self.market, self.table = market, table
        self.periods = len(period_labels(market.opf.get("periods", 1))[0])

    def datum(self, column: str, own: Any, span: Span) -> Any:
        """A column's numbers of a problem; without one, the market's own, period by period.

        Parameters
        ----------
        column : str
        own : float or sequence of float
            The market's.
        span : Span

        Returns
        -------
        list of float
            One for each row of the problem.
        """
        values = self.table.numbers.get(column)
        if values is not None:
            return values[span.first:span.first + span.length].tolist()
        found = series_findings(own, range(self.periods))[0]
        if not found:  # labelled by the periods' own labels
            found = dict(enumerate(series_findings(
                own, period_labels(self.market.opf.get("periods", 1))[0])[0].values()))
        return [found[i % self.periods] for i in range(span.first, span.first + span.length)]
