"""Scenarios from a table: which rows are of which scenario and period, all faults at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from pyomo_dlmp.errors import Fault, ModelError, listed, shown
from pyomo_dlmp.series.columns import DATA, SUMS, TIME, column_faults
from pyomo_dlmp.series.reading import WIDE, bare, frame_of, numbers_of, renamed
from pyomo_dlmp.series.stamps import read_stamps, step_of
from pyomo_dlmp.tolerances import PRINTED
from pyomo_dlmp.uncertainty.structure import structure_faults

SCENARIO, PERIOD, PROBABILITY, OUTAGES = "scenario", "period", "probability", "outages"
_MOST = 3  # scenarios that are named for one kind of fault


def parts_of_table(given: Any, probabilities: Any, outages: Mapping[str, Any] | None,
                   columns: Mapping[str, str | None] | None) -> dict[str, Any]:
    """The parts of a `Scenarios`, from a table.

    Parameters
    ----------
    given, probabilities, outages, columns
        As of `Scenarios.from_table`.

    Returns
    -------
    dict
        names, probabilities (None: not given), numbers, outages, hours.

    Raises
    ------
    ModelError
        With every fault of the table at once.
    """
    where, frame = frame_of(given)
    if set(frame.index.names) & {SCENARIO, PERIOD, TIME}:
        frame = frame.reset_index()
    frame = renamed(frame, columns, where)
    if SCENARIO not in frame:
        raise ModelError.at(where, f"has no column {SCENARIO!r}",
                            f"It has {listed(frame.columns)}. Rename one: columns={{'name': "
                            f"{SCENARIO!r}}}.")
    if not len(frame):
        raise ModelError.at(where, "has no rows", "Give one for each scenario and period.")
    return _Rows(frame.reset_index(drop=True), where).parts(probabilities, outages)


class _Rows:
    """A table's rows by scenario."""

    def __init__(self, frame: pd.DataFrame, where: str):
        self.frame, self.where = frame, where
        self.faults: list[Fault] = []
        blank = frame[SCENARIO].isna() | (frame[SCENARIO].astype(str).str.strip() == "")
        if blank.any():
            raise ModelError.at(f"{where}, column {SCENARIO!r}",
                                f"is empty in row {int(blank.to_numpy().argmax()) + 1}",
                                "Give every row its scenario.")
        labels = frame[SCENARIO].map(str).str.strip()
        self.names = tuple(dict.fromkeys(labels))
        rows = labels.groupby(labels, sort=False).indices
        self.of = {name: np.asarray(rows[name]) for name in self.names}
        self.label = labels.to_numpy()
        self.hours: float | None = None

    def parts(self, probabilities: Any, outages: Mapping[str, Any] | None) -> dict[str, Any]:
        """As of `parts_of_table`."""
        keys = {SCENARIO, PROBABILITY, OUTAGES, TIME, PERIOD}
        data = [c for c in self.frame.columns if c not in keys]
        self.faults += column_faults(dict.fromkeys(map(bare, data)), None, self.where)
        if not data and OUTAGES not in self.frame and not outages:
            self.faults.append(Fault(self.where, "has no column of numbers",
                                     f"Give some of {', '.join(DATA)}."))
        wide = [c for c in data if WIDE.match(c)]
        order = self._wide_order(wide) if wide else self._order()
        values = {c: numbers_of(self.frame[c], f"{self.where}, column {c!r}", self._row,
                                self.faults) for c in data}
        if PROBABILITY in self.frame:
            if probabilities is not None:
                self.faults.append(Fault(
                    f"{self.where}, column {PROBABILITY!r}", "is there, and so is probabilities=",
                    f"Give one of them; columns={{{PROBABILITY!r}: None}} leaves the column out."))
            probabilities = self._probabilities()
        out = self._outages(outages)
        numbers: dict[str, np.ndarray] = {}
        if order is not None and not self.faults:
            numbers = self._apart(wide, values) if wide else {
                c: v[order] for c, v in values.items() if v is not None}
        if self.faults:
            weights = np.full(len(self.names), 1.0 / len(self.names)) if (
                probabilities is None or isinstance(probabilities, Mapping)) else probabilities
            raise ModelError(self.faults + structure_faults(self.names, weights, {}, out))
        return {"names": self.names, "probabilities": probabilities, "numbers": numbers,
                "outages": out, "hours": self.hours}

    def _row(self, i: int) -> str:
        return f"in row {i + 1} (scenario {self.label[i]!r})"

    # ------------------------------------------------------------------------------- periods

    def _order(self) -> np.ndarray | None:
        """Rows of the table by scenario and period; None where they do not fit."""
        keys = [key for key in (TIME, PERIOD) if key in self.frame]
        if len(keys) == 2:
            self.faults.append(Fault(
                self.where, "has both a time and a period",
                f"Leave one out: columns={{{TIME!r}: None}}."))
            return None
        if keys == [PERIOD]:
            return self._by_period()
        if keys == [TIME] and not self._by_time():
            return None
        lengths = {name: len(rows) for name, rows in self.of.items()}
        usual = max(sorted(set(lengths.values()), reverse=True),
                    key=list(lengths.values()).count)
        odd = [name for name, length in lengths.items() if length != usual]
        if odd:
            self.faults.append(Fault(
                f"{self.where}, scenario {listed(odd, _MOST)}", f"has {lengths[odd[0]]} rows, and "
                f"others have {usual}", "Give every scenario the same periods."))
            return None
        return np.stack(list(self.of.values()))

    def _by_period(self) -> np.ndarray | None:
        """The same, where a column names the period."""
        column = self.frame[PERIOD]
        if column.isna().any():
            self.faults.append(Fault(f"{self.where}, column {PERIOD!r}", "is empty "
                                     f"{self._row(int(column.isna().to_numpy().argmax()))}",
                                     "Give every row its period."))
            return None
        cells = column.tolist()
        labels = list(dict.fromkeys(cells))
        if pd.to_numeric(pd.Series(labels, dtype=object), errors="coerce").notna().all():
            labels.sort(key=float)
        place = {label: t for t, label in enumerate(labels)}
        found = np.full((len(self.names), len(labels)), -1)
        twice: list[str] = []
        for s, rows in enumerate(self.of.values()):
            for i in rows:
                t = place[cells[i]]
                if found[s, t] >= 0:
                    twice.append(f"period {shown(cells[i])} of scenario {self.label[i]!r} (rows "
                                 f"{found[s, t] + 1} and {i + 1})")
                found[s, t] = i
        if twice:
            more = f" and {len(twice) - _MOST} more" if len(twice) > _MOST else ""
            self.faults.append(Fault(self.where, f"has {', '.join(twice[:_MOST])}{more} twice",
                                     "Keep one row each."))
        lost = np.flatnonzero((found < 0).any(axis=1))
        for s in lost[:_MOST]:
            missing = [labels[t] for t in np.flatnonzero(found[s] < 0)]
            said = f" (and so do {len(lost) - _MOST} more)" if len(lost) > _MOST else ""
            self.faults.append(Fault(
                f"{self.where}, scenario {self.names[s]!r}", f"lacks period {listed(missing, 5)}: "
                f"it has {len(labels) - len(missing)} of {len(labels)}{said}",
                "Give every scenario the same periods."))
        return None if twice or len(lost) else found

    def _by_time(self) -> bool:
        """Whether the stamps of each scenario are sound; sets the length of a step."""
        faults: list[Fault] = []
        steps: dict[str, float] = {}
        for name, rows in self.of.items():
            place = f"{self.where}, scenario {name!r}"
            stamps, wrong = read_stamps(self.frame[TIME].iloc[rows], place)
            if stamps is not None and not wrong:
                steps[name], wrong = step_of(stamps, place)
            faults += wrong[:1]
        known = {name: h for name, h in steps.items() if h == h}
        if known and not faults:
            self.hours = next(iter(known.values()))
            odd = [n for n, h in known.items() if abs(h - self.hours) > PRINTED * self.hours]
            if odd:
                faults.append(Fault(
                    f"{self.where}, scenario {odd[0]!r}", f"has a row every {known[odd[0]]:g} h, "
                    f"and others every {self.hours:g} h", "Give all the same step."))
        more = len(faults) - _MOST
        self.faults += faults[:_MOST]
        if more > 0:
            self.faults.append(Fault(self.where, f"has {more} more scenarios with such times"))
        return not faults

    def _wide_order(self, wide: list[str]) -> np.ndarray | None:
        """The same, where a row is a whole scenario."""
        long = [name for name, rows in self.of.items() if len(rows) > 1]
        if long or TIME in self.frame or PERIOD in self.frame:
            said = f"has several rows of scenario {long[0]!r}" if long else "has rows by period"
            self.faults.append(Fault(self.where, f"{said}, and {wide[0]!r} is of one period",
                                     "Give one row a scenario, or columns without numbers."))
            return None
        count = 1 + max(int(WIDE.match(c)[2]) for c in wide)  # type: ignore[index]
        for word in dict.fromkeys(map(bare, wide)):
            lost = [f"{word}[{t}]" for t in range(count) if f"{word}[{t}]" not in wide]
            if lost:
                self.faults.append(Fault(self.where, f"lacks {listed(lost, 3)}",
                                         f"Give {word}[0] to {word}[{count - 1}]."))
            if word in self.frame:
                self.faults.append(Fault(self.where, f"has {word!r} and {word}[0]",
                                         "Give one of them."))
        return np.arange(len(self.frame))

    def _apart(self, wide: list[str], values: dict[str, Any]) -> dict[str, np.ndarray]:
        """Columns of rows that are whole scenarios."""
        count = 1 + max(int(WIDE.match(c)[2]) for c in wide)  # type: ignore[index]
        numbers = {}
        for word in dict.fromkeys(map(bare, values)):
            if word in values:
                share = count if word.partition(".")[0] in SUMS else 1
                numbers[word] = np.repeat(values[word][:, None] / share, count, axis=1)
            else:
                numbers[word] = np.column_stack([values[f"{word}[{t}]"] for t in range(count)])
        return numbers

    # ------------------------------------------------------------------- one thing a scenario

    def _probabilities(self) -> np.ndarray:
        """Of a column that has one number a scenario, in all its rows or in one."""
        column = self.frame[PROBABILITY]
        place = f"{self.where}, column {PROBABILITY!r}"
        found = pd.to_numeric(column, errors="coerce").to_numpy(dtype=float)
        wrong = np.isnan(found) & column.notna().to_numpy()
        if wrong.any():
            first = int(wrong.argmax())
            self.faults.append(Fault(place, f"holds {shown(column.iloc[first])} {self._row(first)}",
                                     "Give numbers."))
        values = np.full(len(self.names), np.nan)
        for s, (name, rows) in enumerate(self.of.items()):
            mine = found[rows][~np.isnan(found[rows])]
            if not len(mine):
                self.faults.append(Fault(place, f"is empty in scenario {name!r}",
                                         "Give each scenario its probability."))
            elif np.ptp(mine) > PRINTED:
                self.faults.append(Fault(
                    place, f"is {mine.min():g} and {mine.max():g} in scenario {name!r}",
                    "Give one number a scenario: it is the probability of the whole of it."))
            values[s] = mine[0] if len(mine) else 1.0 / len(self.names)
        return values

    def _outages(self, given: Mapping[str, Any] | None) -> dict[str, Any]:
        """Elements out of service, of the column and as given."""
        found = dict(given or {})
        if OUTAGES not in self.frame:
            return found
        texts = self.frame[OUTAGES].fillna("").astype(str)
        for name, rows in self.of.items():
            mine = list(dict.fromkeys(
                part.strip() for text in texts.iloc[rows] for part in text.split(";")))
            out = [part for part in mine if part]
            if out and name in found:
                self.faults.append(Fault(
                    f"{self.where}, column {OUTAGES!r}", f"names some of scenario {name!r}, and so "
                    "does outages=", "Give one of them."))
            if out:
                found[name] = tuple(out)
        return found
