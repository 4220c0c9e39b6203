"""Elements of a feeder as plain data. Keyword-only, engineers' units, no Pyomo.

Units: kV (nominal, line to line), kW, kvar, kVA (totals of the element unless a line says per
phase), ohm/km, microsiemens/km, km, $/MWh, $/MW^2h. Phases are strings such as ``"abc"``; delta
legs are pairs such as ``("ab", "ca")``. The secondary of a centre-tapped transformer has the two
legs ``"12"``, each against the grounded tap, in opposition. Transformers are in
`pyomo_dlmp.network.transformers`, devices in `pyomo_dlmp.network.devices`; checks live in
`pyomo_dlmp.network.faults.all`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np

from pyomo_dlmp.network.fields import Range

Matrix = tuple[tuple[float, ...], ...]
MAX_TAP = 32  # twice the 16 steps of common regulators; far below the 160 where the ratio is 0


@dataclass(frozen=True, kw_only=True)
class Bus:
    """A bus with some of the phases a, b, c; `kv` is the nominal line-to-line voltage (kV).

    Behind a centre-tapped transformer `phases` is ``"12"`` and `kv` the voltage between the two
    legs (0.24, say).

    `v_min`, `v_max`: limits of the line-to-neutral magnitude (pu), None for the study's default.
    `x`, `y`: drawing coordinates, any unit.
    """

    name: str
    kv: Annotated[float, Range(0, unit="kV", above=True)]
    phases: str = "abc"
    v_min: Annotated[float | None, Range(0, unit="pu")] = None
    v_max: Annotated[float | None, Range(0, unit="pu", above=True)] = None
    x: float | None = None
    y: float | None = None

    @property
    def kv_ln(self) -> float:
        """Nominal voltage of a phase (or leg) to neutral (kV)."""
        return self.kv / (2.0 if "1" in self.phases or "2" in self.phases else math.sqrt(3.0))


@dataclass(frozen=True, kw_only=True)
class Substation:
    """The feeder's source: fixed voltage `v_pu` per phase (pu) at `bus`; energy is bought here.

    `r`, `x`: the source's own impedance (ohm, n x n), None for an ideal source; the voltage is
    then the one behind it. `angle`: of phase a (degrees); only the AC power flow shows it.
    """

    name: str
    bus: str
    v_pu: Annotated[tuple[float, ...], Range(0, unit="pu", above=True)] = (1.0, 1.0, 1.0)
    r: Matrix | None = None
    x: Matrix | None = None
    angle: float = 0.0

    @property
    def z(self) -> np.ndarray | None:
        """The source's impedance in ohm, complex, n x n, or None."""
        return None if self.r is None or self.x is None else np.array(self.r) + 1j * np.array(
            self.x)


@dataclass(frozen=True, kw_only=True)
class LineCode:
    """Impedance of a line type: `r`, `x` in ohm/km, `b` shunt susceptance in microsiemens/km.

    Symmetric matrices, n x n for n phases, tuples of rows (arrays are turned into them); `b` None
    means none.
    """

    name: str
    r: Matrix
    x: Matrix
    b: Matrix | None = None

    def __post_init__(self) -> None:
        for key in ("r", "x", "b"):  # arrays do not compare to a plain True or False
            value = getattr(self, key)
            if isinstance(value, np.ndarray) and value.ndim == 2:
                object.__setattr__(self, key, tuple(tuple(row) for row in value.tolist()))


class _Through:
    """A branch with the same phases at both ends."""

    phases: str

    @property
    def from_phases(self) -> str:
        """Phases at the from-bus."""
        return self.phases

    @property
    def to_phases(self) -> str:
        """Phases at the to-bus."""
        return self.phases


@dataclass(frozen=True, kw_only=True)
class Line(_Through):
    """A line of `length` km between two buses. `rating_kva` limits the apparent power per phase.

    `phases` lists the conductors in the order of the code's matrices. A switch is a line; not
    `closed`, it is no part of the tree.
    """

    name: str
    from_bus: str
    to_bus: str
    code: LineCode
    length: Annotated[float, Range(0, unit="km", above=True)]
    phases: str = "abc"
    rating_kva: Annotated[float | None, Range(0, unit="kVA", above=True)] = None
    closed: bool = True

    @property
    def z(self) -> np.ndarray:
        """Series impedance in ohm, complex, n x n."""
        return (np.array(self.code.r) + 1j * np.array(self.code.x)) * self.length


@dataclass(frozen=True, kw_only=True)
class Regulator(_Through):
    """Step-voltage regulators at fixed taps, 0.625 % a tap.

    Without `kva` they have no series impedance; with it (rating of one unit), each has
    `r_percent` and `x_percent` on that rating and the bus's nominal voltage.
    `connection` ``"wye"``: `taps` per phase, e.g. ``{"a": 8, "b": 5, "c": 5}``;
    ``"open_delta"``: taps of two line-to-line units, e.g. ``{"ab": 7, "cb": 4}``.
    `kind` ``"B"`` (usual) raises the output with positive taps, ``"A"`` is its inverse ratio.
    """

    name: str
    from_bus: str
    to_bus: str
    taps: Annotated[dict[str, int], Range(-MAX_TAP, MAX_TAP, unit="steps of 0.625 %")]
    phases: str = "abc"
    connection: Literal["wye", "open_delta"] = "wye"
    kind: Literal["A", "B"] = "B"
    kva: Annotated[float | None, Range(0, unit="kVA", above=True)] = None
    r_percent: Annotated[float, Range(0, unit="%")] = 0.0
    x_percent: Annotated[float, Range(0, unit="%")] = 0.0

    @property
    def ratio(self) -> dict[str, float]:
        """Output voltage over input voltage per unit: ``1 + 0.00625 tap``, type A inverted."""
        if self.kind == "A":
            return {k: 1.0 / (1.0 - 0.00625 * tap) for k, tap in self.taps.items()}
        return {k: 1.0 + 0.00625 * tap for k, tap in self.taps.items()}


Node = Bus | Substation | LineCode

__all__ = ["Bus", "Line", "LineCode", "Matrix", "Node", "Regulator", "Substation"]
