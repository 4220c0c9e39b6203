"""A solved circuit as a `Draft`: the elements read so far, and those that could not be."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from pyomo_dlmp.engine.snapshot import EngineElement, Snapshot
from pyomo_dlmp.errors import Fault
from pyomo_dlmp.network import Element
from pyomo_dlmp.network.device import pair_name
from pyomo_dlmp.network.phases import NEUTRALS, PHASES, SPLIT

LETTERS = {1: "a", 2: "b", 3: "c"}
SPLIT_LETTERS = {1: "1", 2: "2"}
BRANCHES = frozenset(("line", "transformer", "reactor", "autotrans", "gictransformer", "fault"))
RISEN = 0.05  # share of the nominal voltage from which on a conductor is not at rest

Place = tuple[str, int]  # bus and node


class Unsupported(Exception):
    """An element that a network cannot represent.

    Parameters
    ----------
    what, cure : str
        What is not supported, and its cure.
    """

    def __init__(self, what: str, cure: str = "Remove it, or replace it by what is modeled."):
        super().__init__(what)
        self.what, self.cure = what, cure


@dataclass
class Draft:
    """The network while it is read.

    Attributes
    ----------
    snapshot : Snapshot
        The solved circuit.
    elements : list of Element
        Read so far.
    faults, unsupported, left_out, notes : list of Fault
        What is wrong; what cannot be represented; what stands still (dead, open, off) and is
        therefore left out; what is read, but not as the file says.
    split : set of str
        Buses behind centre-tapped transformers.
    bus_kv : dict of str to float
        Nominal voltage of buses (kV, line to line).
    live : set of Place
        Nodes that the main source feeds.
    coupled : set of str
        Full names of lines some of whose conductors only their coupling to others energises.
    users : dict of Place to int
        How many elements are at a node.
    depth : dict of str to int
        Branches between the source's bus and each other one.
    ground : dict of str to complex
        Impedance between the neutral and ground of buses (ohm).
    sources : set of str
        Full names of the sources that are the substation.
    made : dict of str to list of str
        [full name]: names of the elements that it became.
    ratings : bool
        Whether ratings are limits of models.
    """

    snapshot: Snapshot
    elements: list[Element] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    unsupported: list[Fault] = field(default_factory=list)
    left_out: list[Fault] = field(default_factory=list)
    notes: list[Fault] = field(default_factory=list)
    split: set[str] = field(default_factory=set)
    bus_kv: dict[str, float] = field(default_factory=dict)
    live: set[Place] = field(default_factory=set)
    coupled: set[str] = field(default_factory=set)
    users: dict[Place, int] = field(default_factory=dict)
    depth: dict[str, int] = field(default_factory=dict)
    ground: dict[str, complex] = field(default_factory=dict)
    sources: set[str] = field(default_factory=set)
    made: dict[str, list[str]] = field(default_factory=dict)
    ratings: bool = False

    # ------------------------------------------------------------------------------- messages

    def where(self, full: str) -> str:
        """Name of an element in messages: its OpenDSS name, and file and line where it was made."""
        place = self.snapshot.places.get(full.lower())
        return f"{full} ({place})" if place else full

    def refuse(self, full: str, what: str, cure: str) -> None:
        """Note an element that cannot be represented, by its OpenDSS name."""
        self.unsupported.append(Fault(self.where(full), what, cure))

    def leave_out(self, full: str, what: str) -> None:
        """Note an element that does nothing in the solution."""
        self.left_out.append(Fault(self.where(full), what))

    def note(self, full: str, what: str) -> None:
        """Note how an element is read where the file says otherwise."""
        self.notes.append(Fault(self.where(full), what))

    @contextmanager
    def reading(self, full: str) -> Iterator[None]:
        """Within, note what keeps an element from being read, so that the next one is read."""
        try:
            yield
        except Unsupported as why:
            self.refuse(full, why.what, why.cure)
        except (TypeError, ValueError, KeyError, IndexError, ZeroDivisionError,
                np.linalg.LinAlgError) as error:  # null, NaN, too few numbers
            self.faults.append(Fault(self.where(full), f"its numbers cannot be read ({error})",
                                     "Correct its properties."))

    # ---------------------------------------------------------------------------------- names

    def name(self, full: str, family: str = "") -> str:
        """Name of an element in the network.

        Parameters
        ----------
        full : str
            Its OpenDSS name.
        family : "branch", "device" or ""
            Whose names must differ; by default that of its class.

        Returns
        -------
        str
            The name without its class, unless another class of its family has the same.
        """
        kind, bare = full.lower().split(".", 1)
        family = family or ("branch" if kind in BRANCHES else "device")
        for name in (bare, f"{kind}.{bare}"):
            if self._taken.setdefault((family, name), full.lower()) == full.lower():
                return name
        return self.further(full, "")

    def further(self, full: str, suffix: str) -> str:
        """Name of a further element that an OpenDSS element becomes.

        Parameters
        ----------
        full : str
            Its OpenDSS name.
        suffix : str
            Added to its name.

        Returns
        -------
        str
            No other element of either family has it.
        """
        name = wanted = f"{self.name(full)}{suffix}" if suffix else full.lower()
        count = 1
        while any((family, name) in self._taken for family in ("branch", "device")) or any(
                name == kept for kept in self._buses):
            count += 1
            name = f"{wanted}_{count}"
        for family in ("branch", "device"):
            self._taken[family, name] = full.lower() + suffix
        return name

    _taken: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def _buses(self) -> dict[str, float]:
        return self.bus_kv

    def claim_names(self) -> None:
        """Let the elements of the circuit have their own names before any that are made up."""
        for full, element in self.snapshot.elements.items():
            if element.kind != "reactor":  # a branch or a device
                self.name(full)

    # ----------------------------------------------------------------------------- conductors

    def letters(self, bus: str) -> dict[int, str]:
        """Conductors of a bus by node.

        Parameters
        ----------
        bus : str
            Name of the bus.

        Returns
        -------
        dict of int to str
            1, 2, 3 are phases a, b, c (behind a centre-tapped transformer 1 and 2 its legs); the
            next is the neutral n, then d, e ...
        """
        if bus not in self._letters:
            known = SPLIT_LETTERS if bus in self.split else LETTERS
            first = len(known) + 1
            self._letters[bus] = {**known, **{
                first + i: letter for i, letter in enumerate(NEUTRALS)}}
        return self._letters[bus]

    _letters: dict[str, dict[int, str]] = field(default_factory=dict)

    def letter(self, bus: str, node: int) -> str:
        """The conductor of a node.

        Parameters
        ----------
        bus : str
            Name of the bus.
        node : int
            From 1 on.

        Returns
        -------
        str
            Such as ``"a"``, or ``"n"`` of node 4.

        Raises
        ------
        Unsupported
            Beyond the last letter.
        """
        known = self.letters(bus)
        if node not in known:
            raise Unsupported(f"it is connected to node {node} of bus {bus!r}",
                              f"Nodes go up to {len(LETTERS) + len(NEUTRALS)}: renumber them.")
        return known[node]

    def leg(self, bus: str, first: int, second: int) -> str:
        """The leg between two nodes of a bus.

        Parameters
        ----------
        bus : str
            Name of the bus.
        first, second : int
            Nodes; 0 is ground.

        Returns
        -------
        str
            A conductor, or a pair in its usual order.
        """
        if second == 0:
            return self.letter(bus, first)
        if first == 0:
            return self.letter(bus, second)
        return pair_name(self.letter(bus, first) + self.letter(bus, second))

    def is_phase(self, place: Place) -> bool:
        """Whether a node is a phase, and the source feeds it."""
        return place in self.live and self.letter(*place) in (*PHASES, *SPLIT)

    def stated_kva(self, element: EngineElement) -> float | None:
        """Normal rating of a phase of a line (kVA at nominal voltage), if the file states one."""
        amps = self.snapshot.amps.get(element.full.lower())
        return None if amps is None else tidy(amps * self.kv_ln(element.ends[0][0]))

    def private(self, place: Place) -> bool:
        """Whether a node is no phase, and only one element is there: a star point of its own."""
        return self.users.get(place, 0) < 2 and self.letter(*place) in NEUTRALS

    def risen(self, place: Place) -> bool:
        """Whether a node has a voltage that shows."""
        return abs(self.volts(place)) > RISEN * 1e3 * self.kv_ln(place[0])

    def is_live(self, element: EngineElement) -> bool:
        """Whether the source feeds any of an element's conductors."""
        return any(place in self.live for place in element.nodes)

    # ------------------------------------------------------------------------------- voltages

    def kv_ln(self, bus: str) -> float:
        """Nominal voltage of a phase to neutral (kV)."""
        return self.bus_kv[bus] / (2.0 if bus in self.split else math.sqrt(3.0))

    def leg_kv(self, bus: str, leg: str) -> float:
        """Nominal voltage of a leg (kV): line to line between phases, else line to neutral."""
        phases = {*PHASES, *SPLIT}
        pair = len(leg) == 2 and set(leg) <= phases
        return self.bus_kv[bus] if pair else self.kv_ln(bus)

    def volts(self, place: Place) -> complex:
        """Voltage of a node to ground at the solution (V)."""
        bus, node = place
        return self.snapshot.buses[bus].volts.get(node, 0j) if node else 0j


def tidy(value: float, digits: int = 10) -> float:
    """A number with the digits that matter: not 4.159999999 from a product of two roots.

    Parameters
    ----------
    value : float
        In any unit.
    digits : int
        Significant digits.

    Returns
    -------
    float
    """
    return float(f"{value:.{digits}g}")


def in_delta(connection: object) -> bool:
    """Whether an OpenDSS connection is line to line."""
    return str(connection).lower().startswith(("d", "ll"))
