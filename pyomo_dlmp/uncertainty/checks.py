"""What is wrong with the arguments of `solve_stochastic`: all of it at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from pyomo_dlmp.errors import Fault, ModelError, nearest, require_kind, shown
from pyomo_dlmp.market import Market
from pyomo_dlmp.market.market_checks import check_market
from pyomo_dlmp.network.fields import Range
from pyomo_dlmp.network.series import period_labels
from pyomo_dlmp.network.units import mega
from pyomo_dlmp.series.columns import column_faults
from pyomo_dlmp.tolerances import PRINTED
from pyomo_dlmp.uncertainty.first_stage import KINDS, Terms
from pyomo_dlmp.uncertainty.scenarios import Scenarios

_SHARE, _PRICE, _GAP = Range(0, 1), Range(0, unit="$/MWh"), Range(0, 1)
_WHERE = "solve_stochastic"


def check_stochastic(
    market: Any, scenarios: Any, kinds: tuple, flexibility: Any, deviation_price: Any,
    capacity_price: Any, gap: Any) -> Terms:
    """The terms of a first stage, or an error with every fault.

    Parameters
    ----------
    market, scenarios, flexibility, deviation_price, capacity_price, gap
        As of `solve_stochastic`.
    kinds
        Its `first_stage`, as a tuple.

    Returns
    -------
    Terms

    Raises
    ------
    ModelError
    """
    require_kind(market, Market, _WHERE)
    require_kind(scenarios, Scenarios, _WHERE)
    check_market(market)
    faults = [*_market_faults(market), *_scenario_faults(market, scenarios)]
    for kind in kinds:
        if not (isinstance(kind, str) and kind in KINDS):
            faults.append(Fault(f"{_WHERE}, first_stage", f"{shown(kind)} is unknown",
                                nearest(kind, KINDS)))
    if not kinds:
        faults.append(Fault(f"{_WHERE}, first_stage", "is empty", f"Give some of {KINDS}."))
    dcs = market.network.datacenters
    shares = flexibility if isinstance(flexibility, Mapping) else dict.fromkeys(dcs, flexibility)
    for site, share in shares.items():
        if site not in dcs:
            faults.append(Fault(f"{_WHERE}, flexibility", f"names {shown(site)}, which is no "
                                "datacenter", nearest(site, dcs)))
        elif finding := _SHARE.finding(share):
            faults.append(Fault(f"{_WHERE}, flexibility", *finding))
    for word, value, kind in (("deviation_price", deviation_price, _PRICE),
                              ("capacity_price", capacity_price, _PRICE), ("gap", gap, _GAP)):
        if finding := kind.finding(value):
            faults.append(Fault(f"{_WHERE}, {word}", *finding))
    if faults:
        raise ModelError(list(dict.fromkeys(faults)))
    return Terms(tuple(dict.fromkeys(kinds)), {n: mega(dc.kw) for n, dc in dcs.items()},
                 {n: float(shares.get(n, 0.0)) for n in dcs}, float(deviation_price),
                 float(capacity_price))


def _market_faults(market: Market) -> Iterator[Fault]:
    if market.opf.get("form", "lindist") != "lindist":
        yield Fault("market, opf", "is of the AC form", "Leave form out: the answer of the linear "
                    "form can be checked in AC.")
    if market.takers:
        yield Fault("market, takers", "are not known to scenarios", "Leave them out.")
    if not market.network.datacenters:
        yield Fault(f"network {market.network.name!r}", "has no datacenter",
                    "Add one: network.with_devices(Datacenter(...)).")


def _scenario_faults(market: Market, scenarios: Scenarios) -> Iterator[Fault]:
    count, periods = scenarios.count, len(period_labels(market.opf.get("periods", 1))[0])
    if not count:
        yield Fault("scenarios", "are none", "Give at least one.")
        return
    p = np.asarray(scenarios.probabilities, float)
    if p.shape != (count,) or not (p >= 0).all() or abs(p.sum() - 1.0) > PRINTED:
        yield Fault("scenarios, probabilities", f"are {shown(p.tolist())}",
                    f"Give {count} numbers of at least 0 whose sum is 1.")
    for column, values in scenarios.numbers.items():
        shape = np.shape(values)
        if shape != (count, periods):
            yield Fault(f"scenarios, column {column!r}", f"has the shape {shape}",
                        f"Give {count} scenarios of {periods} periods, as the market has.")
        elif not np.isfinite(values).all():
            yield Fault(f"scenarios, column {column!r}", "has a number that is not finite",
                        "Give all of them.")
    yield from column_faults(list(scenarios.numbers), market, "scenarios")
