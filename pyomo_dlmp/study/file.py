"""The study file: TOML with a feeder, the DSO, the aggregators, markets, a solver and cases.

Everything in it is checked before anything is solved, all faults at once: keys, values, and how
they fit the feeder; an unknown name is reported with the closest valid one. What depends on a
feeder that cannot be read is not judged. docs/study_file.md shows all keys with their units.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pyomo_dlmp.errors import DlmpError, Fault, NetworkError, StudyFileError, nearest, shown
from pyomo_dlmp.io import find_feeder
from pyomo_dlmp.market.workload import PARTS, WORK
from pyomo_dlmp.network import Network
from pyomo_dlmp.network.ratings import with_limits
from pyomo_dlmp.network.registry import device_classes
from pyomo_dlmp.network.series import names_findings
from pyomo_dlmp.opf.reduction import reduced
from pyomo_dlmp.study.aggregators import (
    KEYS,
    entry_findings,
    owned_work_findings,
    served_by,
    site_findings,
)
from pyomo_dlmp.study.contracts import contract_findings
from pyomo_dlmp.study.csv_series import CsvSeries
from pyomo_dlmp.study.data import Case, Study
from pyomo_dlmp.study.entries import (
    Entry,
    Found,
    read_entry,
    repeated_names,
    site_names,
    with_entries,
    work_findings,
)
from pyomo_dlmp.study.further import emission_findings, further_of
from pyomo_dlmp.study.scenario_keys import flexibility_findings
from pyomo_dlmp.study.text import read_toml
from pyomo_dlmp.study.values import (
    PERIODS,
    TABLES,
    opf_findings,
    opf_options,
    results_findings,
    table_findings,
)

_TOP = {"title", "feeder", "ratings", "results", "case", "price_taker", "owner", "emissions",
        *TABLES, *PARTS}


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
        For a missing file and TOML errors; else with every fault of the file at once: unknown keys,
        wrong values, a feeder that cannot be read, and what does not fit the feeder.
    """
    if not isinstance(path, str | os.PathLike):
        raise StudyFileError.at("read_study", f"was given {shown(path)}",
                                "Give the path of a study file, or a shipped study's name.")
    file, text, data = read_toml(path)
    series = CsvSeries(file)
    filled = series.filled(data)
    return replace(_Reader(file, progress, series).study(filled), text=text)


@dataclass
class _CaseEntries:
    """A case as it is read: its devices and tables."""

    name: str
    where: str
    devices: list[Entry] = field(default_factory=list)
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    network: Network | None = None
    sites: list[str] = field(default_factory=list)


class _Reader:
    """Collects all faults of one file."""

    def __init__(self, path: Path, progress: Callable[[str], None] | None, series: CsvSeries):
        self.path, self.progress, self.series = path, progress, series
        self.faults: dict[str, Fault] = {}  # by their text: each once
        self.base: Network | None = None
        self.tables: dict[str, dict[str, Any]] = {}
        self.devices: list[Entry] = []
        self.parts: dict[str, list[Entry]] = {}
        self.takers: dict[str, dict[str, Any]] = {}
        self.owners: dict[str, dict[str, Any]] = {}
        self.cases: list[_CaseEntries] = []
        self.options: dict[str, Any] = {}

    def study(self, data: dict[str, Any]) -> Study:
        self._found(self.series.found)
        self._keys("", data, {*_TOP, *_device_words()})
        self.tables = {name: self._table(name, data.get(name, {}), "") for name in TABLES}
        self.parts = {key: self._entries(data, key, cls, "") for key, cls in PARTS.items()}
        self.devices = self._devices(data, "")
        self.takers = self._aggregators(data, "price_taker")
        self.owners = self._aggregators(data, "owner")
        self.cases = self._cases(data.get("case", [{"name": "study"}]))
        self._values(data)
        self.base = self._feeder(data)
        if self.progress is not None:
            self.progress("placing its devices")
        self._fit(data)
        self._raise()
        study = self._study(data)
        for run in study.runs:  # sizes of datacenters follow the loading
            try:
                study.network(run)
            except NetworkError as err:
                for fault in err.faults:
                    self._fault(f"{fault.where}, loading {run.loading:g}", fault.what, fault.cure)
        self._raise()
        return study

    def _study(self, data: dict[str, Any]) -> Study:
        """Of a file without faults."""
        tables, market, solver = self.tables, self.tables["market"], self.tables["solver"]
        assert self.base is not None
        study = Study(
            path=str(self.path), title=data.get("title", self.path.stem), feeder=data["feeder"],
            results=Path(data.get("results", f"results/{self.path.stem}")),
            periods=tables["time"]["periods"], hours=float(tables["time"]["hours"]),
            dso=self.options, aggregator=tables["aggregator"],
            parts={key: _made(entries) for key, entries in self.parts.items()},
            takers=self.takers, owners=self.owners, starts=market["starts"],
            markets=tuple(market["kinds"]), loading=tuple(tables["sweep"]["loading"]),
            averaged=market["price_taker_steps"] == "averaged", max_rounds=market["max_rounds"],
            check_ac=tables["check"]["ac"], ac=tables["ac"], solver=solver["name"],
            series=self.series.of_table(tables["series"]),
            stochastic=self.series.of_scenarios(tables), inputs=self.series.inputs,
            gap=solver["gap"], time_limit=solver["time_limit"], devices=_made(self.devices),
            cases=tuple(Case(case.name, _made(case.devices), case.options)
                        for case in self.cases),
            base=self.base, **further_of(data))
        study.keep_networks({case.name: case.network for case in self.cases})
        return study

    # --------------------------------------------------------------------------------- faults

    def _fault(self, where: str, what: str, cure: str = "") -> None:
        fault = Fault(f"{self.path}: {where}", what, cure)
        self.faults.setdefault(str(fault), fault)

    def _found(self, found: Iterable[Found], prefix: str = "") -> None:
        for where, what, cure in found:
            self._fault(f"{prefix}{where}", what, cure)

    def _raise(self) -> None:
        if self.faults:
            raise StudyFileError(self.faults.values())

    # ---------------------------------------------------------------------------------- shape

    def _keys(self, where: str, data: dict[str, Any], known: Iterable[str]) -> None:
        for key in data:
            if key not in known:
                self._fault(where or "top level", f"unknown key {key!r} (it is {shown(data[key])})",
                            nearest(key, known))

    def _table(self, name: str, data: Any, where: str) -> dict[str, Any]:
        if not isinstance(data, dict):
            self._fault(f"{where}[{name}]", f"is {shown(data)}", f"Write a table: [{name}].")
            return dict(TABLES[name])
        self._keys(f"{where}[{name}]", data, TABLES[name])
        return {**TABLES[name], **{k: v for k, v in data.items() if k in TABLES[name]}}

    def _devices(self, data: dict[str, Any], where: str) -> list[Entry]:
        return [entry for cls in device_classes()
                for entry in self._entries(data, cls.word, cls, where)]

    def _entries(self, data: dict[str, Any], key: str, cls: type, where: str) -> list[Entry]:
        """What the tables [[key]] make, each of `cls`."""
        entries = []
        found: list[Found] = []
        for number, given in enumerate(self._list(data.get(key, []), key, where), 1):
            name = given.get("name", given.get("site", number))
            entries.append(read_entry(f"{where}{key} {shown(name)}", cls, given, found))
        self._found(found)
        return entries

    def _list(self, entries: Any, key: str, where: str = "") -> list[dict]:
        cure = f"Write [[{key}]], with two brackets."
        if not isinstance(entries, list):
            self._fault(f"{where}[[{key}]]", f"is {shown(entries)}, not a list of tables", cure)
            return []
        for entry in entries:
            if not isinstance(entry, dict):
                self._fault(f"{where}[[{key}]]", f"holds {shown(entry)}, not a table", cure)
        return [entry for entry in entries if isinstance(entry, dict)]

    def _name(self, what: str, entry: dict, number: int, others: Iterable[str]) -> str:
        """The name of a case or a price taker, which no other may have."""
        name = entry.get("name", f"{what} {number}")
        place = f"{what} {shown(name)}"
        if not isinstance(name, str) or not name.strip():
            self._fault(place, f"name is {shown(name)}", 'Write name = "...".')
        elif name in others:
            self._fault(place, "is there twice", f"Give each {what} its own name.")
        return name if isinstance(name, str) else f"{what} {number}"

    def _aggregators(self, data: dict[str, Any], word: str) -> dict[str, dict[str, Any]]:
        """Price takers, or owners, by name."""
        found: dict[str, dict[str, Any]] = {}
        parts = {key: _made(self.parts[key]) for key in WORK}
        for number, entry in enumerate(self._list(data.get(word, []), word), 1):
            name = self._name(word, entry, number, found)
            place = f"{word} {shown(name)}"
            self._keys(place, entry, KEYS)
            sites = list(names_findings(entry.get("sites", []), "")[0])
            served = served_by(parts, tuple(sites)) if word == "owner" else {}
            self._found(entry_findings(place, entry, sites, any(served.values())))
            found[name] = {**entry, "sites": sites}
        return found

    def _cases(self, entries: Any) -> list[_CaseEntries]:
        cases: list[_CaseEntries] = []
        for number, entry in enumerate(listed := self._list(entries, "case"), 1):
            name = self._name("case", entry, number, [case.name for case in cases])
            where = f"case {shown(name)}, "
            self._keys(f"case {shown(name)}", entry, {"name", *_OPTIONS, *_device_words()})
            for key in _OPTIONS:
                self._table(key, entry.get(key, {}), where)
            tables = {key: entry[key] for key in _OPTIONS if isinstance(entry.get(key), dict)}
            cases.append(_CaseEntries(name, where, self._devices(entry, where), tables))
        if not listed and entries == []:
            self._fault("[[case]]", "there is none", "Write [[case]] with a name.")
        return cases

    # --------------------------------------------------------------------------------- values

    def _values(self, data: dict[str, Any]) -> None:
        if "title" in data and not isinstance(data["title"], str):
            self._fault("title", f"is {shown(data['title'])}", 'Write title = "...".')
        if "results" in data:
            self._found(results_findings(data["results"]))
        self._found(table_findings(self.tables))
        a = self.tables["aggregator"]
        self._found(owned_work_findings(self.owners, a))
        kinds_of_work = [a["energy_share"] is not None, a["energy_mwh"] is not None,
                         any(self.parts[key] for key in WORK)]
        if sum(kinds_of_work) > 1:
            self._fault("[aggregator]", "has more than one kind of work",
                        "Give one of energy_share, energy_mwh, and [[job]], [[interactive]], "
                        "[[llm]] or [[training]].")

    def _feeder(self, data: dict[str, Any]) -> Network | None:
        feeder = data.get("feeder")
        if not isinstance(feeder, str) or not feeder.strip():
            self._fault("feeder", "is missing" if feeder is None else f"is {shown(feeder)}",
                        'Write feeder = "ieee37", a folder of tables, or a .dss file.')
            return None
        ratings = data.get("ratings", False)
        if not isinstance(ratings, bool):
            self._fault("ratings", f"is {shown(ratings)}", "Write true or false.")
        try:
            found = find_feeder(feeder, self.progress)
            return with_limits(found) if ratings is True else found
        except DlmpError as err:
            for fault in err.faults:
                own = fault.where == f"feeder {feeder!r}"
                self._fault(f"feeder {feeder!r}", fault.what if own else
                            f"{fault.where}: {fault.what}", fault.cure)
        except (OSError, ValueError) as err:
            self._fault(f"feeder {shown(feeder)}", f"cannot be read ({err})",
                        "Give a shipped feeder's name, a folder of tables, or a .dss file.")
        return None

    # ------------------------------------------------------------------------ with the feeder

    def _fit(self, data: dict[str, Any]) -> None:
        """What the feeder, the study's elements and those of each case are to one another."""
        base, found = self.base, list[Found]()
        taken = {} if base is None else {
            name: getattr(device, "word", "device") for name, device in base.devices.items()}
        found += repeated_names(self.devices, taken)
        network = None if base is None else with_entries(base, self.devices, found)
        exact = [case.tables.get("dso", {}).get("form", self.tables["dso"]["form"]) == "ac"
                 for case in self.cases]
        if network is not None and not all(exact):
            self._reducible(network)
        self.options = opf_options(self.tables["dso"], self._unbalance(data))
        found += opf_findings(self.options, self.tables, network)
        self._found(found)
        for case in self.cases:
            self._fit_case(case, network, taken, set(found))
        periods = self.tables["time"]["periods"]
        known = 0 if PERIODS.finding(periods, whole=True) else periods
        if base is not None:
            self._fit_sites(known)
            self._found(emission_findings(data, [c.network for c in self.cases], known))
        elif known:
            self._found(work_findings(self.parts, None, known))

    def _reducible(self, network: Network) -> None:
        """What the linear power flow cannot take of the feeder."""
        try:
            reduced(network)
        except DlmpError as err:
            for fault in err.faults:
                self._fault(fault.where, fault.what, fault.cure)

    def _unbalance(self, data: dict[str, Any]) -> dict[str, Any] | None:
        given = isinstance(data.get("unbalance"), dict)
        return self.tables["unbalance"] if given else None

    def _fit_case(self, case: _CaseEntries, network: Network | None, taken: dict[str, str],
                  before: set[Found]) -> None:
        words = dict(taken)
        words.update({e.name: e.cls.word for e in self.devices if e.name})  # type: ignore[attr-defined]
        found: list[Found] = list(repeated_names(case.devices, words))
        if network is not None:
            case.network = with_entries(network, case.devices, found)
            case.sites = site_names(network, self.devices)
            case.sites += [s for s in site_names(network, case.devices) if s not in case.sites]
        self._found((w if w.startswith(case.where) else case.where + w, what, cure)
                    for w, what, cure in found)
        case.options = opf_options(case.tables.get("dso", {}), case.tables.get("unbalance"))
        if case.options:
            own = opf_findings({**self.options, **case.options}, self.tables, case.network)
            self._found((f for f in own if f not in before), case.where)

    def _fit_sites(self, periods: int) -> None:
        """Whose sites are whose, and the workload, in each case (0: a wrong number)."""
        told: set[Found] = set()
        for number, case in enumerate(self.cases):
            theirs = {site for taker in self.takers.values() for site in taker["sites"]}
            found = [*site_findings(self.takers, self.owners, case.sites, self.parts, periods),
                     *contract_findings(self.tables, case.sites, theirs),
                     *flexibility_findings(self.tables["stochastic"], case.sites)]
            self._found((f for f in found if f not in told), case.where if number else "")
            told |= set(found)


_OPTIONS = ("dso", "unbalance")


def _made(entries: Iterable[Entry]) -> tuple:
    return tuple(entry.element for entry in entries)
