"""Soft voltage limits of a solved DSO that do not hold: prices then contain the penalty."""

from __future__ import annotations

from collections.abc import Container, Hashable
from dataclasses import dataclass
from math import sqrt

from pyomo.environ import value

from pyomo_dlmp.opf.limits import limited_blocks
from pyomo_dlmp.tolerances import ACTIVE


@dataclass(frozen=True)
class BrokenLimits:
    """Where soft voltage limits are broken.

    Attributes
    ----------
    count : int
        Voltages (by bus, phase and period) beyond their limit.
    of : int
        Voltages that have a limit.
    bus, phase, period
        The one that is furthest beyond.
    voltage, limit : float
        Its magnitude and the limit that it breaks (pu).
    """

    count: int
    of: int
    bus: str
    phase: str
    period: Hashable
    voltage: float
    limit: float

    @property
    def worst(self) -> str:
        """The furthest one in words."""
        sign = "<" if self.voltage < self.limit else ">"
        return (f"{self.bus}.{self.phase}, period {self.period}: "
                f"{self.voltage:.4f} pu {sign} {self.limit:g} pu")

    def __str__(self) -> str:
        return (f"{self.count} of {self.of} voltages are beyond their soft limit (the furthest: "
                f"{self.worst}), so prices contain the penalty of all of these.")


def soft_limits(dso) -> bool:
    """Whether a DSO has soft voltage limits."""
    return any(bus.component("neutral_excess") is not None or any(
        block.component("under") is not None for _, block in limited_blocks(bus))
        for bus in dso.bus.values())


def broken_limits(dso, periods: Container[Hashable] | None = None) -> BrokenLimits | None:
    """Soft voltage limits that a solved DSO breaks.

    Parameters
    ----------
    dso : block
        Filled by `build_opf` and solved.
    periods : container of labels, optional
        Those that are looked at; by default all.

    Returns
    -------
    BrokenLimits or None
        None where all hold, are hard, or where there are none.
    """
    found, count = [], 0
    for name, bus in dso.bus.items():
        for leg, block in limited_blocks(bus):
            if block.component("under") is None:
                continue
            for k, held in block.w.items():
                if periods is not None and (k if leg else k[1]) not in periods:
                    continue
                count += 1
                w, low, high = (value(held), value(block.v_low[k].lower),
                                value(block.v_high[k].upper))
                for excess, limit in ((low - w, low), (w - high, high)):
                    if excess > 2 * ACTIVE * (1 + limit):
                        v, at = sqrt(max(w, 0.0)), sqrt(limit)
                        found.append((abs(v - at), name, (leg, k) if leg else k, v, at))
        loose = bus.component("neutral_excess")
        for k, over in loose.items() if loose is not None else ():
            if periods is not None and k[1] not in periods:
                continue
            count += 1
            if value(over) > 2 * ACTIVE:
                v, at = abs(complex(bus.vr[k].value, bus.vi[k].value)), bus.neutral_v_max
                found.append((abs(v - at), name, k, v, at))
    if not found:
        return None
    _, name, (phase, period), v, at = max(found, key=lambda one: one[0])
    return BrokenLimits(len(found), count, name, phase, period, v, at)
