"""Phase algebra: rotations, delta pairs and the linear map of an ideal multi-phase connection.

Conventions. Phases are the letters a, b, c; nominal phasors are ``alpha = [1, e^-j120, e^+j120]``.
A voltage near nominal is ``V = sqrt(w) e^{j theta} alpha`` with ``w`` the squared magnitude (pu)
and ``theta`` the deviation from the nominal angle (rad).

An *ideal connection* maps voltages linearly, ``V' = T V`` (T complex or real), and conserves power:
``S = D^T S'``. Linearised at balanced nominal voltage, with ``c = T alpha / alpha'`` (row sums C):

    D[i, j]  = T[i, j] alpha[j] / (C alpha')[i]              (rows of D sum to 1)
    w'       = |C|^2 (Re(D) w - 2 Im(D) theta)
    theta'   = arg C + Re(D) theta + Im(D) (w - 1) / 2
    S        = D^T S'

The delta map of loads (T = phase differences) and the open-delta regulator are two such T.
Source of the delta map: Byeon, Ryu, Kim, arXiv 2211.07942; the general form is the same first
order expansion written for any T.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

PHASES = "abc"
SPLIT = "12"  # the legs of a centre-tapped secondary, in opposition
NEUTRAL = "n"
# a neutral, and any further conductors, such as those of other circuits on the same poles
NEUTRALS = "ndefghijklmopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
ALPHA = {"a": 1.0 + 0.0j, "b": np.exp(-2j * np.pi / 3), "c": np.exp(2j * np.pi / 3),
         "1": 1.0 + 0.0j, "2": -1.0 + 0.0j}
DELTA_PAIRS = ("ab", "bc", "ca")


def conductors(leg: str) -> tuple[str, str]:
    """The two conductors of a leg.

    Parameters
    ----------
    leg : str
        A phase (to ground) or a pair of conductors.

    Returns
    -------
    (str, str)
        ``("a", "n")`` of a phase, ``("a", "b")`` of a pair.
    """
    return (leg[0], leg[1]) if len(leg) == 2 else (leg, "n")


def between_phases(leg: str) -> bool:
    """Whether a leg is between two phases, so that its nominal voltage is that line to line.

    Parameters
    ----------
    leg : str
        A phase or a pair of conductors.

    Returns
    -------
    bool
        False to ground and to a neutral or further conductor.
    """
    return len(leg) == 2 and leg[0] not in NEUTRALS and leg[1] not in NEUTRALS


def alpha(phases: Sequence[str]) -> np.ndarray:
    """Nominal phasors of phases.

    Parameters
    ----------
    phases : str, or sequence of str
        Such as ``"abc"``, or labels that begin with a phase, such as ``("a", "a at 7")``.

    Returns
    -------
    ndarray, shape (n,), complex
        In pu, in the order of `phases`.
    """
    return np.array([ALPHA[p[0]] for p in phases])


def gamma(phases: Sequence[str]) -> np.ndarray:
    """Ratios of nominal phasors, ``alpha alpha^H``.

    Parameters
    ----------
    phases : str
        Such as ``"abc"``.

    Returns
    -------
    ndarray, shape (n, n), complex
    """
    rotation = alpha(phases)
    return np.outer(rotation, rotation.conj())


@dataclass(frozen=True)
class Connection:
    """Linearised ideal connection; see the module's text.

    Attributes
    ----------
    inputs, outputs : tuple of str
        Phases, and phases or pairs.
    d : ndarray, shape (outputs, inputs), complex
        D, whose rows sum to 1.
    gain : ndarray, shape (outputs,)
        |C|^2.
    shift : ndarray, shape (outputs,)
        arg C (rad).
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    d: np.ndarray
    gain: np.ndarray
    shift: np.ndarray

    @classmethod
    def linearise(cls, turns: ArrayLike, inputs: Sequence[str], outputs: Sequence[str],
                  input_phasors: ArrayLike, output_phasors: ArrayLike) -> Connection:
        """The first-order expansion of an exact map at nominal voltages.

        Parameters
        ----------
        turns : array_like, shape (outputs, inputs)
            T, with V' = T V (pu).
        inputs, outputs : sequence of str
            Names of the phases or pairs.
        input_phasors, output_phasors : array_like, complex
            Nominal phasors (pu) of both sides.

        Returns
        -------
        Connection
        """
        terms = np.asarray(turns) * np.asarray(input_phasors)[None, :]
        total = terms.sum(axis=1)
        ratio = total / np.asarray(output_phasors)
        return cls(
            tuple(inputs), tuple(outputs), terms / total[:, None], np.abs(ratio) ** 2,
            np.angle(ratio),
        )


def identity_connection(phases: str, ratio: ArrayLike = 1.0) -> Connection:
    """The connection of a line, or of tap changers.

    Parameters
    ----------
    phases : str
        Its n phases.
    ratio : float or array_like, shape (n,)
        Turns ratio (1) of each phase.

    Returns
    -------
    Connection
    """
    n = len(phases)
    gain = np.broadcast_to(np.asarray(ratio, float) ** 2, (n,)).copy()
    return Connection(tuple(phases), tuple(phases), np.eye(n, dtype=complex), gain, np.zeros(n))


def delta_connection(pairs: tuple[str, ...] | list[str], phases: str) -> Connection:
    """Map from phase to line-to-line quantities (Byeon, Ryu, Kim, arXiv 2211.07942).

    Line-to-line voltages are in pu of the line-to-line base, so the gain is 1.

    Parameters
    ----------
    pairs : sequence of str
        Such as ``("ab", "ca")``.
    phases : str
        Phases of the bus.

    Returns
    -------
    Connection

    Raises
    ------
    KeyError
        If a phase of a pair is not in `phases`.
    """
    position = {p: i for i, p in enumerate(phases)}
    turns = np.zeros((len(pairs), len(phases)))
    for row, pair in enumerate(pairs):
        turns[row, position[pair[0]]] = 1.0
        turns[row, position[pair[1]]] = -1.0
    nominal = alpha(phases)
    return Connection.linearise(turns, phases, pairs, nominal, turns @ nominal)


def legs_matrix(legs: tuple[str, ...] | list[str], phases: str) -> np.ndarray:
    """Incidence of legs: voltages u = A V, a phase to neutral or the difference of a pair.

    Parameters
    ----------
    legs : sequence of str
        Phases or pairs, such as ``("a", "bc")``.
    phases : str
        All phases of the legs.

    Returns
    -------
    ndarray, shape (legs, phases)
    """
    matrix = np.zeros((len(legs), len(phases)))
    for row, leg in enumerate(legs):
        matrix[row, phases.index(leg[0])] = 1.0
        if len(leg) == 2:
            matrix[row, phases.index(leg[1])] -= 1.0
    return matrix


def open_delta_turns(ratio: dict[str, float]) -> np.ndarray:
    """Exact map of phase voltages (zero sequence removed) through two open-delta regulators.

    The third line-to-line voltage follows from Kirchhoff's law.

    Parameters
    ----------
    ratio : dict
        Turns ratio (1) of the two regulated pairs, such as ``{"ab": 1.04375, "cb": 1.025}``.

    Returns
    -------
    ndarray, shape (3, 3)

    Raises
    ------
    ValueError
        If they are not two different pairs of phases.
    """
    ratios = {"".join(sorted(pair)): value for pair, value in ratio.items()}
    if len(ratios) != 2 or not set(ratios) <= {"ab", "bc", "ac"}:
        raise ValueError(f"open delta needs two different pairs of ab, bc, ca, got {sorted(ratio)}")
    difference = np.array([[1.0, -1.0, 0.0], [0.0, 1.0, -1.0], [-1.0, 0.0, 1.0]])  # ab, bc, ca
    keys = ["ab", "bc", "ac"]
    scaled = np.array([ratios.get(k, np.nan) for k in keys])[:, None] * difference
    missing = next(i for i, k in enumerate(keys) if k not in ratios)
    scaled[missing] = -np.delete(scaled, missing, axis=0).sum(axis=0)
    ab, bc, ca = scaled
    return np.array([ab - ca, bc - ab, ca - bc]) / 3.0


def symmetrical_components(phasors: np.ndarray) -> np.ndarray:
    """Sequence components of phasors a, b, c.

    Parameters
    ----------
    phasors : ndarray, shape (..., 3), complex
        On the last axis the phases a, b, c.

    Returns
    -------
    ndarray, shape (..., 3), complex
        Zero, positive and negative sequence, in the unit of `phasors`.
    """
    turn = np.exp(2j * np.pi / 3)
    matrix = np.array([[1, 1, 1], [1, turn, turn**2], [1, turn**2, turn]]) / 3.0
    return np.asarray(phasors) @ matrix.T


def phasors(w: ArrayLike, theta: ArrayLike, phases: str = PHASES) -> np.ndarray:
    """Complex voltages from squared magnitudes and angles.

    Parameters
    ----------
    w : array_like, shape (..., n)
        Squared magnitudes (pu).
    theta : array_like, shape (..., n)
        Deviations from the nominal angles (rad).
    phases : str
        The n phases of the last axis.

    Returns
    -------
    ndarray, shape (..., n), complex
        In pu.
    """
    return np.sqrt(np.asarray(w)) * np.exp(1j * np.asarray(theta)) * alpha(phases)
