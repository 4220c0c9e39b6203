"""What must hold in a feeder: magnitudes of voltages, loadings of branches, unbalance, as rows.

Every quantity is |r z| or |r z| / |r' z| with z the unknowns of `ac.circuit` (voltages and the
currents of ideal rows), so all periods come from one sparse product. How far a row is beyond its
limit is in pu of voltage, in shares of the rating, in VUF as a ratio; negative: there is room.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp

from pyomo_dlmp.ac.circuit import GROUND, Circuit
from pyomo_dlmp.ac.elements import Element
from pyomo_dlmp.blocks.ac_limits import PLUS
from pyomo_dlmp.network import CenterTappedTransformer, Line, Network, Transformer
from pyomo_dlmp.network.phases import DELTA_PAIRS, NEUTRAL, PHASES, SPLIT
from pyomo_dlmp.network.ratings import Rating, known_rating, limit_kva
from pyomo_dlmp.network.units import mega
from pyomo_dlmp.tolerances import ROUNDING, SAME_VOLTAGE, WORSENED

UNITS = {"voltage": "pu", "loading": "of its rating", "unbalance": "VUF"}


@dataclass(frozen=True)
class Limit:
    """One limit.

    Attributes
    ----------
    what : "voltage", "loading" or "unbalance"
    element : str
        Bus or branch.
    phase : str
        Phase, pair of phases, or "" of an unbalance.
    low, high : float
        Of the quantity; infinite where there is none.
    """

    what: str
    element: str
    phase: str
    low: float
    high: float

    @property
    def key(self) -> tuple[str, str, str]:
        """What it is of."""
        return self.what, self.element, self.phase

    @property
    def name(self) -> str:
        """Element and phase."""
        return f"{self.element}.{self.phase}" if self.phase else self.element

    def words(self, value: float) -> str:
        """The limit and a value, as messages show them."""
        if self.what == "voltage":
            near_low = abs(value - self.low) <= abs(value - self.high)
            end, sign = (self.low, "v_min") if near_low else (self.high, "v_max")
            return f"voltage {value:.4f} pu at {self.name} ({sign} {end:.4g})"
        if self.what == "loading":
            return f"loading {100 * value:.1f} % of {self.name}"
        return f"unbalance {100 * value:.2f} % at {self.name} (limit {100 * self.high:.3g} %)"


@dataclass(frozen=True, kw_only=True)
class LimitOptions:
    """Which limits count.

    Parameters
    ----------
    v_min, v_max : float or None
        Of voltages (pu) where a bus has none of its own; None: no limit.
    voltage_legs : "phase", "line" or "both"
        Whether they are of phases (to the neutral where it is not at ground), between phases, or
        of both.
    thermal : bool
        Whether known ratings of lines, regulators and transformers count, as currents of phases.
    vuf : float or None
        Greatest voltage unbalance factor (%) of three-phase buses; None: no limit.
    """

    v_min: float | None = 0.95
    v_max: float | None = 1.05
    voltage_legs: str = "phase"
    thermal: bool = True
    vuf: float | None = None


class Limits:
    """The limits of a feeder as rows over the unknowns of its circuit.

    Parameters
    ----------
    circuit : Circuit
    options : LimitOptions

    Attributes
    ----------
    rows : list of Limit
    low, high : ndarray, shape (rows,)
        The limits, tightened by `SAME_VOLTAGE`, so that another power flow agrees.
    """

    def __init__(self, circuit: Circuit, options: LimitOptions):
        self.circuit, self.options = circuit, options
        self.rows: list[Limit] = []
        self._entries: list[dict[int, complex]] = []
        for limit, entries in (*self._voltages(), *self._loadings()):
            self.rows.append(limit)
            self._entries.append(entries)
        if not self.rows:  # one that always holds, so that no solution is told from no limit
            bus, k = circuit.nodes[int(circuit.phase_nodes[-1])]
            self.rows.append(Limit("voltage", bus, k, -1e6, 1e6))
            self._entries.append(self._phasor(bus, k))
        self.plain = len(self.rows)
        divisors = []
        for limit, entries, below in self._unbalances():
            self.rows.append(limit)
            self._entries.append(entries)
            divisors.append(below)
        self.matrix = _matrix(self._entries, circuit.size)
        self.below = _matrix(divisors, circuit.size)
        self.low, self.high = self.unmoved()

    def unmoved(self) -> tuple[np.ndarray, np.ndarray]:
        """Low and high of all rows as they were before any was moved."""
        return (np.array([r.low for r in self.rows]) + SAME_VOLTAGE,
                np.array([r.high for r in self.rows]) - SAME_VOLTAGE)

    def values(self, z: np.ndarray) -> np.ndarray:
        """The quantities.

        Parameters
        ----------
        z : ndarray, shape (size, periods), complex

        Returns
        -------
        ndarray, shape (rows, periods)
        """
        found = np.abs(self.matrix @ z)
        if self.below.shape[0]:
            found[self.plain:] /= np.maximum(np.abs(self.below @ z), ROUNDING)
        return found

    def excess(self, values: np.ndarray) -> np.ndarray:
        """How far quantities are beyond their limits, negative within them; same shape."""
        return np.maximum(self.low[:, None] - values, values - self.high[:, None])

    def relax(self, values: np.ndarray) -> list[tuple[int, int, float]]:
        """Move limits that are broken to the furthest value that there is, and `WORSENED` beyond.

        Parameters
        ----------
        values : ndarray, shape (rows, periods)
            Before anything is connected.

        Returns
        -------
        list of (int, int, float)
            Row, period and value of the furthest violation of each end of each broken limit.
        """
        moved = []
        room = self.low.copy(), self.high.copy()
        for side, excess in enumerate((self.low[:, None] - values, values - self.high[:, None])):
            # beyond, not only within the margin
            for r in np.flatnonzero((excess > 2 * SAME_VOLTAGE).any(axis=1)):
                t = int(np.argmax(excess[r]))
                moved.append((int(r), t, float(values[r, t])))
                room[side][r] = values[r, t] + (2 * side - 1) * (WORSENED - SAME_VOLTAGE)
        moved.sort()
        lows, highs = values.min(axis=1), values.max(axis=1)
        self.low, self.high = np.minimum(room[0], lows), np.maximum(room[1], highs)
        return moved

    # ------------------------------------------------------------------------- its rows

    def _voltages(self) -> Iterator[tuple[Limit, dict[int, complex]]]:
        options, circuit = self.options, self.circuit
        for name, bus in circuit.network.buses.items():
            low = bus.v_min if bus.v_min is not None else options.v_min
            high = bus.v_max if bus.v_max is not None else options.v_max
            if name == circuit.network.substation.bus or (low is None and high is None):
                continue
            ends = -math.inf if low is None else low, math.inf if high is None else high
            legs = list(bus.phases) if options.voltage_legs != "line" else []
            if options.voltage_legs != "phase":
                legs += _pairs(bus.phases)
            for leg in dict.fromkeys(legs):
                yield Limit("voltage", name, leg, *ends), self._phasor(name, leg)

    def _phasor(self, name: str, leg: str) -> dict[int, complex]:
        """The voltage of a phase or a pair (pu of its nominal voltage)."""
        circuit = self.circuit
        bus = circuit.network.buses[name]
        nominal = bus.nominal_kv(leg) / bus.kv_ln
        found: dict[int, complex] = {circuit.at[name, leg[0]]: 1.0 / nominal}
        if len(leg) == 2:
            found[circuit.at[name, leg[1]]] = -1.0 / nominal
            return found
        neutral = circuit.at.get((name, NEUTRAL), GROUND)
        if bus.phases == PHASES and name not in circuit.grounded:
            for k in PHASES:
                at = circuit.at[name, k]
                found[at] = found.get(at, 0.0) - 1.0 / 3.0
        elif neutral >= 0:
            found[neutral] = -1.0
        return found

    def _loadings(self) -> Iterator[tuple[Limit, dict[int, complex]]]:
        """Currents of branches whose rating is known, in shares of it."""
        if not self.options.thermal:
            return
        circuit = self.circuit
        branches, buses = circuit.network.branches, circuit.network.buses
        for element in circuit.elements:
            own = known_rating(branches.get(element.name), buses)
            if element.kind not in ("shunt", "grounding") and own is not None:
                yield from self._currents(element, own)
        for number, row in enumerate(circuit.ideal):
            name = row.name.rpartition(".")[0]
            own = None if row.kind == "zone" else known_rating(branches.get(name), buses)
            if own is None:
                continue
            for (bus, k), coef in zip(row.terminals, row.coefs.tolist(), strict=True):
                if bus == own.bus and k in own.kva:
                    yield (Limit("loading", name, k, -math.inf, 1.0),
                           {circuit.n + number: coef / mega(own.kva[k])})

    def _currents(self, element: Element, own: Rating):
        circuit = self.circuit
        at = [circuit.at[end] for end in element.terminals]
        for i, (bus, k) in enumerate(element.terminals):
            if bus == own.bus and k in own.kva:
                entries: dict[int, complex] = {}
                for node, y in zip(at, element.y[i].tolist(), strict=True):
                    entries[node] = entries.get(node, 0.0) + y / mega(own.kva[k])
                yield Limit("loading", element.name, k, -math.inf, 1.0), entries

    def _unbalances(self):
        """VUF = |V-| / |V+| of buses with three phases."""
        if self.options.vuf is None:
            return
        for name, bus in self.circuit.network.buses.items():
            if bus.phases == PHASES and name != self.circuit.network.substation.bus:
                nodes = [self.circuit.at[name, k] for k in PHASES]
                yield (Limit("unbalance", name, "", -math.inf, self.options.vuf / 100.0),
                       dict(zip(nodes, PLUS.conj().tolist(), strict=True)),
                       dict(zip(nodes, PLUS.tolist(), strict=True)))


def without_ratings(network: Network) -> Network:
    """A network whose ratings are no limits of the OPF."""
    return network.replacing(*(
        replace(branch, rated=False) for branch in network.branches.values()
        if isinstance(branch, Line | Transformer | CenterTappedTransformer)
        and limit_kva(branch) is not None))


def _pairs(phases: str) -> list[str]:
    """Legs between phases; the phase itself where a bus has one."""
    if len(phases) == 1:
        return [phases]
    if phases == SPLIT:
        return [SPLIT]
    return [pair for pair in DELTA_PAIRS if set(pair) <= set(phases)]


def _matrix(entries: list[dict[int, complex]], size: int) -> sp.csr_matrix:
    rows = [i for i, row in enumerate(entries) for _ in row]
    columns = [c for row in entries for c in row]
    values = [v for row in entries for v in row.values()]
    return sp.csr_matrix((np.array(values, dtype=complex), (rows, columns)),
                         shape=(len(entries), size))
