"""Transformers as plain data: any windings of single-phase units. Units as in `elements`.

A *unit* is one single-phase transformer between a leg of the from-bus and a leg of the to-bus; a
leg is a phase (``"a"``: to the grounded neutral) or a pair of phases (``"ab"``). A three-phase
transformer is three equal units without a common core, as in OpenDSS.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pyomo_dlmp.network.fields import KV, Range

PERCENT = Range(0, unit="%")
POSITIVE = Range(0, above=True)
KVA = Range(0, unit="kVA", above=True)
PPM = Range(0, unit="ppm")
REACTANCE = Range(-20, unit="% (a leg of a three-winding star may be below 0)")
PAIRS = {"abc": ("ab", "bc", "ca"), "lead": ("ac", "ba", "cb")}


@dataclass(frozen=True, kw_only=True)
class Transformer:
    """A transformer or bank between two buses.

    Parameters
    ----------
    name, from_bus, to_bus : str
    kva : float
        Rating of the whole bank (kVA).
    r_percent, x_percent : float
        Resistance of both windings together, and reactance (% on that rating).
    phases : str
        Its legs follow from these and `connection`, unless given.
    connection : str
        Windings of the from-bus and the to-bus, such as ``"delta-wye"``.
    tap, from_tap : float
        Factors (1) of the rated voltages of the to-side and the from-side.
    rated : bool
        Whether its rating is a limit of models; a connection study counts it in any case.
    lead : bool
        Whether the to-side of a delta-wye or wye-delta leads by 30 degrees instead of lagging.
    floating : "", "from", "to" or "both"
        Wye windings whose star point is open; others are grounded.
    from_legs, to_legs : tuple of str or None
        Legs of the units: ``("a", "b")`` and ``("ab", "bc")`` of open-wye open-delta; from a
        line-to-line pair ``("ab",)``.
    from_kv, to_kv : float or None
        Rated voltages (kV): line to line for two or three units, of the leg for one. None: the
        bus's nominal voltage.
    no_load_percent, magnetizing_percent : float
        Losses and current of the exciting branch (% on the rating).
    antifloat_ppm : float
        Shunt (ppm of the rating) that keeps an ungrounded winding's voltage to ground defined; only
        the AC power flow uses it.
    """

    name: str
    from_bus: str
    to_bus: str
    kva: Annotated[float, KVA]
    r_percent: Annotated[float, PERCENT]
    x_percent: Annotated[float, REACTANCE]
    phases: str = "abc"
    connection: Literal["wye-wye", "delta-delta", "delta-wye", "wye-delta"] = "wye-wye"
    tap: Annotated[float, POSITIVE] = 1.0
    rated: bool = False
    lead: bool = False
    floating: Literal["", "from", "to", "both"] = ""
    from_legs: tuple[str, ...] | None = None
    to_legs: tuple[str, ...] | None = None
    from_kv: Annotated[float | None, KV] = None
    to_kv: Annotated[float | None, KV] = None
    from_tap: Annotated[float, POSITIVE] = 1.0
    no_load_percent: Annotated[float, PERCENT] = 0.0
    magnetizing_percent: Annotated[float, PERCENT] = 0.0
    antifloat_ppm: Annotated[float, PPM] = 1.0

    @property
    def legs(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Legs of the from-bus and of the to-bus, unit by unit."""
        first, second = self.connection.split("-")
        mixed = first != second
        # the coils of the delta side turn so that the to-side lags, or leads (OpenDSS's LeadLag)
        turned = mixed and (self.lead == (first == "wye"))
        return (self.from_legs or _legs(first, self.phases, turned),
                self.to_legs or _legs(second, self.phases, turned))

    @property
    def from_phases(self) -> str:
        """Phases at the from-bus."""
        return "".join(sorted(set("".join(self.legs[0]))))

    @property
    def to_phases(self) -> str:
        """Phases at the to-bus."""
        return "".join(sorted(set("".join(self.legs[1]))))


def _legs(winding: str, phases: str, turned: bool) -> tuple[str, ...]:
    if winding == "wye":
        return tuple(phases)
    if len(phases) == 2:
        return (phases,)
    return PAIRS["lead" if turned else "abc"]


@dataclass(frozen=True, kw_only=True)
class CenterTappedTransformer:
    """A single-phase service transformer from a leg to the legs 1 and 2 of its to-bus.

    Parameters
    ----------
    name, from_bus, to_bus : str
    leg : str
        Of the from-bus: a phase or a pair of phases.
    kva : float
        Rating (kVA).
    r_percent : tuple of float
        Of the three windings: primary, leg 1, leg 2 (% on the rating).
    x_percent : tuple of float
        Of the pairs primary-1, primary-2, 1-2 (% on the rating).
    from_kv, to_kv : float or None
        Rated voltage of the primary and of one leg (kV); None: the buses' nominal.
    tap, rated, from_tap, no_load_percent, magnetizing_percent, antifloat_ppm
        As of `Transformer`.
    """

    name: str
    from_bus: str
    to_bus: str
    leg: str
    kva: Annotated[float, KVA]
    r_percent: Annotated[tuple[float, ...], PERCENT]
    x_percent: tuple[float, ...]
    tap: Annotated[float, POSITIVE] = 1.0
    rated: bool = False
    from_kv: Annotated[float | None, KV] = None
    to_kv: Annotated[float | None, KV] = None
    from_tap: Annotated[float, POSITIVE] = 1.0
    no_load_percent: Annotated[float, PERCENT] = 0.0
    magnetizing_percent: Annotated[float, PERCENT] = 0.0
    antifloat_ppm: Annotated[float, PPM] = 1.0

    @property
    def from_phases(self) -> str:
        """Phases at the from-bus."""
        return self.leg

    @property
    def to_phases(self) -> str:
        """The two legs."""
        return "12"
