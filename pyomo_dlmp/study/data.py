"""A study as data: what is solved, case by case, loading by loading, market by market."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pyomo_dlmp.market import DEFAULT_MARKET, Contract, Market, Workload, scaled
from pyomo_dlmp.market.workload import FIELDS, WORK
from pyomo_dlmp.network import Datacenter, Network
from pyomo_dlmp.network.units import mega
from pyomo_dlmp.study.aggregators import served_by
from pyomo_dlmp.study.contracts import at_loading

ALONE = "without datacenters"
"""Name of the run of the first case without them."""


@dataclass(frozen=True)
class Case:
    """One case: its name, the devices that it adds to the study's, and its own `dso` options."""

    name: str
    devices: tuple = ()
    dso: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """One thing to solve: a case at a loading (multiple of the datacenters' size) in a market.

    Without `datacenters` it is the DSO's problem alone.
    """

    name: str
    case: Case
    loading: float = 1.0
    market: str = DEFAULT_MARKET
    datacenters: bool = True


@dataclass(frozen=True, kw_only=True)
class Study:
    """A study as read from its file; units as in the file.

    `dso`: keywords of `build_opf` (form, price, load_scale, losses, voltage_limits, v_min, v_max,
    penalty ...); `aggregator`: energy_share (of all its datacenters' capacity x time), energy_mwh,
    pays, tariff, most_kw; `series`: its table [series], with the path of the file (empty: none);
    `inputs`: SHA-256 of the CSV files; `ac`: of the leader's loop in the AC form (max_rounds,
    deviations); `parts`: by word (servers, job, llm ...); `takers`, `owners`: by name; `text`: of
    the file; `emissions`: kg/MWh by source, "grid" for all substations; `regimes`: two datacenters,
    [] for none, None for the two largest; `contracts`: by field of `Market`; `stochastic`: its
    tables [scenarios], with the path of the file, and [stochastic] as "terms" (empty: none);
    `without_datacenters`: whether the first case is solved without them, too.
    """

    path: str
    title: str
    feeder: str
    results: Path
    periods: int
    hours: float
    dso: dict[str, Any]
    aggregator: dict[str, Any]
    parts: dict[str, tuple]
    takers: dict[str, dict[str, Any]]
    owners: dict[str, dict[str, Any]] = field(default_factory=dict)
    starts: int = 3
    markets: tuple[str, ...]
    loading: tuple[float, ...]
    averaged: bool
    max_rounds: int
    check_ac: bool
    ac: dict[str, int]
    series: dict[str, Any]
    inputs: dict[str, str]
    solver: str
    gap: float
    time_limit: float | None
    devices: tuple
    cases: tuple[Case, ...]
    base: Network = field(repr=False)
    text: str = field(default="", repr=False)
    emissions: Mapping[str, Any] = field(default_factory=dict)
    regimes: Any = None
    contracts: Mapping[str, Contract] = field(default_factory=dict)
    stochastic: Mapping[str, Any] = field(default_factory=dict)
    without_datacenters: bool = False
    _networks: dict[tuple[str, float], Network] = field(
        default_factory=dict, init=False, repr=False, compare=False)

    @property
    def runs(self) -> list[Run]:
        """Everything to solve, in order: cases, within them loadings, within them markets.

        Last, where it is asked for, the first one without datacenters.
        """
        found = []
        for case in self.cases:
            for loading in self.loading:
                for market in self.markets:
                    words = [case.name]
                    words += [f"x{loading:g}"] if len(self.loading) > 1 else []
                    words += [market] if len(self.markets) > 1 else []
                    found.append(Run(", ".join(words), case, float(loading), market))
        if self.without_datacenters:
            first = found[0]
            found.append(Run(ALONE, replace(first.case, name=ALONE), first.loading, first.market,
                             datacenters=False))
        return found

    def network(self, run: Run | Case) -> Network:
        """The feeder with the study's and the case's devices, datacenters at the run's loading.

        Made once for each case and loading: a network never changes.

        Parameters
        ----------
        run : Run or Case
            A case stands for loading 1.

        Returns
        -------
        Network
        """
        case, loading = (run.case, run.loading) if isinstance(run, Run) else (run, 1.0)
        key = case.name, loading
        if key not in self._networks:
            made = self.base.with_devices(*(
                _sized(device, loading) for device in (*self.devices, *case.devices)))
            if isinstance(run, Run) and not run.datacenters:
                made = made.without(*made.datacenters)
            self._networks[key] = made
        return self._networks[key]

    def keep_networks(self, networks: Mapping[str, Network | None]) -> None:
        """Take networks that are made already.

        Parameters
        ----------
        networks : mapping of str to Network
            By case, at loading 1.
        """
        self._networks.update({
            (name, 1.0): network for name, network in networks.items() if network is not None})

    def options(self, run: Run) -> dict[str, Any]:
        """Keywords of `build_opf` of a run: the study's and its case's.

        Parameters
        ----------
        run : Run

        Returns
        -------
        dict
        """
        found = {"periods": self.periods, "hours": self.hours, **self.dso, **run.case.dso}
        if found.get("form") == "lindist":  # the form that is built unless another is asked for
            del found["form"]
        return found

    def exact(self, run: Run) -> bool:
        """Whether a run's network is held in the AC form.

        Parameters
        ----------
        run : Run

        Returns
        -------
        bool
        """
        return self.options(run).get("form") == "ac"

    def market(self, run: Run) -> Market:
        """What a run's market needs.

        Parameters
        ----------
        run : Run

        Returns
        -------
        Market
        """
        network = self.network(run)
        if not run.datacenters:
            return Market(network, None, self.options(run), self.aggregator["pays"],
                          self.aggregator["tariff"])
        theirs = {site for taker in self.takers.values() for site in taker["sites"]}
        mine = [dc for name, dc in network.datacenters.items() if name not in theirs]
        takers = {
            name: (tuple(taker["sites"]), Workload(energy_mwh=self._energy(
                taker, _those(network, taker["sites"]), run.loading)))
            for name, taker in self.takers.items()}
        owners = {
            name: (tuple(owner["sites"]), self._workload(
                owner, _those(network, owner["sites"]), run.loading,
                served_by(self.parts, tuple(owner["sites"]))))
            for name, owner in self.owners.items()}
        work = None if owners else self._workload({"energy_share": 0.6, **{
            k: v for k, v in self.aggregator.items() if v is not None}}, mine, run.loading,
            self.parts)
        contracts: dict[str, Any] = {**at_loading(self.contracts, run.loading)}
        return Market(network, work, self.options(run),
                      self.aggregator["pays"], self.aggregator["tariff"], takers, self.averaged,
                      self.max_rounds, self.ac["max_rounds"], self.ac["deviations"],
                      limits_kw={name: (0.0, _times(most, run.loading))
                                 for name, most in self.aggregator["most_kw"].items()},
                      owners=owners, starts=self.starts,
                      **contracts)

    def _workload(self, given: Mapping[str, Any], mine: list[Datacenter], loading: float,
                  parts: Mapping[str, tuple]) -> Workload:
        made = {FIELDS[word]: found for word, found in parts.items()}
        found = scaled(Workload(energy_mwh=None, **made), loading)  # type: ignore[arg-type]
        if any(parts[word] for word in WORK):
            return found
        return replace(found, energy_mwh=self._energy(given, mine, loading))

    def _energy(self, given: Mapping[str, Any], sites: list[Datacenter], loading: float) -> float:
        if given.get("energy_mwh") is not None:
            return given["energy_mwh"] * loading
        kw = sum(dc.kw for dc in sites)
        return given["energy_share"] * mega(kw) * self.periods * self.hours

    @property
    def energy_mwh(self) -> float | None:
        """What the leader's, or all owners', datacenters use at loading 1 (MWh); None for parts."""
        market = self.market(Run("", self.cases[0]))
        works: list[Any] = [work for _, work in market.owners.values()] or [market.workload]
        found = [work.energy_mwh for work in works if isinstance(work, Workload)]
        return None if None in found else sum(found)  # type: ignore[arg-type]


def _those(network: Network, sites: list[str]) -> list[Datacenter]:
    return [network.datacenters[site] for site in sites if site in network.datacenters]


def _times(values: Any, factor: float) -> Any:
    return [factor * x for x in values] if isinstance(values, list) else factor * values


def _sized(device, loading: float):
    """A datacenter at a multiple of its size; any other device as it is."""
    if not isinstance(device, Datacenter) or loading == 1.0:
        return device
    return replace(device, **{key: getattr(device, key) * loading
                              for key in ("kw", "kva", "ramp_kw") if getattr(device, key)})
