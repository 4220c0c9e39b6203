"""Scenarios: what may come, with which probability, as numbers by scenario and period."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from pyomo_dlmp.errors import ModelError, nearest, shown
from pyomo_dlmp.series.columns import DATA, SUMS
from pyomo_dlmp.uncertainty.reading import OUTAGES, PERIOD, PROBABILITY, SCENARIO, parts_of_table
from pyomo_dlmp.uncertainty.sampling import parts_of_history
from pyomo_dlmp.uncertainty.structure import WHERE, as_array, refuse_ragged, structure_faults


@dataclass(frozen=True, eq=False, repr=False)
class Scenarios:
    """Equally long futures of a market's data.

    `of_arrays`, `from_table` and `from_history` make them from what is at hand.

    Parameters
    ----------
    names : tuple of str
        Of the scenarios, each once.
    probabilities : ndarray
        Their sum is 1; shape (scenarios,).
    numbers : dict of str to ndarray
        By column, as of a table of `solve_series` (price, load_scale, load_scale.<load or profile>,
        available.<generator>, energy_mwh, kw.<datacenter> ...), shape (scenarios, periods). What
        has no column is as the market has it. Energy of a scenario is the sum of its row.
    outages : dict of str to tuple of str
        Elements of the feeder that are out of service in a scenario, all its periods.
    hours : float or None
        Length of a period (h) where it is known, to be compared with the market's.
    about : str
        Where they come from and what was lost on the way, in words.

    Raises
    ------
    ModelError
        With every fault at once: names that are there twice, probabilities that do not add to 1,
        unknown columns with the nearest known ones, columns of different length, empty cells,
        numbers beyond their range or probably in another unit, outages of no scenario.
    """

    names: tuple[str, ...]
    probabilities: np.ndarray
    numbers: dict[str, np.ndarray]
    outages: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    hours: float | None = None
    about: str = ""

    def __post_init__(self) -> None:
        if isinstance(self.numbers, Mapping):
            object.__setattr__(self, "numbers", {
                column: as_array(column, values, None) for column, values in self.numbers.items()})
        faults = structure_faults(self.names, self.probabilities, self.numbers, self.outages)
        if faults:
            raise ModelError(faults)
        weights = np.asarray(self.probabilities, dtype=float)
        object.__setattr__(self, "names", tuple(self.names))
        object.__setattr__(self, "probabilities", weights / weights.sum())
        object.__setattr__(self, "outages", {
            name: tuple(elements) for name, elements in self.outages.items() if len(elements)})

    # ------------------------------------------------------------------------------ made from

    @classmethod
    def of_arrays(cls, numbers: Mapping[str, Any] | None = None, *, probabilities: Any = None,
                  names: Iterable[str] | None = None, outages: Mapping[str, Any] | None = None,
                  periods: int | None = None, **columns: Any) -> Scenarios:
        """Scenarios of arrays.

        Parameters
        ----------
        numbers : mapping of str to array-like, optional
            By column; the place for names with a dot: ``{"load_scale.office": ...}``. An array of
            scenarios x periods; or one number for each scenario, which is the same in all its
            periods. Of `energy_mwh` one number is the work of the whole scenario, in equal shares
            of its periods.
        probabilities : sequence of float, or mapping of str to float, optional
            By default all are the same.
        names : iterable of str, optional
            By default s1, s2 ...
        outages : mapping of str to sequence of str, optional
            Elements out of service, by scenario.
        periods : int, optional
            Their number, where no column says it.
        **columns : array-like
            Further columns, whose names have no dot: ``price=...``.

        Returns
        -------
        Scenarios

        Raises
        ------
        ModelError
            As of `Scenarios`.

        Examples
        --------
        >>> Scenarios.of_arrays(price=[[30, 60], [20, 90]], energy_mwh=[1.0, 1.2])
        Scenarios: 2 of 2 periods
          price       20 to 90, mean 50 $/MWh
          energy_mwh  1 to 1.2, mean 1.1 MWh a scenario
        """
        given = {**(numbers or {}), **columns}
        if not given and not names:
            raise ModelError.at(WHERE, "has neither numbers nor names", "Give price=..., say.")
        if periods is None:
            periods = next((x.shape[1] for x in (as_array(c, v, None) for c, v in given.items())
                            if x.ndim == 2), None)
        arrays = {column: as_array(column, values, periods) for column, values in given.items()}
        refuse_ragged(arrays)
        if periods is None and arrays:
            raise ModelError.at(WHERE, "has one number a scenario in every column, and the number "
                                "of periods is not known", "Give periods=24, say.")
        count = next((len(x) for x in arrays.values() if x.ndim), 0)
        known = tuple(names) if names is not None else tuple(f"s{k + 1}" for k in range(count))
        return cls(known, _weights(known, probabilities), arrays, dict(outages or {}))

    @classmethod
    def from_table(cls, table: Any, *, probabilities: Any = None,
                   outages: Mapping[str, Any] | None = None,
                   columns: Mapping[str, str | None] | None = None) -> Scenarios:
        """Scenarios of a table: a row for each scenario and period.

        Parameters
        ----------
        table : DataFrame, mapping or path
            Of a CSV file, or of a Parquet file by its ending. Columns ``scenario``; ``time`` or
            ``period`` (without either, a scenario's rows are its periods in their order); numbers
            as of a table of `solve_series`. ``energy_mwh`` is the work of the row: a scenario has
            the sum of its rows. Optional: ``probability`` (the same in all rows of a scenario, or
            in one of them), ``outages`` (names of elements, with semicolons between them). A row
            may be a whole scenario, with ``price[0]``, ``price[1]`` ... of its periods; a column
            without such a number is then the same in all periods, and ``energy_mwh`` their sum.
        probabilities : sequence of float, or mapping of str to float, optional
            In the order of the scenarios, or by name. Without these and without a column: all are
            the same.
        outages : mapping of str to sequence of str, optional
            Elements out of service, by scenario.
        columns : mapping of str to str or None, optional
            Names of the table's columns here; None: left out.

        Returns
        -------
        Scenarios

        Raises
        ------
        ModelError
            With every fault at once: a file that cannot be read; rows that are there twice or
            missing; scenarios of different length; and as of `Scenarios`.
        """
        parts = parts_of_table(table, probabilities, outages, columns)
        return cls(**{**parts, "probabilities": _weights(parts["names"], parts["probabilities"])})

    @classmethod
    def from_history(cls, table: Any, count: int | None = 20, *, seed: int = 0,
                     periods: int | None = None, keep_means: bool = True,
                     columns: Mapping[str, str | None] | None = None) -> Scenarios:
        """Scenarios of what has been: the days of a year, clustered.

        KMeans of scikit-learn (``pip install "pyomo-dlmp[scenarios]"``) groups the days by all
        their numbers, each column in units of its own standard deviation. The day nearest to a
        group's centre stands for it, with the group's share of the days as its probability.

        Parameters
        ----------
        table : DataFrame, mapping or path
            As of `solve_series`: a row for each step, a column ``time`` (or an index of times;
            without either, rows are steps).
        count : int or None
            Number of scenarios; None: every day is one, all equally probable, without clustering.
        seed : int
            Of the clustering.
        periods : int, optional
            Rows of a scenario; by default those of 24 hours, from midnight as the stamps have it
            (in UTC where they have an offset), or 24 where there are no stamps.
        keep_means : bool
            Whether each chosen day is moved, hour by hour towards the greatest or the least that
            its group has in that hour, until its mean is its group's in every column: expected
            prices, loads and energy are then those of the history, exactly. False: days as they
            were.
        columns : mapping of str to str or None, optional
            Names of the table's columns here; None: left out.

        Returns
        -------
        Scenarios
            Its `about` says how many days there were, which share of the variance the scenarios
            keep, and by how much the extremes are narrower.

        Raises
        ------
        ModelError
            With every fault of the table at once; fewer days than scenarios; scikit-learn missing.
        """
        return cls(**parts_of_history(table, count, seed, periods, keep_means, columns))

    # ------------------------------------------------------------------------------- read out

    @property
    def count(self) -> int:
        """Number of scenarios."""
        return len(self.names)

    def __len__(self) -> int:
        return len(self.names)

    @property
    def periods(self) -> int | None:
        """Number of periods; None where no column says it."""
        return next((values.shape[1] for values in self.numbers.values()), None)

    def _place(self, name: str) -> int:
        if name not in self.names:
            raise ModelError.at(WHERE, f"has no scenario {shown(name)}", nearest(name, self.names))
        return self.names.index(name)

    def of(self, name: str) -> dict[str, np.ndarray]:
        """Numbers of a scenario by column, shape (periods,) each.

        Parameters
        ----------
        name : str

        Returns
        -------
        dict of str to ndarray

        Raises
        ------
        ModelError
            There is no such scenario.
        """
        k = self._place(name)
        return {column: values[k] for column, values in self.numbers.items()}

    def probability(self, name: str) -> float:
        """Probability of a scenario.

        Parameters
        ----------
        name : str

        Returns
        -------
        float

        Raises
        ------
        ModelError
            There is no such scenario.
        """
        return float(self.probabilities[self._place(name)])

    def subset(self, names: Iterable[str]) -> Scenarios:
        """Some of the scenarios, with probabilities in the same proportion.

        Parameters
        ----------
        names : iterable of str

        Returns
        -------
        Scenarios

        Raises
        ------
        ModelError
            There is no such scenario, or all of them together are improbable.
        """
        chosen = [self._place(name) for name in names]
        return self._some(chosen, self.probabilities[chosen])

    def _some(self, chosen: list[int], weights: np.ndarray) -> Scenarios:
        if not weights.sum() > 0:
            raise ModelError.at(WHERE, "has no scenario of a probability above 0 among those "
                                "chosen", "Choose others.")
        names = tuple(self.names[k] for k in chosen)
        return Scenarios(
            names, weights / weights.sum(),
            {column: values[chosen] for column, values in self.numbers.items()},
            {name: out for name, out in self.outages.items() if name in names},
            self.hours, self.about)

    def sample(self, count: int, seed: int = 0) -> Scenarios:
        """Scenarios drawn from these, each draw by their probabilities and independent of others.

        Parameters
        ----------
        count : int
            Number of draws.
        seed : int
            Of the random numbers.

        Returns
        -------
        Scenarios
            Those that were drawn, in their order here, each with its share of the draws: at most
            `count`.
        """
        drawn = np.random.default_rng(seed).multinomial(count, self.probabilities)
        return self._some(np.flatnonzero(drawn).tolist(), drawn[drawn > 0] / count)

    def mean(self) -> Scenarios:
        """The one scenario of expected numbers, with nothing out of service.

        Returns
        -------
        Scenarios
        """
        return Scenarios(("mean",), np.ones(1), {
            column: (self.probabilities @ values)[None, :]
            for column, values in self.numbers.items()}, hours=self.hours, about="expected numbers")

    def to_frame(self) -> pd.DataFrame:
        """The scenarios as the table that `from_table` reads.

        Returns
        -------
        DataFrame
            A row for each scenario and period: columns scenario, probability, period (from 0), the
            numbers by column, and outages where there are any.
        """
        periods = self.periods or 1
        found = pd.DataFrame({
            SCENARIO: np.repeat(self.names, periods),
            PROBABILITY: np.repeat(self.probabilities, periods),
            PERIOD: np.tile(np.arange(periods), self.count),
            **{column: values.ravel() for column, values in self.numbers.items()}})
        if self.outages:
            found[OUTAGES] = ["; ".join(self.outages.get(name, ())) for name in found[SCENARIO]]
        return found

    def __repr__(self) -> str:
        of = "" if self.periods is None else f" of {self.periods} periods"
        lines = [f"Scenarios: {self.count}{of}"]
        width = max(map(len, self.numbers), default=0)
        for column, values in self.numbers.items():
            word = column.partition(".")[0]
            unit = DATA[word].unit if DATA[word].unit != "1" else ""
            shown_ = values.sum(axis=1, keepdims=True) if word in SUMS else values
            mean = float(self.probabilities @ shown_.mean(axis=1))
            lines.append(f"  {column:<{width}}  {shown_.min():.4g} to {shown_.max():.4g}, mean "
                         f"{mean:.4g} {unit}".rstrip() + (" a scenario" if word in SUMS else ""))
        if np.ptp(self.probabilities) > 0:
            lines.append(f"  probabilities {self.probabilities.min():.3g} to "
                         f"{self.probabilities.max():.3g}")
        if self.outages:
            lines.append(f"  outages in {len(self.outages)}")
        return "\n".join([*lines, *([f"  {self.about}"] if self.about else [])])


def _weights(names: tuple[str, ...], given: Any) -> Any:
    """Probabilities in the order of the names, from what a user may give."""
    if given is None:
        return np.full(len(names), 1.0 / max(len(names), 1))
    if not isinstance(given, Mapping):
        return given
    lost = [name for name in names if name not in given]
    more = [name for name in given if name not in names]
    if lost or more:
        said = f"lacks {lost[0]!r}" if lost else f"names {shown(more[0])}, which is no scenario"
        raise ModelError.at(f"{WHERE}, probabilities", said,
                            nearest(more[0], names) if more else "Give one for each scenario.")
    return [given[name] for name in names]
