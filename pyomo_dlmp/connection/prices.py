"""`price_impact`: what a site would pay at a bus, and what it does to everybody's prices."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
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
from pyomo_dlmp.results.limits import LARGE_SHARE, broken_limits, penalty_share
from pyomo_dlmp.tolerances import ACTIVE

SHARES = ["penalty_share_before", "penalty_share"]


@dataclass(eq=False, repr=False)
class PriceImpact:
    """Prices before and after.

    Attributes
    ----------
    site : Site
    table : DataFrame
        By bus, mean over its phases and the hours: columns bus, load_kw, before, after, change
        ($/MWh), penalty_share_before, penalty_share (of the prices, 1), limit (that makes a penalty
        that is a large share; "" without); highest change first.
    hourly : DataFrame
        At the site: columns period, kw, before, after ($/MWh, mean of its phases), paid ($),
        penalty_share_before, penalty_share and limit as above.
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
        return self.hourly[self.hourly[SHARES].max(axis=1) > LARGE_SHARE]

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
            shares = flagged[SHARES].max(axis=1).to_numpy()
            worst = flagged.iloc[int(shares.argmax())]
            first = bool(worst[SHARES[0]] > worst[SHARES[1]])
            words += (f". WARNING: {100 * shares.max():.0f} % of the price "
                      f"{'of the first kW ' * first}in period {worst['period']} is the penalty of "
                      f"a broken limit ({worst['limit']}), not a cost of power")
        return words + "."

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
    if labels is not None:
        options["periods"] = list(labels)
    elif items is not None:
        options.setdefault("periods", len(drawn))
    most = max(float(max(drawn)), 1.0)
    after_network = network.with_devices(*site.devices(most))
    before = solve_ac_opf(network, check=False, progress=_told(progress, "without the site"),
                          **options)
    fixed = dict(options.get("datacenter_kw") or {})
    fixed[site.name] = drawn[0] if items is None else [float(x) for x in drawn]
    after = solve_ac_opf(after_network, check=False, progress=_told(progress, "with the site"),
                         **{**options, "datacenter_kw": fixed})
    penalties = _Penalties(before), _Penalties(after)
    return PriceImpact(site, _by_bus(network, before, after, penalties),
                       _at_site(site, drawn, before, after, penalties), before, after)


def _told(progress: Callable[[str], None] | None, which: str) -> Callable | None:
    """Progress of an OPF as stages of the command."""
    if progress is None:
        return None
    progress(f"prices: building the OPF {which}")
    rounds = count(1)
    return lambda stage, cost, change: progress(f"prices: {which}, round {next(rounds)} of the OPF")


def _active(answer: AcOpf) -> pd.DataFrame:
    return answer.prices[answer.prices["quantity"] == "active"]


def _by_bus(network: Network, before: AcOpf, after: AcOpf, penalties: Penalties,
            ) -> pd.DataFrame:
    load = dict.fromkeys(network.buses, 0.0)
    for one in network.loads.values():
        load[one.bus] += math.fsum(one.kw)
    means = [_active(x).groupby("bus")["value"].mean() for x in (before, after)]
    table = pd.DataFrame({"before": means[0], "after": means[1]}).rename_axis("bus").reset_index()
    table.insert(1, "load_kw", table["bus"].map(load))
    table["change"] = table["after"] - table["before"]
    _flag(table, "bus", [p.of() for p in penalties], penalties)
    return table.sort_values("change", ascending=False, ignore_index=True)


def _at_site(site: Site, drawn: list, before: AcOpf, after: AcOpf, penalties: Penalties,
             ) -> pd.DataFrame:
    own = [_at(_active(x), site) for x in (before, after)]
    table = pd.DataFrame({"before": own[0], "after": own[1]}).rename_axis("period").reset_index()
    order = {t: i for i, t in enumerate(after.loop.labels)}
    table = table.sort_values("period", key=lambda c: c.map(order), ignore_index=True)
    kw = [float(x) for x in drawn] * (len(table) if len(drawn) == 1 else 1)
    table.insert(1, "kw", kw)
    table["paid"] = [mega(k) * p * after.loop.hours for k, p in zip(kw, table["after"],
                                                                    strict=True)]
    made = [p.of() for p in penalties]
    _flag(table, "period", [m[(m["bus"] == site.bus) & m["phase"].isin(list(site.phases))]
                            for m in made], penalties)
    return table


def _flag(table: pd.DataFrame, key: str, made: list[pd.DataFrame], penalties: Penalties) -> None:
    """Shares of penalties in the prices of a table, before and after, and the limit."""
    for share, price, parts in zip(SHARES, ("before", "after"), made, strict=True):
        mean = parts.groupby(key)["value"].mean()
        table[share] = [penalty_share(float(mean.get(at, 0.0)), whole)
                        for at, whole in zip(table[key], table[price], strict=True)]
    table["limit"] = [
        penalties[1].of_place(key, place) if after > LARGE_SHARE else
        penalties[0].of_place(key, place) if before > LARGE_SHARE else ""
        for place, before, after in zip(table[key], *(table[share] for share in SHARES),
                                        strict=True)]


def _at(prices: pd.DataFrame, site: Site) -> pd.Series:
    rows = prices[(prices["bus"] == site.bus) & prices["phase"].isin(list(site.phases))]
    return rows.groupby("period", sort=False)["value"].mean()


class _Penalties:
    """Parts of prices that are penalties of broken soft limits, and these limits in words.

    A limit that is met and not broken is no penalty: its part is what it costs to keep it.

    Attributes
    ----------
    words : str
        The limits that are broken furthest, of all periods.
    at : dict of period to str
        Those of each; "" where none is broken.
    """

    def __init__(self, after: AcOpf):
        self.after, self.words = after, _broken_words(after.model, after.loop.labels)[0]
        found = {t: _broken_words(after.model, [t]) for t in after.loop.labels}
        self.at = {t: words for t, (words, _) in found.items()}
        self.groups = {t: groups for t, (_, groups) in found.items()}

    def of_place(self, key: str, place: Any) -> str:
        """The limits in words: of a period where `key` is "period", else of all periods."""
        return self.at[place] if key == "period" else self.words

    def of(self) -> pd.DataFrame:
        """Sum of these parts: columns bus, phase, period, value ($/MWh); empty without any."""
        keys = ["bus", "phase", "period"]
        if not any(self.groups.values()):
            return pd.DataFrame({key: [] for key in (*keys, "value")})
        if not hasattr(self, "_table"):
            parts = self.after.price_parts()
            parts = parts[parts["quantity"] == "active"]
            made = [x if part in self.groups[t] else 0.0 for x, part, t in zip(
                parts["value"], parts["part"].astype(str), parts["period"], strict=True)]
            self._table = parts.assign(value=made).groupby(
                keys, sort=False, observed=True)["value"].sum().reset_index()
        return self._table


Penalties = tuple[_Penalties, _Penalties]


def _broken_words(model: Any, periods: Sequence) -> tuple[str, list[str]]:
    """Limits that are broken furthest in some periods, and the groups of parts they make."""
    broken, hot = broken_limits(model, periods), _overloaded(model, periods)
    return (" and ".join([*([broken.worst] if broken is not None else []), *hot[:1]]),
            ["voltage"] * (broken is not None) + ["congestion"] * bool(hot))


def _overloaded(model: Any, periods: Sequence) -> list[str]:
    """Branches beyond their soft rating in some periods, furthest first, in words."""
    found = []
    for component in (model.line, model.transformer):
        for name, block in component.items():
            excess = block.component("excess")
            if excess is not None:
                most = max((value(x) for k, x in excess.items() if k[-1] in periods), default=0.0)
                if most > 2 * ACTIVE:
                    found.append((most, f"rating of {name}, by {1e3 * most:.0f} kVA"))
    return [words for _, words in sorted(found, reverse=True)]
