"""Columns of a series table: what each holds, in which unit, and whose it is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pyomo_dlmp.errors import Fault, nearest, shown
from pyomo_dlmp.market import Market, Workload

TIME = "time"


@dataclass(frozen=True)
class Datum:
    """A kind of column.

    Attributes
    ----------
    word : str
        Name of the column, or what stands before the dot.
    unit : str
    meaning : str
    owner : str
        What the part after the dot names: "load or profile", "generator" ...; empty: none.
    least : float
        No number may be below.
    alone : bool
        Whether the word alone, without a dot, is a column.
    hint : float
        Beyond it a number is probably in another unit; 0: nothing is said.
    probably : str
        What to do then.
    """

    word: str
    unit: str
    meaning: str
    owner: str = ""
    least: float = -float("inf")
    alone: bool = True
    hint: float = 0.0
    probably: str = ""


DATA: dict[str, Datum] = {datum.word: datum for datum in (
    Datum("price", "$/MWh", "energy at the substation", hint=1e5,
          probably="Prices are in $/MWh."),
    Datum("tariff", "$/MWh", "what a datacenter pays by a tariff", hint=1e5,
          probably="Tariffs are in $/MWh."),
    Datum("load_scale", "1", "multiplier of all loads, or of one load or the loads of a profile",
          "load or profile", 0.0, hint=20.0,
          probably="It is a multiplier of nominal power: divide percent by 100, kW by nominal kW."),
    Datum("available", "1", "share of a generator's kw_max that it can make", "generator", 0.0,
          alone=False, hint=1.5, probably="It is a share: divide percent by 100, kW by kw_max."),
    Datum("energy_mwh", "MWh", "work of the step, of the leader or of a price taker",
          "aggregator", 0.0),
    Datum("kw", "kW", "capacity of a datacenter", "datacenter", 0.0, alone=False),
    Datum("rate", "requests/s", "of an interactive load", "interactive load", 0.0, alone=False),
    Datum("tokens", "tokens/s", "of a large language model's service", "llm service", 0.0,
          alone=False),
    Datum("temperature", "degrees C", "at a site with a pue_table", "site", alone=False, hint=80.0,
          probably="It is in degrees C."),
)}

SUMS = ("energy_mwh",)
"""Columns that add up over periods: one number for several is shared among them."""

_BY_OWNER: dict[str, set[str]] = {word: set() for word, datum in DATA.items() if datum.owner}


def names_of(market: Market) -> dict[str, set[str]]:
    """Names that may stand after the dot, by the word before it.

    Parameters
    ----------
    market : Market

    Returns
    -------
    dict of str to set of str
    """
    network, work = market.network, market.workload
    parts = work if isinstance(work, Workload) else Workload(energy_mwh=0.0)
    return {
        "load_scale": {*network.loads, *network.profiles},
        "available": set(network.devices_of("generator")),
        "energy_mwh": set(market.takers),
        "kw": set(network.datacenters),
        "rate": {load.name for load in parts.interactive},
        "tokens": {service.name for service in parts.llm},
        "temperature": {pool.site for pool in parts.servers if pool.pue_table},
    }


def column_faults(columns: Iterable[Any], market: Market | None, where: str) -> list[Fault]:
    """What is wrong with names of columns.

    Parameters
    ----------
    columns : iterable
        Names but that of the time.
    market : Market or None
        Whose loads, generators, datacenters they name; None: what stands after a dot is not judged.
    where : str
        The table.

    Returns
    -------
    list of Fault
    """
    names = _BY_OWNER if market is None else names_of(market)
    found = []
    for column in columns:
        word, dot, name = str(column).partition(".")
        place = f"{where}, column {shown(column)}"
        datum = DATA.get(word)
        if datum is None:
            found.append(Fault(place, "is unknown", _near(str(column))))
        elif not dot and not datum.alone:
            found.append(Fault(place, f"names no {datum.owner}", f"Write {word}.<{datum.owner}>. "
                               f"{nearest('', names[word])}".rstrip()))
        elif dot and word not in names:
            found.append(Fault(place, "has a dot", f"Write {word}."))
        elif dot and market is not None and name not in names[word]:
            found.append(Fault(place, f"names {shown(name)}, which is no {datum.owner}",
                               nearest(name, names[word]) or f"There is no {datum.owner}."))
    return found


def _near(column: str) -> str:
    """A cure for an unknown column; a unit that hangs on a known word is told as such."""
    bare = re.split(r"[ (\[/]|_(?:in|per|eur|usd|mw|kw|pu|mwh|kwh)(?:_|$)", column.lower())[0]
    leave = f"Give columns={{{column!r}: None}} to leave it out."
    if bare in DATA and bare != column:
        return (f"Call it {bare!r} ({DATA[bare].unit}): columns={{{column!r}: {bare!r}}}. {leave}")
    known = [word if datum.alone else f"{word}.<{datum.owner}>" for word, datum in DATA.items()]
    return f"{nearest(column, [TIME, *known])} {leave}"


def number_faults(numbers: Mapping[str, Any], where: str,
                  row: Callable[[int], str]) -> list[Fault]:
    """Numbers beyond their range, and those that are probably in another unit.

    Parameters
    ----------
    numbers : mapping of str to ndarray
        By column.
    where : str
        The table.
    row : callable
        row(i): name of a row.

    Returns
    -------
    list of Fault
    """
    found = []
    for column, values in numbers.items():
        datum = DATA[column.partition(".")[0]]
        unit = "" if datum.unit == "1" else f"{datum.unit} "
        for wrong, cure in (
                (values < datum.least, f"Give numbers of at least {datum.least:g}."),
                (abs(values) > datum.hint if datum.hint else values != values, datum.probably)):
            if wrong.any():
                first = int(wrong.argmax())
                more = f" ({int(wrong.sum())} such)" if wrong.sum() > 1 else ""
                found.append(Fault(
                    f"{where}, column {column!r}",
                    f"is {values[first]:g} {unit}{row(first)}{more}", cure))
    return found
