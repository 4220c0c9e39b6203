"""The study file: TOML with a feeder, the DSO, the aggregator, a solver and cases.

Every key is checked before anything is solved, all faults at once; an unknown key is answered with
the nearest known one. `studies/ieee37.toml` shows all of them with their units.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from pyomo_dlmp.errors import Fault, StudyFileError
from pyomo_dlmp.io import find_feeder
from pyomo_dlmp.market.aggregator import PAYS
from pyomo_dlmp.network import Datacenter, Generator, Load, Network, StaticVarGenerator
from pyomo_dlmp.network.names import nearest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

DEVICES = {
    "generator": Generator, "datacenter": Datacenter, "svg": StaticVarGenerator, "load": Load}


@dataclass(frozen=True)
class Case:
    """One case: its name and the devices that it adds to the study's."""

    name: str
    devices: tuple = ()


@dataclass(frozen=True)
class Study:
    """A study as read from its file; units as in the file.

    `dso`: keywords of `build_opf` (price, load_scale, losses, voltage_limits, v_min, v_max,
    penalty ...); `energy_share`: of all datacenters' capacity x time.
    """

    path: str
    title: str
    feeder: str
    results: Path
    periods: int
    hours: float
    dso: dict[str, Any]
    energy_share: float
    pays: str
    solver: str
    gap: float
    time_limit: float | None
    devices: tuple
    cases: tuple[Case, ...]
    base: Network = field(repr=False)

    def network(self, case: Case) -> Network:
        """The feeder with the study's and the case's devices."""
        return self.base.with_devices(*self.devices, *case.devices)

    @property
    def energy_mwh(self) -> float:
        """What the datacenters of the study use together (MWh)."""
        kw = sum(d.kw for d in self.devices if isinstance(d, Datacenter))
        return self.energy_share * kw / 1000 * self.periods * self.hours


_TOP = {"title", "feeder", "results", "time", "dso", "aggregator", "solver", "case",
        *(k for k in DEVICES)}
_TABLES: dict[str, dict[str, Any]] = {
    "time": {"periods": 24, "hours": 1.0},
    "dso": {"price": 50.0, "load_scale": 1.0, "losses": "quadratic", "voltage_limits": "soft",
            "v_min": 0.95, "v_max": 1.05, "penalty": 2000.0, "thermal_sides": 12,
            "thermal_penalty": 2000.0, "angles": True},
    "aggregator": {"energy_share": 0.6, "pays": PAYS[0]},
    "solver": {"name": "highs", "gap": 1e-3, "time_limit": None},
}


def read_study(path: str | Path) -> Study:
    """Read and check a study file.

    Raises StudyFileError (missing file, TOML errors, unknown keys, wrong values), NetworkError when
    a device does not fit the feeder, FeederFileError for an unknown feeder.
    """
    path = Path(path)
    try:
        with path.open("rb") as handle:
            data = tomllib.load(handle)
    except FileNotFoundError:
        raise StudyFileError.at(str(path), "there is no such file",
                                "Copy studies/ieee37.toml and edit it.") from None
    except tomllib.TOMLDecodeError as err:
        raise StudyFileError.at(
            str(path), f"is no TOML ({err})",
            "Mend that line (numbers start with a digit: 0.5, not .5).") from None
    return _Reader(path).study(data)


class _Reader:
    """Collects all faults of one file."""

    def __init__(self, path: Path):
        self.path = path
        self.faults: list[Fault] = []

    def study(self, data: dict[str, Any]) -> Study:
        self._keys("", data, _TOP)
        tables = {name: self._table(name, data.get(name, {})) for name in _TABLES}
        devices = self._devices(data, "")
        cases = self._cases(data.get("case", [{"name": "study"}]))
        self._values(data, tables, cases)
        if self.faults:
            raise StudyFileError(self.faults)
        dso = tables["dso"]
        for key in ("losses", "voltage_limits", "thermal_penalty"):
            dso[key] = None if dso[key] == "none" else dso[key]
        feeder = data["feeder"]
        base = find_feeder(feeder)
        study = Study(
            str(self.path), data.get("title", self.path.stem), feeder,
            Path(data.get("results", f"results/{self.path.stem}")), tables["time"]["periods"],
            float(tables["time"]["hours"]), dso, tables["aggregator"]["energy_share"],
            tables["aggregator"]["pays"], tables["solver"]["name"], tables["solver"]["gap"],
            tables["solver"]["time_limit"], devices, cases, base)
        for case in cases:
            study.network(case)  # a device that does not fit is said before anything is solved
        return study

    def _fault(self, where: str, what: str, cure: str = "") -> None:
        self.faults.append(Fault(f"{self.path}: {where}", what, cure))

    def _keys(self, where: str, data: dict[str, Any], known) -> None:
        for key in data:
            if key not in known:
                self._fault(where or "top level", f"unknown key {key!r}", nearest(key, known))

    def _table(self, name: str, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            self._fault(f"[{name}]", f"is {data!r}", f"Write a table: [{name}].")
            return dict(_TABLES[name])
        self._keys(f"[{name}]", data, _TABLES[name])
        return {**_TABLES[name], **{k: v for k, v in data.items() if k in _TABLES[name]}}

    def _devices(self, data: dict[str, Any], where: str) -> tuple:
        found = []
        for kind, cls in DEVICES.items():
            known = {f.name for f in fields(cls)}
            entries = data.get(kind, [])
            if not isinstance(entries, list):
                self._fault(f"{where}[[{kind}]]", "is a single table",
                            f"Write [[{kind}]], with two brackets.")
                continue
            for number, entry in enumerate(entries, 1):
                place = f"{where}{kind} {entry.get('name', number)!r}"
                self._keys(place, entry, known)
                try:
                    found.append(cls(**{k: _tuples(v) for k, v in entry.items() if k in known}))
                except TypeError as err:
                    self._fault(place, str(err).replace(f"{cls.__name__}.__init__() ", ""))
        return tuple(found)

    def _cases(self, entries: Any) -> tuple[Case, ...]:
        if not isinstance(entries, list) or not entries:
            self._fault("[[case]]", "there is none", "Write [[case]] with a name.")
            return ()
        cases = []
        for number, entry in enumerate(entries, 1):
            name = entry.get("name", f"case {number}")
            self._keys(f"case {name!r}", entry, {"name", *DEVICES})
            cases.append(Case(str(name), self._devices(entry, f"case {name!r}, ")))
        for case in {c.name for c in cases if sum(d.name == c.name for d in cases) > 1}:
            self._fault(f"case {case!r}", "is there twice", "Give each case its own name.")
        return tuple(cases)

    def _values(self, data, tables, cases) -> None:
        if not isinstance(data.get("feeder"), str):
            self._fault("feeder", "is missing",
                        'Write feeder = "ieee37", a folder of tables, or a .dss file.')
        periods = tables["time"]["periods"]
        if not (isinstance(periods, int) and periods > 0):
            self._fault("[time] periods", f"is {periods!r}", "Give a whole number above 0.")
        for name, key in (("time", "hours"), ("dso", "penalty"), ("aggregator", "energy_share"),
                          ("solver", "gap"), ("solver", "time_limit")):
            value = tables[name][key]
            if value is not None and not (_number(value) and value > 0):
                self._fault(f"[{name}] {key}", f"is {value!r}", "Give a number above 0.")
        for key in ("price", "load_scale"):
            value = tables["dso"][key]
            if isinstance(value, list):
                if not all(map(_number, value)) or len(value) != periods:
                    self._fault(f"[dso] {key}", f"has {len(value)} entries for {periods} periods",
                                "Give one number, or one for each period.")
            elif not _number(value):
                self._fault(f"[dso] {key}", f"is {value!r}", "Give a number or a list of them.")
        if tables["aggregator"]["pays"] not in PAYS:
            self._fault("[aggregator] pays", f"is {tables['aggregator']['pays']!r}",
                        f"Use one of: {', '.join(PAYS)}.")


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _tuples(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
