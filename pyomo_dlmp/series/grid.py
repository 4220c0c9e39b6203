"""The feeder of a problem of a series: scales of its loads, what generators can make, limits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from pyomo_dlmp.network import Network, Profile
from pyomo_dlmp.network.series import period_labels
from pyomo_dlmp.opf.load_scale import load_series, reactive_series
from pyomo_dlmp.series.spans import Rows, Span, State
from pyomo_dlmp.tolerances import ROW_HOLDS


class Grid:
    """The feeder along a table.

    Parameters
    ----------
    rows : Rows
    shifted : bool
        Whether problems begin elsewhere than the market's periods do.

    Attributes
    ----------
    ranges : dict of str to (ndarray, ndarray)
        Least and most power (kW) of each datacenter by row, without ramps.
    """

    def __init__(self, rows: Rows, shifted: bool):
        self.rows, self.shifted = rows, shifted
        self._q: dict[str, np.ndarray] = {}  # of reactive power, where that has its own
        self._scale = self._load_scale()
        self.ranges = self._ranges()

    def _load_scale(self) -> dict[str, np.ndarray] | None:
        """Scale of loads and generators by name and row; None: the market's own is that."""
        market, numbers = self.rows.market, self.rows.table.numbers
        own = market.opf.get("load_scale", 1.0)
        mine = [c for c in numbers if c.partition(".")[0] in ("load_scale", "available")]
        profiles = isinstance(own, str)
        if not mine and not profiles and not self.shifted:
            return None
        rows, hours = self.rows.table.rows, self.rows.table.hours
        if profiles:
            found = {name: np.fromiter(values.values(), float) for name, values in load_series(
                market.network, own, range(rows), hours).items()}
            self._q = {name: np.fromiter(values.values(), float) for name, values in
                       reactive_series(market.network, own, range(rows), hours).items()}
        else:
            labels = period_labels(market.opf.get("periods", 1))[0]
            found = {name: np.resize(np.fromiter(values.values(), float), rows) for name, values
                     in load_series(market.network, own, labels, hours).items()}
        for column in sorted(mine, key=self._from_wide_to_narrow):
            word, _, name = column.partition(".")
            of = [name] if word == "available" or name in market.network.loads else [
                load.name for load in market.network.loads.values()
                if not name or load.profile == name]
            for key in of:
                found[key] = numbers[column]
                self._q.pop(key, None)
        return found

    def _from_wide_to_narrow(self, column: str) -> int:
        """All loads first, then those of a profile, then single ones, which count."""
        name = column.partition(".")[2]
        return 2 if name in self.rows.market.network.loads else bool(name)

    @property
    def has_own_q(self) -> bool:
        """Whether reactive powers of loads have multipliers of their own."""
        return bool(self._q)

    def network(self, span: Span, state: State | None) -> tuple[Network, Any]:
        """The feeder of a problem, and the scale of its loads.

        Parameters
        ----------
        span : Span
        state : State or None
            With what batteries hold.

        Returns
        -------
        (Network, object)
            A `load_scale`; None: the market's own.
        """
        network = self.rows.market.network
        new: list[Any] = []
        for name, kwh in ({} if state is None else state.storage).items():
            battery = network.devices_of("storage")[name]
            new.append(replace(battery, kwh_start=kwh, kwh_end=_end_of(battery)))
        if self._scale is None:
            return network.replacing(*new) if new else network, None
        rows = slice(span.first, span.first + span.length)
        part = {name: values[rows].tolist() for name, values in self._scale.items()}
        if not self._q:
            loads = {tuple(part[name]) for name in network.loads}
            same = len(part) == len(network.loads) and len(loads) == 1
            return network.replacing(*new) if new else network, list(*loads) if same else part
        minutes = 60.0 * self.rows.table.hours
        shapes = [Profile(
            name=f"of {name}", values=tuple(values), minutes=minutes,
            q_values=tuple(self._q[name][rows].tolist()) if name in self._q else None)
            for name, values in part.items()]
        scaled = {**network.loads, **network.devices_of("generator")}
        new += [replace(scaled[name], profile=f"of {name}") for name in part]
        own = Network(
            network.name, network.elements, network.description, network.source,
            [*network.profiles.values(), *shapes], network.frequency)
        return own.replacing(*new), "profiles"

    def limits(self, span: Span, state: State | None,
               every: bool = False) -> dict[str, tuple[Any, Any]]:
        """Limits of datacenters: the market's own, capacities, and ramps from the row before.

        Parameters
        ----------
        span : Span
        state : State or None
            With the power in the row before.
        every : bool
            Whether datacenters without limits of their own are there, too.

        Returns
        -------
        dict of str to (list, list)
            Least and most (kW), of those that have any.
        """
        found: dict[str, tuple[Any, Any]] = {}
        numbers = self.rows.table.numbers
        for name, dc in self.rows.market.network.datacenters.items():
            before = None if state is None or dc.ramp_kw is None else state.kw.get(name)
            own = name in self.rows.market.limits_kw or f"kw.{name}" in numbers
            if not (own or every) and before is None:
                continue
            low, high = (x[span.first:span.first + span.length].copy()
                         for x in self.ranges[name])
            if before is not None:
                assert dc.ramp_kw is not None
                room = dc.ramp_kw + ROW_HOLDS * (1.0 + before)  # else rounding alone may close it
                low[0], high[0] = max(low[0], before - room), min(high[0], before + room)
            found[name] = (low.tolist(), high.tolist())
        return found

    def _ranges(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Least and most power (kW) of each datacenter in all rows, without ramps."""
        rows, found = self.rows, {}
        whole = Span(0, 0, rows.table.rows, rows.table.rows)
        for name, dc in rows.market.network.datacenters.items():
            low, high = (np.asarray(rows.datum("", x, whole)) for x in
                         rows.market.limits_kw.get(name, (0.0, dc.kw)))
            high = np.minimum(high, rows.table.numbers.get(f"kw.{name}", dc.kw))
            high = np.minimum(high, dc.kw)
            found[name] = (np.minimum(np.maximum(low, dc.floor * dc.kw), high), high)
        return found


def _end_of(battery: Any) -> float:
    return battery.kwh_start if battery.kwh_end is None else battery.kwh_end
