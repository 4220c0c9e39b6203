"""What the elements of the AC form carry: losses, and voltages and currents of neutrals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from pyomo_dlmp.results.schema import NEUTRALS
from pyomo_dlmp.results.voltages import conductor_phasors

ELEMENTS = ("line", "regulator", "transformer", "admittance", "shunt", "grounding")
"""Components of the AC form whose blocks have an admittance."""


def ac_losses(dso) -> np.ndarray:
    """Losses of all elements: Re V^H y V.

    Parameters
    ----------
    dso : block
        Filled by ``build_opf(..., form="ac")`` and solved.

    Returns
    -------
    ndarray, shape (periods,)
        In MW.
    """
    volts = _Voltages(dso)
    lost = np.zeros(len(volts.periods))
    for _, block in element_blocks(dso):
        v = volts.at(block.terminals)
        lost += np.einsum("ti,ij,tj->t", v.conj(), block.y, v).real
    return lost


def neutrals_table(dso) -> pd.DataFrame:
    """Voltages of neutrals to ground, and the currents that branches carry in them.

    A neutral that is solidly grounded is ground: it has neither.

    Parameters
    ----------
    dso : block
        Filled by ``build_opf(..., form="ac")`` and solved.

    Returns
    -------
    DataFrame
        Columns element (bus, or branch), conductor, period, quantity (voltage, of a bus; current,
        into a branch where it is first not at ground), value (V, A), unit.
    """
    volts, rows = _Voltages(dso), []
    for name, bus in dso.bus.items():
        for k in bus.conductors:
            if k not in bus.phases:
                size = 1e3 * bus.kv_ln * np.abs(volts.at([(name, k)])[:, 0])
                rows += [(name, k, t, "voltage", float(x), "V")
                         for t, x in zip(volts.periods, size, strict=True)]
    for name, block in element_blocks(dso, ("line", "regulator", "transformer", "admittance")):
        own: dict[str, int] = {}
        for i, (at, k) in enumerate(block.terminals):
            if k not in dso.bus[at].phases:
                own.setdefault(k, i)
        for k, i in own.items():
            kv = dso.bus[block.terminals[i][0]].kv_ln
            size = 1e3 / kv * np.abs(volts.at(block.terminals) @ block.y[i])  # MVA/kV: kA
            rows += [(name, k, t, "current", float(x), "A")
                     for t, x in zip(volts.periods, size, strict=True)]
    return NEUTRALS.frame(rows)


def element_blocks(dso, components: tuple[str, ...] = ELEMENTS) -> Iterator[tuple[str, Any]]:
    """(name, block) of elements with an admittance.

    Parameters
    ----------
    dso : block
        Of the AC form.
    components : tuple of str
        Which components of it.

    Yields
    ------
    (str, AcElementBlock)
    """
    for component in components:
        if dso.component(component) is not None:
            yield from ((name, block) for name, block in dso.component(component).items()
                        if len(block.terminals))


class _Voltages:
    """Voltages to ground of all conductors, each bus read once."""

    def __init__(self, dso):
        self.periods = list(dso.periods)
        self._column: dict[tuple[str, str], int] = {}
        self._values: list[np.ndarray] = []
        for name, bus in dso.bus.items():
            v = conductor_phasors(bus, self.periods, bus.conductors)
            for i, k in enumerate(bus.conductors):
                self._column[name, k] = len(self._values)
                self._values.append(v[:, i])

    def at(self, terminals) -> np.ndarray:
        """Voltages of terminals (pu), shape (periods, terminals)."""
        return np.stack([self._values[self._column[end]] for end in terminals], axis=1)
