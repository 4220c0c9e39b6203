"""[[price_taker]] and [[owner]] of a study file: whose sites are whose, and who serves what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pyomo_dlmp.errors import nearest, shown
from pyomo_dlmp.network.series import names_findings
from pyomo_dlmp.study.entries import Entry, Found, work_findings
from pyomo_dlmp.study.values import ENERGY, SHARE

KEYS = {"name", "sites", "energy_share", "energy_mwh"}


def entry_findings(place: str, entry: Mapping[str, Any], sites: list[str],
                   has_parts: bool = False) -> Iterator[Found]:
    """What is wrong with one table by itself.

    Parameters
    ----------
    place : str
        How messages call it.
    entry : mapping
        The table.
    sites : list of str
        Its sites, as far as they are names.
    has_parts : bool
        Whether [[job]] or [[interactive]] is its work.

    Yields
    ------
    (str, str, str)
        Where, what, cure.
    """
    wrong = names_findings(entry.get("sites", []), '["dc1"]')[1]
    yield from ((f"{place}, sites", what, cure) for what, cure in wrong)
    if not sites and not wrong:
        yield place, "names no sites", 'Write sites = ["dc1"].'
    kinds = ("energy_share" in entry) + ("energy_mwh" in entry) + has_parts
    if kinds != 1:
        more = ", or [[job]] and [[interactive]] at its sites" if has_parts else ""
        yield place, "has no energy, or two", f"Give energy_share or energy_mwh{more}."
    for key, span in (("energy_share", SHARE), ("energy_mwh", ENERGY)):
        if key in entry and (finding := span.finding(entry[key])):
            yield f"{place}, {key}", *finding


def served_by(parts: Mapping[str, tuple], sites: tuple[str, ...]) -> dict[str, tuple]:
    """The parts of the workload that are at an owner's sites.

    Parameters
    ----------
    parts : mapping of str to tuple
        Servers, interactive, job and ups.
    sites : tuple of str
        Of the owner.

    Returns
    -------
    dict
    """
    return {key: tuple(part for part in found if (
        {part.site} if hasattr(part, "site") else {*part.sites} or {""}) <= {*sites})
        for key, found in parts.items()}


def site_findings(takers: Mapping[str, dict], owners: Mapping[str, dict], sites: list[str],
                  parts: Mapping[str, list[Entry]], periods: int) -> Iterator[Found]:
    """What is wrong with who decides which datacenter of a case, and with the work.

    Parameters
    ----------
    takers, owners : mapping
        The tables by name, with their sites.
    sites : list of str
        Datacenters of the case.
    parts : mapping
        Entries by word: [[servers]], [[job]], [[llm]] ...
    periods : int
        Their number; 0: not known.

    Yields
    ------
    (str, str, str)
        Where, what, cure.
    """
    theirs: set[str] = set()
    for word, given in (("price_taker", takers), ("owner", owners)):
        for name, one in given.items():
            for site in one["sites"]:
                if site not in sites:
                    yield (f"{word} {name!r}, sites", f"names {site!r}, which is not a datacenter",
                           nearest(site, sites) or "There is no datacenter.")
                elif site in theirs:
                    yield (f"{word} {name!r}, sites", f"names {site!r}, which is named before",
                           "Each datacenter has one aggregator.")
                theirs.add(site)
    mine = [site for site in sites if site not in theirs]
    if owners:
        for site in mine:
            yield (f"datacenter {site!r}", "has no owner",
                   "Name it among the sites of an [[owner]], or of a [[price_taker]].")
        yield from _owned_parts(owners, parts, periods)
    elif not mine:
        yield ("[[datacenter]]", "there is none that the aggregator decides",
               "Write [[datacenter]] with name, bus and kw.")
    elif periods:
        yield from work_findings(parts, mine, periods)


def _owned_parts(owners: Mapping[str, dict], parts: Mapping[str, list[Entry]],
                 periods: int) -> Iterator[Found]:
    """Parts of the workload that are no owner's, and those of each that do not fit."""
    left = {id(entry) for entries in parts.values() for entry in entries
            if entry.element is not None}
    for one in owners.values():
        mine = {key: [entry for entry in entries if entry.element is not None and served_by(
            {key: (entry.element,)}, tuple(one["sites"]))[key]] for key, entries in parts.items()}
        left -= {id(entry) for entries in mine.values() for entry in entries}
        if periods and any(mine.values()):
            yield from work_findings(mine, list(one["sites"]), periods)
    for entries in parts.values():
        yield from ((entry.place, "is no owner's", "Give it sites of one [[owner]].")
                    for entry in entries if id(entry) in left)


def owned_work_findings(owners: Mapping[str, Any],
                        aggregator: Mapping[str, Any]) -> Iterator[Found]:
    """Work of the one aggregator where there are owners instead.

    Parameters
    ----------
    owners : mapping
        The tables by name.
    aggregator : mapping
        The table [aggregator].

    Yields
    ------
    (str, str, str)
        Where, what, cure.
    """
    for key in ("energy_share", "energy_mwh"):
        if owners and aggregator[key] is not None:
            yield (f"[aggregator] {key}", f"is {shown(aggregator[key])}, and there are owners",
                   f"Give each [[owner]] its own {key}.")
