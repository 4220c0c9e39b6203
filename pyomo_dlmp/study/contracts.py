"""Contracts beside energy in a study file: [market] demand_charge, capacity_charge, curtailable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, replace
from typing import Any

from pyomo_dlmp.errors import nearest, shown
from pyomo_dlmp.market import MARKETS, Contract
from pyomo_dlmp.market.market_checks import CONTRACTS
from pyomo_dlmp.study.values import Found, most_findings

_SIZES = ("peak_kw", "kw")  # that grow with the datacenters


def contract_findings(tables: Mapping[str, dict[str, Any]], sites: list[str],
                      theirs: set[str]) -> Iterator[Found]:
    """What is wrong with values by site, and with contracts.

    Parameters
    ----------
    tables : mapping
        Of the file.
    sites : list of str
        Its datacenters.
    theirs : set of str
        Those of price takers.

    Yields
    ------
    (str, str, str)
        Where, what, cure.
    """
    yield from most_findings(tables["aggregator"]["most_kw"], sites)
    market, kinds = tables["market"], tables["market"]["kinds"]
    for name in kinds if isinstance(kinds, list) else ():
        needs = MARKETS[name].contract if isinstance(name, str) and name in MARKETS else None
        if needs is not None and not market[needs]:
            yield (f"[market.{needs}]", f"is missing, and kinds names {name!r}",
                   f"Write [market.{needs}] with {', '.join(_needed(CONTRACTS[needs][0]))}.")
    for field, (cls, _) in CONTRACTS.items():
        found = list(_shape(field, cls, market[field]))
        if not found and market[field]:
            mine = [site for site in sites if site not in theirs]
            found = [(f"[market.{field}] {place}", what, cure)
                     for place, what, cure in cls(**market[field]).findings(mine)]
        yield from found


def contracts_of(market: Mapping[str, Any]) -> dict[str, Contract]:
    """Contracts of a file's table [market], by field of a Market.

    Parameters
    ----------
    market : mapping
        Without faults.

    Returns
    -------
    dict of str to Contract
    """
    return {field: cls(**market[field]) for field, (cls, _) in CONTRACTS.items()
            if market.get(field)}


def at_loading(contracts: Mapping[str, Contract], loading: float) -> dict[str, Any]:
    """Contracts at a multiple of the datacenters' size: their powers grow, too.

    Parameters
    ----------
    contracts : mapping of str to Contract
    loading : float
        The multiple (1).

    Returns
    -------
    dict of str to Contract
    """
    return {field: replace(contract, **{
        size: _times(getattr(contract, size), loading) for size in _SIZES
        if getattr(contract, size, None) is not None})  # type: ignore[type-var]
        for field, contract in contracts.items()}


def _times(values: Any, factor: float) -> Any:
    if isinstance(values, Mapping):
        return {name: factor * value for name, value in values.items()}
    return factor * values


def _needed(cls: type) -> list[str]:
    return [f.name for f in fields(cls) if f.default is MISSING]  # type: ignore[arg-type]


def _shape(field: str, cls: type, given: Any) -> Iterator[Found]:
    """Keys that are unknown or missing."""
    names = [f.name for f in fields(cls)]  # type: ignore[arg-type]
    if not isinstance(given, dict):
        yield f"[market] {field}", f"is {shown(given)}", f"Write a table [market.{field}]."
        return
    for key in given:
        if key not in names:
            yield f"[market.{field}]", f"has no key {key!r}", nearest(key, names)
    for key in _needed(cls) if given else ():
        if key not in given:
            yield f"[market.{field}]", f"has no {key}", f"Write {key} = a number."
