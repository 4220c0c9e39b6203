"""Matrices of lines: from an admittance between two ends to a line code per km."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pyomo_dlmp.network import LineCode
from pyomo_dlmp.opendss.reading.circuit import tidy
from pyomo_dlmp.tolerances import ENTRY, PRINTED, ROUNDING


class Series(NamedTuple):
    """A series element with charging at both ends, as matrices.

    Attributes
    ----------
    z : ndarray, shape (n, n), complex
        Series impedance (ohm).
    b : ndarray, shape (n, n)
        Shunt susceptance of both ends together (S).
    """

    z: np.ndarray
    b: np.ndarray


class PerKm(NamedTuple):
    """A line's matrices as a code has them, and how far another line's may be from them.

    Attributes
    ----------
    stacked : ndarray, shape (3, n, n)
        Resistance, reactance (ohm/km) and susceptance (microsiemens/km).
    room : ndarray, shape (3, 1, 1)
        By which they may differ.
    """

    stacked: np.ndarray
    room: np.ndarray


def per_km(z: np.ndarray, b: np.ndarray, length: np.ndarray) -> PerKm:
    """Matrices of many lines as codes have them.

    Parameters
    ----------
    z, b : ndarray, shape (m, n, n)
        Series impedance (ohm) and shunt susceptance (S).
    length : ndarray, shape (m,)
        In km.

    Returns
    -------
    PerKm
        With a first axis of length m.
    """
    stacked = np.stack([z.real, z.imag, b * 1e6], axis=1) / length[:, None, None, None]
    room = 3 * ROUNDING * (np.abs(stacked).max(axis=(2, 3), keepdims=True) + 1e-300)
    # charging comes from a difference of admittances, which are large where a line is short
    rounding = 8e6 * np.finfo(float).eps / np.abs(z[:, 0, 0]) / length
    room[:, 2] += rounding[:, None, None]
    return PerKm(stacked, room)


class Codes:
    """Line codes by name, a new one whenever the matrices differ.

    Attributes
    ----------
    prepared : dict of str to Series or None
        Of plain lines, by full name.
    per_km : dict of str to PerKm
        Of those that are sound.
    """

    def __init__(self) -> None:
        self.by_name: dict[str, list[tuple[np.ndarray, LineCode]]] = {}
        self.used: set[str] = set()
        self.prepared: dict[str, Series | None] = {}
        self.per_km: dict[str, PerKm] = {}

    def share(self, name: str, own: PerKm) -> LineCode:
        """The code of some matrices.

        Parameters
        ----------
        name : str
            Wanted.
        own : PerKm
            The matrices.

        Returns
        -------
        LineCode
        """
        stacked, room = own
        known = self.by_name.setdefault(name.lower(), [])
        for matrices, code in known:
            if matrices.shape == stacked.shape and (np.abs(matrices - stacked) <= room).all():
                return code
        r, x, charge = (matrix(m) for m in stacked)
        count, chosen = len(known), ""
        while not chosen or chosen in self.used:
            count += 1
            chosen = name.lower() + (f"_{count}" if count > 1 else "")
        self.used.add(chosen)
        code = LineCode(name=chosen, r=r, x=x, b=charge if np.any(stacked[2]) else None)
        known.append((stacked, code))
        return code


def matrix(values: np.ndarray) -> tuple[tuple[float, ...], ...]:
    """A symmetric matrix with the digits that matter.

    Parameters
    ----------
    values : ndarray, shape (n, n)

    Returns
    -------
    tuple of tuple of float
    """
    values = (values + values.T) / 2.0
    least = np.abs(values).max() * ENTRY
    return tuple(tuple(tidy(v) if abs(v) > least else 0.0 for v in row) for row in values.tolist())


def series(y: np.ndarray) -> Series | None:
    """Series impedance and charging of an admittance between two ends.

    Parameters
    ----------
    y : ndarray, shape (2n, 2n), complex
        In siemens, over the conductors of both ends.

    Returns
    -------
    Series or None
        None if it is not a symmetric series impedance with equal, lossless charging at both ends.
    """
    return all_series(y[None])[0]


def all_series(y: np.ndarray) -> list[Series | None]:
    """As `series`, of many elements at once.

    Parameters
    ----------
    y : ndarray, shape (m, 2n, 2n), complex
        In siemens.

    Returns
    -------
    list of Series or None
    """
    n = y.shape[1] // 2
    turned = y.transpose(0, 2, 1)
    between = -(y[:, :n, n:] + turned[:, :n, n:]) / 2.0
    size = np.abs(y).max(axis=(1, 2))
    charge = [y[:, :n, :n] - between, y[:, n:, n:] - between]
    b = (charge[0].imag + charge[1].imag) / 2.0
    room = ROUNDING * size[:, None, None]
    good = np.isfinite(size) & (np.abs(np.diagonal(between, axis1=1, axis2=2)).min(axis=1) > 0)
    for own in charge:
        good &= (np.abs(own - 1j * b) <= room).all(axis=(1, 2))
    good &= (np.abs(y[:, :n, n:] + between) <= room).all(axis=(1, 2))
    good &= (np.abs(y[:, n:, :n] + between.transpose(0, 2, 1)) <= room).all(axis=(1, 2))
    good &= (np.abs(between - between.transpose(0, 2, 1)) <= room).all(axis=(1, 2))
    good &= np.abs(b - b.transpose(0, 2, 1)).max(axis=(1, 2)) <= PRINTED * np.abs(b).max(
        axis=(1, 2))
    # what rounding leaves goes; a thousand short lines with less than `room` have some kvar
    b = np.where(np.abs(b) > ENTRY * size[:, None, None], b, 0.0)
    found: list[Series | None] = [None] * len(y)
    rows = np.flatnonzero(good)
    try:
        z = np.linalg.inv(between[rows])
    except np.linalg.LinAlgError:
        return [_alone(between[i], b[i]) if good[i] else None for i in range(len(y))]
    for i, own in zip(rows.tolist(), z, strict=True):
        if np.isfinite(own).all():
            found[i] = Series(own, 2.0 * b[i])
    return found


def _alone(between: np.ndarray, b: np.ndarray) -> Series | None:
    try:
        z = np.linalg.inv(between)
    except np.linalg.LinAlgError:
        return None
    return Series(z, 2.0 * b) if np.isfinite(z).all() else None
