"""Parallel branches, and linear elements of several buses, as one two-port with its members.

Between the conductors f of the from-side and t of the to-side the admittances of the members add
up, Y = sum Y_k. Joints (no impedance) hold V_t = V_f on some conductors J; the others are F:

    V_t = T V_f - Z I,   T_J: the conductor itself,   Z_FF = (Y_tt,FF)^+,  Z elsewhere 0
                         T_F = -Z_FF (Y_tf + Y_tt,FJ T_J)_F

with I the current that all members together bring to the to-side. A member then carries

    at the to-side    I_k = K_k I + C_k V_f,   K_k = Y_k,tt Z,   C_k = -(Y_k,tf + Y_k,tt T)
    at the from-side  J_k = A_k I + G_k V_f,   A_k = -Y_k,ft Z,  G_k = Y_k,ff + Y_k,ft T

and joints of one conductor equal parts of what is left (the limit of equal small impedances). C and
G are what circulates between members of different ratios, and exciting branches. To first order at
nominal voltages,  S_k,i = sum_j conj(K_k,ij) (V_i / V_j) S_j + V_i conj(C_k V_f)_i.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from pyomo_dlmp.network.elements import Bus, Line
from pyomo_dlmp.network.kinds import Branch
from pyomo_dlmp.network.phases import alpha
from pyomo_dlmp.network.windings import TwoPort, admittance
from pyomo_dlmp.tolerances import RANK

Port = tuple[str, str]  # bus and conductor


@dataclass(frozen=True)
class Side:
    """Conductors of one side: their names, where each member meets them, and their voltages.

    Attributes
    ----------
    labels : tuple of str
        Names, each beginning with its phase; of a single bus the phases themselves.
    kv : ndarray, shape (n,)
        Nominal voltages to ground (kV).
    """

    labels: tuple[str, ...]
    kv: np.ndarray


@dataclass
class Member:
    """A branch of a bank: its maps from the bank's current I and V_f; see the module's text.

    Attributes
    ----------
    branch : Branch
        As in the network.
    turned : bool
        Whether its own from-bus is at the bank's to-side.
    first, second : list of int
        Places of its conductors at the from-side and at the to-side of the bank.
    to, to_fixed, back, shunt : ndarray
        K, C, A and G, over all conductors of the bank (pu on 1 MVA).
    """

    branch: Branch
    turned: bool
    first: list[int]
    second: list[int]
    to: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    to_fixed: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    back: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    shunt: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))


@dataclass(frozen=True)
class Bank:
    """Members between two sides, and their two-port.

    Attributes
    ----------
    first, second : Side
        Of the substation, and the other.
    port : TwoPort
        T, Z and Y_s = sum of the members' G.
    members : list of Member
    """

    first: Side
    second: Side
    port: TwoPort
    members: list[Member]


def side(phases: Sequence[str], kv: Sequence[float]) -> Side:
    """A side of one bus.

    Parameters
    ----------
    phases : sequence of str
        Its conductors.
    kv : sequence of float
        Their nominal voltages to ground (kV).

    Returns
    -------
    Side
    """
    return Side(tuple(phases), np.array(kv))


def bank_of(branches: Sequence[Branch], buses: Mapping[str, Bus],
            turned: Sequence[bool] = ()) -> Bank:
    """The bank of branches between the same two buses (or buses joined with them).

    Parameters
    ----------
    branches : sequence of Branch
        Of two buses each.
    buses : mapping of str to Bus
        By name.
    turned : sequence of bool, optional
        Whether each is led from the bank's to-side; none if not given.

    Returns
    -------
    Bank
    """
    turned = list(turned) or [False] * len(branches)
    ends = [(b.to_phases, b.from_phases) if back else (b.from_phases, b.to_phases)
            for b, back in zip(branches, turned, strict=True)]
    from_phases, to_phases = (_union([end[i] for end in ends]) for i in (0, 1))
    head = branches[0]
    first, second = ((head.to_bus, head.from_bus) if turned[0] else (head.from_bus, head.to_bus))
    sides = (side(from_phases, [buses[first].kv_ln] * len(from_phases)),
             side(to_phases, [buses[second].kv_ln] * len(to_phases)))
    members: list[Member] = []
    own: list[np.ndarray | None] = []
    for branch, back, (f, t) in zip(branches, turned, ends, strict=True):
        places = [from_phases.index(k) for k in f], [to_phases.index(k) for k in t]
        members.append(Member(branch, back, *places))
        if isinstance(branch, Line) and not np.any(branch.z):
            own.append(None)
            continue
        y = admittance(branch, buses)
        if back:
            order = [*range(len(t), len(t) + len(f)), *range(len(t))]
            y = y[np.ix_(order, order)]
        own.append(y)
    return _solved(sides, members, own)


def element_bank(branch: Branch, first: Side, second: Side, y: np.ndarray) -> Bank:
    """A bank of one linear element.

    Parameters
    ----------
    branch : Branch
        The element.
    first, second : Side
        All its conductors.
    y : ndarray, shape (n, n), complex
        Its admittance (S), over those of `first` and then of `second`.

    Returns
    -------
    Bank
    """
    n, m = len(first.labels), len(second.labels)
    return _solved((first, second), [Member(branch, False, list(range(n)), list(range(m)))], [y])


def _solved(sides: tuple[Side, Side], members: list[Member],
            own: list[np.ndarray | None]) -> Bank:
    n, m = (len(s.labels) for s in sides)
    kv = np.concatenate([s.kv for s in sides])
    parts: list[np.ndarray] = []
    for member, y in zip(members, own, strict=True):
        full = np.zeros((n + m, n + m), dtype=complex)
        if y is not None:
            places = [*member.first, *(n + k for k in member.second)]
            full[np.ix_(places, places)] = y
        parts.append(full * np.outer(kv, kv))
    total = sum(parts, np.zeros((n + m, n + m), dtype=complex))
    tf, tt = total[n:, :n], total[n:, n:]
    joined = np.zeros((m, n))  # T of the joints
    count = np.zeros(m)
    for member, y in zip(members, own, strict=True):
        if y is None:
            joined[member.second, member.first] = 1.0
            count[member.second] += 1
    free = count == 0
    z = np.zeros((m, m), dtype=complex)
    z[np.ix_(free, free)] = np.linalg.pinv(tt[np.ix_(free, free)], rcond=RANK)
    t = joined - z @ (tf + tt @ joined)
    plain = not any(y is not None and not isinstance(k.branch, Line)
                    for k, y in zip(members, own, strict=True))
    if plain:  # of lines alone nothing circulates: exactly, not to rounding
        t = np.round(t.real)
    for member, part in zip(members, parts, strict=True):
        member.to, member.back = part[n:, n:] @ z, -part[:n, n:] @ z
        member.to_fixed = -(part[n:, :n] + part[n:, n:] @ t)
        member.shunt = part[:n, :n] + part[:n, n:] @ t
        if plain:
            member.to_fixed, member.shunt = 0 * member.to_fixed, 0 * member.shunt
    left = np.eye(m) - sum(k.to for k in members)
    left_fixed = -sum(k.to_fixed for k in members)
    for member, y in zip(members, own, strict=True):
        if y is None:
            pick = np.zeros((m, m))
            pick[member.second, member.second] = 1.0 / count[member.second]
            member.to, member.to_fixed = pick @ left, pick @ left_fixed
            across = np.zeros((n, m))
            across[member.first, member.second] = 1.0
            member.back, member.shunt = across @ member.to, across @ member.to_fixed
    shunt = sum((k.shunt for k in members), np.zeros((n, n), dtype=complex))
    return Bank(*sides, TwoPort(t, z, shunt), members)


def nominal(bank: Bank) -> tuple[np.ndarray, np.ndarray]:
    """Nominal phasors of both sides, as far as they decide ratios of powers.

    Parameters
    ----------
    bank : Bank
        Any.

    Returns
    -------
    (ndarray, ndarray), complex
        V_f and V_t = T V_f (pu).
    """
    first = alpha(bank.first.labels)
    return first, bank.port.turns @ first


def _union(phases: list[str]) -> str:
    return phases[0] if len(set(phases)) == 1 else "".join(sorted(set("".join(phases))))
