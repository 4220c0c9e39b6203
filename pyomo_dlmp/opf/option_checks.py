"""What is wrong with the options of an OPF: all of it at once, before any model is begun.

`build_opf`, markets and study files ask here, each with its own way to say where an option stands.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from pyomo_dlmp.errors import nearest, shown
from pyomo_dlmp.network import Datacenter, Network, OperatingPoint, Regulator
from pyomo_dlmp.network.devices import SHIPPED
from pyomo_dlmp.network.fields import PU, Range
from pyomo_dlmp.network.phases import PHASES
from pyomo_dlmp.network.profiles import HOURS
from pyomo_dlmp.network.series import (
    items_of,
    names_findings,
    period_labels,
    series_findings,
)
from pyomo_dlmp.opf.load_scale import load_scale_findings
from pyomo_dlmp.opf.unbalance import Unbalance

LOSSES = ("quadratic", None)
FORMS = ("lindist", "ac")
VOLTAGE_LIMITS = ("soft", "hard", None)
VOLTAGE_LEGS = ("phase", "line", "both")
AC_ALONE = ("form", "voltage_legs", "neutral_v_max", "neutral_penalty")  # not of the linear form
OWN_POINT = OperatingPoint()
"""As an `operating_point`: that which a loop has yet to find, so that its options can be judged."""
_COST = Range(0, unit="$", above=True)
_SIDES = Range(4, 720, unit="sides")
_UNBALANCE = {
    "limit": Range(0, 100, "%", above=True), "penalty": Range(0, unit="$", above=True),
    "price": Range(0, unit="$ per percent", above=True)}


class OptionFinding(NamedTuple):
    """One thing that is wrong with an option.

    Attributes
    ----------
    key : str
        The option; ``unbalance.limit`` of a field of one.
    what, cure : str
        As of a `Fault`.
    """

    key: str
    what: str
    cure: str


def option_findings(options: Mapping[str, Any],
                    network: Network | None = None) -> list[OptionFinding]:
    """What is wrong with options, by themselves and with a network.

    Parameters
    ----------
    options : mapping
        Values of all options of `OpfOptions`.
    network : Network, optional
        None: names are not judged.

    Returns
    -------
    list of OptionFinding
        Empty if nothing is wrong.
    """
    labels, wrong = period_labels(options["periods"])
    found = [OptionFinding("periods", *finding) for finding in wrong]
    found += _numbers(options)
    found += _words(options)
    found += _of_the_ac_form(options)
    found += _series(options, labels, network)
    found += _unbalance(options["unbalance"], options["angles"], network)
    _, wrong = names_findings(options["price_takers"], 'price_takers=["dc1"]')
    found += [OptionFinding("price_takers", *finding) for finding in wrong]
    found += _operating_point(options, labels, network)
    if network is not None:
        found += _sites("price_takers", names_findings(options["price_takers"], "")[0], network)
        found += _limits_of_buses(options, network)
        found += _without_angles(options["angles"], network)
    return found


def _numbers(options: Mapping[str, Any]) -> Iterator[OptionFinding]:
    hard = "" if _is(options["voltage_limits"], "soft") else "there is no soft limit"
    for key, finding in (
            ("hours", HOURS.finding(options["hours"])),
            ("v_min", PU.finding(options["v_min"])), ("v_max", PU.finding(options["v_max"])),
            ("penalty", _COST.finding(options["penalty"], none=hard)),
            ("thermal_sides", _SIDES.finding(options["thermal_sides"], whole=True)),
            ("neutral_v_max", PU.finding(options["neutral_v_max"], none="no limit")),
            ("neutral_penalty", _COST.finding(options["neutral_penalty"], none="a hard limit")),
            ("thermal_penalty", _COST.finding(options["thermal_penalty"], none="hard ratings"))):
        if finding:
            yield OptionFinding(key, *finding)
    low, high = options["v_min"], options["v_max"]
    if not (PU.finding(low) or PU.finding(high)) and low >= high:
        yield OptionFinding("v_min", f"is {low:g} pu, not below v_max {high:g} pu",
                            "Give 0 < v_min < v_max.")


def _is(value: Any, word: str) -> bool:
    return isinstance(value, str) and value == word


def _words(options: Mapping[str, Any]) -> Iterator[OptionFinding]:
    for key, known in (("form", FORMS), ("losses", LOSSES), ("voltage_limits", VOLTAGE_LIMITS),
                       ("voltage_legs", VOLTAGE_LEGS)):
        value = options[key]
        if key == "losses" and _is(value, "corrected"):
            yield OptionFinding(key, "is 'corrected', a form that is no more",
                                'Use form="ac" with an operating_point, or solve_ac_opf.')
            continue
        if not (value in known if isinstance(value, str) or value is None else False):
            words = [word for word in known if word is not None]
            near = nearest(value, words)
            yield OptionFinding(
                key, f"is {shown(value)}",
                f"Use {', '.join(map(repr, words))}{' or None' if None in known else ''}."
                + (f" {near}" if near.startswith("Did") else ""))
    if not isinstance(options["angles"], bool | np.bool_):
        yield OptionFinding("angles", f"is {shown(options['angles'])}", "Give True or False.")


def _of_the_ac_form(options: Mapping[str, Any]) -> Iterator[OptionFinding]:
    """Options that mean something in one form only."""
    if not _is(options["form"], "ac"):
        cure = 'Use form="ac" with an operating_point, or solve_ac_opf.'
        if options["voltage_legs"] in ("line", "both"):
            yield OptionFinding("voltage_legs", f"is {options['voltage_legs']!r}, but the linear "
                                "form limits magnitudes of phases", cure)
        if options["neutral_v_max"] is not None:
            yield OptionFinding("neutral_v_max", "is given, but the linear form has no neutrals",
                                cure)
        return
    if options["losses"] is None:
        yield OptionFinding("losses", "is None, but the AC form has its losses in its rows",
                            "Leave it out.")
    if options["angles"] is False:
        yield OptionFinding("angles", "is False, but the AC form has the angles of all voltages",
                            "Leave it out.")


def _series(options: Mapping[str, Any], labels: list,
            network: Network | None) -> Iterator[OptionFinding]:
    """Options that have a number for each period; without periods, nothing can be said."""
    given = options["datacenter_kw"]
    if given is not None and not isinstance(given, Mapping):
        yield OptionFinding("datacenter_kw", f"is {shown(given)}",
                            'Give kW by name: datacenter_kw={"dc1": 500.0}.')
    powers = given if isinstance(given, Mapping) else {}
    if network is not None:
        yield from _sites("datacenter_kw", list(powers), network)
    if not labels:
        return
    for what, cure in series_findings(options["price"], labels)[1]:
        yield OptionFinding("price", what, cure)
    for what, cure in load_scale_findings(options["load_scale"], labels, options["hours"], network):
        yield OptionFinding("load_scale", what, cure)
    for name, values in powers.items():
        for what, cure in series_findings(values, labels, 0.0)[1]:
            yield OptionFinding("datacenter_kw", f"of {shown(name)} {what}", cure)


def _sites(key: str, names: Any, network: Network) -> Iterator[OptionFinding]:
    """Names that are not of datacenters, nor of a kind from outside: its block tells its owner."""
    sites = [name for name, device in network.devices.items()
             if isinstance(device, Datacenter) or type(device) not in SHIPPED]
    for name in names:
        if not (isinstance(name, str) and name in sites):
            yield OptionFinding(key, f"names {shown(name)}",
                                nearest(name, sites) or "There is no datacenter.")


def _unbalance(what: Any, angles: Any, network: Network | None) -> Iterator[OptionFinding]:
    if what is None:
        return
    if not isinstance(what, Unbalance):
        yield OptionFinding("unbalance", f"is {shown(what)}",
                            "Give an Unbalance(limit=...) or Unbalance(price=...), or None.")
        return
    for key, span in _UNBALANCE.items():
        if finding := span.finding(getattr(what, key), none="leave it out"):
            yield OptionFinding(f"unbalance.{key}", *finding)
    if finding := Range(6, 720, "sides").finding(what.sides, whole=True):
        yield OptionFinding("unbalance.sides", *finding)
    if what.limit is None and what.price is None:
        yield OptionFinding("unbalance", "has neither limit nor price", "Give one of them.")
    elif what.limit is None and what.penalty is not None:
        yield OptionFinding("unbalance.penalty", f"is {shown(what.penalty)} without a limit",
                            "A penalty makes a limit soft: give limit, or price alone.")
    if angles is False:
        yield OptionFinding("unbalance", "needs voltage angles", "Build with angles=True.")
    if what.buses is None:
        return
    names, wrong = names_findings(what.buses, 'buses=["730", "738"]')
    for finding in wrong:
        yield OptionFinding("unbalance.buses", *finding)
    for name in names if network is not None else ():
        bus = network.buses.get(name)  # type: ignore[union-attr]
        if bus is None:
            yield OptionFinding("unbalance.buses", f"names bus {name!r}, which is not a bus",
                                nearest(name, network.buses))  # type: ignore[union-attr]
        elif bus.phases != PHASES:
            yield OptionFinding(
                "unbalance.buses", f"names bus {name!r} of phases {bus.phases!r}",
                "Unbalance is defined at buses with phases a, b, c.")


def _operating_point(options: Mapping[str, Any], labels: list,
                     network: Network | None) -> Iterator[OptionFinding]:
    point = options["operating_point"]
    if point is not None and not isinstance(point, OperatingPoint):
        yield OptionFinding("operating_point", f"is {shown(point)}",
                            "Give ac_power_flow(network, ...).point.")
    elif _is(options["form"], "ac") != (point is not None):
        yield OptionFinding(
            "operating_point", "goes with form='ac'",
            "Give ac_power_flow(network, ...).point, or let solve_ac_opf do it.")
    elif point is not None and point is not OWN_POINT:
        periods = items_of(point.periods) or []
        missing = [t for t in labels if t not in periods]
        if missing:
            yield OptionFinding("operating_point", f"lacks period {shown(missing[0])}",
                                "Solve the AC power flow for every period of the model.")
        elif network is not None and isinstance(point.voltages, Mapping):
            lost = [bus for bus in network.buses.values() if any(
                (bus.name, phase, t) not in point.voltages for phase in bus.phases for t in labels)]
            if lost:
                yield OptionFinding("operating_point", f"lacks bus {lost[0].name!r}",
                                    "Solve the AC power flow of the same network.")


def _limits_of_buses(options: Mapping[str, Any], network: Network) -> Iterator[OptionFinding]:
    """A bus with one limit of its own has the other from the options."""
    if options["voltage_limits"] is None:
        return
    for key, other in (("v_min", "v_max"), ("v_max", "v_min")):
        value = options[key]
        if PU.finding(value):
            continue
        for bus in network.buses.values():
            own = getattr(bus, other)
            if own is None or getattr(bus, key) is not None:
                continue
            if not (value < own if key == "v_min" else own < value):
                yield OptionFinding(
                    key, f"is {value:g} pu, bus {bus.name!r} has {other} {own:g} pu",
                    "Give 0 < v_min < v_max.")
    for bus in network.buses.values():
        if bus.v_min == 0:
            yield OptionFinding("v_min", f"is 0 pu at bus {bus.name!r}", "Give 0 < v_min < v_max.")


def _without_angles(angles: Any, network: Network) -> Iterator[OptionFinding]:
    """Elements that need angles and can be told by themselves."""
    if angles is not False:
        return
    need = [f"regulator {r.name!r}" for r in network.regulators.values()
            if isinstance(r, Regulator) and r.connection == "open_delta"]
    need += [f"load {d.name!r}" for d in network.loads.values()
             if d.connection == "delta" and d.model != "power"]
    need += [f"capacitor {d.name!r}" for d in network.capacitors.values()
             if d.connection == "delta" and d.closed]
    if need:
        yield OptionFinding("angles", f"is False, and {need[0]} depends on line-to-line voltages",
                            "Build with angles=True.")
