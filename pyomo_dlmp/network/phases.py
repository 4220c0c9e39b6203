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

from dataclasses import dataclass

import numpy as np

PHASES = "abc"
SPLIT = "12"  # the legs of a centre-tapped secondary, in opposition
ALPHA = {"a": 1.0 + 0.0j, "b": np.exp(-2j * np.pi / 3), "c": np.exp(2j * np.pi / 3),
         "1": 1.0 + 0.0j, "2": -1.0 + 0.0j}
DELTA_PAIRS = ("ab", "bc", "ca")


def conductors(leg: str) -> tuple[str, str]:
    """The two conductors of a leg: ("a", "n") of a phase, ("a", "b") of a pair."""
    return (leg[0], leg[1]) if len(leg) == 2 else (leg, "n")


def alpha(phases: str) -> np.ndarray:
    """Nominal phasors (complex, pu) of the given phases, in their order."""
    return np.array([ALPHA[p] for p in phases])


def gamma(phases: str) -> np.ndarray:
    """``alpha alpha^H``: the ratio of nominal phasors, complex, n x n."""
    rotation = alpha(phases)
    return np.outer(rotation, rotation.conj())


@dataclass(frozen=True)
class Connection:
    """Linearised ideal connection from `inputs` (phases) to `outputs` (phases or pairs).

    `d`: complex, outputs x inputs; `gain`: |C|^2 per output; `shift`: arg C per output (rad).
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    d: np.ndarray
    gain: np.ndarray
    shift: np.ndarray

    @classmethod
    def linearise(cls, turns, inputs, outputs, input_phasors, output_phasors) -> Connection:
        """From the exact map `turns` (outputs x inputs) and both sides' nominal phasors."""
        terms = np.asarray(turns) * np.asarray(input_phasors)[None, :]
        total = terms.sum(axis=1)
        ratio = total / np.asarray(output_phasors)
        return cls(
            tuple(inputs), tuple(outputs), terms / total[:, None], np.abs(ratio) ** 2,
            np.angle(ratio),
        )


def delta_connection(pairs: tuple[str, ...] | list[str], phases: str) -> Connection:
    """Map from phase to line-to-line quantities for delta `pairs` (e.g. ``("ab", "ca")``).

    Line-to-line voltages are in pu of the line-to-line base, so the gain is 1. Raises KeyError
    for a pair whose phase is not in `phases`.
    """
    position = {p: i for i, p in enumerate(phases)}
    turns = np.zeros((len(pairs), len(phases)))
    for row, pair in enumerate(pairs):
        turns[row, position[pair[0]]] = 1.0
        turns[row, position[pair[1]]] = -1.0
    nominal = alpha(phases)
    return Connection.linearise(turns, phases, pairs, nominal, turns @ nominal)


def legs_matrix(legs: tuple[str, ...] | list[str], phases: str) -> np.ndarray:
    """Incidence (legs x phases, real): u = A V, a phase to neutral or the difference of a pair."""
    matrix = np.zeros((len(legs), len(phases)))
    for row, leg in enumerate(legs):
        matrix[row, phases.index(leg[0])] = 1.0
        if len(leg) == 2:
            matrix[row, phases.index(leg[1])] -= 1.0
    return matrix


def open_delta_turns(ratio: dict[str, float]) -> np.ndarray:
    """Exact map of phase voltages (zero sequence removed) through two open-delta regulators.

    `ratio` gives the turns ratio of the two regulated pairs, e.g. ``{"ab": 1.04375, "cb": 1.025}``.
    The third line-to-line voltage follows from Kirchhoff's law. Returns 3 x 3, real.
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
    """(zero, positive, negative) sequence of phasors a, b, c on the last axis."""
    turn = np.exp(2j * np.pi / 3)
    matrix = np.array([[1, 1, 1], [1, turn, turn**2], [1, turn**2, turn]]) / 3.0
    return np.asarray(phasors) @ matrix.T


def phasors(w, theta, phases: str = PHASES) -> np.ndarray:
    """Complex voltages (pu) from squared magnitudes and angle deviations (rad); last axis phase."""
    return np.sqrt(np.asarray(w)) * np.exp(1j * np.asarray(theta)) * alpha(phases)
