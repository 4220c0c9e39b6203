"""How the power of a leg follows from its voltage: shares of nominal power and their derivatives.

With x = |u| / (rated voltage of the leg), a load in its range draws  P = P0 fp(x), Q = Q0 fq(x):

    power 1    current x    impedance x^2    exponential x^n    zip  z x^2 + i x + p

Beyond `v_high` it is the impedance that draws there what the law draws at `v_high`; below `v_low`
its current falls linearly to that of the nominal impedance at `V_IMPEDANCE`, and below that it is
this impedance. The exponential law takes the *nominal* power at both edges instead, and so jumps
there (all as in the OpenDSS engine).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.network.devices import Load
from pyomo_dlmp.tolerances import ROUNDING

V_IMPEDANCE = 0.5  # pu; the engine's vlowpu


class Shares(NamedTuple):
    """Shares of the nominal P and Q at voltages, and their derivatives over x.

    Attributes
    ----------
    p, q, dp, dq, d2p, d2q : ndarray
        Each of the shape of the voltages (1).
    """

    p: np.ndarray
    q: np.ndarray
    dp: np.ndarray
    dq: np.ndarray
    d2p: np.ndarray
    d2q: np.ndarray


Polynomial = tuple[tuple[float, float], ...]  # (coefficient, exponent) of each term


def terms_of(load: Load) -> tuple[Polynomial, Polynomial]:
    """The laws of P and Q inside the range, as sums of powers of x.

    Parameters
    ----------
    load : Load
        Its model and coefficients count.

    Returns
    -------
    (tuple, tuple)
        Of P and of Q: pairs (coefficient, exponent).

    Raises
    ------
    ModelError
        If the load model is unknown.
    """
    c = load.coefficients
    if load.model == "zip":
        return (((c[0], 2.0), (c[1], 1.0), (c[2], 0.0)), ((c[3], 2.0), (c[4], 1.0), (c[5], 0.0)))
    if load.model == "exponential":
        return ((1.0, c[0]),), ((1.0, c[1]),)
    exponent = {"power": 0.0, "current": 1.0, "impedance": 2.0}.get(load.model)
    if exponent is None:
        raise ModelError.at(load.name, f"has the load model {load.model!r}",
                            "Modeled: power, current, impedance, exponential, zip.")
    return ((1.0, exponent),), ((1.0, exponent),)


def inside(load: Load, x: np.ndarray) -> Shares:
    """The law inside the range of a load, also taken beyond it.

    Parameters
    ----------
    load : Load
    x : ndarray
        Voltages (pu of the rated leg voltage).

    Returns
    -------
    Shares
    """
    values = [_sum_of_powers(terms, x) for terms in terms_of(load)]
    return Shares(*(values[side][order] for order in range(3) for side in range(2)))


def above(load: Load, x: np.ndarray) -> Shares:
    """The law above `v_high`.

    Parameters
    ----------
    load : Load
    x : ndarray
        Voltages (pu of the rated leg voltage).

    Returns
    -------
    Shares
    """
    p, q = edge_shares(load, load.v_high)
    each = [_sum_of_powers(((share / load.v_high**2, 2.0),), x) for share in (p, q)]
    return Shares(*(each[side][order] for order in range(3) for side in range(2)))


def below(load: Load, x: np.ndarray) -> Shares:
    """The law below `v_low`.

    Parameters
    ----------
    load : Load
    x : ndarray
        Voltages (pu of the rated leg voltage).

    Returns
    -------
    Shares
    """
    if load.model == "impedance":
        return inside(load, x)
    impedance = _sum_of_powers(((1.0, 2.0),), x)
    each = []
    for share in edge_shares(load, load.v_low):
        between = impedance
        if load.v_low > V_IMPEDANCE:  # in current: share / v_low there, V_IMPEDANCE at that voltage
            slope = (share / load.v_low - V_IMPEDANCE) / (load.v_low - V_IMPEDANCE)
            between = _sum_of_powers(
                ((slope, 2.0), (V_IMPEDANCE - slope * V_IMPEDANCE, 1.0)), x)
        each.append([np.where(x > V_IMPEDANCE, a, b)
                     for a, b in zip(between, impedance, strict=True)])
    return Shares(*(each[side][order] for order in range(3) for side in range(2)))


def edge_shares(load: Load, edge: float) -> tuple[float, float]:
    """Shares of the nominal P and Q that a load is taken to draw at an edge of its range.

    Parameters
    ----------
    load : Load
    edge : float
        Its `v_low` or `v_high` (pu).

    Returns
    -------
    (float, float)
    """
    if load.model == "exponential":
        return 1.0, 1.0
    at = inside(load, np.array([edge]))
    return float(at.p[0]), float(at.q[0])


def load_law(load: Load, x: np.ndarray) -> Shares:
    """The law of a load at any voltage.

    Parameters
    ----------
    load : Load
    x : ndarray
        Voltages (pu of the rated leg voltage).

    Returns
    -------
    Shares
    """
    x = np.asarray(x, dtype=float)
    low, middle, high = below(load, x), inside(load, x), above(load, x)
    return Shares(*(np.where(x < load.v_low, a, np.where(x > load.v_high, c, b))
                    for a, b, c in zip(low, middle, high, strict=True)))


def _sum_of_powers(terms: Polynomial, x: np.ndarray) -> tuple[np.ndarray, ...]:
    """Value, first and second derivative of a sum of c x^n."""
    x = np.maximum(np.asarray(x, dtype=float), ROUNDING)  # exponents may be negative
    value, slope, bend = (np.zeros_like(x) for _ in range(3))
    for c, n in terms:
        value = value + c * x**n
        slope = slope + c * n * x**(n - 1.0)
        bend = bend + c * n * (n - 1.0) * x**(n - 2.0)
    return value, slope, bend
