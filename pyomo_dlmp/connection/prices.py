"""`price_impact`: what a site would pay at a bus, and what it does to everybody's prices."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
import pandas as pd

from pyomo_dlmp.ac_opf import AcOpf, solve_ac_opf
from pyomo_dlmp.connection.answer import kw_words
from pyomo_dlmp.connection.arguments import of_right_kinds
from pyomo_dlmp.connection.penalties import Penalties
from pyomo_dlmp.connection.site import Site, checked_site
from pyomo_dlmp.errors import ModelError, shown
from pyomo_dlmp.network import Network
from pyomo_dlmp.network.fields import Range
from pyomo_dlmp.network.series import items_of
from pyomo_dlmp.network.units import mega
from pyomo_dlmp.opf.flagged import LARGE_SHARE, penalty_share

SHARES = ["penalty_share_before", "penalty_share"]


@dataclass(eq=False, repr=False)
class PriceImpact:
    """Prices before and after.

    Attributes
    ----------
    site : Site
    table : DataFrame
        By bus, mean over its phases and the hours: columns bus, load_kw, before, after, change
        ($/MWh), penalty_share_before, penalty_share (of the prices, 1), limit (that makes most of
        the penalty, where one of the shares is large); highest change first.
    hourly : DataFrame
        At the site: columns period, kw, before, after ($/MWh, mean of its phases), paid ($),
        penalty_share_before, penalty_share, limit_before, limit (that makes most of the penalty
        without the site, and with it or else without; "" where that is no large share).
    before, after : AcOpf
    """

    site: Site
    table: pd.DataFrame
    hourly: pd.DataFrame
    before: AcOpf
    after: AcOpf

    @property
    def price_before(self) -> float:
        """At the site, mean over hours ($/MWh): of its first kW."""
        return float(self.hourly["before"].mean())

    @property
    def price(self) -> float:
        """That it pays, mean over its energy ($/MWh)."""
        kw = self.hourly["kw"]
        weights = kw if kw.sum() > 0 else None
        return float(np.average(self.hourly["after"], weights=weights))

    @property
    def others(self) -> tuple[float, float]:
        """Load-weighted mean price of the feeder's loads before and after ($/MWh)."""
        weights = self.table["load_kw"]
        weights = weights if weights.sum() > 0 else weights + 1.0
        return tuple(float(np.average(self.table[key], weights=weights))
                     for key in ("before", "after"))  # type: ignore[return-value]

    @property
    def flagged(self) -> pd.DataFrame:
        """Hours whose price at the site is to a large part penalty, with it or before."""
        table = self.hourly
        return table[table[SHARES].max(axis=1) > LARGE_SHARE]

    @property
    def warnings(self) -> list[str]:
        """What of these prices is penalty, in words."""
        said = []
        for key, which, whose in (("", "with the site", "price there"),
                                  ("_before", "without it", "price of the first kW there")):
            worst = self.hourly.iloc[int(self.hourly[f"penalty_share{key}"].to_numpy().argmax())]
            if worst[f"penalty_share{key}"] > LARGE_SHARE:
                price = worst["before" if key else "after"]
                said.append(f"WARNING: {which}, {_percent(worst[f'penalty_share{key}'])} of the "
                            f"{whose} in period {worst['period']} ({price:.2f} $/MWh) is the "
                            f"penalty of a broken limit ({worst[f'limit{key}']}), not a cost of "
                            "power")
        weights = self.table["load_kw"]
        for key, which in (("penalty_share_before", "before"), ("penalty_share", "after")):
            own = self.table[which].abs() * weights
            share = float((own * self.table[key]).sum() / own.sum()) if own.sum() > 0 else 0.0
            if share > LARGE_SHARE:
                said.append(f"{_percent(share)} of what loads pay {which} are penalties")
        return said

    @property
    def sentence(self) -> str:
        """The answer in words."""
        before, after = self.others
        most = self.table[self.table["bus"] != self.site.bus].iloc[:1]
        kw = self.hourly["kw"].mean()
        words = (f"{kw_words(kw)} kW at bus {self.site.bus} pay {self.price:.2f} $/MWh (the first "
                 f"kW there would pay {self.price_before:.2f}); the feeder's loads pay {after:.2f} "
                 f"instead of {before:.2f} $/MWh on average ({after - before:+.2f})")
        if len(most):
            row = most.iloc[0]
            words += f", most at bus {row['bus']} ({row['change']:+.2f})"
        return ". ".join([words, *self.warnings]) + "."

    def __str__(self) -> str:
        return self.sentence

    def __repr__(self) -> str:
        return f"<PriceImpact {self.sentence}>"


@of_right_kinds
def price_impact(  # noqa: PLR0913  # keywords of a call, for people
        network: Network, bus: str, kw: float | Sequence[float], *, phases: str | None = None,
        power_factor: float = 0.95, svg: float | None = None, labels: Sequence | None = None,
        site: Site | None = None, progress: Callable[[str], None] | None = None,
        **options: Any) -> PriceImpact:
    """Prices before and after a site draws at a bus, by two OPFs with the AC equations.

    Parameters
    ----------
    network : Network
    bus : str
    kw : float or sequence of float
        That it draws (kW), one number or one per period. Periods are as many as the longest of
        kw, load_scale and price has, unless `periods` is given.
    phases : str, optional
        By default ``"abc"``.
    power_factor : float
        Lagging (1).
    svg : float, optional
        Rating of a static var generator beside it (kvar), which the DSO runs.
    labels : sequence, optional
        Of the periods.
    site : Site, optional
        In place of bus, phases, power_factor and svg.
    progress : callable, optional
        progress(stage), before and after each round of an OPF.
    **options
        Of `solve_ac_opf`, such as price, load_scale, v_min, v_max, hours.

    Returns
    -------
    PriceImpact

    Raises
    ------
    ModelError
        If the bus is unknown or lacks phases, or a number or an option is not allowed.
    SolverError
        If the AC equations have no solution with the site.
    """
    if site is None:
        site = checked_site(network, bus, phases=phases, power_factor=power_factor, svg=svg)
    items = items_of(kw)
    drawn: list[Any] = [kw] if items is None else items
    if not drawn or any(map(Range(0).finding, drawn)):
        raise ModelError.at("price_impact, kw", f"is {shown(kw)}",
                            "Give kW of at least 0, one number or one per period.")
    lengths = [len(x) for key in ("load_scale", "price")
               if (x := items_of(options.get(key))) is not None]
    if labels is not None:
        options["periods"] = list(labels)
    elif items is not None or lengths:
        options.setdefault("periods", len(drawn) if items is not None else max(lengths))
    most = max(float(max(drawn)), 1.0)
    after_network = network.with_devices(*site.devices(most))
    before = solve_ac_opf(network, check=False, progress=_told(progress, "without the site"),
                          **options)
    fixed = dict(options.get("datacenter_kw") or {})
    fixed[site.name] = drawn[0] if items is None else [float(x) for x in drawn]
    after = solve_ac_opf(after_network, check=False, progress=_told(progress, "with the site"),
                         **{**options, "datacenter_kw": fixed})
    made = Penalties(before), Penalties(after)
    return PriceImpact(site, _by_bus(network, before, after, made),
                       _at_site(site, drawn, before, after, made), before, after)


def _told(progress: Callable[[str], None] | None, which: str) -> Callable | None:
    """Progress of an OPF as stages of the command."""
    if progress is None:
        return None
    progress(f"prices: building the OPF {which}")
    rounds = count(1)
    return lambda stage, cost, change: progress(f"prices: {which}, round {next(rounds)} of the OPF")


def _active(answer: AcOpf) -> pd.DataFrame:
    return answer.prices[answer.prices["quantity"] == "active"]


def _percent(share: float) -> str:
    return f"{100 * share:,.0f} %"


def _by_bus(network: Network, before: AcOpf, after: AcOpf,
            made: tuple[Penalties, Penalties]) -> pd.DataFrame:
    load = dict.fromkeys(network.buses, 0.0)
    for one in network.loads.values():
        load[one.bus] += math.fsum(one.kw)
    means = [_active(x).groupby("bus")["value"].mean() for x in (before, after)]
    table = pd.DataFrame({"before": means[0], "after": means[1]}).rename_axis("bus").reset_index()
    table.insert(1, "load_kw", table["bus"].map(load))
    table["change"] = table["after"] - table["before"]
    words = []
    for key, side, own in (("penalty_share_before", "before", made[0]),
                           ("penalty_share", "after", made[1])):
        mean, limit = own.of_buses()
        table[key] = [penalty_share(mean.get(bus, 0.0), price)
                      for bus, price in zip(table["bus"], table[side], strict=True)]
        words.append([limit.get(bus, "") if share > LARGE_SHARE else ""
                      for bus, share in zip(table["bus"], table[key], strict=True)])
    table["limit"] = [after_ or before_ for before_, after_ in zip(*words, strict=True)]
    return table.sort_values("change", ascending=False, ignore_index=True)


def _at_site(site: Site, drawn: list, before: AcOpf, after: AcOpf,
             made: tuple[Penalties, Penalties]) -> pd.DataFrame:
    own = [_at(_active(x), site) for x in (before, after)]
    table = pd.DataFrame({"before": own[0], "after": own[1]}).rename_axis("period").reset_index()
    order = {t: i for i, t in enumerate(after.loop.labels)}
    table = table.sort_values("period", key=lambda c: c.map(order), ignore_index=True)
    kw = [float(x) for x in drawn] * (len(table) if len(drawn) == 1 else 1)
    table.insert(1, "kw", kw)
    table["paid"] = [mega(k) * p * after.loop.hours for k, p in zip(kw, table["after"],
                                                                    strict=True)]
    limits = {}
    for end, side, one in (("_before", "before", made[0]), ("", "after", made[1])):
        found = [one.at(site.bus, site.phases, t) for t in table["period"]]
        table[f"penalty_share{end}"] = [
            penalty_share(value, price)
            for (value, _), price in zip(found, table[side], strict=True)]
        limits[f"limit{end}"] = [
            words if share > LARGE_SHARE else ""
            for (_, words), share in zip(found, table[f"penalty_share{end}"], strict=True)]
    limits["limit"] = [after_ or before_ for before_, after_ in zip(*limits.values(), strict=True)]
    return table.assign(**limits)


def _at(prices: pd.DataFrame, site: Site) -> pd.Series:
    rows = prices[(prices["bus"] == site.bus) & prices["phase"].isin(list(site.phases))]
    return rows.groupby("period", sort=False)["value"].mean()
