"""`price_impact`: what a site would pay at a bus, and what it does to everybody's prices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pyomo.environ import value

from pyomo_dlmp.ac_opf import AcOpf, solve_ac_opf
from pyomo_dlmp.connection.arguments import of_right_kinds
from pyomo_dlmp.connection.site import Site, checked_site
from pyomo_dlmp.errors import ModelError, shown
from pyomo_dlmp.network import Network
from pyomo_dlmp.network.fields import Range
from pyomo_dlmp.network.series import items_of
from pyomo_dlmp.network.units import mega
from pyomo_dlmp.results.limits import broken_limits
from pyomo_dlmp.tolerances import ACTIVE, ROUNDING

LARGE = 0.2
"""Share of a price from penalties of broken limits above which it is flagged."""


@dataclass(eq=False, repr=False)
class PriceImpact:
    """Prices before and after.

    Attributes
    ----------
    site : Site
    table : DataFrame
        By bus, mean over its phases and the hours: columns bus, load_kw, before, after, change
        ($/MWh); highest change first.
    hourly : DataFrame
        At the site: columns period, kw, before, after ($/MWh, mean of its phases), paid ($),
        penalty_share (of the price after, 1), limit (that makes the penalty; "" without).
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
        """Hours whose price at the site is to a large part penalty."""
        return self.hourly[self.hourly["penalty_share"] > LARGE]

    @property
    def sentence(self) -> str:
        """The answer in words."""
        before, after = self.others
        most = self.table[self.table["bus"] != self.site.bus].iloc[:1]
        kw = self.hourly["kw"].mean()
        words = (f"{kw:,.0f} kW at bus {self.site.bus} pay {self.price:.2f} $/MWh (the first kW "
                 f"there would pay {self.price_before:.2f}); the feeder's loads pay {after:.2f} "
                 f"instead of {before:.2f} $/MWh on average ({after - before:+.2f})")
        if len(most):
            row = most.iloc[0]
            words += f", most at bus {row['bus']} ({row['change']:+.2f})"
        flagged = self.flagged
        if len(flagged):
            worst = flagged.sort_values("penalty_share", ascending=False).iloc[0]
            words += (f". WARNING: {100 * worst['penalty_share']:.0f} % of the price in period "
                      f"{worst['period']} is the penalty of a broken limit ({worst['limit']}), not "
                      "a cost of power")
        return words + "."

    def __str__(self) -> str:
        return self.sentence

    def __repr__(self) -> str:
        return f"<PriceImpact {self.sentence}>"


@of_right_kinds
def price_impact(network: Network, bus: str, kw: float | Sequence[float], *,
                 phases: str | None = None, power_factor: float = 0.95, svg: float | None = None,
                 labels: Sequence | None = None, site: Site | None = None,
                 **options: Any) -> PriceImpact:
    """Prices before and after a site draws at a bus, by two OPFs with the AC equations.

    Parameters
    ----------
    network : Network
    bus : str
    kw : float or sequence of float
        That it draws (kW), one number or one per period.
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
    if labels is not None:
        options["periods"] = list(labels)
    elif items is not None:
        options.setdefault("periods", len(drawn))
    most = max(float(max(drawn)), 1.0)
    after_network = network.with_devices(*site.devices(most))
    before = solve_ac_opf(network, check=False, **options)
    fixed = dict(options.get("datacenter_kw") or {})
    fixed[site.name] = drawn[0] if items is None else [float(x) for x in drawn]
    after = solve_ac_opf(after_network, check=False, **{**options, "datacenter_kw": fixed})
    return PriceImpact(site, _by_bus(network, before, after),
                       _at_site(site, drawn, before, after), before, after)


def _active(answer: AcOpf) -> pd.DataFrame:
    return answer.prices[answer.prices["quantity"] == "active"]


def _by_bus(network: Network, before: AcOpf, after: AcOpf) -> pd.DataFrame:
    load = dict.fromkeys(network.buses, 0.0)
    for one in network.loads.values():
        load[one.bus] += math.fsum(one.kw)
    means = [_active(x).groupby("bus")["value"].mean() for x in (before, after)]
    table = pd.DataFrame({"before": means[0], "after": means[1]}).rename_axis("bus").reset_index()
    table.insert(1, "load_kw", table["bus"].map(load))
    table["change"] = table["after"] - table["before"]
    return table.sort_values("change", ascending=False, ignore_index=True)


def _at_site(site: Site, drawn: list, before: AcOpf, after: AcOpf) -> pd.DataFrame:
    own = [_at(_active(x), site) for x in (before, after)]
    table = pd.DataFrame({"before": own[0], "after": own[1]}).rename_axis("period").reset_index()
    order = {t: i for i, t in enumerate(after.loop.labels)}
    table = table.sort_values("period", key=lambda c: c.map(order), ignore_index=True)
    kw = [float(x) for x in drawn] * (len(table) if len(drawn) == 1 else 1)
    table.insert(1, "kw", kw)
    table["paid"] = [mega(k) * p * after.loop.hours for k, p in zip(kw, table["after"],
                                                                    strict=True)]
    share, limit = _penalties(site, after, table)
    table["penalty_share"], table["limit"] = share, limit
    return table


def _at(prices: pd.DataFrame, site: Site) -> pd.Series:
    rows = prices[(prices["bus"] == site.bus) & prices["phase"].isin(list(site.phases))]
    return rows.groupby("period", sort=False)["value"].mean()


def _penalties(site: Site, after: AcOpf, table: pd.DataFrame) -> tuple[list[float], list[str]]:
    """Share of the site's price from penalties of broken limits, by period, and the limit."""
    broken = broken_limits(after.model)
    hot = _overloaded(after.model)
    if broken is None and not hot:
        return [0.0] * len(table), [""] * len(table)
    parts = after.price_parts()
    parts = parts[(parts["quantity"] == "active") & (parts["bus"] == site.bus)
                  & parts["phase"].isin(list(site.phases))]
    groups = (["voltage"] if broken is not None else []) + (["congestion"] if hot else [])
    made = parts[parts["part"].isin(groups)].groupby("period")["value"].sum() / max(
        1, parts["phase"].nunique())
    share = [abs(float(made.get(t, 0.0))) / max(abs(p), ROUNDING)
             for t, p in zip(table["period"], table["after"], strict=True)]
    words = " and ".join([*([broken.worst] if broken is not None else []), *hot[:1]])
    return share, [words if s > LARGE else "" for s in share]


def _overloaded(model: Any) -> list[str]:
    """Branches beyond their soft rating, furthest first, in words."""
    found = []
    for component in (model.line, model.transformer):
        for name, block in component.items():
            excess = block.component("excess")
            if excess is not None and len(excess):
                most = max(value(x) for x in excess.values())
                if most > 2 * ACTIVE:
                    found.append((most, f"rating of {name}, by {1e3 * most:.0f} kVA"))
    return [words for _, words in sorted(found, reverse=True)]
