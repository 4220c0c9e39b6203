"""What all parts of the writer share: nodes, buses, figures, ideal impedances."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from pyomo_dlmp.network import Bus, Network
from pyomo_dlmp.network.kinds import kind
from pyomo_dlmp.network.phases import NEUTRALS, PHASES, SPLIT
from pyomo_dlmp.network.units import mega
from pyomo_dlmp.network.zones import grounded_buses
from pyomo_dlmp.opendss.names import Names, quoted
from pyomo_dlmp.tolerances import IDEAL

LEAST_MVA = 0.1


def node_of(bus: Bus, conductor: str) -> int:
    """The node of a conductor in OpenDSS.

    Parameters
    ----------
    bus : Bus
        Its phases tell whether it is behind a centre-tapped transformer.
    conductor : str
        A phase, or a neutral or further conductor.

    Returns
    -------
    int
        1 to 3 of a, b, c, or 1 and 2 of the legs; then n, d, e ...; 0 of a neutral that is solidly
        grounded.
    """
    split = bus.phases[:1] in tuple(SPLIT)
    if conductor in NEUTRALS:
        solid = conductor == "n" and bus.ground_z == 0
        return 0 if solid else NEUTRALS.index(conductor) + (3 if split else 4)
    return (SPLIT if split else PHASES).index(conductor) + 1


class Wording:
    """A network, and how its buses and elements are called in a file.

    Parameters
    ----------
    network : Network
        The feeder.

    Attributes
    ----------
    names : Names
        With everything that was written so far.
    mva : float
        Apparent power of everything in the network (MVA), at least 0.1.
    grounded : set of str
        Buses whose voltage to ground is held.
    shapes : dict of str to str
        [profile]: the load shape that it was written as.
    together : frozenset of str
        Regulators that are written as one transformer.
    switched : frozenset of str
        Capacitors that are written even if they are open.
    """

    def __init__(self, network: Network, together: frozenset[str] = frozenset(),
                 switched: frozenset[str] = frozenset()):
        self.network, self.together, self.switched = network, together, switched
        self.names = Names(network.buses)
        self.shapes: dict[str, str] = {}
        self._spare: dict[str, int] = {}
        self.mva = max(LEAST_MVA, _power(network))
        self.grounded = grounded_buses(network)

    def nodes(self, bus: str, conductors: Iterable[str]) -> list[int]:
        """Nodes of conductors of a bus; see `node_of`."""
        return [node_of(self.network.buses[bus], k) for k in conductors]

    def at(self, bus: str, conductors: Iterable[str], *more: int) -> str:
        """A bus and its nodes as one word.

        Parameters
        ----------
        bus : str
            Of the network.
        conductors : iterable of str
            Of the bus.
        *more : int
            Further nodes.

        Returns
        -------
        str
            Such as ``671.1.2.3``.
        """
        return self.node(bus, *self.nodes(bus, conductors), *more)

    def node(self, bus: str, *nodes: int) -> str:
        """A bus and given nodes as one word."""
        return quoted(".".join([self.names.bus(bus), *map(str, nodes)]))

    def spare(self, bus: str) -> int:
        """A node that nothing else uses: for an open star point."""
        at = self.network.buses[bus]
        most = max((node_of(at, k) for k in at.conductors), default=0)
        first = max(most + 1, 3 if at.phases[:1] in SPLIT else 4)
        self._spare[bus] = self._spare.get(bus, first - 1) + 1
        return self._spare[bus]

    def new(self, word: str, element: object, part: str = "") -> str:
        """The beginning of a command that makes an element.

        Parameters
        ----------
        word : str
            Class in OpenDSS.
        element : Element
            What is written.
        part : str
            Which of several; "" of a whole.

        Returns
        -------
        str
        """
        return self.named(word, str(kind(element)), element.name, part)  # type: ignore[attr-defined]

    def named(self, word: str, kind: str, name: str, part: str = "") -> str:
        """As `new`, of a kind and name."""
        return f"new {word}.{self.names.element(word, kind, name, part)}"

    def ideal_ohm(self, bus: str) -> float:
        """What stands for no impedance at a bus (ohm).

        So small that the power of the whole network drops 1e-8 pu across it, and no smaller: the
        admittances beside it lose digits.
        """
        return IDEAL * self.network.buses[bus].kv_ln ** 2 / self.mva


def _power(network: Network) -> float:
    """Apparent power of everything in the network (MVA)."""
    kva = [math.hypot(p, q) for load in network.loads.values()
           for p, q in zip(load.kw, load.kvar, strict=True)]
    kva += [abs(q) for capacitor in network.capacitors.values() for q in capacitor.kvar]
    made = (device.nominal_power() for device in network.devices.values())
    kva += [math.hypot(*power) for power in made if power is not None]
    return mega(math.fsum(kva))


def figure(value: float) -> str:
    """A number with all its digits."""
    return f"{float(value):.17g}"


def row(values: Iterable[float | complex]) -> str:
    """Numbers as an array; a complex one as its real and imaginary part."""
    flat = [part for value in values for part in (
        (value.real, value.imag) if isinstance(value, complex) else (value,))]
    return f"[{' '.join(map(figure, flat))}]"


def matrix(values: np.ndarray | Iterable[Iterable[float]]) -> str:
    """A matrix of real numbers, by rows."""
    return f"[{' | '.join(' '.join(map(figure, each)) for each in values)}]"
