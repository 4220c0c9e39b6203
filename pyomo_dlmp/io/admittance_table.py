"""Nodal admittances as a table: one row for each entry of Y.

A row gives ``Y[bus.conductor, other_bus.other_conductor] = g_s + j b_s`` and, unless another row
says otherwise, the same for the two exchanged; entries without a row are 0. The order of buses and
conductors is that in which they first come.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from pyomo_dlmp.errors import Fault
from pyomo_dlmp.io.columns import number, rare, texts
from pyomo_dlmp.io.csv_table import Row, Table
from pyomo_dlmp.network.admittance import NodalAdmittance

ADMITTANCES = Table("admittances.csv", (
    *texts("name", "bus", "conductor", "other_bus", "other_conductor"), number("g_s", "g"),
    number("b_s", "b"), rare("rating_kva"),
), optional=True)

Place = tuple[str, str]  # bus and conductor


def admittance_rows(element: NodalAdmittance) -> Iterator[dict[str, Any]]:
    """The rows of a nodal admittance.

    Parameters
    ----------
    element : NodalAdmittance
        Symmetric or not.

    Yields
    ------
    dict
        Values by field: of the lower triangle what is not 0, of the diagonal all, of the upper
        triangle what differs from the lower one.
    """
    terminals = element.terminals
    y = [list(zip(*rows, strict=True)) for rows in zip(element.g, element.b, strict=True)]
    for i, (bus, k) in enumerate(terminals):
        for j, (other, m) in enumerate(terminals[:i + 1]):
            pair = {"name": element.name, "rating_kva": element.rating_kva}
            there, back = y[i][j], y[j][i]
            if i == j or any(there) or any(back):
                yield {**pair, "bus": bus, "conductor": k, "other_bus": other,
                       "other_conductor": m, "g": there[0], "b": there[1]}
            if there != back:
                yield {**pair, "bus": other, "conductor": m, "other_bus": bus,
                       "other_conductor": k, "g": back[0], "b": back[1]}


def read_admittances(rows: Iterable[Row], faults: list[Fault]) -> Iterator[NodalAdmittance]:
    """The nodal admittances of a table.

    Parameters
    ----------
    rows : iterable of Row
        Of ``admittances.csv``.
    faults : list of Fault
        Entries that come twice, and ratings that differ, are appended.

    Yields
    ------
    NodalAdmittance
    """
    by_name: dict[str, list[Row]] = {}
    for row in rows:
        if "name" in row.values:
            by_name.setdefault(row.values["name"], []).append(row)
    for name, same in by_name.items():
        entries: dict[tuple[Place, Place], complex] = {}
        first = same[0].values.get("rating_kva")
        for row in same:
            values = row.values
            if values.get("rating_kva") != first:
                faults.append(row.fault(
                    "rating_kva", f"{values.get('rating_kva')!r} differs from {first!r} of "
                    f"admittance {name!r} in row {same[0].line}",
                    "Make them equal, or give the admittances two names."))
            if not row.complete:
                continue
            here = values["bus"], values["conductor"]
            there = values["other_bus"], values["other_conductor"]
            if (here, there) in entries:
                faults.append(row.fault(
                    "conductor", f"the entry of {'.'.join(here)} and {'.'.join(there)} of "
                    f"admittance {name!r} comes twice", "Keep one."))
            entries[here, there] = complex(values["g"], values["b"])
        if entries and all(row.complete for row in same):
            yield _element(name, entries, first)


def _element(name: str, entries: dict[tuple[Place, Place], complex],
             rating: float | None) -> NodalAdmittance:
    buses: dict[str, dict[str, None]] = {}
    for pair in entries:
        for bus, k in pair:
            buses.setdefault(bus, {})[k] = None
    places = {(bus, k): None for bus, wires in buses.items() for k in wires}
    at = {place: i for i, place in enumerate(places)}
    y = np.zeros((len(at),) * 2, dtype=complex)
    for (here, there), value in entries.items():
        y[at[here], at[there]] = value
        if (there, here) not in entries:
            y[at[there], at[here]] = value
    g, b = (tuple(map(tuple, part.tolist())) for part in (y.real, y.imag))
    return NodalAdmittance(
        name=name, buses=tuple(buses), conductors=tuple(map("".join, buses.values())), g=g, b=b,
        rating_kva=rating)
