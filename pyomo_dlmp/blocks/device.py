"""What every device block has in common: legs, the power of each leg, decisions, rows of results.

A device states between which conductors its legs lie and what each leg injects; the bus alone
maps legs to its balance rows (`BusBlock.connect`). A leg goes by a short name: ``"a"`` lies between
phase a and the neutral, ``"ab"`` between phases a and b (`conductors`).

Sign: powers of legs are *injected* into the bus (MW, Mvar); a device that draws injects negative
power.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from pyomo.core.base.block import BlockData
from pyomo.environ import value

from pyomo_dlmp.blocks.horizon import Horizon
from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.network import Device
from pyomo_dlmp.network.device import leg_names
from pyomo_dlmp.network.phases import conductors


@dataclass(frozen=True)
class Surroundings:
    """What an OPF knows beside the data of a device.

    `grounded`: whether anything holds the bus's voltage to ground. `penalty`: $ per MVA beyond a
    soft rating and hour, None where ratings are hard. `scale`: multiplier of a load in each period.
    `outside`: (leg, period) of a load whose voltage left its range at an AC operating point.
    """

    grounded: bool = True
    penalty: float | None = None
    scale: Any = 1.0
    outside: Iterable = field(default=frozenset())


class DeviceBlockData(BlockData):
    """Base of all device blocks; a subclass defines `build` and `leg_power`.

    `device`: the data; `legs`: names of the legs; `owner`: who decides its `decisions`: ``"dso"``
    (the lower level), ``"aggregator"`` (whoever takes its power from the DSO, by the device's
    name), ``"datacenter"`` (the same who decides the datacenters at its bus). Expression `cost`,
    where there is one, is part of the DSO's objective ($).
    """

    device: Any
    legs: tuple[str, ...]
    owner = "dso"

    def build(self, device: Any, horizon: Horizon, bus: Any) -> None:
        """Declare Vars, rows and cost, and `attach` to the bus."""
        raise NotImplementedError

    def build_at(self, device: Any, horizon: Horizon, bus: Any, at: Surroundings) -> None:
        """As `build`, in an OPF; a block that needs to know its surroundings takes them here."""
        self.build(device, horizon, bus)

    def leg_power(self, leg: str, t: Any) -> tuple[Any, Any]:
        """(p, q) that a leg injects into the bus in period t (expressions, MW and Mvar)."""
        raise NotImplementedError

    @property
    def conductors(self) -> dict[str, tuple[str, str]]:
        """The conductors between which each leg lies, ``{"a": ("a", "n")}``, by its name."""
        return {leg: conductors(leg) for leg in self.legs}

    def attach(self, device: Device, horizon: Horizon, bus: Any,
               legs: tuple[str, ...] | None = None) -> None:
        """Connect the legs (default: the device's) to the balances of a bus.

        Raises ModelError for a leg on a phase that the bus lacks, or data that do not go together.
        """
        for what, cure in device.findings():
            raise ModelError.at(f"{device.word} {device.name!r}", what, cure)
        self.device, self.bus_name = device, device.bus
        self.legs = leg_names(device) if legs is None else legs
        bus.connect(self, horizon.labels)

    # ------------------------------------------------------------------------ who decides it

    def decisions(self) -> Iterator[Any]:
        """Vars that its owner decides, where that is not the DSO."""
        yield from ()

    def hold(self, t: Any, mw: float | None = None) -> None:
        """Fix its owner's decisions in period t where the model has no such owner.

        mw: the power that it draws, None for what it does by itself.
        """
        for var in self.decisions():
            for k, data in var.items():
                if k == t or (isinstance(k, tuple) and k[-1] == t):
                    data.fix(0.0)

    # ------------------------------------------------------------------------------ results

    def made(self, t: Any) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """What each leg of the *device* makes at the values of a solution (MW, Mvar)."""
        powers = [self.leg_power(leg, t) for leg in self.legs]
        return tuple(value(p) for p, _ in powers), tuple(value(q) for _, q in powers)

    def dispatch(self, t: Any) -> Iterator[tuple[str, str, float]]:
        """Rows (leg, "active" or "reactive", MW or Mvar) of the table of dispatch, leg "" for all.

        Drawn where the device `draws`, else made.
        """
        sign = -1.0 if self.device.draws else 1.0
        for quantity, parts in zip(("active", "reactive"), self.made(t), strict=True):
            yield "", quantity, sign * sum(parts)

    def settings(self, t: Any, p: tuple[float, ...],
                 q: tuple[float, ...]) -> list[tuple[Any, float]]:
        """[(Var, value)] with which the device's legs make p and q (MW, Mvar) in period t."""
        raise ModelError.at(
            f"{self.device.word} {self.device.name!r}", "cannot be set to an AC operating point",
            "Define settings(t, p, q) in its block, or build with losses='quadratic'.")


class BalancedBlockData(DeviceBlockData):
    """A device whose legs share one power equally; a subclass defines `total`.

    Three equal legs of a delta are the same to the bus as three equal phases.
    """

    def total(self, t: Any) -> tuple[Any, Any]:
        """(p, q) that the device injects in all in period t (expressions, MW and Mvar)."""
        raise NotImplementedError

    def attach(self, device: Device, horizon: Horizon, bus: Any,
               legs: tuple[str, ...] | None = None) -> None:
        """Connect to a bus; see `DeviceBlockData.attach`."""
        own = leg_names(device) if legs is None else legs
        if len(own) == 3:
            own = tuple(dict.fromkeys("".join(own)))
        super().attach(device, horizon, bus, own)

    def leg_power(self, leg: str, t: Any) -> tuple[Any, Any]:
        """An equal share of the total."""
        p, q = self.total(t)
        return p / len(self.legs), q / len(self.legs)

    def made(self, t: Any) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Equal parts of the total."""
        p, q = self.total(t)
        return self.device.equal_legs(value(p), value(q))

    def dispatch(self, t: Any) -> Iterator[tuple[str, str, float]]:
        """The totals."""
        sign = -1.0 if self.device.draws else 1.0
        for quantity, power in zip(("active", "reactive"), self.total(t), strict=True):
            yield "", quantity, sign * value(power)
