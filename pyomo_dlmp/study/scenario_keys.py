"""Values of a study file's tables [scenarios] and [stochastic], with all their faults."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pyomo_dlmp.errors import nearest, shown
from pyomo_dlmp.network.fields import Range
from pyomo_dlmp.network.series import is_number, names_findings

Found = tuple[str, str, str]  # where, what, cure
SCENARIOS: dict[str, Any] = {
    "file": None, "history": None, "columns": {}, "count": 20, "seed": 0, "keep_means": True,
    "probabilities": None, "outages": {}}
STOCHASTIC: dict[str, Any] = {
    "first_stage": "schedule", "flexibility": 0.2, "deviation_price": 5.0, "capacity_price": 0.0,
    "risk_weight": 0.0, "risk_level": 0.9, "radius": 0.0, "frontier": [],
    "settlement": "one", "value": True}
TERMS = ("first_stage", "flexibility", "deviation_price", "capacity_price", "settlement")
"""Keys of [stochastic] that are keywords of `solve_stochastic`."""
FIRST_STAGES = ("schedule", "jobs", "capacity")
_OF_HISTORY = ("count", "seed", "keep_means")
_OF_FILE = ("probabilities",)
_SHARE = Range(0, 1)
_NUMBERS = {"deviation_price": Range(0, unit="$/MWh"), "capacity_price": Range(0, unit="$/kW"),
            "risk_weight": _SHARE, "risk_level": _SHARE, "radius": Range(0)}


def scenario_findings(tables: Mapping[str, dict[str, Any]], strategic: str) -> Iterator[Found]:
    """What is wrong with both tables by themselves; files are read with the market.

    Parameters
    ----------
    tables : mapping
        As of the study file, with `SCENARIOS` and `STOCHASTIC` for what it leaves out.
    strategic : str
        Name of the market that is solved under uncertainty.

    Yields
    ------
    (str, str, str)
        Where, what, cure.
    """
    given, terms = tables["scenarios"], tables["stochastic"]
    files = [key for key in ("file", "history") if given[key] is not None]
    cure = 'Write file = "scenarios.csv", or history = "year.csv".'
    if not files:
        for name, usual in (("scenarios", SCENARIOS), ("stochastic", STOCHASTIC)):
            if any(tables[name][key] != value for key, value in usual.items()):
                yield f"[{name}]", "is without a file of scenarios", f"[scenarios]: {cure}"
                break
        return
    if len(files) > 1:
        yield "[scenarios]", "has both a file and a history", "Give one of them."
    for key in files:
        if not isinstance(given[key], str) or not given[key].strip():
            yield f"[scenarios] {key}", f"is {shown(given[key])}", cure
    for key in (_OF_HISTORY if given["file"] is not None else _OF_FILE):
        if len(files) == 1 and given[key] != SCENARIOS[key]:
            yield (f"[scenarios] {key}", f"does not go with a {files[0]}",
                   "Leave it out.")
    yield from _of_scenarios(given)
    yield from _of_terms(terms)
    kinds = tables["market"]["kinds"]
    if isinstance(kinds, list) and strategic not in kinds:
        yield ("[scenarios]", f"is for the market {strategic!r}, and [market] kinds has none",
               f"Add {strategic!r} there.")


def _of_scenarios(given: Mapping[str, Any]) -> Iterator[Found]:
    columns = given["columns"]
    if not isinstance(columns, dict) or not all(isinstance(x, str) for x in columns.values()):
        yield ("[scenarios] columns", f"is {shown(columns)}",
               'Write columns = {"name in the file" = "price"}; "" leaves a column out.')
    if finding := Range(1, 100_000).finding(given["count"], whole=True):
        yield "[scenarios] count", *finding
    if finding := Range(0, 2**32 - 1).finding(given["seed"], whole=True):
        yield "[scenarios] seed", *finding
    if not isinstance(given["keep_means"], bool):
        yield "[scenarios] keep_means", f"is {shown(given['keep_means'])}", "Write true or false."
    chances = given["probabilities"]
    values = list(chances.values()) if isinstance(chances, dict) else chances
    if values is not None and not (isinstance(values, list) and all(map(is_number, values))):
        yield ("[scenarios] probabilities", f"is {shown(chances)}",
               "Write probabilities = [0.5, 0.5], or {calm = 0.7, storm = 0.3}.")
    outages = given["outages"]
    if not isinstance(outages, dict):
        yield "[scenarios] outages", f"is {shown(outages)}", 'Write outages = {storm = ["line 1"]}.'
    for name, elements in outages.items() if isinstance(outages, dict) else ():
        for what, cure in names_findings(elements, '["line 1"]')[1]:
            yield f"[scenarios] outages of {shown(name)}", what, cure


def _of_terms(terms: Mapping[str, Any]) -> Iterator[Found]:
    first = terms["first_stage"]
    kinds = [first] if isinstance(first, str) else first
    if not isinstance(kinds, list) or not kinds:
        yield ("[stochastic] first_stage", f"is {shown(first)}",
               f"Give some of: {', '.join(map(repr, FIRST_STAGES))}.")
    for kind in kinds if isinstance(kinds, list) else ():
        if not (isinstance(kind, str) and kind in FIRST_STAGES):
            yield "[stochastic] first_stage", f"names {shown(kind)}", nearest(kind, FIRST_STAGES)
    shares = terms["flexibility"]
    for site, share in (shares.items() if isinstance(shares, dict) else [("", shares)]):
        if finding := _SHARE.finding(share):
            yield f"[stochastic] flexibility{f' of {shown(site)}' if site else ''}", *finding
    for key, span in _NUMBERS.items():
        if finding := span.finding(terms[key]):
            yield f"[stochastic] {key}", *finding
    if all(is_number(terms[key]) and terms[key] > 0 for key in ("risk_weight", "radius")):
        yield ("[stochastic]", "has a risk_weight and a radius", "Give one of them.")
    weights = terms["frontier"]
    if not isinstance(weights, list) or any(_SHARE.finding(weight) for weight in weights):
        yield ("[stochastic] frontier", f"is {shown(weights)}",
               "Write weights of the CVaR from 0 to 1, [0, 0.5, 1], or none: [].")
    if terms["settlement"] not in ("one", "two"):
        yield "[stochastic] settlement", f"is {shown(terms['settlement'])}", 'Write "one" or "two".'
    elif terms["settlement"] == "two" and weights:
        yield "[stochastic] frontier", "is there with two settlements", "Give one of them."
    if not isinstance(terms["value"], bool):
        yield "[stochastic] value", f"is {shown(terms['value'])}", "Write true or false."


def flexibility_findings(terms: Mapping[str, Any], sites: Sequence[str]) -> Iterator[Found]:
    """Names in flexibility that are not of datacenters.

    Parameters
    ----------
    terms : mapping
        The table [stochastic].
    sites : sequence of str
        The datacenters.

    Yields
    ------
    (str, str, str)
        Where, what, cure.
    """
    shares = terms["flexibility"]
    for name in shares if isinstance(shares, dict) else ():
        if name not in sites:
            yield ("[stochastic] flexibility", f"names {name!r}, which is not a datacenter",
                   nearest(name, sites) or "There is no datacenter.")
