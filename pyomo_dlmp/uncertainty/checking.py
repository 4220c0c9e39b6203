"""Whether scenarios fit a market: names, periods, what may be out of service, work that is due."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import networkx as nx
import numpy as np
import pandas as pd

from pyomo_dlmp.errors import Fault, ModelError, nearest
from pyomo_dlmp.market import Market, Workload
from pyomo_dlmp.network import Network
from pyomo_dlmp.network.series import period_labels
from pyomo_dlmp.network.units import KILO
from pyomo_dlmp.series.columns import column_faults
from pyomo_dlmp.series.problems import Problems
from pyomo_dlmp.series.table import Table
from pyomo_dlmp.tolerances import PRINTED, ROW_HOLDS
from pyomo_dlmp.uncertainty.scenarios import Scenarios
from pyomo_dlmp.uncertainty.structure import WHERE

_MOST = 5  # scenarios that are named for one kind of fault


def check_scenarios(scenarios: Scenarios, market: Market) -> None:
    """Raise an error with everything about scenarios that does not fit a market.

    Parameters
    ----------
    scenarios : Scenarios
    market : Market
        Sound by itself.

    Raises
    ------
    ModelError
        Columns that name what the market does not have; periods other than the market's; outages
        of unknown elements, of buses and of the only supply; work beyond what the sites can draw
        in a scenario, or below what they must: by how much.
    """
    faults = fit_faults(scenarios, market) or list(_work_faults(scenarios, market))
    if faults:
        raise ModelError(faults)


def fit_faults(scenarios: Scenarios, market: Market) -> list[Fault]:
    """What of scenarios does not fit a market, whether or not their work can be done.

    Parameters
    ----------
    scenarios, market
        As of `check_scenarios`.

    Returns
    -------
    list of Fault
    """
    faults = column_faults(scenarios.numbers, market, WHERE)
    faults += _period_faults(scenarios, market)
    for name, elements in scenarios.outages.items():
        faults += outage_faults(market.network, elements, f"{WHERE}, outages of {name!r}")
    return faults


def _period_faults(scenarios: Scenarios, market: Market) -> list[Fault]:
    periods = len(period_labels(market.opf.get("periods", 1))[0])
    found = []
    if scenarios.periods not in (None, periods):
        found.append(Fault(WHERE, f"has {scenarios.periods} periods, and the market {periods}",
                           f"Give opf['periods']={scenarios.periods}, or other scenarios."))
    own, given = float(market.opf.get("hours", 1.0)), scenarios.hours
    if given is not None and abs(given - own) > PRINTED * own:
        found.append(Fault(WHERE, f"has periods of {given:g} h, and the market of {own:g} h",
                           f"Give opf['hours']={given:g}."))
    return found


def outage_faults(network: Network, elements: Iterable[str], where: str) -> Iterator[Fault]:
    """Elements that cannot be out of service.

    Parameters
    ----------
    network : Network
    elements : iterable of str
        Their names.
    where : str
        Whose outages they are, in messages.

    Yields
    ------
    Fault
    """
    can = {*network.branches, *network.devices, *network.shunts}
    for name in elements:
        if name in can:
            continue
        if name in network.buses:
            led = sorted(b.name for b in network.branches.values()
                         if name in (b.from_bus, b.to_bus))
            yield Fault(where, f"names {name!r}, which is a bus",
                        f"Name what leads to it: {', '.join(map(repr, led))}.")
        elif name in network.substations:
            yield Fault(where, f"names {name!r}, the only supply of the feeder",
                        "Name branches or devices.")
        elif name in network.open_lines:
            yield Fault(where, f"names {name!r}, an open switch", "Leave it out.")
        else:
            yield Fault(where, f"names {name!r}, which is no element",
                        nearest(name, can))


def without_supply(network: Network, elements: Iterable[str]) -> tuple[list[str], list[str]]:
    """What an outage leaves without supply.

    Parameters
    ----------
    network : Network
    elements : iterable of str
        Out of service: branches, devices.

    Returns
    -------
    (list of str, list of str)
        Buses that no branch joins with the substation any more; devices that are out or stand at
        such a bus.
    """
    out = set(elements)
    graph: nx.Graph = nx.Graph()
    graph.add_nodes_from(network.buses)
    graph.add_edges_from((b.from_bus, b.to_bus) for b in network.branches.values()
                         if b.name not in out)
    fed: set[str] = set()
    for substation in network.substations.values():
        fed |= nx.node_connected_component(graph, substation.bus)
    return ([bus for bus in network.buses if bus not in fed],
            [d.name for d in network.devices.values() if d.name in out or d.bus not in fed])


def _work_faults(scenarios: Scenarios, market: Market) -> Iterator[Fault]:
    """Scenarios whose work the sites cannot do, or cannot but exceed, within their limits."""
    periods = len(period_labels(market.opf.get("periods", 1))[0])
    count = scenarios.count
    table = Table(WHERE, pd.RangeIndex(count * periods), float(market.opf.get("hours", 1.0)),
                  {column: values.ravel() for column, values in scenarios.numbers.items()})
    problems = Problems(market, table)
    ranges = {name: [table.hours / KILO * kw.reshape(count, periods).sum(axis=1) for kw in both]
              for name, both in problems.grid.ranges.items()}
    for s, name in enumerate(scenarios.names):
        if name in scenarios.outages:
            for device in without_supply(market.network, scenarios.outages[name])[1]:
                for mwh in ranges.get(device, ()):
                    mwh[s] = 0.0
    theirs = {site for sites, _ in market.takers.values() for site in sites}
    work = problems.work
    if work.has_energy():
        due = np.array([work.amount(k * periods, (k + 1) * periods) for k in range(count)])
        yield from _beyond(scenarios, due, [ends for site, ends in ranges.items()
                                            if site not in theirs],
                           "its sites", "energy_mwh", bool(work.own.ups or work.own.smoothing))
    for taker, (sites, own) in market.takers.items():
        column = scenarios.numbers.get(f"energy_mwh.{taker}")
        if column is not None or (isinstance(own, Workload) and own.energy_mwh is not None):
            due = column.sum(axis=1) if column is not None else np.full(count, own.energy_mwh)
            yield from _beyond(scenarios, due, [ranges[site] for site in sites],
                               f"the sites of {taker!r}", f"energy_mwh.{taker}",
                               bool(own.ups or own.smoothing))


def _beyond(scenarios: Scenarios, due: np.ndarray, ranges: list, who: str, column: str,
            batteries: bool) -> Iterator[Fault]:
    """Where work is beyond the ranges of its sites (MWh of each scenario)."""
    least, most = (np.sum([ends[k] for ends in ranges], axis=0) for k in (0, 1))
    room = ROW_HOLDS * (1.0 + due)
    low = least > due + room if not batteries else np.zeros(len(due), dtype=bool)
    for wrong, limit, words, cure in (
            (due > most + room, most, "can draw", "Give less work or more capacity"),
            (low, least, "must draw", "Give more work or a lower floor")):
        places = np.flatnonzero(wrong)
        for k in places[:_MOST]:
            more = f" ({len(places) - _MOST} more such)" if len(places) > _MOST and (
                k == places[_MOST - 1]) else ""
            adds = f" ({column} adds up over the periods)" if column in scenarios.numbers else ""
            yield Fault(f"{WHERE}, {scenarios.names[k]!r}", f"has {due[k]:.4g} MWh of work, and "
                        f"{who} {words} {limit[k]:.4g} MWh: {abs(due[k] - limit[k]):.4g} MWh too "
                        f"{'much' if words == 'can draw' else 'little'}{more}", f"{cure}{adds}.")
