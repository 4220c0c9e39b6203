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
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import numpy as np

from pyomo_dlmp.network.fields import KV, PU, Range
from pyomo_dlmp.network.phases import PHASES, between_phases
from pyomo_dlmp.network.series import is_number, plain_number

Matrix = tuple[tuple[float, ...], ...]
MAX_TAP = 32  # twice the 16 steps of common regulators; far below the 160 where the ratio is 0


@dataclass(frozen=True, kw_only=True)
class Bus:
    """A bus with some of the phases a, b, c, and any further conductors.

    Parameters
    ----------
    name : str
    kv : float
        Nominal line-to-line voltage (kV); behind a centre-tapped transformer that between its two
        legs (0.24, for example).
    phases : str
        Such as ``"abc"``; ``"12"`` behind a centre-tapped transformer; ``""`` of a bus that has
        only `neutrals`.
    neutrals : str
        Conductors that are not phases: a neutral ``"n"``, further ones d to z, then A to Z.
    ground_r, ground_x : float or None
        Impedance between the neutral ``"n"`` and ground (ohm); 0 and 0: solidly grounded. None: not
        grounded here.
    v_min, v_max : float or None
        Limits of the line-to-neutral magnitude (pu); None: the study's default.
    x, y : float or None
        Drawing coordinates, any unit.
    """

    name: str
    kv: Annotated[float, KV]
    phases: str = "abc"
    neutrals: str = ""
    ground_r: float | None = None
    ground_x: float | None = None
    v_min: Annotated[float | None, PU._replace(above=False)] = None
    v_max: Annotated[float | None, PU] = None
    x: float | None = None
    y: float | None = None

    @property
    def kv_ln(self) -> float:
        """Nominal voltage of a phase (or leg) to neutral (kV)."""
        return self.kv / (2.0 if "1" in self.phases or "2" in self.phases else math.sqrt(3.0))

    @property
    def conductors(self) -> str:
        """Its phases, then its further conductors."""
        return self.phases + self.neutrals

    @property
    def ground_z(self) -> complex | None:
        """Impedance between its neutral and ground (ohm); None if it is not grounded."""
        if self.ground_r is None and self.ground_x is None:
            return None
        return complex(self.ground_r or 0.0, self.ground_x or 0.0)

    def nominal_kv(self, leg: str) -> float:
        """Nominal voltage of a leg.

        Parameters
        ----------
        leg : str
            A phase or a pair of conductors.

        Returns
        -------
        float
            In kV: line to line between phases, else line to neutral.
        """
        return self.kv if between_phases(leg) else self.kv_ln


@dataclass(frozen=True, kw_only=True)
class Substation:
    """The feeder's source, where energy is bought.

    Parameters
    ----------
    name, bus : str
    v_pu : tuple of float
        Fixed voltage of each phase (pu), behind the source's impedance; one number: of all three.
    r, x : n x n tuples of rows, or None
        The source's own impedance (ohm); None: an ideal source.
    angle : float
        Of phase a (degrees); only the AC power flow shows it.
    angles : tuple of float or None
        Of each phase (degrees), where they are not those of a balanced source; `angle` is then
        that of the first.
    """

    name: str
    bus: str
    v_pu: Annotated[tuple[float, ...], PU] = (1.0, 1.0, 1.0)
    r: Matrix | None = None
    x: Matrix | None = None
    angle: float = 0.0
    angles: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if is_number(self.v_pu):
            object.__setattr__(self, "v_pu", (plain_number(self.v_pu),) * len(PHASES))

    @property
    def z(self) -> np.ndarray | None:
        """The source's impedance (ohm): complex, shape (n, n); None if it is ideal."""
        return None if self.r is None or self.x is None else np.array(self.r) + 1j * np.array(
            self.x)


@dataclass(frozen=True, kw_only=True)
class LineCode:
    """Impedance of a line type of n conductors.

    Parameters
    ----------
    name : str
    r, x : n x n tuples of rows
        Series resistance and reactance (ohm/km), symmetric; arrays are turned into tuples. All of
        both 0: an ideal joint of two buses.
    b : n x n tuples of rows, or None
        Shunt susceptance (microsiemens/km), symmetric; None: no shunt.
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
    """A line between two buses; a switch is a line, too.

    Parameters
    ----------
    name, from_bus, to_bus : str
    code : LineCode
    length : float
        In km.
    phases : str
        The conductors at its from-bus in the order of the code's matrices, a neutral ``"n"`` and
        further ones among them.
    to_conductors : str or None
        Those at its to-bus, in the same order, where they differ.
    rating_kva : float or None
        Of the apparent power per phase (kVA), as a current at nominal voltage; None: not known.
    rated : bool
        Whether that is a limit of models; a connection study counts it in any case.
    closed : bool
        False: an open switch, which is not part of the tree.
    """

    name: str
    from_bus: str
    to_bus: str
    code: LineCode
    length: Annotated[float, Range(0, unit="km", above=True)]
    phases: str = "abc"
    rating_kva: Annotated[float | None, Range(0, unit="kVA", above=True)] = None
    closed: bool = True
    to_conductors: str | None = None
    rated: bool = True

    @property
    def to_phases(self) -> str:
        """Conductors at the to-bus."""
        return self.to_conductors or self.phases

    @property
    def z(self) -> np.ndarray:
        """Series impedance (ohm): complex, shape (n, n)."""
        return (np.array(self.code.r) + 1j * np.array(self.code.x)) * self.length

    @property
    def joins(self) -> bool:
        """Whether it has no impedance and no charging, so that both ends are one bus."""
        return not (np.any(self.code.r) or np.any(self.code.x) or np.any(self.code.b or 0.0))

    def turned(self) -> Line:
        """The same line, led from the other end.

        Returns
        -------
        Line
        """
        there = None if self.to_conductors is None else self.phases
        return replace(self, from_bus=self.to_bus, to_bus=self.from_bus, phases=self.to_phases,
                       to_conductors=there)


@dataclass(frozen=True, kw_only=True)
class Regulator(_Through):
    """Step-voltage regulators at fixed taps, 0.625 % a tap.

    Parameters
    ----------
    name, from_bus, to_bus, phases : str
    taps : dict
        Of a wye per phase, such as ``{"a": 8, "b": 5, "c": 5}``; of an open delta of its two
        line-to-line units, such as ``{"ab": 7, "cb": 4}``.
    connection : "wye" or "open_delta"
    kind : "A" or "B"
        Positive taps of type B (usual) raise the output; type A is the inverse ratio.
    kva : float or None
        Rating of one unit (kVA); None: no series impedance.
    r_percent, x_percent : float
        Of each unit (% on its rating and the bus's nominal voltage).
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
        """Output over input voltage (1) of each unit: ``1 + 0.00625 tap``, type A inverted."""
        if self.kind == "A":
            return {k: 1.0 / (1.0 - 0.00625 * tap) for k, tap in self.taps.items()}
        return {k: 1.0 + 0.00625 * tap for k, tap in self.taps.items()}


Node = Bus | Substation | LineCode

__all__ = ["Bus", "Line", "LineCode", "Matrix", "Node", "Regulator", "Substation"]
