"""Admittances of transformers, and the two-port that a tree needs.

A unit with windings w = 1..W (rating S per unit, rated leg voltages u_w, taps t_w) is, in volts per
rated turn, the admittance  Y1 = B Z^-1 B'  with B = [1 ... 1; -I] and

    Z_kk = r_1 + r_k + j x_1k,   Z_kl = r_1 + j (x_1k + x_1l - x_kl) / 2       (pu on S)

(the usual short-circuit form, as in R. Dugan, "A perspective on transformer modeling for
distribution system analysis", IEEE PES 2003). Its nodes see  Y = sum a_w a_v' Y1_wv / (u_w t_w u_v
t_v), a_w the incidence of leg w; a floating star point is eliminated. The exciting branch stands
across the second winding (as OpenDSS has it).

From Y between a from-side and a to-side (blocks ff, ft, tf, tt):

    V_to = T V_from - Z I_to,   I_from = T' I_to + Y_s V_from
    Z = Y_tt^+,  T = -Y_tt^+ Y_tf,  Y_s = Y_ff - Y_ft Y_tt^+ Y_tf

The pseudo-inverse leaves an ungrounded to-side without zero sequence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from pyomo_dlmp.network.admittance import NodalAdmittance
from pyomo_dlmp.network.elements import Bus, Line, Regulator
from pyomo_dlmp.network.kinds import Branch
from pyomo_dlmp.network.phases import between_phases, legs_matrix
from pyomo_dlmp.network.transformers import CenterTappedTransformer, Transformer
from pyomo_dlmp.network.units import mega
from pyomo_dlmp.tolerances import ENTRY, RANK


class TwoPort(NamedTuple):
    """A branch or bank as V_to = T V_from - Z I_to, I_from = T' I_to + Y_s V_from.

    Attributes
    ----------
    turns : ndarray, shape (to, from), complex
        T.
    z : ndarray, shape (to, to), complex
        Z (pu on 1 MVA).
    shunt : ndarray, shape (from, from), complex
        Y_s (pu on 1 MVA).
    """

    turns: np.ndarray
    z: np.ndarray
    shunt: np.ndarray


def rated_kv(given: float | None, legs: Sequence[str], bus: Bus) -> float:
    """Rated voltage of one leg.

    Parameters
    ----------
    given : float or None
        Rating of the winding (kV) as `Transformer` has it; None: the bus's nominal.
    legs : sequence of str
        Legs of the winding.
    bus : Bus
        Where the winding is connected.

    Returns
    -------
    float
        In kV.
    """
    if given is None:
        return bus.nominal_kv(legs[0])
    alone = between_phases(legs[0]) or len(legs) == 1
    return given if alone else given / np.sqrt(3.0)


def unit_admittance(mva: float, r: Sequence[float], x: np.ndarray) -> np.ndarray:
    """Y1 of one unit (Dugan, IEEE PES 2003; see the module's text).

    Parameters
    ----------
    mva : float
        Rating (MVA).
    r : sequence of float, length W
        Resistances of the windings (pu).
    x : ndarray, shape (W, W)
        Reactances of the pairs of windings (pu).

    Returns
    -------
    ndarray, shape (W, W), complex
        In MVA.
    """
    n = len(r)
    z = np.empty((n - 1, n - 1), dtype=complex)
    for k in range(1, n):
        for other in range(1, n):
            z[k - 1, other - 1] = r[0] + 0.5j * (x[0, k] + x[0, other] - x[k, other])
        z[k - 1, k - 1] = r[0] + r[k] + 1j * x[0, k]
    spread = np.vstack([np.ones((1, n - 1)), -np.eye(n - 1)])
    return mva * spread @ np.linalg.inv(z) @ spread.T


def transformer_admittance(t: Transformer, first: Bus, second: Bus) -> np.ndarray:
    """Nodal admittance of a transformer or bank.

    Parameters
    ----------
    t : Transformer
        Of any connection.
    first, second : Bus
        Its from-bus and to-bus.

    Returns
    -------
    ndarray, shape (n, n), complex
        In siemens, over the from-phases and then the to-phases.
    """
    legs = t.legs
    mva = mega(t.kva) / len(legs[0])
    x = np.array([[0.0, t.x_percent], [t.x_percent, 0.0]]) / 100.0
    y1 = unit_admittance(mva, [t.r_percent / 200.0] * 2, x)
    y1[1, 1] += _exciting(t, mva)
    scales = [1.0 / (rated_kv(t.from_kv, legs[0], first) * t.from_tap),
              1.0 / (rated_kv(t.to_kv, legs[1], second) * t.tap)]
    phases = (t.from_phases, t.to_phases)
    sizes = [len(p) for p in phases]
    floats = [t.floating in (side, "both") for side in ("from", "to")]
    n = sum(sizes)
    width = n + sum(floats)
    incidence = []
    for side in (0, 1):
        a = np.zeros((len(legs[side]), width))
        a[:, side * sizes[0]:side * sizes[0] + sizes[side]] = legs_matrix(
            legs[side], phases[side])
        if floats[side]:
            a[:, n + (side and floats[0])] -= 1.0
        incidence.append(a * scales[side])
    y = sum(y1[w, v] * incidence[w].T @ incidence[v] for w in (0, 1) for v in (0, 1))
    return _without(np.asarray(y), n)


def center_tapped_admittance(t: CenterTappedTransformer, first: Bus, second: Bus) -> np.ndarray:
    """Nodal admittance of a centre-tapped transformer.

    Parameters
    ----------
    t : CenterTappedTransformer
        With all three windings.
    first, second : Bus
        Its from-bus and to-bus.

    Returns
    -------
    ndarray, shape (n, n), complex
        In siemens, over the primary's phases and then legs 1 and 2.
    """
    mva = mega(t.kva)
    x01, x02, x12 = (value / 100.0 for value in t.x_percent)
    x = np.array([[0.0, x01, x02], [x01, 0.0, x12], [x02, x12, 0.0]])
    y1 = unit_admittance(mva, [r / 100.0 for r in t.r_percent], x)
    y1[1, 1] += _exciting(t, mva)
    low = (second.kv_ln if t.to_kv is None else t.to_kv) * t.tap
    a = np.zeros((3, len(t.leg) + 2))
    a[0, :len(t.leg)] = legs_matrix((t.leg,), t.leg)[0] / (
        rated_kv(t.from_kv, (t.leg,), first) * t.from_tap)
    a[1, -2], a[2, -1] = 1.0 / low, -1.0 / low  # the second leg's coil points from the tap down
    return a.T @ y1 @ a


def regulator_admittance(reg: Regulator, first: Bus, second: Bus) -> np.ndarray:
    """Nodal admittance of a regulator with an impedance (`kva` given).

    Parameters
    ----------
    reg : Regulator
        With `kva`.
    first, second : Bus
        Its from-bus and to-bus.

    Returns
    -------
    ndarray, shape (2n, 2n), complex
        In siemens, over the from-phases and then the to-phases.
    """
    assert reg.kva is not None
    n = len(reg.phases)
    y = np.zeros((2 * n, 2 * n), dtype=complex)
    x = np.array([[0.0, reg.x_percent], [reg.x_percent, 0.0]]) / 100.0
    y1 = unit_admittance(mega(reg.kva), [reg.r_percent / 200.0] * 2, x)
    for leg, ratio in reg.ratio.items():
        a = legs_matrix((leg,), reg.phases)[0]
        base = first.kv if len(leg) == 2 else first.kv_ln
        both = np.vstack([np.concatenate([a, 0 * a]) / base, np.concatenate([0 * a, a]) / base])
        both[0 if reg.kind == "A" else 1] /= 1.0 / ratio if reg.kind == "A" else ratio
        y += both.T @ y1 @ both
    return y


def line_admittance(line: Line) -> np.ndarray:
    """Series admittance of a line, without its charging.

    Parameters
    ----------
    line : Line
        With its code and length.

    Returns
    -------
    ndarray, shape (2n, 2n), complex
        In siemens, over the from-phases and then the to-phases.
    """
    y = np.linalg.inv(line.z)
    return np.block([[y, -y], [-y, y]])


def _exciting(t: Transformer | CenterTappedTransformer, mva: float) -> complex:
    return mva * (t.no_load_percent - 1j * t.magnetizing_percent) / 100.0


def _without(y: np.ndarray, n: int) -> np.ndarray:
    """Kron reduction to the first n nodes."""
    if len(y) == n:
        return y
    return y[:n, :n] - y[:n, n:] @ np.linalg.pinv(y[n:, n:], rcond=ENTRY) @ y[n:, :n]


def admittance(branch: Branch, buses: Mapping[str, Bus]) -> np.ndarray:
    """Nodal admittance of any branch with an impedance.

    Parameters
    ----------
    branch : Branch
        Not an ideal regulator.
    buses : mapping of str to Bus
        By name, both ends among them.

    Returns
    -------
    ndarray, shape (n, n), complex
        In siemens, over the from-phases and then the to-phases.
    """
    first, second = buses[branch.from_bus], buses[branch.to_bus]
    if isinstance(branch, Transformer):
        return transformer_admittance(branch, first, second)
    if isinstance(branch, CenterTappedTransformer):
        return center_tapped_admittance(branch, first, second)
    if isinstance(branch, Regulator):
        return regulator_admittance(branch, first, second)
    if isinstance(branch, NodalAdmittance):
        return branch.y
    return line_admittance(branch)


def two_port(branches: Sequence[Branch], buses: Mapping[str, Bus]) -> tuple[str, str, TwoPort]:
    """The two-port of branches between the same two buses; see the module's text.

    Parameters
    ----------
    branches : sequence of Branch
        Each with an impedance.
    buses : mapping of str to Bus
        By name, both ends among them.

    Returns
    -------
    (str, str, TwoPort)
        From-phases, to-phases, and the two-port.
    """
    first, second = buses[branches[0].from_bus], buses[branches[0].to_bus]
    from_phases = _union([b.from_phases for b in branches])
    to_phases = _union([b.to_phases for b in branches])
    n = len(from_phases)
    y = np.zeros((n + len(to_phases),) * 2, dtype=complex)
    for branch in branches:
        places = [from_phases.index(p) for p in branch.from_phases]
        places += [n + to_phases.index(p) for p in branch.to_phases]
        y[np.ix_(places, places)] += admittance(branch, buses)
    kv = np.array([first.kv_ln] * n + [second.kv_ln] * len(to_phases))
    y = y * np.outer(kv, kv)
    ff, ft, tf, tt = y[:n, :n], y[:n, n:], y[n:, :n], y[n:, n:]
    z = np.linalg.pinv(tt, rcond=RANK)
    return from_phases, to_phases, TwoPort(-z @ tf, z, ff - ft @ z @ tf)


def _union(phases: list[str]) -> str:
    return "".join(dict.fromkeys("".join(phases))) if len(phases) == 1 else "".join(
        sorted(set("".join(phases))))
