"""What the linear three-phase power flow (LinDist3Flow) can take of a network.

It is a tree of buses with phases only, near nominal voltages of positive sequence. What is exact is
merged or reduced (`opf.neutrals`, `opf.merging`); all else is refused by name.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from pyomo_dlmp.blocks.substation import source_angles
from pyomo_dlmp.errors import Fault, ModelError, listed
from pyomo_dlmp.network import Line, Network
from pyomo_dlmp.network.admittance import NodalAdmittance
from pyomo_dlmp.network.elements import Substation
from pyomo_dlmp.network.kinds import buses_of, label
from pyomo_dlmp.network.phases import PHASES
from pyomo_dlmp.network.topology import Forest
from pyomo_dlmp.opf.merging import Arrangement, arranged
from pyomo_dlmp.opf.neutrals import without_neutrals
from pyomo_dlmp.tolerances import CONVEX, RANK

AC_FORM = "The AC power flow takes it (ac_power_flow), the linear power flow does not"
MOST_DEGREES = 5.0  # of a source's phases from 120 degrees apart: see docs/blocks/substation.md


@dataclass(frozen=True)
class Reduction:
    """An equivalent network of phases alone, and how blocks hold its branches.

    Attributes
    ----------
    network : Network
        Buses, branches and devices keep their names, devices their legs.
    branches : Arrangement
        A tree of single branches and banks.
    """

    network: Network
    branches: Arrangement


def reduced(network: Network) -> Reduction:
    """What a model is built of.

    Parameters
    ----------
    network : Network
        Any feeder.

    Returns
    -------
    Reduction

    Raises
    ------
    ModelError
        With everything that cannot be reduced exactly.
    """
    given = network
    network = without_neutrals(given, AC_FORM)
    branches = arranged(network, AC_FORM)
    faults = [*branches.faults, *_source_faults(network.substation, network),
              *_admittance_faults(network), *_rotation_faults(network)]
    if faults:
        raise ModelError(faults)
    return Reduction(network, branches)


def _source_faults(source: Substation, network: Network) -> Iterator[Fault]:
    """Angles of the source: the linear model is taken at nominal ones."""
    if source.angles is None:
        return
    phases = network.buses[source.bus].phases
    _, turns = source_angles(source, phases)
    if len(phases) == 3:
        zero, positive, negative = (abs(sum(
            v * np.exp(1j * (math.radians(angle) + 2 * math.pi * k * i / 3))
            for i, (v, angle) in enumerate(zip(source.v_pu, source.angles, strict=True))))
            for k in (0, 1, 2))
        if positive < max(zero, negative):
            yield Fault(label(source), f"its angles {listed(source.angles)} (degrees) are not of "
                        "positive sequence", f"{AC_FORM}: order the phases a, b, c.")
            return
    far = max(turns, key=lambda k: abs(turns[k]), default=None)
    if far is not None and abs(turns[far]) > math.radians(MOST_DEGREES):
        yield Fault(
            label(source), f"its phase {far!r} is {math.degrees(turns[far]):.3g} degrees off the "
            f"nominal angle, more than {MOST_DEGREES:g}",
            f"{AC_FORM}: it is linearised at phases 120 degrees apart.")


def _admittance_faults(network: Network) -> Iterator[Fault]:
    """Elements given by their admittance of which no two-port can be made."""
    for element in network.admittances.values():
        y = element.y
        size = np.abs(y).max(initial=0.0)
        if np.abs(y - y.T).max(initial=0.0) > RANK * size:
            yield Fault(label(element), "its admittance is not reciprocal (not symmetric)",
                        f"{AC_FORM}.")
        elif len(buses_of(element)) > 1 and not _determined(element):
            yield Fault(label(element), "its currents do not follow from the voltages at "
                        f"{element.from_bus!r} and the currents at its other buses",
                        f"{AC_FORM}.")


def _determined(element: NodalAdmittance) -> bool:
    """Whether V_to = T V_from - Z I_to holds whatever the currents: Y_tf in the range of Y_tt."""
    n = len(element.conductors[0])
    tf, tt = element.y[n:, :n], element.y[n:, n:]
    z = np.linalg.pinv(tt, rcond=RANK)
    return bool(np.abs(tf - tt @ z @ tf).max() <= 1e3 * RANK * np.abs(element.y).max())


def _rotation_faults(network: Network) -> Iterator[Fault]:
    """Buses whose conductors were renamed out of their order, so that their phases are no abc."""
    moved = [b for b in network.branches.values()
             if isinstance(b, Line) and b.to_phases != b.from_phases]
    if not moved:
        return
    forest = Forest.grow([network.substation.bus], network.buses, network.branches.values())
    turn: dict[tuple[str, str], int] = {}
    for bus in forest.parent:  # breadth first
        phases = network.buses[bus].phases
        for feed in forest.feeds(bus):
            above = feed.from_bus if feed.to_bus == bus else feed.to_bus
            pairs = zip(feed.from_phases, feed.to_phases, strict=False)
            if isinstance(feed, Line):
                for first, second in pairs:
                    k, other = (first, second) if feed.to_bus == bus else (second, first)
                    if k in PHASES and other in PHASES:
                        turn[bus, other] = turn.get((above, k), 0) + (
                            PHASES.index(other) - PHASES.index(k))
            else:
                turn.update({(bus, k): turn.get((above, feed.from_phases[0]), 0) for k in phases})
        if len({turn.get((bus, k), 0) % 3 for k in phases}) > 1:
            lines = [b for b in moved if bus in buses_of(b)] or moved
            yield Fault(
                f"bus {bus!r}", f"its phases {phases!r} are not in their order behind "
                f"{listed(map(label, lines))}", f"{AC_FORM}: keep the order a, b, c.")
            return


def refuse_nonconvex_losses(lines: Iterable[Line]) -> None:
    """Refuse line codes whose resistance would make losses that are not convex.

    Parameters
    ----------
    lines : iterable of Line
        Of phases alone.

    Raises
    ------
    ModelError
        With the first line of each such code.
    """
    faults, seen = [], set()
    for line in lines:
        if id(line.code) in seen:
            continue
        seen.add(id(line.code))
        r = np.array(line.code.r)
        least = float(np.linalg.eigvalsh(0.5 * (r + r.T))[0])
        if least < -CONVEX * max(CONVEX, np.abs(r).max()):
            faults.append(Fault(
                label(line), f"its code {line.code.name!r} has the resistance eigenvalue "
                f"{least:.3g} ohm/km, with which losses are not convex",
                "Build with losses=None, or correct the code's r."))
    if faults:
        raise ModelError(faults)
