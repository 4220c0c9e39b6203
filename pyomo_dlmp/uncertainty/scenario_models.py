"""The market of each scenario, on one model wherever scenarios differ in numbers alone.

A scenario is a problem of a series (`series.problems`): its columns set the Params of a model that
is built once, and its hours share the atlas. Elements out of service change the structure: such a
scenario has a model of its own, and so has one whose loads have reactive powers of their own shape.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from pyomo_dlmp.errors import DlmpError, Fault, ModelError, nearest, shown
from pyomo_dlmp.market import Market, build_bilevel
from pyomo_dlmp.network import Network
from pyomo_dlmp.network.series import period_labels
from pyomo_dlmp.parametric import Answer as Arrays
from pyomo_dlmp.parametric import Atlas, NotExplicit
from pyomo_dlmp.parametric.explicit import prepare
from pyomo_dlmp.series.answers import Answer
from pyomo_dlmp.series.kept_model import KeptModel
from pyomo_dlmp.series.problems import Problems
from pyomo_dlmp.series.spans import Span
from pyomo_dlmp.series.table import Table
from pyomo_dlmp.tolerances import ROW_HOLDS
from pyomo_dlmp.uncertainty.scenario_parts import ScenarioParts, arrays_of
from pyomo_dlmp.uncertainty.scenarios import Scenarios


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

    Raises
    ------
    ModelError
        An element that is out of service is unknown, or cannot be missing.
    """

    def __init__(self, market: Market, scenarios: Scenarios, atlas: Atlas | None = None,
                 buses: list[str] | None = None):
        self.market, self.scenarios = market, scenarios
        self.atlas = Atlas() if atlas is None else atlas
        sites = dict.fromkeys(dc.bus for dc in market.network.datacenters.values())
        self.buses = [*sites, *(bus for bus in buses or () if bus not in sites)]
        self._problems: dict[tuple[str, ...], Problems] = {}
        self._models: dict[tuple, KeptModel] = {}
        check_outages(market.network, scenarios)

    @property
    def labels(self) -> list:
        """Labels of the periods."""
        return self._at(self.scenarios.names[0]).labels

    def parts(self, name: str) -> ScenarioParts:
        """The arrays of a scenario.

        Parameters
        ----------
        name : str

        Returns
        -------
        ScenarioParts

        Raises
        ------
        ModelError
            Its market is not one for critical regions.
        """
        kept = self._at(name)
        ready = self._prepared(name, kept)
        power = {site: [dc.p[t] for t in kept.labels] for site, dc in kept.dso.datacenter.items()}
        starts = {(job, *key): var for job, block in kept.model.dca.job.items()
                  if block.component("start") is not None for key, var in block.start.items()}
        probability = float(self.scenarios.probabilities[self.scenarios.names.index(name)])
        return arrays_of(name, probability, ready.hull, power, starts, kept.hours)

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
        found = kept.instance.answer_at(decisions)
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
        problems, dark = self._problems_of(out)
        number, length = self.scenarios.names.index(name), problems.length
        market = problems.market_of(Span(number, number * length, length, length), None, bare)
        if dark:
            limits = {**market.limits_kw, **{site: ([0.0] * length,) * 2 for site in dark}}
            market = replace(market, limits_kw=limits)
        return market

    # -------------------------------------------------------------------------- on one model

    def _problems_of(self, out: tuple[str, ...]) -> tuple[Problems, list[str]]:
        """(scenarios as problems of a series, datacenters out of service)."""
        dark = [site for site in self.market.network.datacenters if site in out]
        gone = tuple(x for x in out if x not in dark)
        if gone not in self._problems:
            network = without(self.market.network, gone)
            numbers = {c: np.asarray(v, float).ravel() for c, v in self.scenarios.numbers.items()
                       if c.partition(".")[2] not in gone}
            hours = float(self.market.opf.get("hours", 1.0))
            market = replace(self.market, network=network)
            rows = self.scenarios.count * _periods(market)
            self._problems[gone] = Problems(
                market, Table("scenarios", pd.RangeIndex(rows), hours, numbers))
        return self._problems[gone], dark

    def _at(self, name: str) -> KeptModel:
        """The model of a scenario, set to its numbers."""
        problems, dark = self._problems_of(tuple(self.scenarios.outages.get(name, ())))
        own = problems.grid.has_own_q
        key = (id(problems), name if own else "", *dark)
        kept = self._models.get(key)
        if kept is None:
            kept = KeptModel(self.market_of(name), self.atlas, self.buses)
            self._models[key] = kept
        kept.set(self.market_of(name, bare=not own), None, 0)
        return kept

    def _prepared(self, name: str, kept: KeptModel) -> Any:
        if not _can_be_served(kept):
            raise ModelError(refuse_work(self, name))
        try:
            ready = prepare(kept.model, atlas=self.atlas)
        except NotExplicit as err:
            raise _refused(name, str(err)) from err
        if ready.joined is not None:
            raise _refused(name, "a period has too many critical regions to list them")
        return ready


def _can_be_served(kept: KeptModel) -> bool:
    """Whether the energy of all periods lies within what the sites can draw in them."""
    rows = kept.model.component("series_work")
    if rows is None or len(kept.model.dca.ups):
        return True
    ends = [[kept.hours * (var.lb, var.ub)[side] for dc in kept.dso.datacenter.values()
             for var in dc.p.values()] for side in (0, 1)]
    due = sum(row.upper for row in rows.values())
    room = ROW_HOLDS * (1.0 + due)
    return sum(ends[0]) - room <= due <= sum(ends[1]) + room


def _refused(name: str, why: str) -> DlmpError:
    return ModelError.at(
        f"scenario {name!r}", f"is not solved by critical regions: {why}",
        "Fewer sites at one time, no batteries of the feeder and no price takers make it one.")


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


def check_outages(network: Network, scenarios: Scenarios) -> None:
    """Raise an error with every element that is out of service and is not there.

    Parameters
    ----------
    network : Network
    scenarios : Scenarios

    Raises
    ------
    ModelError
    """
    known = {*network.devices, *network.branches}
    faults = [Fault(f"scenario {name!r}, outages", f"names {shown(x)}, which is no element",
                    nearest(str(x), known))
              for name, out in scenarios.outages.items() for x in out if x not in known]
    if faults:
        raise ModelError(faults)


def without(network: Network, gone: tuple[str, ...]) -> Network:
    """A network without devices or branches.

    Parameters
    ----------
    network : Network
    gone : tuple of str
        Their names.

    Returns
    -------
    Network

    Raises
    ------
    NetworkError
        What is left is no network: a bus that nothing feeds, say.
    """
    if not gone:
        return network
    devices = [x for x in gone if x in network.devices]
    left = network.without(*devices) if devices else network
    out = {id(left.branches[x]) for x in gone if x in left.branches}
    if not out:
        return left
    return Network(left.name, [e for e in left.elements if id(e) not in out], left.description,
                   left.source, list(left.profiles.values()), left.frequency)
