"""The hours of a study: their series as given, and the few that differ from each other.

A year of 8,760 hours under a multiplier of all loads that is rounded to three digits has some
hundreds of different hours; only these are solved.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pyomo_dlmp.ac.circuit import Circuit
from pyomo_dlmp.errors import Fault, ModelError, shown
from pyomo_dlmp.network import Datacenter, Network
from pyomo_dlmp.network.series import is_number, items_of, series_findings
from pyomo_dlmp.network.units import mega
from pyomo_dlmp.opf.load_scale import load_scale_findings, load_series, reactive_series
from pyomo_dlmp.series.reading import frame_of

YEARS = (8760, 8784)
_MOST_SCALE = 10.0  # of loads: beyond it a series is in other units
_MANY = 20.0  # times the feeder's loads: a site's series may be in W


@dataclass(frozen=True, eq=False)
class Hours:
    """Series by hour.

    Attributes
    ----------
    count : int
        Hours (periods).
    load_scale : object
        As of `OpfOptions`, for these periods.
    price : ndarray, shape (count,)
        Of energy at the substation ($/MWh).
    share : ndarray, shape (count,)
        Of its contracted kW that the applicant wants to draw (1).
    asked_kw : float or None
        Greatest kW of its series, where that is in kW.
    hours : float
        Length of a period (h).
    notes : tuple of str
        How series were understood, where a file does not say it.
    """

    count: int
    load_scale: Any
    price: np.ndarray
    share: np.ndarray
    asked_kw: float | None
    hours: float = 1.0
    notes: tuple[str, ...] = ()

    def at(self, t: int) -> Hours:
        """One of the hours; its `load_scale` stays that of all."""
        return replace(self, count=1, price=self.price[t:t + 1], share=self.share[t:t + 1])


def read_hours(network: Network, load_scale: Any, price: Any, load: Any,
               hours: float = 1.0) -> Hours:
    """Series that fit each other, from what a user gives.

    Parameters
    ----------
    network : Network
    load_scale : number, sequence, mapping, "profiles", or path of a CSV file
        As of `OpfOptions`.
    price : number, sequence or path
        $/MWh.
    load : None, number, sequence or path
        Of the applicant: shares of its kW (at most 1), or kW; None: constant.
    hours : float
        Length of a period (h).

    Returns
    -------
    Hours

    Raises
    ------
    ModelError
        With everything that is wrong: lengths that differ, that are nearly a year, numbers.
    """
    given = {"load_scale": _values(load_scale, "load_scale"), "price": _values(price, "price"),
             "load": _values(1.0 if load is None else load, "load")}
    lengths = {key: n for key, value in given.items() if (n := _length(value, network, hours))}
    count = max(lengths.values(), default=1)
    faults = [Fault(f"connection study, {key}", f"has {n:,} values, {_longest(lengths)} has "
                    f"{count:,}", _calendar(n, count)) for key, n in lengths.items() if n != count]
    if not faults and round(count * hours) not in YEARS and 8600 < count * hours < 8900:
        faults.append(Fault(f"connection study, {_longest(lengths)}", f"has {count:,} values",
                            "A year has 8,760 hours, a leap year 8,784: complete it, or give fewer "
                            "days."))
    numbers = {}
    for key, least in (("price", -np.inf), ("load", 0.0)):
        by, wrong = series_findings(given[key], range(count), least)
        if not any(f.where.endswith(key) for f in faults):
            faults += [Fault(f"connection study, {key}", what, cure) for what, cure in wrong]
        numbers[key] = np.fromiter(by.values(), float)
    if not faults and not numbers["load"].max() > 0:
        faults.append(Fault("connection study, load", "is 0 in every hour", "Give its shares."))
    if not any(f.where.endswith("load_scale") for f in faults):
        faults += [Fault("connection study, load_scale", *finding) for finding in
                   load_scale_findings(given["load_scale"], list(range(count)), hours, network)]
    if not faults and (most := _greatest(given["load_scale"])) > _MOST_SCALE:
        faults.append(Fault("connection study, load_scale", f"holds {most:g}",
                            "It multiplies the loads: give 0.8 for 80 %, or for 2,000 kW where the "
                            "feeder's loads are 2,500 kW."))
    if faults:
        raise ModelError(faults)
    most = float(numbers["load"].max())
    in_kw = most > 1.0
    notes = () if not in_kw else (_kw_note(most, network.total_kw),)
    return Hours(count, given["load_scale"], numbers["price"],
                 numbers["load"] / most if in_kw else numbers["load"], most if in_kw else None,
                 hours, notes)


def _greatest(scale: Any) -> float:
    """The greatest multiplier."""
    if isinstance(scale, Mapping):
        return max(map(_greatest, scale.values()), default=0.0)
    items = items_of(scale)
    return max(map(float, items)) if items else float(scale) if is_number(scale) else 0.0


def _kw_note(most: float, total: float) -> str:
    """How the site's series was understood."""
    words = f"the site's series goes beyond 1 and is taken as kW, at most {most:,.6g} kW"
    if most > _MANY * max(total, 1.0):
        return (f"{words}: {most / max(total, 1.0):,.0f} times the feeder's loads. If it is in W, "
                "divide it by 1,000; its shape alone counts for the firm kW.")
    return f"{words}. If it is in percent, divide it by 100: shares are at most 1."


def _values(given: Any, key: str) -> Any:
    """A series from a file's only column of numbers, or from that named as the key."""
    if key == "load_scale" and (given == "profiles" if isinstance(given, str) else
                                isinstance(given, Mapping)):
        return given
    if not isinstance(given, str | os.PathLike):
        items = items_of(given)
        return given if items is None else items
    where, frame = frame_of(given)
    columns = [c for c in frame.columns if frame[c].dtype.kind in "fiu"]
    named = [c for c in columns if str(c).lower() in (key, "kw", "share", "value")]
    if len(columns) != 1 and len(named) != 1:
        what = f"has {len(columns)} columns of numbers: {shown(columns)}" if columns else (
            _no_numbers(frame))
        raise ModelError.at(where, what, f"Give a file with one, or with one named {key!r}.")
    column = (named or columns)[0]
    values = frame[column].tolist()
    if str(column).lower() == "share" and max(values, default=0.0) > 1.0:
        raise ModelError.at(f"{where}, column {column!r}", f"holds {max(values):g}",
                            "Shares are at most 1: divide percent by 100, or name the column 'kw'.")
    return values


def _no_numbers(frame: Any) -> str:
    """Why a file has no column of numbers: the first text in its last column."""
    column = frame.columns[-1]
    for row, cell in enumerate(frame[column].tolist()):
        try:
            float(cell)
        except (TypeError, ValueError):
            return (f"has no column of numbers: {shown(cell)} stands in column {column!r}, "
                    f"row {row + 2}")
    return "has no column of numbers"


def _length(value: Any, network: Network, hours: float) -> int:
    """Periods of a series; 0 of one number for all of them."""
    if isinstance(value, str):
        return max((int(len(p.values) * p.minutes / 60.0 / hours)
                    for p in network.profiles.values()), default=0)
    if isinstance(value, Mapping):
        return max((len(items_of(v) or ()) for v in value.values()), default=0)
    return 0 if is_number(value) or not isinstance(value, list) else len(value)


def _longest(lengths: dict[str, int]) -> str:
    return max(lengths, key=lambda key: lengths[key])


def _calendar(n: int, count: int) -> str:
    if {n, count} == set(YEARS):
        return "One is of a leap year: leave out 29 February there."
    if n == 24 or count % n == 0:
        return f"Repeat it {count // n} times, or give one number."
    return "Give series of one length, or one number."


@dataclass(frozen=True, eq=False)
class Different:
    """The hours that differ.

    Attributes
    ----------
    drawn, injected : ndarray, shape (legs, different hours), complex
        Of the feeder as it is, as of `ac.newton.solve` (MVA).
    of_hour : ndarray of int, shape (count,)
        Which of them each hour is.
    scale : ndarray, shape (different hours,) or None
        The one multiplier by which they differ; None: there is no such one.
    """

    drawn: np.ndarray
    injected: np.ndarray
    of_hour: np.ndarray
    scale: np.ndarray | None

    def at(self, t: int) -> Different:
        """One of the hours of the study."""
        one = self.of_hour[t:t + 1]
        return Different(self.drawn[:, one], self.injected[:, one], np.zeros(1, dtype=int),
                         None if self.scale is None else self.scale[one])


def different_hours(circuit: Circuit, network: Network, hours: Hours) -> Different:
    """The hours that differ in what the feeder's own loads and devices do.

    Parameters
    ----------
    circuit : Circuit
        Of the network, with or without applicants.
    network : Network
        Without applicants.
    hours : Hours

    Returns
    -------
    Different
    """
    labels = range(hours.count)
    scales = [series(network, hours.load_scale, labels, hours.hours)
              for series in (load_series, reactive_series)]
    distinct: dict[int, np.ndarray] = {}
    p, q = ({name: distinct.setdefault(id(by), np.fromiter(by.values(), float))
             for name, by in scale.items()} for scale in scales)
    stacked = np.array(list(distinct.values())).reshape(len(distinct), hours.count)
    kept, of_hour = np.unique(stacked, axis=1, return_inverse=True)
    of_hour = np.asarray(of_hour).reshape(-1)
    place = {key: i for i, key in enumerate(distinct)}
    p, q = ({name: kept[place[id(by)]] for name, by in scale.items()} for scale in scales)
    count = kept.shape[1]
    drawn = np.broadcast_to(circuit.legs.scaled((p, q)), (len(circuit.legs), count)).copy()
    one = len(distinct) == 1 and set(network.loads) <= set(p) and not q
    return Different(drawn, _injected(circuit, network, p, q, count), of_hour,
                     kept[0] if one else None)


def _injected(circuit: Circuit, network: Network, p: Mapping, q: Mapping,
              count: int) -> np.ndarray:
    """What devices do by themselves: as `ac_power_flow` without a dispatch."""
    found = np.zeros((len(circuit.legs), count), dtype=complex)
    for name, device in network.devices.items():
        power = device.nominal_power()
        if power is None:
            continue
        made, var = (np.array(part)[:, None] for part in device.equal_legs(*map(mega, power)))
        follows = p.get(name, np.ones(count)) if not isinstance(device, Datacenter) else 1.0
        found[circuit.legs.of[name]] = made * follows + 1j * var * q.get(name, follows)
    return found
