"""How the networks of two results differ, element by element.

Files of `save_results` hold their networks; of a results folder the dispatch tells which devices
there were.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from pyomo_dlmp.errors import ResultsFileError
from pyomo_dlmp.network import Network
from pyomo_dlmp.network.kinds import kind
from pyomo_dlmp.records.saved import load_saved_network
from pyomo_dlmp.report import Results

Row = tuple[str, str, str]
_MOST = 25  # elements that are named; beyond these they are counted
_THERE, _NOT = "there", "-"


def network_rows(one: Results, other: Results, pairs: Mapping[str, str]) -> list[Row]:
    """What differs between the networks of two results.

    Parameters
    ----------
    one, other : Results
    pairs : mapping of str to str
        Cases that are compared.

    Returns
    -------
    list of (str, str, str)
        The element (and its field), and what it is in each; devices first.
    """
    networks = [_network_of(each) for each in (one, other)]
    first, second = networks
    if first is not None and second is not None:
        return [] if one.folder == other.folder else _named(*map(_by_name, (first, second)))
    return _of_dispatch(one, other, pairs)


def _network_of(results: Results) -> Network | None:
    """The network of a file; None of a folder, or where none was saved."""
    if not results.folder.is_file():
        return None
    try:
        return load_saved_network(results.folder)
    except ResultsFileError:
        return None


def _by_name(network: Network) -> dict[tuple[str, str], Any]:
    """Elements by kind and name, devices first."""
    devices = set(network.devices)
    elements = sorted(network.elements, key=lambda element: element.name not in devices)
    return {(kind(element) or "", element.name): element for element in elements}


def _named(first: dict, second: dict) -> list[Row]:
    """Elements that one has alone, and fields that differ."""
    rows: list[Row] = []
    changed = 0
    for key in dict.fromkeys([*first, *second]):
        mine, theirs = first.get(key), second.get(key)
        if mine == theirs:
            continue
        changed += 1
        if changed > _MOST:
            continue
        where = f"{key[0]} '{key[1]}'"
        if mine is None or theirs is None:
            there = f"at bus {bus}" if (bus := getattr(mine or theirs, "bus", "")) else _THERE
            rows.append((where, there if mine else _NOT, there if theirs else _NOT))
            continue
        rows += [(f"{where}, {field.name}", str(a), str(b)) for field in fields(mine)
                 if (a := getattr(mine, field.name)) != (b := getattr(theirs, field.name))]
    if changed > _MOST:
        rows.append(("elements that differ", str(changed), str(changed)))
    return rows


def _of_dispatch(one: Results, other: Results, pairs: Mapping[str, str]) -> list[Row]:
    """Devices that the dispatch of one case has, and that of the other has not."""
    rows: dict[Row, None] = {}
    for a, b in pairs.items():
        first, second = ({(str(word), str(name)) for word, name in results.dispatch.loc[
            results.dispatch["case"] == case, ["kind", "element"]].drop_duplicates().to_numpy()}
            for results, case in ((one, a), (other, b)))
        for word, name in sorted(first ^ second):
            here = (word, name) in first
            rows[f"{word} '{name}'", _THERE if here else _NOT, _NOT if here else _THERE] = None
    found = list(rows)
    return found[:_MOST] + ([("devices that differ", str(len(found)), str(len(found)))] if len(
        found) > _MOST else [])
