"""What a datacenter pays beside its energy: the contracts of the markets under a tariff.

    demand charge     price (max_t P_t - peak so far)+         P_t: power of a meter (kW)
    capacity charge   price C + excess price (max_t P_t - C)+  C: given, or chosen with the schedule

A meter is a site, or all sites of the leader together. A contract writes its rows and its cost
beside the leader's problem, and tells apart from these, from powers alone, what it charges: that
is the check of the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyomo.environ as pyo

from pyomo_dlmp.errors import nearest, shown
from pyomo_dlmp.network.fields import Range
from pyomo_dlmp.network.units import KILO, mega

Found = tuple[str, str, str]  # field, what, cure
MONEY, POWER = Range(0, unit="$"), Range(0, unit="kW")


@dataclass(frozen=True)
class Power:
    """Powers of the leader's sites, as a contract bills them.

    Attributes
    ----------
    kw : dict of str to (T,) array
        Scheduled, by site (kW).
    curtailed_kw : dict of str to (T,) array
        Of these, not delivered (kW); sites without are left out.
    capacity_kw : dict of str to float
        Of the sites (kW).
    hours : float
        Length of a period (h).
    tariff : (T,) array
        $/MWh.
    """

    kw: dict[str, np.ndarray]
    curtailed_kw: dict[str, np.ndarray]
    capacity_kw: dict[str, float]
    hours: float
    tariff: np.ndarray


Charge = tuple[str, int, str, float]  # site, position of the period, quantity, $


class Contract:
    """Base of the contracts; by itself it changes nothing and charges nothing."""

    def findings(self, sites: Iterable[str]) -> Iterator[Found]:
        """What is wrong with the data.

        Parameters
        ----------
        sites : iterable of str
            Of the leader.

        Yields
        ------
        (str, str, str)
            Field, what, cure.
        """
        yield from ()

    def extended(self, market: Any) -> Any:
        """The market with the devices that the contract adds to the feeder."""
        return market

    def limit(self, dso: Any, network: Any) -> None:
        """Write the rows and the cost that the contract adds to the DSO's problem."""

    def write(self, m: Any, sites: Mapping[str, Any]) -> None:
        """Write the contract's rows on ``m.contract`` and add its cost to the leader's.

        Parameters
        ----------
        m : ConcreteModel
            With `dso` and `dca`.
        sites : mapping of str to DatacenterBlock
            Of the leader.
        """

    def charges(self, power: Power) -> Iterator[Charge]:
        """What the contract charges beside energy at the tariff, from powers alone.

        Parameters
        ----------
        power : Power

        Yields
        ------
        (str, int, str, float)
            Site, position of the period, quantity, $.
        """
        yield from ()


@dataclass(frozen=True, kw_only=True)
class DemandCharge(Contract):
    """A charge on the greatest power of a month, as far as the horizon raises it.

    Parameters
    ----------
    price : float
        $ per kW of the month.
    peak_kw : float or mapping of str to float
        The month's greatest power so far (kW): of every meter, or by site.
    together : bool
        Whether all sites of the leader have one meter: their greatest common power is charged.
        False: each site has its own.
    """

    price: float
    peak_kw: float | Mapping[str, float] = 0.0
    together: bool = False

    def findings(self, sites: Iterable[str]) -> Iterator[Found]:
        """See `Contract.findings`."""
        yield from _price(self, "price")
        yield from _by_meter(self, "peak_kw", sites)

    def write(self, m: Any, sites: Mapping[str, Any]) -> None:
        """See `Contract.write`."""
        meters = _meters(sites, self.together)
        b = m.contract = pyo.Block()
        b.beyond = pyo.Var(list(meters), domain=pyo.NonNegativeReals, initialize=0.0)
        b.peak = pyo.Constraint(list(meters), list(m.dso.periods), rule=lambda _, k, t: sum(
            sites[s].p[t] for s in meters[k]) - b.beyond[k] <= mega(_of(self.peak_kw, k)))
        add_charge(m, self, KILO * self.price * sum(b.beyond.values()))

    def charges(self, power: Power) -> Iterator[Charge]:
        """See `Contract.charges`: at the hour of the peak, by the sites' shares of it."""
        for meter, mine in _meters(power.kw, self.together).items():
            at, top = _peak(power, mine)
            yield from _shared(power, mine, at, "demand charge",
                               self.price * max(0.0, top - _of(self.peak_kw, meter)))


@dataclass(frozen=True, kw_only=True)
class CapacityCharge(Contract):
    """A charge on subscribed power, and a dearer one on what is drawn beyond it.

    Parameters
    ----------
    price : float
        $ per kW subscribed for the horizon.
    excess_price : float
        $ per kW of the horizon's greatest power beyond the subscription.
    kw : float, mapping of str to float, or None
        Subscribed power (kW): of every meter, or by site. None: it is chosen with the schedule,
        which then pays for its greatest power, at the lower of the two prices.
    together : bool
        As of `DemandCharge`.
    """

    price: float
    excess_price: float
    kw: float | Mapping[str, float] | None = None
    together: bool = False

    def findings(self, sites: Iterable[str]) -> Iterator[Found]:
        """See `Contract.findings`."""
        yield from _price(self, "price")
        yield from _price(self, "excess_price")
        if self.kw is not None:
            yield from _by_meter(self, "kw", sites)

    def write(self, m: Any, sites: Mapping[str, Any]) -> None:
        """See `Contract.write`."""
        meters = _meters(sites, self.together)
        b = m.contract = pyo.Block()
        b.subscribed = pyo.Var(list(meters), domain=pyo.NonNegativeReals, initialize=0.0)
        b.excess = pyo.Var(list(meters), domain=pyo.NonNegativeReals, initialize=0.0)
        for k in meters if self.kw is not None else ():
            b.subscribed[k].fix(mega(_of(self.kw, k)))
        b.peak = pyo.Constraint(list(meters), list(m.dso.periods), rule=lambda _, k, t: sum(
            sites[s].p[t] for s in meters[k]) - b.subscribed[k] - b.excess[k] <= 0.0)
        add_charge(m, self, KILO * sum(
            self.price * b.subscribed[k] + self.excess_price * b.excess[k] for k in meters))

    def charges(self, power: Power) -> Iterator[Charge]:
        """See `Contract.charges`: what is subscribed by equal parts of the hours, the excess at
        the hour of the peak.
        """
        for meter, mine in _meters(power.kw, self.together).items():
            at, top = _peak(power, mine)
            chosen = top if self.price <= self.excess_price else 0.0
            subscribed = chosen if self.kw is None else _of(self.kw, meter)
            hours = len(power.tariff)
            for t in range(hours):
                yield from _shared(power, mine, at, "capacity charge",
                                   self.price * subscribed / hours, t)
            yield from _shared(power, mine, at, "excess charge",
                               self.excess_price * max(0.0, top - subscribed))


def charged(contract: Contract, power: Power) -> float:
    """What a contract charges in all ($).

    Parameters
    ----------
    contract : Contract
    power : Power

    Returns
    -------
    float
    """
    return sum(charge[-1] for charge in contract.charges(power))


def add_charge(m: Any, contract: Contract, cost: Any) -> None:
    """Add a contract's cost to the leader's, and keep its terms beside it.

    Parameters
    ----------
    m : ConcreteModel
        With `contract` and `dca`.
    contract : Contract
        Kept as ``m.contract.terms``.
    cost : expression
        $.
    """
    m.contract.cost = pyo.Expression(expr=cost)
    m.contract.terms = contract
    m.dca.cost.set_value(m.dca.cost.expr + m.contract.cost)


def _meters(sites: Iterable[str], together: bool) -> dict[str, tuple[str, ...]]:
    names = tuple(sites)
    return {"all sites": names} if together else {name: (name,) for name in names}


def _of(values: Any, meter: str) -> float:
    return float(values.get(meter, 0.0) if isinstance(values, Mapping) else values)


def _peak(power: Power, sites: tuple[str, ...]) -> tuple[int, float]:
    """Position of the first hour of the greatest power of some sites, and that power (kW)."""
    total = np.sum([power.kw[s] for s in sites], axis=0)
    return int(np.argmax(total)), float(total.max())


def _shared(power: Power, sites: tuple[str, ...], at: int, quantity: str, money: float,
            period: int | None = None) -> Iterator[Charge]:
    """A meter's charge by the shares of its sites in the hour of the peak."""
    each = np.array([max(0.0, power.kw[s][at]) for s in sites])
    shares = each / each.sum() if each.sum() > 0 else np.full(len(sites), 1.0 / len(sites))
    for site, share in zip(sites, shares, strict=True):
        yield site, at if period is None else period, quantity, money * share


def _price(contract: Any, field: str) -> Iterator[Found]:
    if finding := MONEY.finding(getattr(contract, field)):
        yield field, *finding


def _by_meter(contract: Any, field: str, sites: Iterable[str]) -> Iterator[Found]:
    """Faults of kW, one number or one by site."""
    values, names = getattr(contract, field), list(sites)
    if not isinstance(values, Mapping):
        if finding := POWER.finding(values):
            yield field, *finding
        return
    if contract.together:
        yield (field, f"is {shown(values)}, and all sites have one meter",
               "Give one number, or together=False.")
        return
    for name, value in values.items():
        if name not in names:
            yield (f"{field} of {shown(name)}", "is not of a datacenter of the leader",
                   nearest(name, names))
        elif finding := POWER.finding(value):
            yield f"{field} of '{name}'", *finding
    if missing := [name for name in names if name not in values]:
        yield field, f"has no number for {', '.join(missing)}", "Give one for each site."
