"""What all devices at a bus share: a name, a bus, legs, and their power without a dispatch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pyomo_dlmp.errors import Fault, NetworkError, listed, shown
from pyomo_dlmp.network.fields import Column, word_findings
from pyomo_dlmp.network.phases import DELTA_PAIRS, NEUTRALS, PHASES, SPLIT, between_phases
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

    def __post_init__(self) -> None:
        found = list(word_findings(self))
        if found:
            raise NetworkError(Fault(f"{self.word} {shown(self.name)}", *each) for each in found)

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
    neutral : str
        Conductor of the bus at which the star point of a wye is, such as ``"n"``; "": ground.
    """

    phases: Annotated[str, Column(always=True)] = "abc"
    connection: Literal["wye", "delta"] = "wye"
    neutral: str = ""

    @property
    def legs(self) -> tuple[str, ...]:
        """Names of the legs: phases, or pairs of phases."""
        if self.connection == "wye":
            return tuple(phase + self.neutral for phase in self.phases)
        return ("ab", "bc", "ca") if len(self.phases) == 3 else (pair_name(self.phases),)

    def touched(self) -> str:
        """Conductors of the bus that it needs."""
        return self.phases + self.neutral

    def findings(self) -> Iterator[Finding]:
        """A delta needs two phases and has no star point."""
        if self.neutral and (self.connection == "delta" or len(self.neutral) > 1
                             or self.neutral not in NEUTRALS):
            yield (f"neutral is {self.neutral!r}, its connection {self.connection!r}",
                   "Give one conductor such as 'n' for the star point of a wye, or leave it out.")
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
    """The name of the leg between two conductors.

    Parameters
    ----------
    phases : str
        Two conductors in any order.

    Returns
    -------
    str
        The pair in its usual order: ``"ca"`` for ``"ac"``, ``"an"`` for ``"na"``.
    """
    if phases[0] in NEUTRALS or phases[1] in NEUTRALS:  # the phase first, then n, then further ones
        return "".join(sorted(phases, key=lambda k: (k in NEUTRALS, NEUTRALS.find(k))))
    return phases if phases in ("ab", "bc", "ca", "12") else phases[::-1]


def leg_findings(device: Any, add: str) -> Iterator[Finding]:
    """Legs of a wye are to ground or to a neutral, of a delta pairs of phases, each once.

    Parameters
    ----------
    device : Device
        With fields `connection` and `legs`.
    add : str
        What is added up where a leg repeats.

    Yields
    ------
    (str, str)
        What is wrong, and its cure.
    """
    delta = device.connection == "delta"
    for leg in device.legs:
        if not _leg_is_known(leg, delta):
            turned = f"Write it as {leg[::-1]!r}." if _leg_is_known(leg[::-1], delta) else ""
            usual = DELTA_PAIRS if device.connection == "delta" else tuple(PHASES)
            yield (f"leg {leg!r} of a {device.connection} {device.word}",
                   turned or f"Legs are {listed(usual)}.")
    if len(set(device.legs)) < len(device.legs):
        yield f"legs {listed(device.legs)} repeat", f"Add up {add} of the same leg."


def _leg_is_known(leg: str, delta: bool) -> bool:
    if delta:
        return leg in (*DELTA_PAIRS, SPLIT)
    wires = {*PHASES, *SPLIT, *NEUTRALS}
    if len(leg) == 1:
        return leg in wires
    return len(leg) == 2 and set(leg) <= wires and not between_phases(leg) and (
        pair_name(leg) == leg)
