"""What all device blocks share: legs, the power of each leg, decisions, rows of results.

A device states between which conductors its legs lie and what each leg injects; the bus alone
maps legs to its balance rows (`BusBlock.connect`). A leg has a short name: ``"a"`` lies between
phase a and the neutral, ``"ab"`` between phases a and b (`conductors`).

Sign: powers of legs are *injected* into the bus (MW, Mvar); a device that draws injects negative
power.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pyomo.core.base.block import BlockData
from pyomo.environ import value

from pyomo_dlmp.blocks.data_checks import check_data
from pyomo_dlmp.blocks.horizon import Horizon
from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.network import Device
from pyomo_dlmp.network.device import leg_names
from pyomo_dlmp.network.phases import between_phases, conductors


@dataclass(frozen=True)
class Surroundings:
    """What an OPF knows beside the data of a device.

    Attributes
    ----------
    grounded : bool
        Whether the bus's voltage to ground is held.
    penalty : float or None
        $ per MVA beyond a soft rating and hour; None: hard ratings.
    scale : float or sequence of float
        Multiplier (1) of a load or generator, one or one per period.
    q_scale : float, sequence of float or None
        Multiplier (1) of a load's reactive power; None: `scale`.
    """

    grounded: bool = True
    penalty: float | None = None
    scale: Any = 1.0
    q_scale: Any = None


class DeviceBlockData(BlockData):
    """Base of all device blocks; a subclass defines `build` and `leg_power`.

    Attributes
    ----------
    device : Device
        The data.
    legs : tuple of str
        Names of the legs.
    owner : str
        Who decides its `decisions`: ``"dso"`` (the lower level), ``"aggregator"`` (whoever takes
        its power from the DSO, by the device's name), ``"datacenter"`` (whoever decides the
        datacenters at its bus).
    cost : Expression, optional
        Part of the DSO's objective ($).
    """

    device: Any
    legs: tuple[str, ...]
    owner = "dso"

    def build(self, device: Any, horizon: Horizon, bus: Any) -> None:
        """Declare Vars, rows and cost, and `attach` to the bus.

        Parameters
        ----------
        device : Device
            The data.
        horizon : Horizon
            Periods and shared indices.
        bus : BusBlock
            Where it is connected.

        Raises
        ------
        ModelError
            If a leg is on a phase that the bus lacks.
        """
        raise NotImplementedError

    def build_at(self, device: Any, horizon: Horizon, bus: Any, at: Surroundings) -> None:
        """As `build`, in an OPF; a block that needs to know its surroundings takes them here.

        Parameters
        ----------
        device : Device
            The data.
        horizon : Horizon
            Periods and shared indices.
        bus : BusBlock
            Where it is connected.
        at : Surroundings
            What the OPF knows beside the data.
        """
        self.build(device, horizon, bus)

    def leg_power(self, leg: str, t: Any) -> tuple[Any, Any]:
        """Power that a leg injects into the bus.

        Parameters
        ----------
        leg : str
            One of `legs`.
        t : hashable
            The period.

        Returns
        -------
        (expression, expression)
            p and q (MW, Mvar).
        """
        raise NotImplementedError

    def power_at_point(self, leg: str, t: Any) -> complex:
        """Power that a leg injects at the operating point of the AC form.

        Parameters
        ----------
        leg : str
            One of `legs`.
        t : hashable
            The period.

        Returns
        -------
        complex
            In MVA.
        """
        p, q = self.leg_power(leg, t)
        return complex(value(p), value(q))

    @property
    def conductors(self) -> dict[str, tuple[str, str]]:
        """The conductors between which each leg lies, such as ``{"a": ("a", "n")}``."""
        return {leg: conductors(leg) for leg in self.legs}

    def attach(self, device: Device, horizon: Horizon, bus: Any,
               legs: tuple[str, ...] | None = None) -> None:
        """Connect the legs to the balances of a bus.

        Parameters
        ----------
        device : Device
            The data.
        horizon : Horizon
            Periods and shared indices.
        bus : BusBlock
            Where it is connected.
        legs : tuple of str, optional
            Names of the legs; those of the device if not given.

        Raises
        ------
        ModelError
            If a leg is on a phase that the bus lacks, or `bus` is another than the device names.
        NetworkError
            If a field is not of its type or range, or fields contradict each other.
        """
        check_data(device, bus=bus)
        self.device, self.bus_name = device, device.bus
        self.legs = leg_names(device) if legs is None else legs
        bus.connect(self, horizon.labels)

    # ------------------------------------------------------------------------ who decides it

    def decisions(self) -> Iterator[Any]:
        """Vars that its owner decides, if that is not the DSO.

        Yields
        ------
        Var
        """
        yield from ()

    def hold(self, t: Any, mw: float | None = None) -> None:
        """Fix its owner's decisions in a period, in a model without such an owner.

        Parameters
        ----------
        t : hashable
            The period.
        mw : float or None
            Power that it draws (MW); None: its own default.
        """
        for var in self.decisions():
            for k, data in var.items():
                if k == t or (isinstance(k, tuple) and k[-1] == t):
                    data.fix(0.0)

    # ------------------------------------------------------------------------------ results

    def made(self, t: Any) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Power that each leg of the *device* generates at the values of a solution.

        Parameters
        ----------
        t : hashable
            The period.

        Returns
        -------
        (tuple of float, tuple of float)
            MW by leg and Mvar by leg.
        """
        powers = [self.leg_power(leg, t) for leg in self.legs]
        return tuple(value(p) for p, _ in powers), tuple(value(q) for _, q in powers)

    def dispatch(self, t: Any) -> Iterator[tuple[str, str, float]]:
        """Rows of the table of dispatch: drawn if the device `draws`, otherwise generated.

        Parameters
        ----------
        t : hashable
            The period.

        Yields
        ------
        (str, str, float)
            Leg ("" for the total), "active" or "reactive", MW or Mvar.
        """
        sign = -1.0 if self.device.draws else 1.0
        for quantity, parts in zip(("active", "reactive"), self.made(t), strict=True):
            yield "", quantity, sign * sum(parts)

    def channels(self, t: Any) -> Iterator[tuple[Any, dict[str, complex]]]:
        """Powers by which it acts on the feeder, independent of each other.

        Parameters
        ----------
        t : hashable
            The period.

        Yields
        ------
        (expression, dict of str to complex)
            A power that it generates (MW or Mvar), and by leg of the *device* what that leg injects
            (MVA) per unit of it: 1 of an active power, 1j of a reactive one.
        """
        for leg, name in zip(self.legs, _own_legs(self), strict=True):
            for power, unit in zip(self.leg_power(leg, t), (1.0 + 0j, 1j), strict=True):
                yield power, {name: unit}

    def settings(self, t: Any, p: tuple[float, ...],
                 q: tuple[float, ...]) -> list[tuple[Any, float]]:
        """Values of its Vars with which the device's legs generate given powers.

        Parameters
        ----------
        t : hashable
            The period.
        p, q : tuple of float
            Generated by each leg (MW, Mvar).

        Returns
        -------
        list of (Var, float)

        Raises
        ------
        ModelError
            If the block does not define it.
        """
        raise ModelError.at(
            f"{self.device.word} {self.device.name!r}", "cannot be set to an AC operating point",
            "Define settings(t, p, q) in its block, or build with losses='quadratic'.")


class BalancedBlockData(DeviceBlockData):
    """A device whose legs share one power equally; a subclass defines `total`.

    Three equal legs of a delta are the same to the bus as three equal phases.
    """

    def total(self, t: Any) -> tuple[Any, Any]:
        """Total power that the device injects.

        Parameters
        ----------
        t : hashable
            The period.

        Returns
        -------
        (expression, expression)
            p and q (MW, Mvar).
        """
        raise NotImplementedError

    def attach(self, device: Device, horizon: Horizon, bus: Any,
               legs: tuple[str, ...] | None = None) -> None:
        """Connect to a bus; see `DeviceBlockData.attach`."""
        own = leg_names(device) if legs is None else legs
        if bus.form != "ac" and len(own) == 3 and all(map(between_phases, own)):
            own = tuple(dict.fromkeys("".join(own)))
        super().attach(device, horizon, bus, own)

    def leg_power(self, leg: str, t: Any) -> tuple[Any, Any]:
        """An equal share of the total."""
        p, q = self.total(t)
        share = 1.0 / len(self.legs)
        return share * p, share * q

    def made(self, t: Any) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Equal parts of the total."""
        p, q = self.total(t)
        return self.device.equal_legs(value(p), value(q))

    def channels(self, t: Any) -> Iterator[tuple[Any, dict[str, complex]]]:
        """The totals, each shared by all legs."""
        names = _own_legs(self)
        for power, unit in zip(self.total(t), (1.0 + 0j, 1j), strict=True):
            yield power, dict.fromkeys(names, unit / len(names))

    def dispatch(self, t: Any) -> Iterator[tuple[str, str, float]]:
        """The totals."""
        sign = -1.0 if self.device.draws else 1.0
        for quantity, power in zip(("active", "reactive"), self.total(t), strict=True):
            yield "", quantity, sign * value(power)


def _own_legs(block: Any) -> tuple[str, ...]:
    """The device's own legs, which a block of equal legs may call by phases."""
    own = leg_names(block.device)
    return own if len(own) == len(block.legs) else block.legs
