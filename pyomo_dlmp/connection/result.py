"""The answer of a connection study: firm and flexible kW, envelope, limits, prices, remedies."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from pyomo_dlmp.connection.acting import ActingControls
from pyomo_dlmp.connection.answer import (
    Flexible,
    allowed_hours,
    curtailment,
    flexible_energy,
    flexible_hours,
    hourly_table,
    kw_words,
)
from pyomo_dlmp.connection.asked import Asked, asked_of
from pyomo_dlmp.connection.effects import effects_table, voltages_table
from pyomo_dlmp.connection.engine import EngineCheck
from pyomo_dlmp.connection.grid import Existing, Grid, Hourly
from pyomo_dlmp.connection.hours import Hours
from pyomo_dlmp.connection.limits import Limit, without_ratings
from pyomo_dlmp.connection.prices import PriceImpact, price_impact
from pyomo_dlmp.connection.remedies import remedies_of
from pyomo_dlmp.connection.site import Site
from pyomo_dlmp.errors import ModelError, shown
from pyomo_dlmp.network import Network
from pyomo_dlmp.network.series import is_number
from pyomo_dlmp.opf.load_scale import load_series

ASKED = "asked kW"
"""The case of prices in the limiting hour at what was asked for."""
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Binding:
    """What ends the firm kW.

    Attributes
    ----------
    what : str
        "voltage", "loading", "unbalance"; "no solution", or "no limit" up to the kW asked for.
    element, phase : str
    hour : int
    limit : Limit or None
    value : float
        Of the limited quantity at the firm kW in that hour; nan without a limit.
    before : float
        Where it is the limit that is broken before anything is connected: its worst value then.
    """

    what: str
    element: str
    phase: str
    hour: int
    limit: Limit | None
    value: float = math.nan
    before: float = math.nan

    @property
    def end(self) -> str:
        """The end of the limit that is met, in words."""
        limit = self.limit
        if limit is None:
            return ""
        if self.what == "voltage":
            low = abs(self.value - limit.low) <= abs(self.value - limit.high)
            return f"v_min {limit.low:.4g} pu" if low else f"v_max {limit.high:.4g} pu"
        return "its rating" if self.what == "loading" else f"limit {100 * limit.high:.3g} %"

    def __str__(self) -> str:
        if self.limit is None:
            return f"{self.what} (hour {self.hour})"
        ends = [self.end] if self.what != "loading" else []
        if math.isfinite(self.before):
            ends.append(f"broken before: {_figure(self.what, self.before)}")
        side = f" ({', '.join(ends)})" if ends else ""
        return f"{self.what} at {self.limit.name}{side}, hour {self.hour}"


def _figure(what: str, value: float) -> str:
    return f"{value:.4f} pu" if what == "voltage" else f"{100 * value:.2f} %"


@dataclass(eq=False, repr=False)
class ConnectionStudy:
    """The answer of `connection_study`.

    Attributes
    ----------
    network : Network
        Without the site.
    site : Site
    firm_kw : float
        Contracted power (kW) with every limit kept in every hour.
    binding : Binding
        What ends it.
    hourly : Hourly
        Capacity of each hour.
    hours : Hours
        Series.
    existing : list of Existing
        Limits that are broken before anything is connected.
    check : EngineCheck or None
        The OpenDSS engine's word; None if it was not asked for.
    grid : Grid
    max_kw : float
        No more was looked for.
    options : dict
        Of its limits, as of `connection_study`.
    before : tuple of (Site, float)
        Applicants that were connected before it, and their contracts (kW).
    acting : ActingControls or None
        The answer with controls acting; None if it was not asked for.
    possible_kw : float
        Of an applicant of a queue: what would be firm if it asked for more.
    asked_kw : float
        What it asked for; nan: as much as fits.
    """

    network: Network
    site: Site
    firm_kw: float
    binding: Binding
    hourly: Hourly
    hours: Hours
    existing: list[Existing]
    check: EngineCheck | None
    grid: Grid
    max_kw: float
    options: dict[str, Any] = field(default_factory=dict)
    before: tuple[tuple[Site, float], ...] = ()
    acting: ActingControls | None = None
    possible_kw: float = math.nan
    asked_kw: float = math.nan

    @property
    def sites(self) -> list[Site]:
        """All applicants, this one last."""
        return [*(site for site, _ in self.before), self.site]

    def drawn(self, hour: int, contract: float) -> list[float]:
        """What each of `sites` draws in an hour (kW), this one at a contract."""
        share = float(self.hours.share[hour])
        return [kw * share for kw in (*(kw for _, kw in self.before), contract)]

    @property
    def envelope(self) -> pd.DataFrame:
        """Capacity by hour: columns hour, kw, firm_kw, what, element, phase."""
        return hourly_table(self.hourly.kw, self.firm_kw, self.hours.share, self.hourly.limits)

    @property
    def bindings(self) -> pd.DataFrame:
        """How many hours each limit is the first: columns what, element, phase, hours, least_kw."""
        table = self.envelope
        found = table.groupby(["what", "element", "phase"], sort=False)["kw"].agg(
            hours="size", least_kw="min").reset_index()
        found["hours"] = found["hours"] * self.hours.hours
        return found.sort_values("least_kw", ignore_index=True)

    @property
    def existing_table(self) -> pd.DataFrame:
        """Limits that are broken before: what, element, phase, hour, value, low, high."""
        return pd.DataFrame(
            [(e.limit.what, e.limit.element, e.limit.phase, e.hour, e.value, e.limit.low,
              e.limit.high) for e in self.existing],
            columns=["what", "element", "phase", "hour", "value", "low", "high"])

    @property
    def gaps(self) -> np.ndarray:
        """Hours in which more than their capacity keeps all limits again: no interval."""
        return np.flatnonzero(self.hourly.again)

    def flexible(self, *, hours_per_year: float | None = None, hours: float | None = None,
                 energy_share: float | None = None) -> Flexible:
        """The greatest contract up to `max_kw` that is curtailed in some hours, or for some energy.

        Parameters
        ----------
        hours_per_year : float, optional
            Hours of a year in which it may be curtailed; of a shorter study its part of these.
        hours : float, optional
            Hours of those that are studied.
        energy_share : float, optional
            Share of the energy it wants (1) that may be curtailed.

        Returns
        -------
        Flexible

        Raises
        ------
        ModelError
            If not one of these is given, or it is out of its range.
        """
        given = [x for x in (hours_per_year, hours, energy_share) if x is not None]
        if len(given) != 1:
            raise ModelError.at("flexible", f"was given {len(given)} of hours_per_year, hours and "
                                "energy_share", "Give one of them.")
        kw, share, length = self.hourly.kw, self.hours.share, self.hours.hours
        if energy_share is not None:
            if not is_number(energy_share) or not 0 <= energy_share < 1:
                raise ModelError.at("flexible, energy_share", f"is {shown(energy_share)}",
                                    "Give a share from 0 to below 1, such as 0.001.")
            found = flexible_energy(kw, share, float(energy_share), length)
        else:
            count = allowed_hours(hours_per_year, hours, self.hours.count, length)
            found = flexible_hours(kw, share, count, length)
        # no more was looked for: what hours allow beyond is not known
        return found if found.kw <= self.max_kw else curtailment(kw, share, self.max_kw, length)

    def at(self, kw: float) -> Asked:
        """What a contract would mean: hours in which it is not possible, and what it would break.

        Parameters
        ----------
        kw : float
            Up to `max_kw`. Its prices are those of ``prices(hours, kw)``.

        Returns
        -------
        Asked
        """
        return asked_of(self, kw)

    @property
    def asked(self) -> Asked | None:
        """The answer for `asked_kw`; None where as much as fits was asked for."""
        return None if math.isnan(self.asked_kw) else self.at(self.asked_kw)

    def case_words(self, name: str) -> str:
        """A case of `price_cases` in words: its hours, and what is drawn where that is less."""
        if name == ASKED:
            return f"At the {kw_words(self.asked_kw)} kW asked for (hour {self.binding.hour})"
        hours = self.price_cases[name]
        if len(hours) > 1:
            return f"{name.capitalize()} (hours {hours[0]} to {hours[-1]})"
        share = float(self.hours.share[hours[0]])
        part = "" if share >= 1 else f", in which {100 * share:.3g} % of the contract is drawn"
        return f"{name.capitalize()} (hour {hours[0]}{part})"

    @property
    def effects(self) -> pd.DataFrame:
        """What the firm kW does, in four hours: before and after.

        Columns case (limiting hour, greatest, mean and least load), hour, kw, lowest_pu,
        highest_pu, vuf_percent (greatest), losses_kw, loading_percent (greatest of those whose
        rating is known), most_loaded (of what), each also as ``..._before``.
        """
        return effects_table(self)

    @property
    def voltages(self) -> pd.DataFrame:
        """Voltages of all buses in the limiting hour and in that of the greatest load.

        Columns hour, bus, phase, loads (elements at the bus), before_pu, after_pu (at the firm kW),
        change_pu.
        """
        return voltages_table(self)

    @property
    def price_cases(self) -> dict[str, list[int]]:
        """Hours whose prices the command shows, by their name.

        The limiting hour, the one of the greatest load, the one whose load is nearest to the mean,
        and the day (24 h) of the greatest load; each once.
        """
        load = self.grid.load[self.grid.of_hour]
        peak = int(np.argmax(load))
        cases = {"limiting hour": [self.binding.hour], "peak hour": [peak],
                 "mean hour": [int(np.argmin(np.abs(load - load.mean())))]}
        length = round(24.0 / self.hours.hours)
        first = peak // length * length
        cases["peak day"] = list(range(first, min(first + length, self.hours.count)))
        found: dict[str, list[int]] = {}
        for name, hours in cases.items():
            if hours not in found.values():
                found[name] = hours
        return found

    def prices(self, hours: Any = None, kw: float | None = None,
               progress: Progress | None = None) -> PriceImpact:
        """What it would pay, and what prices of others become.

        Parameters
        ----------
        hours : sequence of int, optional
            Hours of the study; by default the limiting one.
        kw : float, optional
            Of the site in each of them; by default what the firm contract draws.
        progress : callable, optional
            progress(stage).

        Returns
        -------
        PriceImpact
        """
        which = [self.binding.hour] if hours is None else list(hours)
        own = self.hours
        drawn = [self.firm_kw * float(own.share[t]) if kw is None else kw for t in which]
        scale = own.load_scale
        if isinstance(scale, list):
            scale = [scale[t] for t in which]
        elif not is_number(scale):
            scale = {name: [by[t] for t in which] for name, by in self.loads().items()}
        limits: dict[str, Any] = {key: self.options[key] if self.options[key] is not None else wide
                  for key, wide in (("v_min", 0.1), ("v_max", 2.0))}
        limits["voltage_legs"] = self.options["voltage_legs"]
        network = (self.network if self.options["thermal"] else without_ratings(self.network)
                   ).with_devices(
            *(device for site, most in self.before for device in site.devices(max(most, 1.0))))
        limits["datacenter_kw"] = {site.name: [most * float(own.share[t]) for t in which]
                                   for site, most in self.before}
        return price_impact(
            network, self.site.bus, drawn, site=self.site, load_scale=scale,
            price=[float(own.price[t]) for t in which], labels=which, hours=own.hours,
            progress=progress, **limits)

    def price_tables(self, impacts: dict[str, PriceImpact]) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Prices of several cases in two tables.

        Parameters
        ----------
        impacts : dict of str to PriceImpact
            By case, as of `price_cases`.

        Returns
        -------
        (DataFrame, DataFrame)
            `PriceImpact.table` and `PriceImpact.hourly` of each, with a column case before.
        """
        both = []
        for key in ("table", "hourly"):
            parts = [getattr(impact, key).assign(case=name) for name, impact in impacts.items()]
            table = pd.concat(parts, ignore_index=True)
            both.append(table[["case", *(c for c in table.columns if c != "case")]])
        return both[0], both[1]

    def loads(self) -> dict[str, dict]:
        """Multipliers of all loads by hour."""
        return load_series(self.network, self.hours.load_scale, range(self.hours.count),
                           self.hours.hours)

    def remedies(self, progress: Progress | None = None, most: int = 3) -> pd.DataFrame:
        """What would move the limit: ranked in the limiting hour, the best solved in all hours.

        Parameters
        ----------
        progress : callable, optional
        most : int
            How many are solved in all hours.

        Returns
        -------
        DataFrame
            Columns remedy, detail, kw_in_limiting_hour, firm_kw (nan where not solved in all
            hours), gain_kw, note (what then ends it, or why it does not help); best first. The
            best two that change different things are also tried together. Empty where no limit was
            met.
        """
        return remedies_of(self, progress, most)

    def __repr__(self) -> str:
        tried = "" if self.check is None else (
            ", engine agrees" if self.check.passed else ", the engine does NOT agree")
        return (f"<ConnectionStudy {self.network.name} bus {self.site.bus}: firm "
                f"{self.firm_kw:,.1f} kW over {self.hours.count:,} hours; {self.binding}{tried}>")
