"""A decision that was taken before the scenario was known, by itself: it can be carried away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pyomo_dlmp.errors import Fault, ModelError, nearest, shown
from pyomo_dlmp.market import Market
from pyomo_dlmp.network.series import by_period, period_labels
from pyomo_dlmp.network.units import KILO, mega
from pyomo_dlmp.uncertainty.first_stage import FirstStage, Terms

_LEAST_ROOM = 0.001  # of the capacity: half of the narrowest range in which regions are looked for


@dataclass(frozen=True)
class Decision:
    """A first stage, and how it binds what follows.

    `StochasticResult.decision` is one; `of_schedule` makes one of any schedule.

    Attributes
    ----------
    first : FirstStage
        Its columns.
    x : ndarray
        Their values (MW, starts), shape (n,).
    terms : Terms
        Flexibility and prices.
    settlement : str
        "one" or "two": how the powers that come are paid for.
    day_ahead : float
        What the schedule pays day ahead, with two settlements ($).
    """

    first: FirstStage
    x: np.ndarray
    terms: Terms
    settlement: str = "one"
    day_ahead: float = 0.0

    def __post_init__(self) -> None:
        x = np.array(self.x, float)
        x[self.first.integer] = np.round(x[self.first.integer])
        object.__setattr__(self, "x", x)

    @classmethod
    def of_schedule(cls, market: Market, schedule_kw: Mapping[str, Any], *,
                    flexibility: float | Mapping[str, float] = 0.2,
                    deviation_price: float = 5.0) -> Decision:
        """The decision for a schedule day ahead.

        Parameters
        ----------
        market : Market
        schedule_kw : mapping of str to float or sequence of float
            kW of each datacenter, one number or one by period.
        flexibility, deviation_price
            As of `solve_stochastic`.

        Returns
        -------
        Decision

        Raises
        ------
        ModelError
            Not all datacenters have a schedule, or one is beyond its capacity.
        """
        dcs, where = market.network.datacenters, "schedule_kw"
        labels = list(period_labels(market.opf.get("periods", 1))[0])
        shares = flexibility if isinstance(flexibility, Mapping) else dict.fromkeys(
            dcs, flexibility)
        faults = [Fault(where, f"names {shown(s)}, which is no datacenter", nearest(s, dcs))
                  for s in schedule_kw if s not in dcs]
        faults += [Fault(where, f"has no schedule of {s!r}", "Give one, 0 if it draws nothing.")
                   for s in dcs if s not in schedule_kw]
        if faults:
            raise ModelError(faults)
        kw = {s: [float(x) for x in by_period(schedule_kw[s], labels, f"schedule of {s}").values()]
              for s in dcs}
        for s, dc in dcs.items():
            if not (min(kw[s]) >= 0.0 and max(kw[s]) <= dc.kw):
                faults.append(Fault(where, f"of {s!r} is {min(kw[s]):g} to {max(kw[s]):g} kW, and "
                                    f"its capacity {dc.kw:g} kW", "Stay within it."))
        if faults:
            raise ModelError(faults)
        terms = Terms(("schedule",), {s: mega(dc.kw) for s, dc in dcs.items()},
                      {s: float(shares.get(s, 0.0)) for s in dcs}, float(deviation_price), 0.0)
        first = FirstStage()
        first.add([("schedule", s, t) for s in dcs for t in range(len(labels))], 0.0,
                  [terms.capacity_mw[s] for s in dcs for _ in labels])
        return cls(first, np.array([mega(x) for s in dcs for x in kw[s]]), terms)

    @property
    def cost(self) -> float:
        """What it costs itself, whatever comes ($): subscribed capacity, the day-ahead payment."""
        return float(self.first.c @ self.x) + self.day_ahead

    def range_mw(self, periods: int) -> dict[str, np.ndarray]:
        """Least and greatest power that it leaves each site, a little widened.

        Parameters
        ----------
        periods : int

        Returns
        -------
        dict of str to ndarray
            MW, shape (2, periods).
        """
        found = {}
        for site, most in self.terms.capacity_mw.items():
            found[site] = np.array([np.zeros(periods), np.full(periods, most)])
        for label, x in zip(self.first.labels, self.x.tolist(), strict=True):
            if label[0] == "schedule":
                _, site, t = label
                room = self.terms.capacity_mw[site] * max(
                    self.terms.flexibility[site], _LEAST_ROOM)
                low, high = found[site][:, t]
                found[site][:, t] = max(low, x - room), min(high, x + room)
            elif label[0] == "capacity":
                found[label[1]][1] = np.minimum(found[label[1]][1], x)
        return found

    def schedule_kw(self) -> dict[str, list[float]]:
        """kW of each site by period; empty where the decision has no schedule."""
        found: dict[str, list[float]] = {}
        for label, x in zip(self.first.labels, self.x.tolist(), strict=True):
            if label[0] == "schedule":
                found.setdefault(label[1], []).append(KILO * x)
        return found

    def __repr__(self) -> str:
        kinds = ", ".join(self.terms.kinds)
        return f"<Decision: {kinds} of {', '.join(self.terms.capacity_mw)}>"
