"""Any linear element of the network, given by its nodal admittance matrix."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np

from pyomo_dlmp.network.elements import Matrix
from pyomo_dlmp.network.fields import Range


@dataclass(frozen=True, kw_only=True)
class NodalAdmittance:
    """A linear element between any conductors of one or more buses: ``I = Y V``.

    For what has no class of its own: three windings that are no star, autotransformers, windings
    with a grounding impedance, shunts with losses or between unusual conductors.

    Parameters
    ----------
    name : str
    buses : tuple of str
        One: a shunt. Several: a branch between them, from the side of the substation first.
    conductors : tuple of str
        At each of the buses, such as ``("abc", "abcn")``.
    g, b : n x n tuples of rows
        Real and imaginary part of Y (S), over the conductors of the buses in their order; arrays
        are turned into tuples.
    rating_kva : float or None
        Rating of the whole element (kVA), shared by the phases of its first bus; no limit of
        models, but of a connection study. None: not known.
    """

    name: str
    buses: tuple[str, ...]
    conductors: tuple[str, ...]
    g: Matrix
    b: Matrix
    rating_kva: Annotated[float | None, Range(0, unit="kVA", above=True)] = None

    def __post_init__(self) -> None:
        for key in ("g", "b"):  # arrays do not compare to a plain True or False
            value = getattr(self, key)
            if isinstance(value, np.ndarray) and value.ndim == 2:
                object.__setattr__(self, key, tuple(tuple(row) for row in value.tolist()))

    @property
    def y(self) -> np.ndarray:
        """Nodal admittance (S): complex, shape (n, n)."""
        return np.array(self.g) + 1j * np.array(self.b)

    def with_admittance(self, y: np.ndarray, buses: tuple[str, ...],
                        conductors: tuple[str, ...]) -> NodalAdmittance:
        """The same element at other buses and conductors.

        Parameters
        ----------
        y : ndarray, shape (n, n), complex
            Nodal admittance (S).
        buses, conductors : tuple of str
            As of the class.

        Returns
        -------
        NodalAdmittance
        """
        g, b = (tuple(map(tuple, part.tolist())) for part in (y.real, y.imag))
        return replace(self, buses=buses, conductors=conductors, g=g, b=b)

    @property
    def terminals(self) -> list[tuple[str, str]]:
        """Bus and conductor of each row of Y."""
        return [(bus, k) for bus, names in zip(self.buses, self.conductors, strict=True)
                for k in names]

    @property
    def from_bus(self) -> str:
        """The first of its buses."""
        return self.buses[0]

    @property
    def to_bus(self) -> str:
        """The second of its buses; of a shunt its only one."""
        return self.buses[min(1, len(self.buses) - 1)]

    @property
    def from_phases(self) -> str:
        """Conductors at the from-bus."""
        return self.conductors[0]

    @property
    def to_phases(self) -> str:
        """Conductors at the to-bus."""
        return self.conductors[min(1, len(self.conductors) - 1)]
