"""Local optima of the DSO's AC OPF: a market's answer is solved again from other dispatches.

The AC OPF is not convex: a load that is an impedance below its `v_low` bends the wrong way there,
and each side may have an optimum of its own. Which one a loop ends in depends on where it began, so
that two markets with the same schedule could differ by that alone. A DSO that has a better answer
takes it: at the end of a market its problem is solved from its devices' nominal powers, from the
extremes of their reactive powers, and from the answers of other markets (`Market.ac_starts`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyomo.environ as pyo

from pyomo_dlmp.ac_opf import AcLoop
from pyomo_dlmp.ac_opf.start import start_injections
from pyomo_dlmp.blocks.registry import device_blocks
from pyomo_dlmp.errors import SolverError
from pyomo_dlmp.lower.solver import LowerSolution
from pyomo_dlmp.market.dso import AcDso, LinearDso
from pyomo_dlmp.network.units import mega
from pyomo_dlmp.tolerances import ROUNDING, SAME_OBJECTIVE

_MOST = 2  # times that a market goes on from a better optimum
_NEAR = 0.03  # pu between a load's voltage and its `v_low`: the bend may part two optima
Powers = Mapping[str, np.ndarray]


def powers_of(loop: AcLoop) -> dict[str, np.ndarray]:
    """Powers of the devices at a loop's state: a start for others.

    Parameters
    ----------
    loop : AcLoop

    Returns
    -------
    dict of str to ndarray, shape (legs, periods), complex
        By device, in MVA, injected.
    """
    legs = loop.circuit.legs
    return {name: loop.state.injected[legs.of[name]].copy() for name, _ in device_blocks(loop.model)
            if legs.given[legs.of[name][0]]}


def cleared(dso: LinearDso | AcDso, starts: Sequence[Powers] = ()) -> LowerSolution:
    """`clear`, and `look_around`.

    Parameters
    ----------
    dso : LinearDso or AcDso
    starts : sequence of mapping
        As of `look_around`.

    Returns
    -------
    LowerSolution
        The best that was met; values and duals are loaded.
    """
    answer = dso.clear()
    if look_around(dso, starts):
        assert isinstance(dso, AcDso) and dso.loop.solution is not None
        return dso.loop.solution
    return answer


def look_around(dso: LinearDso | AcDso, starts: Sequence[Powers] = ()) -> bool:
    """Whether the DSO's AC OPF has a cheaper optimum from another start; it stands there then.

    Parameters
    ----------
    dso : LinearDso or AcDso
        Cleared, at decisions of others that stay.
    starts : sequence of mapping
        As of `powers_of`, of other answers.

    Returns
    -------
    bool
        False in the linear form, whose optimum is one; the DSO is then as it was.
    """
    if not isinstance(dso, AcDso) or dso.loop.form is None or dso.moved_on >= _MOST:
        return False
    if not _free(dso.loop, datacenters=True).any():  # one power flow, whatever it starts from
        return False
    first = best = _Place(dso)
    met = [first.cost]
    for injected in _different([*_own_starts(dso.loop), *_given(dso.loop, starts)]):
        try:
            dso.loop.start_at(injected)
            dso.rounds = dso.loop.settle()
        except SolverError:  # no dispatch there: not a start
            continue
        finally:
            first.hold_decisions()
        if not dso.loop.settled:
            continue
        here = _Place(dso)
        met.append(here.cost)
        if _less(here.cost, best.cost) or not best.settled:
            best = here
    best.stand(dso)
    if _less(min(met), max(met)):
        dso.notes.append(
            f"the DSO's AC OPF has several local optima (met: {min(met):.6g} to {max(met):.6g} $); "
            "the least is taken, a lesser one is not ruled out")
    dso.moved_on += best is not first
    return best is not first


def _different(starts: Iterable[np.ndarray]) -> list[np.ndarray]:
    """Starts without those that are there already: runs of a study often share a dispatch."""
    found: list[np.ndarray] = []
    for one in starts:
        if not any(np.allclose(one, other, rtol=0.0, atol=ROUNDING) for other in found):
            found.append(one)
    return found


def _less(cost: float, other: float) -> bool:
    return cost < other - SAME_OBJECTIVE * (1.0 + abs(other))


class _Place:
    """Where a DSO stands."""

    def __init__(self, dso: AcDso):
        loop = dso.loop
        assert loop.form is not None
        self.cost = float(pyo.value(dso.model.cost))
        self.state, self.solution, self.settled = loop.state, loop.solution, loop.settled
        self.straight, self.rounds = set(loop.straight), dso.rounds
        self.decided = [(var, var.value) for var in loop.form.u]

    def hold_decisions(self) -> None:
        """Give what others decide its values again."""
        for var, value in self.decided:
            var.set_value(value, skip_validation=True)

    def stand(self, dso: AcDso) -> None:
        """Let the DSO stand here again."""
        dso.loop.straight, dso.loop.settled, dso.rounds = (
            self.straight, self.settled, self.rounds)
        self.hold_decisions()
        dso.restore(self.state, self.solution)
        self.hold_decisions()


def _own_starts(loop: AcLoop) -> Iterator[np.ndarray]:
    """Nominal powers of the DSO's devices; where loads may bend, their extreme reactive powers."""
    present = loop.state.injected
    nominal = start_injections(loop.circuit, loop.labels, None)
    free = _free(loop, datacenters=False)
    yield np.where(free, nominal, present)
    if not _may_bend(loop):
        return
    legs = loop.circuit.legs
    for sign in (1.0, -1.0):
        extreme = present.copy()
        for name, block in device_blocks(loop.model):
            at = legs.of[name]
            if free[at].all() and (most := _reactive(block.device, sign)):
                extreme[at] = extreme[at].real + 1j * most / len(at)
        yield extreme


def _reactive(device: Any, sign: float) -> float:
    """Greatest reactive power of a device in one direction (Mvar, injected)."""
    if sign < 0 and hasattr(device, "kvar_min"):
        return mega(device.kvar_min)
    names = ("kvar_max", "kva", "kvar")  # a generator's or battery's, an inverter's, an SVG's
    return sign * mega(next((most for name in names if (most := getattr(device, name, None))), 0.0))


def _given(loop: AcLoop, starts: Sequence[Powers]) -> Iterator[np.ndarray]:
    """Starts by device, where the DSO decides; devices that they lack keep their powers."""
    free, legs = _free(loop, datacenters=True), loop.circuit.legs
    for powers in starts:
        found = loop.state.injected.copy()
        for name, power in powers.items():
            at = legs.of.get(name)
            if at is not None and free[at].all() and power.shape == found[at].shape:
                found[at] = power
        yield found


def _free(loop: AcLoop, datacenters: bool) -> np.ndarray:
    """Legs of devices on whose power the DSO decides, shape (legs, 1)."""
    assert loop.form is not None
    own = {id(var) for var in loop.form.x}
    free = np.zeros((len(loop.circuit.legs), 1), dtype=bool)
    for name, block in device_blocks(loop.model):
        at = loop.circuit.legs.of[name]
        if loop.circuit.legs.given[at[0]] and (datacenters or name not in loop.model.datacenter):
            free[at] = any(id(var) in own for var in block.component_data_objects(pyo.Var))
    return free


def _may_bend(loop: AcLoop) -> bool:
    """Whether a load is near the lower end of its range, where its law bends."""
    legs, u = loop.circuit.legs, np.abs(loop.state.legs.u)
    for name, load in loop.network.loads.items():
        at = legs.of[name]
        if (np.abs(u[at] / np.asarray(legs.rated)[at][:, None] - load.v_low) < _NEAR).any():
            return True
    return False
