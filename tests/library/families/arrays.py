"""Bilevel models as plain arrays: what a family draws, a model is written from, an oracle judges.

    lower f:  min or max  1/2 x'Qx + (c + D u)'x   s.t.  lo <= A x + B u <= hi,   lb <= x <= ub
    upper:    min or max  a form,  s.t.  lo <= a linear form <= hi,   u in a box, some u integer

A form is {labels: coefficient}: `()` is the constant, `(a,)` a term, `(a, b)` a product. The labels
are those of upper Vars, lower Vars, and duals of lower rows and bounds; a dual is the derivative of
the lower objective by the right-hand side, whatever the sense.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

INF = np.inf
Label = tuple
Form = Mapping[tuple, float]


def u(j: int) -> Label:
    """Upper Var j."""
    return ("u", j)


def x(j: int, f: int = 0) -> Label:
    """Var j of follower f."""
    return ("x", f, j)


def dual(r: int, f: int = 0) -> Label:
    """Dual of row r of follower f."""
    return ("row", f, r)


def bound_dual(j: int, side: str, f: int = 0) -> Label:
    """Dual of the "lower" or "upper" bound of Var j of follower f."""
    return (side, f, j)


@dataclass
class Follower:
    """See the module's text. `sense`: +1 min, -1 max; `fixed`: columns that are fixed Vars."""

    c: np.ndarray
    A: np.ndarray
    B: np.ndarray
    lo: np.ndarray
    hi: np.ndarray
    lb: np.ndarray
    ub: np.ndarray
    Q: np.ndarray
    D: np.ndarray
    sense: int = 1
    fixed: tuple[int, ...] = ()


@dataclass
class Bilevel:
    """See the module's text. `rows`: (linear form, lo, hi); `fixed`: upper Vars that are fixed."""

    u_lo: np.ndarray
    u_hi: np.ndarray
    followers: list[Follower]
    goal: Form
    sense: int = 1
    rows: list[tuple[Form, float, float]] = field(default_factory=list)
    integer: tuple[int, ...] = ()
    fixed: tuple[int, ...] = ()


def follower(m: int, c, A, lo, hi, **more) -> Follower:
    """A follower from lists; what is not given is zero (B, Q, D), and x >= 0 without caps.

    Parameters
    ----------
    m
        Number of upper Vars.
    c, A, lo, hi
        As in the module's text.
    **more
        The other fields.
    """
    c = np.array(c, float)
    n, R = len(c), len(lo)
    given = {"B": np.zeros((R, m)), "D": np.zeros((n, m)), "Q": np.zeros((n, n)),
             "lb": np.zeros(n), "ub": np.full(n, INF)}
    for key, value in more.items():
        given[key] = value if key in ("sense", "fixed") else np.array(value, float)
    return Follower(c, np.array(A, float).reshape(R, n), lo=np.array(lo, float),
                    hi=np.array(hi, float), **given)


def linear(weights: Mapping[Label, float]) -> dict:
    """The form of {label: weight}, zeros left out."""
    return {(label,): float(w) for label, w in weights.items() if w}


def added(*forms: Form) -> dict:
    """The sum of forms."""
    total: dict = {}
    for form in forms:
        for key, value in form.items():
            total[key] = total.get(key, 0.0) + float(value)
    return total


@dataclass
class Units:
    """Units in which a model is written: sizes of 1 in the units of the drawn one."""

    u: float = 1.0  # u of the drawn model = this x u as written
    x: float = 1.0
    row: float = 1.0  # rows of the lower levels are multiplied by this, and so on
    cost: float = 1.0
    goal: float = 1.0
    upper_row: float = 1.0


def in_units(drawn: Bilevel, units: Units) -> Bilevel:
    """The same model in other units; its optimum is `units.goal` times that of the drawn one."""
    sizes = {"u": units.u, "x": units.x, "row": units.row / units.cost,
             "lower": 1 / (units.cost * units.x), "upper": 1 / (units.cost * units.x)}
    followers = [replace(
        f, c=f.c * units.cost * units.x, D=f.D * units.cost * units.x * units.u,
        Q=f.Q * units.cost * units.x ** 2, A=f.A * units.row * units.x,
        B=f.B * units.row * units.u, lo=f.lo * units.row, hi=f.hi * units.row,
        lb=f.lb / units.x, ub=f.ub / units.x) for f in drawn.followers]
    rows = [(_scaled(form, sizes, units.upper_row), lo * units.upper_row, hi * units.upper_row)
            for form, lo, hi in drawn.rows]
    return replace(drawn, u_lo=drawn.u_lo / units.u, u_hi=drawn.u_hi / units.u,
                   followers=followers, goal=_scaled(drawn.goal, sizes, units.goal), rows=rows)


def _scaled(form: Form, sizes: dict, factor: float) -> dict:
    """The form over variables as written: each drawn one is its size times that.

    A row that is written as `row` x the drawn one, with a cost that is `cost` x the drawn one, has
    a dual of cost / row times the drawn one; the cost of a bound in the unit x is cost x the unit.
    """
    return {key: value * factor * float(np.prod([sizes[label[0]] for label in key]))
            for key, value in form.items()}
