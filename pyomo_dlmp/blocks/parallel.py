"""Parallel branches as one: a `BranchBlock` of their two-port, and each member's own flow.

The bank (`network.parallel`) has p, q of all members together and the voltage rows; a member's own
flow is an Expression of it, with the constant complex matrices K, A of its share of the current:

    S_k,i = sum_j conj(K_k,ij) (V_i / V_j) S_j + V_i conj(C_k V_f)_i     at nominal voltages

so that its rating holds for it alone. An element of several buses (`NodalAdmittance`) is the same
two-port with one member; its to-side are all buses but the first (`Ports`).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pyomo.environ as pyo
from pyomo.core.base.block import declare_custom_block
from pyomo.core.expr import LinearExpression

from pyomo_dlmp.blocks.branch import BranchBlockData
from pyomo_dlmp.blocks.horizon import Horizon, Term
from pyomo_dlmp.blocks.shunt import inject_shunt
from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.network.kinds import label
from pyomo_dlmp.network.parallel import Bank, Member, nominal
from pyomo_dlmp.network.phases import PHASES, Connection, alpha
from pyomo_dlmp.tolerances import ENTRY, NOMINAL, RANK

COMPONENTS = ("line", "regulator", "transformer", "admittance", "parallel")


def branch_blocks(model: Any) -> Iterator[tuple[str, Any]]:
    """Blocks with flows and voltage rows of their own: single branches, and banks.

    Parameters
    ----------
    model : Block
        Filled by `build_opf`.

    Yields
    ------
    (str, BranchBlock)
        Name of the branch (of a bank: its first) and block.
    """
    for name, block in _in(model, COMPONENTS):
        if block.component("voltage") is not None:
            yield name, block


def flow_blocks(model: Any) -> Iterator[tuple[str, Any]]:
    """Every branch of the network by its name, with `p` and `q` of its own.

    Parameters
    ----------
    model : Block
        Filled by `build_opf`.

    Yields
    ------
    (str, BranchBlock)
        `p` and `q` are Vars, or Expressions of a member of a bank.
    """
    yield from _in(model, COMPONENTS[:-1])


def _in(model: Any, names: Iterable[str]) -> Iterator[tuple[str, Any]]:
    for kind in names:
        component = model.component(kind)
        if component is not None:
            yield from component.items()


class Ports:
    """Several buses in place of one: their conductors under names of their own.

    Parameters
    ----------
    at : mapping of str to (BusBlock, str)
        By label: bus and phase.
    """

    def __init__(self, at: dict[str, tuple[Any, str]]):
        self.at = at
        self.phases = tuple(at)
        self.first = next(iter(at.values()))[0]
        self.name = self.first.name
        self.w = _Values(at, "w")
        self.theta = _Values(at, "theta")

    def index(self) -> Any:
        """Name of the first of its buses."""
        return self.first.index()

    def component(self, name: str) -> Any:
        """A component of its first bus."""
        return self.first.component(name)

    def inject(self, k: tuple[str, Hashable], p: Any, q: Any) -> None:
        """As `BusBlock.inject`, by label."""
        bus, phase = self.at[k[0]]
        bus.inject((phase, k[1]), p, q)

    def inject_sums(self, label: str, horizon: Horizon, p: Sequence[Term],
                    q: Sequence[Term]) -> None:
        """As `BusBlock.inject_sums`, by label."""
        bus, phase = self.at[label]
        bus.inject_sums(phase, horizon, p, q)


class _Values:
    """w or theta by (label, period)."""

    def __init__(self, at: dict[str, tuple[Any, str]], what: str):
        self.at, self.what = at, what

    def __getitem__(self, k: tuple[str, Hashable]) -> Any:
        bus, phase = self.at[k[0]]
        return getattr(bus, self.what)[phase, k[1]]


@declare_custom_block(name="ParallelBlock")
class ParallelBlockData(BranchBlockData):
    """A bank of parallel branches, or an element given by its admittance."""

    def build(self, bank: Bank, horizon: Horizon, from_bus: Any, to_bus: Any,
              grounded: bool = True, inject: bool = True) -> None:
        """Connect the two sides.

        Parameters
        ----------
        bank : Bank
            Of `network.parallel`.
        horizon : Horizon
            Periods and shared indices.
        from_bus, to_bus : BusBlock or Ports
            Its sides.
        grounded : bool
            Whether the voltage to ground is held beyond; see `TransformerBlock`.
        inject : bool
            Whether its power enters these buses; False: its members inject at their own.

        Raises
        ------
        ModelError
            If a bus lacks a phase or gets no voltage, or angles are needed and the model has none.
        """
        self.bank, self.injects, self.far = bank, inject, to_bus
        self.what = ", parallel to ".join(label(member.branch) for member in bank.members)
        turns, z, shunt = bank.port
        inputs, outputs = bank.first.labels, bank.second.labels
        turns = _without_noise(turns)
        if not grounded and "".join(outputs) == PHASES:
            centred = np.eye(3) - 1.0 / 3.0
            turns, z = centred @ turns, centred @ z @ centred
        dead = [k for k, v in zip(outputs, turns @ alpha(inputs), strict=True) if abs(v) < NOMINAL]
        if dead:
            raise ModelError.at(self.what, f"gives conductor {dead[0]!r} no voltage where those of "
                                "its first bus are nominal", "Remove that conductor from it.")
        connection = Connection.linearise(
            _real(turns), inputs, outputs, alpha(inputs), alpha(outputs))
        self.connect(self.what, horizon, from_bus, to_bus, z, connection)
        size = np.abs(np.linalg.pinv(z, rcond=RANK)).max()
        shunt = np.where(np.abs(shunt) < RANK * size, 0.0, shunt)
        if inject and np.any(shunt):
            inject_shunt(from_bus, inputs, shunt, horizon, horizon.angles)

    def at(self, label: str) -> tuple[str, str]:
        """Bus and phase of one of its outputs."""
        if isinstance(self.far, Ports):
            bus, phase = self.far.at[label]
            return str(bus.index()), phase
        return super().at(label)

    def _inject(self, horizon, from_bus, to_bus) -> None:
        if not self.injects:
            return
        for k in self.phases:
            to_bus.inject_sums(k, horizon, [(1.0, self.p, k)], [(1.0, self.q, k)])
        first, second = nominal(self.bank)
        back = sum(member.back for member in self.bank.members).conj()
        _inject_from(self, horizon, from_bus, self.bank.first.labels,
                     _without_noise(back * np.outer(first, 1.0 / second)))


@declare_custom_block(name="AdmittanceBlock")
class AdmittanceBlockData(ParallelBlockData):
    """An element of two or more buses given by its nodal admittance."""


def _inject_from(bank, horizon: Horizon, bus, labels: Sequence[str], ratio: np.ndarray) -> None:
    """Power -ratio S at the conductors of a bus."""
    for i, k in enumerate(labels):
        for t in horizon.labels:
            p, q = _parts(bank, -ratio[i], t)
            bus.inject((k, t), p, q)


def _parts(bank, row: np.ndarray, t: Hashable, fixed: complex = 0.0) -> tuple[Any, Any]:
    """Real and imaginary part of  sum_j row_j (p_j + j q_j) + fixed."""
    real, imag = [], []
    for k, c in zip(bank.phases, row, strict=True):
        p, q = bank.p[k, t], bank.q[k, t]
        real += [(c.real, p), (-c.imag, q)]
        imag += [(c.imag, p), (c.real, q)]
    return tuple(LinearExpression(
        constant=float(part), linear_coefs=[float(c) for c, _ in kept],
        linear_vars=[v for _, v in kept])
        for part, kept in ((fixed.real, [x for x in real if abs(x[0]) > ENTRY]),
                           (fixed.imag, [x for x in imag if abs(x[0]) > ENTRY])))


def follow(block: Any, member: Member, bank: Any, horizon: Horizon, ends: tuple[Any, Any]) -> None:
    """Make a block the member of a bank: its own flow as Expressions of the bank's.

    Parameters
    ----------
    block : BranchBlock
        That of the member.
    member : Member
        Of the bank.
    bank : ParallelBlock
        Built.
    horizon : Horizon
        Periods and shared indices.
    ends : (BusBlock, BusBlock)
        Its own from-bus and to-bus.
    """
    first, second = nominal(bank.bank)
    if member.turned:  # its to-side is the bank's from-side, into which -J flows
        places, volts, names = member.first, first, bank.bank.first.labels
        own, fixed = -member.back, -member.shunt
    else:
        places, volts, names = member.second, second, bank.bank.second.labels
        own, fixed = member.to, member.to_fixed
    weights = _without_noise(own.conj() * np.outer(volts, 1.0 / second))
    left = _without_noise(volts * (fixed @ first).conj())
    phases = "".join(names[i] for i in places)
    _own_flow(block, horizon, phases, ends, {
        (names[i], t): _parts(bank, weights[i], t, left[i])
        for i in places for t in horizon.labels})
    block.bank_name = str(bank.index())
    if bank.injects:
        return
    far, near = (ends[0], ends[1]) if member.turned else (ends[1], ends[0])
    for i in member.second:
        for t in horizon.labels:
            there = (bank.bank.second.labels[i], t)
            if member.turned:
                row = _without_noise(member.to.conj() * np.outer(second, 1.0 / second))[i]
                far.inject(there, *_parts(bank, row, t))
            else:
                far.inject(there, block.p[there], block.q[there])
    _inject_from(bank, horizon, near, bank.bank.first.labels, _without_noise(
        member.back.conj() * np.outer(first, 1.0 / second)))
    if np.any(_without_noise(member.shunt)):
        inject_shunt(near, bank.bank.first.labels, member.shunt, horizon, horizon.angles)


def carry_nothing(block: Any, phases: str, horizon: Horizon, ends: tuple[Any, Any]) -> None:
    """Make a block a branch without a flow: both of its ends are one node.

    Parameters
    ----------
    block : BranchBlock
        That of the branch.
    phases : str
        Its phases.
    horizon : Horizon
        Periods and shared indices.
    ends : (BusBlock, BusBlock)
        Its from-bus and to-bus.
    """
    _own_flow(block, horizon, phases, ends, dict.fromkeys(horizon.index(phases), (0.0, 0.0)))
    block.bank_name = ""


def _own_flow(block, horizon: Horizon, phases: str, ends, powers: dict) -> None:
    index = horizon.index(phases)
    block.phases = phases
    block.from_bus_name, block.to_bus_name = (str(bus.index()) for bus in ends)
    block.p = pyo.Expression(index, initialize={k: p for k, (p, _) in powers.items()})
    block.q = pyo.Expression(index, initialize={k: q for k, (_, q) in powers.items()})


def _without_noise(matrix: np.ndarray) -> np.ndarray:
    size = np.abs(matrix).max(initial=0.0)
    real = np.where(np.abs(matrix.real) < RANK * size, 0.0, matrix.real)
    return real + 1j * np.where(np.abs(matrix.imag) < RANK * size, 0.0, matrix.imag)


def _real(turns: np.ndarray) -> np.ndarray:
    """Turns ratios are real but for the exciting branch's tiny drop, which a shunt holds."""
    return turns.real if np.abs(turns.imag).max() < NOMINAL * np.abs(turns).max() else turns
