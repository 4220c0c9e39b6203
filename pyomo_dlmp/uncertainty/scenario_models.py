"""The market of each scenario, on one model wherever scenarios differ in numbers alone.

A scenario is a problem of a series (`series.problems`): its columns set the Params of a model that
is built once, and its hours share the atlas. Elements out of service change the structure: such a
scenario has a model of its own, and so has one whose loads have reactive powers of their own shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from pyomo_dlmp.errors import DlmpError, Fault, ModelError
from pyomo_dlmp.market import Market, build_bilevel
from pyomo_dlmp.network import Network
from pyomo_dlmp.network.series import period_labels
from pyomo_dlmp.parametric import Answer as Arrays
from pyomo_dlmp.parametric import Atlas, NotExplicit
from pyomo_dlmp.parametric.explicit import rows_alone
from pyomo_dlmp.parametric.hull import Hull
from pyomo_dlmp.parametric.instance import Prepared
from pyomo_dlmp.series.answers import Answer
from pyomo_dlmp.series.kept_model import KeptModel
from pyomo_dlmp.series.problems import Problems
from pyomo_dlmp.series.spans import Span
from pyomo_dlmp.series.table import Table
from pyomo_dlmp.tolerances import ROW_HOLDS
from pyomo_dlmp.uncertainty.checking import without_supply
from pyomo_dlmp.uncertainty.scenario_parts import ScenarioParts, arrays_of
from pyomo_dlmp.uncertainty.scenarios import Scenarios

_KEPT_BYTES = 80_000_000  # of prepared scenarios; what has no room is prepared again when asked for


class NoRoom(Exception):
    """A site has no power within both its own limits and others."""


@dataclass
class ScenarioPoint:
    """What a scenario comes to at its decisions, without its regions.

    Attributes
    ----------
    arrays
        The full primal-dual point (`parametric.instance.Answer`).
    read
        Powers (MW, Mvar) and prices ($/MWh) of the datacenters' buses.
    periods
        Labels of the periods.
    """

    arrays: Arrays
    read: Answer
    periods: list


class ScenarioModels:
    """The models of a market's scenarios.

    Parameters
    ----------
    market : Market
        What scenarios have no column for is as it is there.
    scenarios : Scenarios
    atlas : Atlas, optional
        Shared by all of them; None: one of its own.
    buses : list of str, optional
        Whose prices are read beside those of the datacenters' buses.
    """

    def __init__(self, market: Market, scenarios: Scenarios, atlas: Atlas | None = None,
                 buses: list[str] | None = None):
        self.market, self.scenarios = market, scenarios
        self.atlas = Atlas() if atlas is None else atlas
        sites = dict.fromkeys(dc.bus for dc in market.network.datacenters.values())
        self.buses = [*sites, *(bus for bus in buses or () if bus not in sites)]
        self._problems: dict[tuple[str, ...], tuple[Problems, list[str]]] = {}
        self._models: dict[tuple, KeptModel] = {}
        self._kept: dict[str, Prepared] = {}
        self._last: tuple[str, Prepared | None] = ("", None)
        self._room = _KEPT_BYTES

    @property
    def labels(self) -> list:
        """Labels of the periods."""
        return self._at(self.scenarios.names[0]).labels

    def parts(self, name: str, within: Mapping[str, np.ndarray] | None = None) -> ScenarioParts:
        """The arrays of a scenario.

        Parameters
        ----------
        name : str
        within : mapping of str to ndarray, optional
            Least and greatest power of each site (MW), shape (2, periods), beside its own limits:
            there are fewer regions in a smaller range.

        Returns
        -------
        ScenarioParts

        Raises
        ------
        ModelError
            Its market is not one for critical regions.
        NoRoom
            A range of `within` and the site's own have nothing in common.
        """
        kept = self._at(name)
        ready = self._prepared(name, kept, within or {})
        return self._arrays(name, kept, ready.hull)

    def upper_level(self, name: str) -> ScenarioParts:
        """The rows and columns of a scenario, without parts: its DSO is left out.

        Parameters
        ----------
        name : str

        Returns
        -------
        ScenarioParts
        """
        kept = self._at(name)
        program = rows_alone(kept.model, self.atlas)
        return self._arrays(name, kept, Hull(program, program, [], [], []))

    def _arrays(self, name: str, kept: KeptModel, hull: Hull) -> ScenarioParts:
        there = kept.dso.datacenter
        power = {site: [there[site].p[t] if site in there else None for t in kept.labels]
                 for site in self.market.network.datacenters}
        starts = {(job, *key): var for job, block in kept.model.dca.job.items()
                  if block.component("start") is not None for key, var in block.start.items()}
        return arrays_of(name, self.scenarios.probability(name), hull, power, starts, kept.hours)

    def point(self, name: str, decisions: dict[str, float]) -> ScenarioPoint:
        """What a scenario comes to at decisions.

        Parameters
        ----------
        name : str
        decisions : dict of str to float
            Of all columns of its program.

        Returns
        -------
        ScenarioPoint

        Raises
        ------
        SolverError
            The DSO's problem has no solution there.
        """
        kept = self._at(name)
        prepared = self._kept.get(name) or (self._last[1] if self._last[0] == name else None)
        found = kept.instance.answer_at(decisions, prepared)
        read = Answer(0, str(found.status))
        kept.read(found, read, len(kept.labels))
        return ScenarioPoint(found, read, list(kept.labels))

    def market_of(self, name: str, bare: bool = False) -> Market:
        """The market of a scenario.

        Parameters
        ----------
        name : str
        bare : bool
            As of `Problems.market_of`.

        Returns
        -------
        Market
        """
        out = tuple(self.scenarios.outages.get(name, ()))
        problems, idle = self._problems_of(out)
        number, length = self.scenarios.names.index(name), problems.length
        market = problems.market_of(Span(number, number * length, length, length), None, bare)
        if idle:
            limits = {**market.limits_kw, **{site: ([0.0] * length,) * 2 for site in idle}}
            market = replace(market, limits_kw=limits)
        return market

    # -------------------------------------------------------------------------- on one model

    def _problems_of(self, out: tuple[str, ...]) -> tuple[Problems, list[str]]:
        """(scenarios as problems of a series, datacenters that are there and draw nothing)."""
        if out not in self._problems:
            network = self.market.network
            gone = set(without_supply(network, out)[1]) if out else set()
            idle = [x for x in network.datacenters if x in out and (
                network.datacenters[x].bus not in without_supply(network, out)[0])]
            gone -= set(idle)
            if out:
                network = without(network, tuple(x for x in out if x not in idle))
            numbers = {c: np.asarray(v, float).ravel() for c, v in self.scenarios.numbers.items()
                       if c.partition(".")[2] not in gone}
            hours = float(self.market.opf.get("hours", 1.0))
            market = replace(self.market, network=network, limits_kw={
                x: ends for x, ends in self.market.limits_kw.items() if x not in gone})
            rows = self.scenarios.count * _periods(market)
            self._problems[out] = Problems(
                market, Table("scenarios", pd.RangeIndex(rows), hours, numbers)), idle
        return self._problems[out]

    def _at(self, name: str) -> KeptModel:
        """The model of a scenario, set to its numbers."""
        problems, _ = self._problems_of(tuple(self.scenarios.outages.get(name, ())))
        own = problems.grid.has_own_q
        key = (id(problems), name if own else "")
        kept = self._models.get(key)
        if kept is None:
            kept = KeptModel(self.market_of(name), self.atlas, self.buses)
            self._models[key] = kept
        kept.set(self.market_of(name, bare=not own), None, 0)
        return kept

    def _prepared(self, name: str, kept: KeptModel, within: Mapping[str, np.ndarray]) -> Any:
        if not _can_be_served(kept):
            raise ModelError(refuse_work(self, name))
        _narrow(kept, within)
        try:
            found = kept.instance.prepared()
        except NotExplicit as err:
            raise refused(name, str(err)) from err
        self._last = name, found
        if not within and found.size <= self._room:
            self._kept[name] = found
            self._room -= found.size
        return found.ready


def _narrow(kept: KeptModel, within: Mapping[str, np.ndarray]) -> None:
    """Give the sites' powers smaller ranges, until the model is set again."""
    for site, (low, high) in within.items():
        if site not in kept.dso.datacenter:
            continue
        p = kept.dso.datacenter[site].p
        for t, least, most in zip(kept.labels, low.tolist(), high.tolist(), strict=True):
            lb, ub = max(p[t].lb, least), min(p[t].ub, most)
            if lb > ub:
                raise NoRoom
            p[t].setlb(lb)
            p[t].setub(ub)


def _can_be_served(kept: KeptModel) -> bool:
    """Whether the energy of all periods lies within what the sites can draw in them."""
    rows = kept.model.component("series_work")
    if rows is None or len(kept.model.dca.ups) or len(kept.model.dca.smoothing):
        return True
    ends = [[kept.hours * (var.lb, var.ub)[side] for dc in kept.dso.datacenter.values()
             for var in dc.p.values()] for side in (0, 1)]
    due = sum(row.upper for row in rows.values())
    room = ROW_HOLDS * (1.0 + due)
    return sum(ends[0]) - room <= due <= sum(ends[1]) + room


def refused(name: str, why: str) -> DlmpError:
    """The error of a scenario that is no model for critical regions.

    Parameters
    ----------
    name, why : str

    Returns
    -------
    DlmpError
    """
    return ModelError.at(
        f"scenario {name!r}", f"is not solved by critical regions: {why}",
        "Pay for reactive power, too: pays='active and reactive'." if "not unique" in why else
        "Fewer sites at one time, voltage limits that few buses reach, no batteries of the feeder "
        "and no price takers make it one.")


def refuse_work(models: ScenarioModels, name: str) -> list[Fault]:
    """What a scenario's work lacks, as the market's own check tells it.

    Parameters
    ----------
    models : ScenarioModels
    name : str
        Of the scenario.

    Returns
    -------
    list of Fault
    """
    try:
        build_bilevel(models.market_of(name))
    except DlmpError as err:
        return [Fault(f"scenario {name!r}, {fault.where}", fault.what, fault.cure)
                for fault in err.faults]
    return [Fault(f"scenario {name!r}", "has no feasible schedule",
                  "Lower its work, or raise the capacity of its sites.")]


def _periods(market: Market) -> int:
    return len(period_labels(market.opf.get("periods", 1))[0])


def without(network: Network, out: tuple[str, ...]) -> Network:
    """A network without some elements, and without what they leave without supply.

    Parameters
    ----------
    network : Network
    out : tuple of str
        Devices and branches.

    Returns
    -------
    Network
    """
    dark, devices = map(set, without_supply(network, out))
    branches = {id(b) for b in network.branches.values()
                if b.name in out or {b.from_bus, b.to_bus} & dark}
    gone = {id(network.devices[name]) for name in devices} | branches
    gone |= {id(s) for s in network.shunts.values() if s.name in out or s.from_bus in dark}
    gone |= {id(e) for e in network.open_lines.values() if {e.from_bus, e.to_bus} & dark}
    gone |= {id(network.buses[name]) for name in dark}
    return Network(network.name, [e for e in network.elements if id(e) not in gone],
                   network.description, network.source, list(network.profiles.values()),
                   network.frequency)
