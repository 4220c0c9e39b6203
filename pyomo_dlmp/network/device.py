"""What all devices at a bus share: a name, a bus, legs, and their power without a dispatch."""

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

    Parameters
    ----------
    name : str
        Unique among devices.
    bus : str
        Name of its bus.

    Attributes
    ----------
    word : str
        Of the class: its name in messages, study files, tables of results and models.
    plural : str
        Of the class: its attribute of a `Network` and its feeder table ``<plural>.csv``.
    table_needed : bool
        Of the class: whether a feeder must have that table.
    draws : bool
        Of the class: whether tables of results count its power positive when drawn (otherwise when
        generated).
    """

    word: ClassVar[str]
    plural: ClassVar[str]
    table_needed: ClassVar[bool] = False
    draws: ClassVar[bool] = False

    name: str
    bus: str

    def findings(self) -> Iterator[Finding]:
        """Relations between its (well typed) fields that do not hold.

        Yields
        ------
        (str, str)
            What is wrong, and its cure.
        """
        yield from ()

    def touched(self) -> str:
        """Phases of the bus that it needs.

        Returns
        -------
        str
            Such as ``"ab"``.
        """
        return "".join(leg_names(self))

    def grounds(self) -> bool:
        """Whether it holds its bus's voltage to ground.

        Returns
        -------
        bool
        """
        return False

    def nominal_power(self) -> tuple[float, float] | None:
        """Total power that it generates in an AC power flow without a dispatch.

        Returns
        -------
        (float, float) or None
            kW and kvar. None: its power follows from the voltage; it is an OpenDSS element of its
            own and is not dispatched.
        """
        return 0.0, 0.0

    def leg_powers(self, given: Any) -> LegPowers:
        """Power that each leg generates.

        Parameters
        ----------
        given : float or (float, float)
            Total kW, or total (kW, kvar), generated.

        Returns
        -------
        (tuple of float, tuple of float)
            kW by leg and kvar by leg.

        Raises
        ------
        ValueError
            If there are not two numbers; the message tells what to give.
        """
        pair = (given, 0.0) if is_number(given) else tuple(given)
        if len(pair) != 2:
            raise ValueError("Give kW, or (kW, kvar), made.")
        return self.equal_legs(*pair)

    def equal_legs(self, kw: float, kvar: float) -> LegPowers:
        """A total shared equally by its legs.

        Parameters
        ----------
        kw, kvar : float
            Total active and reactive power (kW, kvar).

        Returns
        -------
        (tuple of float, tuple of float)
            kW by leg and kvar by leg.
        """
        n = len(leg_names(self))
        return (kw / n,) * n, (kvar / n,) * n


@dataclass(frozen=True, kw_only=True)
class MultiphaseDevice(Device):
    """A device whose legs follow from its phases and its connection.

    Parameters
    ----------
    name, bus : str
        As of `Device`.
    phases : str
        Such as ``"abc"``.
    connection : "wye" or "delta"
        A leg for each of `phases`; or ab, bc and ca, or the one pair of two phases.
    """

    phases: Annotated[str, Column(always=True)] = "abc"
    connection: Literal["wye", "delta"] = "wye"

    @property
    def legs(self) -> tuple[str, ...]:
        """Names of the legs: phases, or pairs of phases."""
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
    """Legs of a device, whether they are a field or a property of it.

    Parameters
    ----------
    device : Device
        A device of any kind.

    Returns
    -------
    tuple of str
        Such as ``("a", "b")`` or ``("ab", "ca")``.
    """
    return tuple(device.legs)


def pair_name(phases: str) -> str:
    """The name of the leg between two phases.

    Parameters
    ----------
    phases : str
        Two phases in any order.

    Returns
    -------
    str
        The pair in its usual order: ``"ca"`` for ``"ac"``.
    """
    return phases if phases in ("ab", "bc", "ca", "12") else phases[::-1]
