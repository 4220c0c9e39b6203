"""What every device at a bus has: a name, a bus, legs, and what it makes when nothing decides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pyomo_dlmp.network.fields import Column
from pyomo_dlmp.network.series import is_number

Finding = tuple[str, str]  # what is wrong, and its cure
LegPowers = tuple[tuple[float, ...], tuple[float, ...]]


@dataclass(frozen=True, kw_only=True)
class Device:
    """A device at a bus; subclasses are frozen, keyword-only dataclasses.

    Class attributes: `word`, how messages, study files and tables of results call it (and a model's
    block, too); `plural`, its attribute of a `Network` and its feeder table ``<plural>.csv``;
    `table_needed`, whether a feeder must have that table; `draws`, whether tables of results count
    its power positive when drawn (else when made).
    """

    word: ClassVar[str]
    plural: ClassVar[str]
    table_needed: ClassVar[bool] = False
    draws: ClassVar[bool] = False

    name: str
    bus: str

    def findings(self) -> Iterator[Finding]:
        """What does not go together in its (well typed) fields, and how to cure it."""
        yield from ()

    def touched(self) -> str:
        """Phases of the bus that it needs."""
        return "".join(leg_names(self))

    def grounds(self) -> bool:
        """Does it hold its bus's voltage to ground?"""
        return False

    def nominal_power(self) -> tuple[float, float] | None:
        """(kW, kvar) that it makes in all in an AC power flow without a dispatch.

        None: its power follows from the voltage, it has an OpenDSS element of its own and no
        dispatch.
        """
        return 0.0, 0.0

    def leg_powers(self, given: Any) -> LegPowers:
        """What its legs make (kW, kvar), of kW or (kW, kvar) in all; ValueError says what to give.
        """
        pair = (given, 0.0) if is_number(given) else tuple(given)
        if len(pair) != 2:
            raise ValueError("Give kW, or (kW, kvar), made.")
        return self.equal_legs(*pair)

    def equal_legs(self, kw: float, kvar: float) -> LegPowers:
        """A total (kW, kvar) shared equally by its legs."""
        n = len(leg_names(self))
        return (kw / n,) * n, (kvar / n,) * n


@dataclass(frozen=True, kw_only=True)
class MultiphaseDevice(Device):
    """A device whose legs follow from its phases and its connection.

    `connection` ``"wye"``: a leg for each of `phases`; ``"delta"``: ab, bc and ca, or the one pair
    of two phases.
    """

    phases: Annotated[str, Column(always=True)] = "abc"
    connection: Literal["wye", "delta"] = "wye"

    @property
    def legs(self) -> tuple[str, ...]:
        """Names of the legs: phases, or pairs."""
        if self.connection == "wye":
            return tuple(self.phases)
        return ("ab", "bc", "ca") if len(self.phases) == 3 else (pair_name(self.phases),)

    def touched(self) -> str:
        """Phases of the bus that it needs."""
        return self.phases

    def findings(self) -> Iterator[Finding]:
        """A delta needs two phases."""
        if self.connection == "delta" and len(self.phases) < 2:
            yield (f"delta {self.word} with phases {self.phases!r}",
                   "A delta needs two phases (one leg) or three.")


def leg_names(device: Any) -> tuple[str, ...]:
    """Legs of a device, a field or a property of it."""
    return tuple(device.legs)


def pair_name(phases: str) -> str:
    """Two phases as the name of a leg: ``"ca"`` for ``"ac"``."""
    return phases if phases in ("ab", "bc", "ca", "12") else phases[::-1]
