"""Values of a study file's plain tables ([time], [dso], [market] ...), with all their faults."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from pyomo_dlmp.errors import SolverError, nearest, shown
from pyomo_dlmp.market import DEFAULT_MARKET, MARKETS, PAYS
from pyomo_dlmp.network import Network
from pyomo_dlmp.network.fields import Range
from pyomo_dlmp.network.profiles import HOURS
from pyomo_dlmp.network.series import MOST_PERIODS, series_findings
from pyomo_dlmp.opf import OpfOptions, Unbalance
from pyomo_dlmp.opf.option_checks import option_findings
from pyomo_dlmp.solvers import named_solver
from pyomo_dlmp.study.scenario_keys import SCENARIOS, STOCHASTIC, scenario_findings
from pyomo_dlmp.tolerances import HIGH_POINT_GAP

Found = tuple[str, str, str]  # where, what, cure

_FORMS = ("lindist", "ac")
_DSO = ("form", "price", "load_scale", "losses", "voltage_limits", "v_min", "v_max", "penalty",
        "thermal_sides", "thermal_penalty", "angles", "voltage_legs", "neutral_v_max",
        "neutral_penalty")
_DEFAULTS = {f.name: f.default for f in fields(OpfOptions)}
TABLES: dict[str, dict[str, Any]] = {
    "time": {"periods": 24, "hours": 1.0},
    "dso": {"form": "lindist"} | {key: _DEFAULTS[key] for key in _DEFAULTS if key in _DSO},
    "unbalance": {f.name: None for f in fields(Unbalance)} | {"sides": 12},
    "aggregator": {"energy_share": None, "energy_mwh": None, "pays": PAYS[0], "tariff": 50.0,
                   "most_kw": {}},
    "market": {"kinds": [DEFAULT_MARKET], "price_taker_steps": "full", "max_rounds": 60,
               "demand_charge": {}, "capacity_charge": {}, "curtailable": {}, "starts": 3},
    "sweep": {"loading": [1.0]},
    "ac": {"max_rounds": 8, "deviations": 20},
    "check": {"ac": False},
    "report": {"regimes": None, "without_datacenters": False},
    "series": {"file": None, "columns": {}, "horizon": None, "step": 1, "window": None,
               "workers": 1, "judge": 0.01},
    "scenarios": SCENARIOS, "stochastic": STOCHASTIC,
    "solver": {"name": "highs", "gap": HIGH_POINT_GAP, "time_limit": None},
}
SHARE = Range(0, 1, above=True)
ENERGY = Range(0, unit="MWh", above=True)
PERIODS = Range(1, MOST_PERIODS)
_RANGES = {
    ("time", "hours"): HOURS, ("aggregator", "energy_share"): SHARE,
    ("aggregator", "energy_mwh"): ENERGY, ("solver", "gap"): Range(0, 1, above=True),
    ("solver", "time_limit"): Range(0, unit="s", above=True)}
_LOADING = Range(0, 1e6, above=True)
_WORDS = {("aggregator", "pays"): PAYS, ("market", "price_taker_steps"): ("full", "averaged")}
_NONE = {"losses": ("quadratic",), "voltage_limits": ("soft", "hard"), "thermal_penalty": None,
         "neutral_v_max": None, "neutral_penalty": None}


def table_findings(tables: Mapping[str, dict[str, Any]]) -> Iterator[Found]:
    """What is wrong with plain tables but [dso] and [unbalance].

    Parameters
    ----------
    tables : mapping
        As `TABLES`, with the user's values.

    Yields
    ------
    (str, str, str)
        Where, what, cure.
    """
    for (name, key), span in _RANGES.items():
        value = tables[name][key]
        if value is not None and (finding := span.finding(value)):
            yield f"[{name}] {key}", *finding
    for name, key, span in (("time", "periods", PERIODS),
                            ("market", "max_rounds", Range(1, 100_000)),
                            ("market", "starts", Range(1, 1000)),
                            ("ac", "max_rounds", Range(1, 1000)),
                            ("ac", "deviations", Range(0, 100_000))):
        if finding := span.finding(tables[name][key], whole=True):
            yield f"[{name}] {key}", *finding
    for (name, key), known in _WORDS.items():
        if not _among(tables[name][key], known):
            yield f"[{name}] {key}", f"is {shown(tables[name][key])}", _use(
                tables[name][key], known)
    for name, key in (("check", "ac"), ("report", "without_datacenters")):
        if not isinstance(tables[name][key], bool):
            yield f"[{name}] {key}", f"is {shown(tables[name][key])}", "Write true or false."
    periods = tables["time"]["periods"]
    if not PERIODS.finding(periods, whole=True):
        for finding in series_findings(tables["aggregator"]["tariff"], range(periods))[1]:
            yield "[aggregator] tariff", *finding
        most = tables["aggregator"]["most_kw"]
        if not isinstance(most, dict):
            yield "[aggregator] most_kw", f"is {shown(most)}", "Write most_kw = {dc1 = 500.0}."
        for name, values in most.items() if isinstance(most, dict) else ():
            for finding in series_findings(values, range(periods), 0.0)[1]:
                yield f"[aggregator] most_kw of {shown(name)}", *finding
    yield from _series(tables["series"])
    yield from scenario_findings(tables, DEFAULT_MARKET)
    yield from _kinds(tables["market"]["kinds"])
    yield from _loading(tables["sweep"]["loading"])
    try:
        named_solver(tables["solver"]["name"])
    except SolverError as err:
        yield "[solver] name", f"is {shown(tables['solver']['name'])}", err.faults[0].cure


def _series(given: dict[str, Any]) -> Iterator[Found]:
    """What is wrong with [series] by itself; its file is read with the market."""
    if given["file"] is None:
        if any(given[key] != value for key, value in TABLES["series"].items()):
            yield "[series]", "has no file", 'Write file = "year.csv".'
        return
    if not isinstance(given["file"], str):
        yield "[series] file", f"is {shown(given['file'])}", 'Write file = "year.csv".'
    columns = given["columns"]
    if not isinstance(columns, dict) or not all(isinstance(x, str) for x in columns.values()):
        yield ("[series] columns", f"is {shown(columns)}",
               'Write columns = {"name in the file" = "price"}; "" leaves a column out.')
    for key in ("horizon", "step", "window", "workers"):
        value = given[key]
        if value is not None and (finding := Range(1, 100_000).finding(value, whole=True)):
            yield f"[series] {key}", *finding
    if finding := Range(0, 1).finding(given["judge"]):
        yield "[series] judge", *finding


def most_findings(most: Any, sites: list[str]) -> Iterator[Found]:
    """Names in most_kw that are not of datacenters.

    Parameters
    ----------
    most : object
        As in the file.
    sites : list of str
        The datacenters.

    Yields
    ------
    (str, str, str)
        Where, what, cure.
    """
    for name in most if isinstance(most, dict) else ():
        if name not in sites:
            yield ("[aggregator] most_kw", f"names {name!r}, which is not a datacenter",
                   nearest(name, sites) or "There is no datacenter.")


def _among(value: Any, known: tuple) -> bool:
    return isinstance(value, str) and value in known


def _use(value: Any, known: tuple) -> str:
    near = nearest(value, known)
    return f"Use one of: {', '.join(map(repr, known))}." + (
        f" {near}" if near.startswith("Did") else "")


def _kinds(kinds: Any) -> Iterator[Found]:
    if not (isinstance(kinds, list) and kinds):
        yield ("[market] kinds", f"is {shown(kinds)}",
               f"Give a list of some of: {', '.join(map(repr, MARKETS))}.")
        return
    for number, kind in enumerate(kinds):
        if not (isinstance(kind, str) and kind in MARKETS):
            yield "[market] kinds", f"names {shown(kind)}", nearest(kind, MARKETS)
        elif kind in kinds[:number]:
            yield "[market] kinds", f"names {kind!r} twice", "Name each market once."


def _loading(loading: Any) -> Iterator[Found]:
    cure = "Give a list of numbers above 0: multiples of the datacenters' size."
    if not (isinstance(loading, list) and loading):
        yield "[sweep] loading", f"is {shown(loading)}", cure
        return
    wrong = [x for x in loading if _LOADING.finding(x)]
    if wrong:
        yield "[sweep] loading", f"is {shown(loading)}", cure
        return
    words = [f"x{x:g}" for x in loading]  # names of runs
    for word in dict.fromkeys(w for w in words if words.count(w) > 1):
        yield ("[sweep] loading", f"has {word[1:]} twice (to six digits)",
               "Give different multiples.")


def results_findings(results: Any) -> Iterator[Found]:
    """What is wrong with the name of the folder for results.

    Parameters
    ----------
    results : object
        As in the file.

    Yields
    ------
    (str, str, str)
        Where, what, cure.
    """
    if not isinstance(results, str) or not results.strip():
        yield "results", f"is {shown(results)}", 'Give a folder: results = "results/mine".'
        return
    try:
        path = Path(results)
        there = next((p for p in (path, *path.parents) if p.exists()), None)
        if there is not None and not there.is_dir():
            yield "results", f"{str(there)!r} is a file", "Name a folder for the results."
    except (OSError, ValueError) as err:
        yield "results", f"is {shown(results)} ({err})", "Name a folder for the results."


def opf_options(dso: Mapping[str, Any], unbalance: Mapping[str, Any] | None) -> dict[str, Any]:
    """Keywords of `build_opf` from the tables [dso] and [unbalance].

    Parameters
    ----------
    dso : mapping
        "none" says None.
    unbalance : mapping or None
        None: there is no such table.

    Returns
    -------
    dict
    """
    found = {key: None if key in _NONE and isinstance(value, str) and value == "none" else value
             for key, value in dso.items() if key in TABLES["dso"]}
    if unbalance is not None:
        found["unbalance"] = Unbalance(**{
            key: value for key, value in unbalance.items() if key in TABLES["unbalance"]})
    return found


def opf_findings(options: Mapping[str, Any], tables: Mapping[str, dict[str, Any]],
                 network: Network | None) -> Iterator[Found]:
    """What is wrong with the DSO's options, alone and with the feeder.

    Parameters
    ----------
    options : mapping
        From `opf_options`.
    tables : mapping
        With [time].
    network : Network or None
        None: it could not be read.

    Yields
    ------
    (str, str, str)
        Where, what, cure.
    """
    given = dict(options)
    if not _among(given.get("form", _FORMS[0]), _FORMS):
        yield "[dso] form", f"is {shown(given['form'])}", _use(given["form"], _FORMS)
        given["form"] = _FORMS[0]
    for key, known in _NONE.items():
        value = given.get(key)
        words = () if known is None else known
        if isinstance(value, str) and value not in words:
            cure = "Give $ per MVA and hour, or 'none'." if known is None else _use(
                value, (*known, "none"))
            yield f"[dso] {key}", f"is {shown(value)}", cure
            given[key] = _DEFAULTS[key]
    if given.get("penalty") is None and given.get("voltage_limits", "soft") != "soft":
        given.pop("penalty", None)
    for key, what, cure in option_findings({**_DEFAULTS, **given, **tables["time"]}, network):
        if key in tables["time"] or key == "operating_point":
            continue  # judged with its table; found by the market
        table, _, field = key.partition(".")
        where = f"[unbalance] {field}".rstrip() if table == "unbalance" else f"[dso] {key}"
        yield where, what, _in_toml(cure)


def _in_toml(cure: str) -> str:
    """A cure that was written for Python; TOML has no None: a key is left out."""
    cure = re.sub(r", or None: leave it out", ", or leave it out", cure)
    for python, toml in (("angles=True", "angles = true"), ("True or False", "true or false"),
                         ("or None:", "or \"none\":"), ("or None.", "or \"none\".")):
        cure = cure.replace(python, toml)
    return cure
