"""The linear part of a feeder's AC equations as one sparse matrix.

Unknowns z: voltages V of all nodes (bus conductors that are not ground), currents J of the ideal
rows and of the source. With i the currents that legs inject,

    balance      Y V + E' J_ideal - J_source - A' i = 0      at every node
    ideal rows   E V = 0
    source       V_source + Z J_source = emf

Real form: first all real parts, then all imaginary parts.
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from pyomo_dlmp.ac.elements import (
    Element,
    IdealRow,
    Terminal,
    ideal_rows,
    is_ground,
    linear_elements,
    source,
)
from pyomo_dlmp.ac.legs import Legs
from pyomo_dlmp.ac.zones import zone_rows
from pyomo_dlmp.network import Network
from pyomo_dlmp.network.phases import NEUTRAL, PHASES
from pyomo_dlmp.network.zones import grounded_buses

GROUND = -1


class RealPattern(NamedTuple):
    """Entries of the derivative of the equations in real form, column by column.

    Attributes
    ----------
    indices, indptr : ndarray
        As of a csc_matrix of shape (2 size, 2 size).
    base : ndarray
        Values without legs.
    of_legs : csr_matrix, shape (entries, 4 legs)
        What legs add: of the real parts' derivatives over real and imaginary parts of voltages,
        then of the imaginary parts'.
    """

    indices: np.ndarray
    indptr: np.ndarray
    base: np.ndarray
    of_legs: sp.csr_matrix


class Circuit:
    """Nodes, matrix and legs of a feeder; see the module's text.

    Parameters
    ----------
    network : Network
        The feeder.

    Attributes
    ----------
    nodes : list of (str, str)
        Bus and conductor of each of the n nodes.
    at : dict
        {(bus, conductor): number of its node}; -1 of ground.
    elements, ideal, source
        As of `ac.elements`; `ideal` has the rows of parts that nothing grounds, too.
    legs : Legs
        Of loads, capacitors and devices.
    grounded : set of str
        Buses whose voltage to ground is held.
    """

    def __init__(self, network: Network):
        self.network = network
        self.nodes: list[Terminal] = []
        self.at: dict[Terminal, int] = {}
        for name, bus in network.buses.items():
            for k in bus.conductors:
                if is_ground(bus, k):
                    self.at[name, k] = GROUND
                else:
                    self.at[name, k] = len(self.nodes)
                    self.nodes.append((name, k))
        self.grounded = grounded_buses(network)
        self.elements: list[Element] = linear_elements(network)
        self.source = source(network)
        self.legs = Legs(network, self.at, self.grounded)
        self.ideal: list[IdealRow] = ideal_rows(network)
        self.ideal += zone_rows(self)

    @property
    def n(self) -> int:
        """Number of nodes."""
        return len(self.nodes)

    @property
    def size(self) -> int:
        """Number of complex unknowns."""
        return self.n + len(self.ideal) + len(self.source.emf)

    @cached_property
    def source_nodes(self) -> np.ndarray:
        """Nodes of the source."""
        return np.array([self.at[end] for end in self.source.terminals])

    @cached_property
    def source_columns(self) -> np.ndarray:
        """Places of the source's currents among the unknowns."""
        return self.n + len(self.ideal) + np.arange(len(self.source.emf))

    @cached_property
    def phase_nodes(self) -> np.ndarray:
        """Nodes that are phases; the others are neutrals."""
        return np.array([i for i, (bus, k) in enumerate(self.nodes)
                         if k in self.network.buses[bus].phases], dtype=int)

    @cached_property
    def neutrals(self) -> list[tuple[list[int], int]]:
        """Nodes (phases, neutral) of each bus whose neutral is not solidly grounded."""
        found = []
        for name, bus in self.network.buses.items():
            neutral = self.at.get((name, NEUTRAL), GROUND)
            if neutral >= 0 and bus.phases:
                found.append(([self.at[name, k] for k in bus.phases], neutral))
        return found

    @cached_property
    def floating(self) -> list[list[int]]:
        """Nodes of each three-phase bus that nothing grounds, its phases first."""
        return [[i for k in bus.conductors if (i := self.at[name, k]) >= 0]
                for name, bus in self.network.buses.items()  # (a neutral floats with its phases)
                if bus.phases == PHASES and name not in self.grounded]

    @cached_property
    def admittance(self) -> sp.csr_matrix:
        """Y of all elements, shape (n, n), complex."""
        rows, columns, values = [], [], []
        for element in self.elements:
            at = [self.at[end] for end in element.terminals]
            rows.append(np.repeat(at, len(at)))
            columns.append(np.tile(at, len(at)))
            values.append(element.y.ravel())
        if not rows:
            return sp.csr_matrix((self.n, self.n), dtype=complex)
        return sp.csr_matrix((np.concatenate(values), (
            np.concatenate(rows), np.concatenate(columns))), shape=(self.n, self.n))

    @cached_property
    def relations(self) -> sp.csr_matrix:
        """E of the ideal rows, shape (rows, n), real."""
        return relation_matrix(self, self.ideal)

    @cached_property
    def matrix(self) -> sp.csr_matrix:
        """The whole complex matrix, shape (size, size)."""
        place = sp.csr_matrix((np.ones(len(self.source_nodes)), (
            np.arange(len(self.source_nodes)), self.source_nodes)),
            shape=(len(self.source_nodes), self.n))
        return sp.bmat([
            [self.admittance, self.relations.T, -place.T],
            [self.relations, None, None],
            [place, None, sp.csr_matrix(self.source.z)]], format="csr", dtype=complex)

    @cached_property
    def real_matrix(self) -> sp.coo_matrix:
        """The matrix in real form, shape (2 size, 2 size)."""
        m = self.matrix
        return sp.bmat([[m.real, -m.imag], [m.imag, m.real]], format="coo")

    @cached_property
    def real_pattern(self) -> RealPattern:
        """Where the derivative of the equations has entries, whatever the legs' slopes."""
        base, legs, size = self.real_matrix, self.legs, self.size
        rows, columns, values, sources = [base.row], [base.col], [], []
        for row_end, row_sign in ((legs.a, 1.0), (legs.b, -1.0)):
            for col_end, col_sign in ((legs.a, 1.0), (legs.b, -1.0)):
                used = np.flatnonzero((row_end >= 0) & (col_end >= 0))
                for part, (row_half, col_half) in enumerate(((0, 0), (0, 1), (1, 0), (1, 1))):
                    rows.append(row_end[used] + row_half * size)
                    columns.append(col_end[used] + col_half * size)
                    values.append(np.full(len(used), -row_sign * col_sign))
                    sources.append(used + part * len(legs))
        key = np.concatenate(columns).astype(np.int64) * (2 * size) + np.concatenate(rows)
        places, entry = np.unique(key, return_inverse=True)
        indptr = np.searchsorted(places, np.arange(2 * size + 1) * (2 * size))
        known = len(base.data)
        return RealPattern(
            (places % (2 * size)).astype(np.intc), indptr.astype(np.intc),
            np.bincount(entry[:known], weights=base.data, minlength=len(places)),
            sp.csr_matrix((np.concatenate(values), (entry[known:], np.concatenate(sources))),
                          shape=(len(places), 4 * len(legs))))

    @cached_property
    def constant(self) -> np.ndarray:
        """Right-hand side without legs, shape (size,), complex."""
        right = np.zeros(self.size, dtype=complex)
        right[self.source_columns] = self.source.emf
        return right


def relation_matrix(circuit: Circuit, rows: list[IdealRow]) -> sp.csr_matrix:
    """Ideal rows over the nodes.

    Parameters
    ----------
    circuit : Circuit
        Its nodes.
    rows : list of IdealRow

    Returns
    -------
    csr_matrix, shape (rows, n)
    """
    numbers = [i for i, row in enumerate(rows) for _ in row.coefs]
    places = [circuit.at[end] for row in rows for end in row.terminals]
    values = [c for row in rows for c in row.coefs.tolist()]
    return sp.csr_matrix((values, (numbers, places)), shape=(len(rows), circuit.n))
