"""The study file: TOML with a feeder, the DSO, the aggregators, markets, a solver and cases.

Every key is checked before anything is solved, all faults at once; an unknown key is reported with
the closest valid one. docs/study_file.md shows all of them with their units.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from pyomo_dlmp.errors import Fault, ModelError, StudyFileError, nearest
from pyomo_dlmp.io import find_feeder
from pyomo_dlmp.market import DEFAULT_MARKET, MARKETS, PAYS
from pyomo_dlmp.market.workload import PARTS
from pyomo_dlmp.network.registry import device_classes
from pyomo_dlmp.network.series import by_period, is_number
from pyomo_dlmp.opf import OpfOptions, Unbalance
from pyomo_dlmp.study.data import Case, Study
from pyomo_dlmp.study.shipped import find_study
from pyomo_dlmp.tolerances import HIGH_POINT_GAP

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_DSO = ("price", "load_scale", "losses", "voltage_limits", "v_min", "v_max", "penalty",
        "thermal_sides", "thermal_penalty", "angles")
TABLES: dict[str, dict[str, Any]] = {
    "time": {"periods": 24, "hours": 1.0},
    "dso": {f.name: f.default for f in fields(OpfOptions) if f.name in _DSO},
    "unbalance": {f.name: None for f in fields(Unbalance)} | {"sides": 12},
    "aggregator": {"energy_share": None, "energy_mwh": None, "pays": PAYS[0], "tariff": 50.0},
    "market": {"kinds": [DEFAULT_MARKET], "price_taker_steps": "full", "max_rounds": 60},
    "sweep": {"loading": [1.0]},
    "check": {"ac": False},
    "solver": {"name": "highs", "gap": HIGH_POINT_GAP, "time_limit": None},
}
_TAKER = {"name", "sites", "energy_share", "energy_mwh"}
_TOP = {"title", "feeder", "results", "case", "price_taker", *TABLES, *PARTS}


def _device_words() -> list[str]:
    """Tables that make devices: [[storage]], say."""
    return [cls.word for cls in device_classes()]


def read_study(path: str | Path, progress: Callable[[str], None] | None = None) -> Study:
    """Read and check a study file, or a shipped study by its name (``"ieee37"``).

    Parameters
    ----------
    path : str or Path
        A TOML file.
    progress : callable, optional
        progress(stage) is called before what may take seconds: to read the feeder, say.

    Returns
    -------
    Study

    Raises
    ------
    StudyFileError
        For a missing file, TOML errors, unknown keys and wrong values, all at once.
    NetworkError
        When a device does not fit the feeder.
    FeederFileError
        For an unknown feeder.
    """
    path = find_study(path)
    try:
        text = path.read_text(encoding="utf-8")
        data = tomllib.loads(text)
    except FileNotFoundError:
        raise StudyFileError.at(str(path), "there is no such file",
                                "Copy examples/studies/ieee37.toml and edit it.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as err:
        raise StudyFileError.at(
            str(path), f"is not valid TOML ({err})",
            "Correct that line (numbers start with a digit: 0.5, not .5).") from None
    return replace(_Reader(path, progress).study(data), text=text)


class _Reader:
    """Collects all faults of one file."""

    def __init__(self, path: Path, progress: Callable[[str], None] | None = None):
        self.path, self.progress = path, progress
        self.faults: list[Fault] = []

    def study(self, data: dict[str, Any]) -> Study:
        self._keys("", data, {*_TOP, *_device_words()})
        tables = {name: self._table(name, data.get(name, {}), "") for name in TABLES}
        parts = {key: self._entries(data, key, cls, "") for key, cls in PARTS.items()}
        devices = self._devices(data, "")
        takers = self._takers(data.get("price_taker", []))
        cases = self._cases(data.get("case", [{"name": "study"}]))
        self._values(data, tables, parts)
        if self.faults:
            raise StudyFileError(self.faults)
        dso = _without_none_words(tables["dso"])
        unbalance = tables["unbalance"]
        if unbalance["limit"] is not None or unbalance["price"] is not None:
            dso["unbalance"] = Unbalance(**unbalance)
        study = Study(
            path=str(self.path), title=data.get("title", self.path.stem), feeder=data["feeder"],
            results=Path(data.get("results", f"results/{self.path.stem}")),
            periods=tables["time"]["periods"], hours=float(tables["time"]["hours"]), dso=dso,
            aggregator=tables["aggregator"], parts=parts, takers=takers,
            markets=tuple(tables["market"]["kinds"]), loading=tuple(tables["sweep"]["loading"]),
            averaged=tables["market"]["price_taker_steps"] == "averaged",
            max_rounds=tables["market"]["max_rounds"], check_ac=tables["check"]["ac"],
            solver=tables["solver"]["name"], gap=tables["solver"]["gap"],
            time_limit=tables["solver"]["time_limit"], devices=devices, cases=cases,
            base=find_feeder(data["feeder"], self.progress))
        if self.progress is not None:
            self.progress("placing its devices")
        for run in study.runs:  # a device that does not fit is reported before anything is solved
            study.network(run)
        return study

    def _fault(self, where: str, what: str, cure: str = "") -> None:
        self.faults.append(Fault(f"{self.path}: {where}", what, cure))

    def _keys(self, where: str, data: dict[str, Any], known: Iterable[str]) -> None:
        for key in data:
            if key not in known:
                self._fault(where or "top level", f"unknown key {key!r}", nearest(key, known))

    def _table(self, name: str, data: Any, where: str) -> dict[str, Any]:
        if not isinstance(data, dict):
            self._fault(f"{where}[{name}]", f"is {data!r}", f"Write a table: [{name}].")
            return dict(TABLES[name])
        self._keys(f"{where}[{name}]", data, TABLES[name])
        return {**TABLES[name], **{k: v for k, v in data.items() if k in TABLES[name]}}

    def _devices(self, data: dict[str, Any], where: str) -> tuple:
        return tuple(device for cls in device_classes()
                     for device in self._entries(data, cls.word, cls, where))

    def _entries(self, data: dict[str, Any], key: str, cls: type, where: str) -> tuple:
        """Elements of the tables [[key]], made of `cls`."""
        found = []
        known = {f.name for f in fields(cls)}  # type: ignore[arg-type]
        for number, entry in enumerate(self._list(data.get(key, []), key, where), 1):
            place = f"{where}{key} {entry.get('name', entry.get('site', number))!r}"
            self._keys(place, entry, known)
            try:
                found.append(cls(**{k: _tuples(v) for k, v in entry.items() if k in known}))
            except TypeError as err:
                self._fault(place, str(err).replace(f"{cls.__name__}.__init__() ", ""))
        return tuple(found)

    def _list(self, entries: Any, key: str, where: str = "") -> list[dict]:
        if isinstance(entries, list) and all(isinstance(entry, dict) for entry in entries):
            return entries
        self._fault(f"{where}[[{key}]]", "is not a list of tables",
                    f"Write [[{key}]], with two brackets.")
        return []

    def _takers(self, entries: Any) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for number, entry in enumerate(self._list(entries, "price_taker"), 1):
            name = str(entry.get("name", f"price taker {number}"))
            place = f"price_taker {name!r}"
            self._keys(place, entry, _TAKER)
            if not isinstance(entry.get("sites"), list) or not entry["sites"]:
                self._fault(place, "names no sites", 'Write sites = ["dc1"].')
            if ("energy_share" in entry) == ("energy_mwh" in entry):
                self._fault(place, "has no energy, or two", "Give energy_share or energy_mwh.")
            if name in found:
                self._fault(place, "is there twice", "Give each its own name.")
            found[name] = entry
        return found

    def _cases(self, entries: Any) -> tuple[Case, ...]:
        cases = []
        for number, entry in enumerate(self._list(entries, "case"), 1):
            name = str(entry.get("name", f"case {number}"))
            where = f"case {name!r}, "
            self._keys(f"case {name!r}", entry, {"name", "dso", "unbalance", *_device_words()})
            given = {key: entry.get(key, {}) for key in ("dso", "unbalance")}
            for key, table in given.items():
                self._table(key, table, where)
            dso = _without_none_words(given["dso"])
            if given["unbalance"]:
                dso["unbalance"] = Unbalance(**{
                    k: v for k, v in given["unbalance"].items() if k in TABLES["unbalance"]})
            cases.append(Case(name, self._devices(entry, where), dso))
        if not cases:
            self._fault("[[case]]", "there is none", "Write [[case]] with a name.")
        for name in {c.name for c in cases if sum(d.name == c.name for d in cases) > 1}:
            self._fault(f"case {name!r}", "is there twice", "Give each case its own name.")
        return tuple(cases)

    def _values(self, data, tables, parts) -> None:
        if not isinstance(data.get("feeder"), str):
            self._fault("feeder", "is missing",
                        'Write feeder = "ieee37", a folder of tables, or a .dss file.')
        periods = tables["time"]["periods"]
        whole = is_number(periods) and isinstance(periods, int) and periods > 0
        if not whole:
            self._fault("[time] periods", f"is {periods!r}", "Give a whole number above 0.")
        for name, key in (("time", "hours"), ("dso", "penalty"), ("aggregator", "energy_share"),
                          ("aggregator", "energy_mwh"), ("solver", "gap"),
                          ("solver", "time_limit"), ("market", "max_rounds")):
            value = tables[name][key]
            if value is not None and not (is_number(value) and value > 0):
                self._fault(f"[{name}] {key}", f"is {value!r}", "Give a number above 0.")
        for name, key in (("dso", "price"), ("dso", "load_scale"), ("aggregator", "tariff")):
            if whole:
                self._series(f"[{name}] {key}", tables[name][key], periods)
        self._words(tables)
        loading = tables["sweep"]["loading"]
        if not (isinstance(loading, list) and loading and all(
                is_number(x) and x > 0 for x in loading)):
            self._fault("[sweep] loading", f"is {loading!r}",
                        "Give a list of numbers above 0: multiples of the datacenters' size.")
        a = tables["aggregator"]
        kinds_of_work = [a["energy_share"] is not None, a["energy_mwh"] is not None,
                         any(parts[key] for key in ("interactive", "job"))]
        if sum(kinds_of_work) > 1:
            self._fault("[aggregator]", "has more than one kind of work",
                        "Give one of energy_share, energy_mwh, and [[job]] or [[interactive]].")

    def _words(self, tables) -> None:
        for name, key, known in (("aggregator", "pays", PAYS),
                                 ("market", "price_taker_steps", ("full", "averaged"))):
            if tables[name][key] not in known:
                self._fault(f"[{name}] {key}", f"is {tables[name][key]!r}",
                            f"Use one of: {', '.join(known)}.")
        kinds = tables["market"]["kinds"]
        for kind in kinds if isinstance(kinds, list) and kinds else [kinds]:
            if kind not in MARKETS:
                self._fault("[market] kinds", f"names {kind!r}",
                            nearest(kind, MARKETS) if isinstance(kind, str) else
                            f"Give a list of: {', '.join(MARKETS)}.")

    def _series(self, where: str, value: Any, periods: int) -> None:
        if where == "[dso] load_scale" and (value == "profiles" or isinstance(value, dict)):
            return
        try:
            by_period(value, range(periods), where)
        except ModelError as err:
            self._fault(where, err.faults[0].what, err.faults[0].cure)


def _without_none_words(dso: dict[str, Any]) -> dict[str, Any]:
    """A [dso] table whose "none" says None."""
    return {key: None if value == "none" and key in ("losses", "voltage_limits", "thermal_penalty")
            else value for key, value in dso.items() if key in TABLES["dso"]}


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
