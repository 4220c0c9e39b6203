"""The applicant: a load at a bus, and what of its power each leg draws as it grows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from pyomo_dlmp.ac.circuit import Circuit
from pyomo_dlmp.errors import Fault, ModelError, nearest, shown
from pyomo_dlmp.network import Datacenter, Network, StaticVarGenerator
from pyomo_dlmp.network.phases import PHASES
from pyomo_dlmp.network.series import is_number
from pyomo_dlmp.network.units import mega
from pyomo_dlmp.network.zones import grounded_buses


@dataclass(frozen=True, kw_only=True)
class Site:
    """An applicant.

    Parameters
    ----------
    bus : str
    phases : str
        Those it is connected to, shared equally.
    power_factor : float
        Lagging (1).
    svg_kvar : float
        Of a static var generator beside it, which injects 1 kvar for each kW that the site draws,
        up to this.
    connection : "wye" or "delta"
    name : str
        Of its device.
    """

    bus: str
    phases: str = PHASES
    power_factor: float = 0.95
    svg_kvar: float = 0.0
    connection: str = "wye"
    name: str = "applicant"

    def device(self, kw: float = 1.0) -> Datacenter:
        """It as a device of a network.

        Parameters
        ----------
        kw : float

        Returns
        -------
        Datacenter
        """
        return Datacenter(name=self.name, bus=self.bus, phases=self.phases, kw=kw,
                          power_factor=self.power_factor,
                          connection=self.connection)  # type: ignore[arg-type]

    def devices(self, kw: float) -> list[Any]:
        """It and its static var generator, for a power flow or an OPF.

        Parameters
        ----------
        kw : float

        Returns
        -------
        list of Device
        """
        found: list[Any] = [self.device(kw)]
        if self.svg_kvar:
            found.append(StaticVarGenerator(
                name=f"{self.name}_svg", bus=self.bus, phases=self.phases,
                connection=self.connection, kvar=self.svg_kvar))  # type: ignore[arg-type]
        return found

    def kvar(self, kw: np.ndarray) -> np.ndarray:
        """Reactive power drawn, net of the static var generator (kvar)."""
        return np.tan(np.arccos(self.power_factor)) * kw - np.minimum(kw, self.svg_kvar)

    def injected(self, circuit: Circuit, kw: np.ndarray) -> tuple[list[int], np.ndarray]:
        """What its legs inject.

        Parameters
        ----------
        circuit : Circuit
            With its device.
        kw : ndarray, shape (periods,)

        Returns
        -------
        (list of int, ndarray)
            Legs; powers of shape (legs, periods), complex (MVA).
        """
        legs = circuit.legs.of[self.name]
        each = -(mega(1.0) * (kw + 1j * self.kvar(kw))) / len(legs)
        return legs, np.repeat(each[None, :], len(legs), axis=0)


def checked_site(network: Network, bus: str, *, phases: str | None = None,
                 power_factor: float = 0.95, svg: float | None = None,
                 name: str = "applicant") -> Site:
    """An applicant, or everything that is wrong with it.

    Parameters
    ----------
    network : Network
    bus : str
    phases : str, optional
        By default all three; of two at a bus that nothing grounds it stands between them.
    power_factor : float
    svg : float, optional
        Rating of a static var generator (kvar).
    name : str

    Returns
    -------
    Site

    Raises
    ------
    ModelError
        If there is no such bus (with the nearest names), it lacks phases, or a number is none.
    """
    faults = []
    where = f"bus {shown(bus)}"
    known = network.buses.get(bus) if isinstance(bus, str) else None
    if known is None:
        faults.append(Fault(where, f"is not in network {network.name!r}",
                            nearest(bus, network.buses)))
    wanted, connection = PHASES if phases is None else phases, "wye"
    if known is not None:
        if lacking := [k for k in wanted if k not in known.phases] or ([] if wanted else [""]):
            faults.append(Fault(
                where, f"has phases {known.phases!r}, not {', '.join(map(repr, lacking))}",
                f"Connect to phases={known.phases!r} (--phases {known.phases}), or choose one of "
                f"{_three_phase(network, bus)}."))
        elif bus == network.substation.bus:
            faults.append(Fault(where, "is the substation's, where nothing limits a load",
                                "Choose a bus of the feeder."))
        elif len(wanted) < 3 and bus not in grounded_buses(network):
            connection = "delta"  # between two phases
            if len(wanted) == 1:
                faults.append(Fault(
                    where, f"is grounded by nothing, so that phase {wanted!r} alone feeds no load",
                    "Connect to two phases, such as phases='ab' (--phases ab), or to three."))
    if not is_number(power_factor) or not 0 < power_factor <= 1:
        faults.append(Fault("connection study, power_factor", f"is {shown(power_factor)}",
                            "Give a lagging power factor above 0 and at most 1, such as 0.95."))
    if svg is not None and (not is_number(svg) or not (0 <= svg < math.inf)):
        faults.append(Fault("connection study, svg", f"is {shown(svg)}",
                            "Give its rating in kvar, at least 0."))
    while name in network.devices:
        name += "_"
    if faults:
        raise ModelError(faults)
    return Site(bus=bus, phases=wanted, power_factor=float(power_factor),
                svg_kvar=float(svg or 0.0), connection=connection, name=name)


def three_phase_buses(network: Network) -> list[str]:
    """Buses at which a three-phase applicant can stand, in the order of the feeder.

    Parameters
    ----------
    network : Network

    Returns
    -------
    list of str
    """
    return [name for name in network.graph() if network.buses[name].phases == PHASES
            and name != network.substation.bus]


def _three_phase(network: Network, bus: str) -> str:
    """Three-phase buses that are nearest by name, in words."""
    names = three_phase_buses(network)
    close = nearest(bus, names) if names else ""
    return close.removeprefix("Did you mean ").rstrip("?") if close.startswith("Did") else (
        ", ".join(names[:5]) or "those with its phases")
