"""Optimality conditions of a bilevel's lower levels as arrays, made from the drawn data alone.

Columns: u; for each follower x, the activity w of each row, and the duals of rows and bounds. What
is tight is a choice among boxes for these columns (`Choice`): each row and each Var is off (dual
zero), at its lower end (dual of one sign), or at its upper end (of the other).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tests.library.families.arrays import INF, Bilevel, Follower, Form

Box = tuple[int, float, float]  # column, least, greatest


@dataclass
class System:
    """E z = e, lo <= R z <= hi, least <= z <= greatest, and of each choice one option's boxes."""

    column: dict
    E: np.ndarray
    e: np.ndarray
    R: np.ndarray
    lo: np.ndarray
    hi: np.ndarray
    least: np.ndarray
    greatest: np.ndarray
    choices: list[list[list[Box]]]
    cost: np.ndarray  # of the upper level, to minimise: constant + cost'z + 1/2 z'H z
    H: np.ndarray
    constant: float


def system_of(drawn: Bilevel) -> System:
    """The conditions of all followers, and the upper level's rows and goal."""
    labels: list = [("u", j) for j in range(len(drawn.u_lo))]
    for f, low in enumerate(drawn.followers):
        n, R = len(low.c), len(low.lo)
        labels += [("x", f, j) for j in range(n)] + [("w", f, r) for r in range(R)]
        labels += [("row", f, r) for r in range(R)]
        labels += [(side, f, j) for side in ("lower", "upper") for j in range(n)]
    column = {label: k for k, label in enumerate(labels)}
    least, greatest = np.full(len(labels), -INF), np.full(len(labels), INF)
    m = len(drawn.u_lo)
    least[:m], greatest[:m] = drawn.u_lo, drawn.u_hi
    equations: list = []
    choices: list = []
    for f, low in enumerate(drawn.followers):
        equations += _equations(low, f, column, m)
        for r in range(len(low.lo)):
            ends, options = _options(
                column["w", f, r], (low.lo[r], low.hi[r]), low.sense,
                (column["row", f, r], column["row", f, r]))
            _take(options, ends, least, greatest, choices)
        for j in range(len(low.c)):
            ends, options = _options(
                column["x", f, j], (low.lb[j], low.ub[j]), low.sense,
                (column["lower", f, j], column["upper", f, j]))
            _take(options, ends, least, greatest, choices)
    E = np.zeros((len(equations), len(labels)))
    e = np.zeros(len(equations))
    for i, (entries, right) in enumerate(equations):
        for k, value in entries:
            E[i, k] += value
        e[i] = right
    return _with_upper_level(drawn, System(
        column, E, e, np.zeros((0, len(labels))), np.zeros(0), np.zeros(0), least, greatest,
        choices, np.zeros(len(labels)), np.zeros((len(labels),) * 2), 0.0))


def _equations(low: Follower, f: int, column: dict, m: int) -> list:
    """A x + B u - w = 0 and Q x + c + D u - A' lam - lower - upper = 0."""
    n, R = len(low.c), len(low.lo)
    xs = [column["x", f, j] for j in range(n)]
    lams = [column["row", f, r] for r in range(R)]
    found = []
    for r in range(R):
        found.append(([*zip(xs, low.A[r], strict=True), *zip(range(m), low.B[r], strict=True),
                       (column["w", f, r], -1.0)], 0.0))
    for j in range(n):
        found.append(([*zip(xs, low.Q[j], strict=True), *zip(range(m), low.D[j], strict=True),
                       *zip(lams, -low.A[:, j], strict=True),
                       (column["lower", f, j], -1.0), (column["upper", f, j], -1.0)], -low.c[j]))
    return found


def _options(place: int, ends, sense: int, duals) -> tuple[Box, list[list[Box]]]:
    """(box of the place whatever is tight, options off | at the lower end | at the upper end)."""
    lo, hi = ends
    down, up = duals
    gain = (0.0, INF) if sense == 1 else (-INF, 0.0)
    loss = (-gain[1], -gain[0])
    if lo == hi:
        free = [(k, -INF, INF) for k in {down, up}]
        return (place, lo, hi), [free]
    zero = {k: (k, 0.0, 0.0) for k in (down, up)}
    options = [[(place, lo, hi), *zero.values()]]
    if np.isfinite(lo):
        options.append([(place, lo, lo), *{**zero, down: (down, *gain)}.values()])
    if np.isfinite(hi):
        options.append([(place, hi, hi), *{**zero, up: (up, *loss)}.values()])
    return (place, lo, hi), options


def _take(options, box: Box, least, greatest, choices) -> None:
    """Into the columns' own boxes where there is nothing to choose, else as a choice."""
    for k, lo, hi in [box, *(options[0] if len(options) == 1 else [])]:
        least[k], greatest[k] = lo, hi
    if len(options) > 1:
        choices.append(options)


def _with_upper_level(drawn: Bilevel, system: System) -> System:
    rows = [_vector(form, system.column) for form, _, _ in drawn.rows]
    if rows:
        system.R = np.array([a for a, _, _ in rows])
        shift = np.array([constant for _, _, constant in rows])
        system.lo = np.array([lo for _, lo, _ in drawn.rows], float) - shift
        system.hi = np.array([hi for _, _, hi in drawn.rows], float) - shift
        assert not any(H.any() for _, H, _ in rows), "upper rows are linear"
    a, H, constant = _vector(drawn.goal, system.column)
    system.cost, system.H = drawn.sense * a, drawn.sense * H
    system.constant = drawn.sense * constant
    return system


def _vector(form: Form, column: dict):
    """(a, H, constant) of  constant + a'z + 1/2 z'H z."""
    a, H, constant = np.zeros(len(column)), np.zeros((len(column),) * 2), 0.0
    for key, value in form.items():
        if not key:
            constant += value
        elif len(key) == 1:
            a[column[key[0]]] += value
        else:
            i, j = (column[label] for label in key)
            H[i, j] += value
            H[j, i] += value
    return a, H, constant
