"""Marginal emissions: what one more MWh at a bus, phase and hour makes the sources emit.

A solved DSO's dispatch is a piecewise affine function of the loads. On the piece of its answer the
active rows and bounds N x = d are held, and x answers a change of d by

    [ Q  N' ] [ dx ]   [ 0  ]
    [ N  0  ] [-nu ] = [ dd ]

With e the kg that each column emits in a period, d(e'x)/d(d) is z of  Q x + N' z = e,  N x = 0: one
solve for all buses, as the prices are the z of the cost's own gradient. At the edge of two pieces
(a limit that is reached but costs nothing) the piece is taken that a little more load everywhere
leads to. Where sources are equally cheap, so that their shares are free, the shares of least change
are taken (a tiny weight on all changes). In the AC form the operating point is held.

Reference: Ruiz, Rudkevich (2010), Analysis of marginal carbon intensities in constrained power
networks, HICSS-43.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from pyomo.core import ComponentMap
from scipy.sparse.linalg import splu

from pyomo_dlmp.blocks.registry import device_components
from pyomo_dlmp.errors import Fault, ModelError, SolverError, nearest, shown
from pyomo_dlmp.lower.form import LowerForm, compile_lower
from pyomo_dlmp.lower.kkt_system import KktSystem, build_kkt
from pyomo_dlmp.lower.solver import LowerSolution, LowerSolver
from pyomo_dlmp.results.prices import at_balances
from pyomo_dlmp.results.schema import EMISSIONS
from pyomo_dlmp.tolerances import ACTIVE, ENTRY, MULTIPLIER, ROUNDING, ROW_HOLDS

GRID = "grid"
"""In place of the names of all substations."""
UNITS = {"active": "kg/MWh", "reactive": "kg/Mvarh"}
_NUDGE = 100 * ROW_HOLDS  # MW of more load at every node, to leave the edge of two pieces

Factor = float | Sequence[float]


def emissions_table(dso, factors: Mapping[str, Factor], form: LowerForm | None = None,
                    ) -> pd.DataFrame:
    """Marginal emissions at every bus, phase and period of a solved DSO.

    The datacenters' power is held, as it is for prices.

    Parameters
    ----------
    dso : block
        Filled by `build_opf` and solved by `solve_bilevel` or `solve_opf`.
    factors : mapping of str to float or sequence of float
        kg CO2 per MWh, one number or one per period, by name of a generator or substation;
        "grid" stands for all substations. Other sources emit nothing.
    form : LowerForm, optional
        The compiled DSO as it was solved (`MarketResult.form`); by default it is compiled again.

    Returns
    -------
    DataFrame
        Columns bus, phase, period, quantity (active, reactive), value (kg/MWh, kg/Mvarh), unit.

    Raises
    ------
    ModelError
        For a name that is no source, and factors that are no numbers: all faults at once.
    SolverError
        When the DSO has no solution at these decisions.
    """
    emitted = _emitted(dso, factors)
    kkt = build_kkt(compile_lower(dso) if form is None else form)
    solution = LowerSolver(kkt).solve_here()
    active = _held(dso, kkt, solution)
    e = np.zeros(len(kkt.form.x))
    number = kkt.form.column_number
    for var, kg in emitted:
        if not var.fixed:
            e[number[var]] += kg
    slopes = _slopes(kkt, active, e)
    rows = (kkt.form.rows[r] for r in kkt.equality_rows)
    return pd.DataFrame(at_balances(dso, ComponentMap(zip(rows, slopes, strict=True)), UNITS),
                        columns=EMISSIONS.names)


def emission_faults(factors: Any, sources: Sequence[str], periods: int) -> list[Fault]:
    """What is wrong with emission factors.

    Parameters
    ----------
    factors : object
        As of `emissions_table`.
    sources : sequence of str
        Names that may emit.
    periods : int
        How many there are; 0: not known.

    Returns
    -------
    list of Fault
    """
    if not isinstance(factors, Mapping):
        return [Fault("emissions", f"is {shown(factors)}", "Write name = kg per MWh.")]
    known, faults = [GRID, *sources], []
    for name, given in factors.items():
        place = f"emissions, {name}"
        if name not in known:
            faults.append(Fault(place, "is not a generator or substation", nearest(name, known)))
        values = list(given) if isinstance(given, list | tuple | np.ndarray) else [given]
        wrong = [v for v in values if isinstance(v, bool | str) or not np.isscalar(v)
                 or not np.isfinite(v)]  # type: ignore[arg-type, call-overload]
        if wrong:
            faults.append(Fault(place, f"is {shown(wrong[0])}", "Give kg per MWh, a number."))
        elif not values or (periods and len(values) not in (1, periods)):
            faults.append(Fault(place, f"has {len(values)} values for {periods} periods",
                                "Give one number, or one per period."))
    return faults


def _emitted(dso, factors: Mapping[str, Factor]) -> list[tuple[Any, float]]:
    """(Var of a source's power, kg per MW of it in a period)."""
    sources = {name: block for cls, component in device_components(dso)
               for name, block in component.items() if cls.word == "generator"}
    sources |= dict(dso.substation.items())
    periods = list(dso.periods)
    faults = emission_faults(factors, list(sources), len(periods))
    if faults:
        raise ModelError(faults)
    found = []
    for name, given in factors.items():
        values = np.broadcast_to(np.asarray(given, float).ravel(), len(periods))
        of_period = dict(zip(periods, values.tolist(), strict=True))
        blocks = dso.substation.values() if name == GRID else [sources[name]]
        for var_of in (block.p for block in blocks):
            for key, var in var_of.items():
                t = key[-1] if isinstance(key, tuple) and key not in of_period else key
                found.append((var, of_period[t] * dso.period_hours))
    return found


def _held(dso, kkt: KktSystem, solution: LowerSolution) -> np.ndarray:
    """Mask of the pairs that are active on the piece of an answer."""
    u = np.array([v.value for v in kkt.form.u], dtype=float)
    slack = kkt.slack(solution.x, u)
    edge = (slack <= ACTIVE) & (solution.mu <= MULTIPLIER)
    if edge.any():
        more = np.zeros(len(kkt.b_eq))
        place = {id(kkt.form.rows[r]): i for i, r in enumerate(kkt.equality_rows)}
        for bus in dso.bus.values():
            for row in bus.balance_p.values():
                if id(row) in place:
                    more[place[id(row)]] = _NUDGE
        beside = replace(kkt, b_eq=kkt.b_eq + more)
        try:
            solution = LowerSolver(beside).solve(u)
        except SolverError:  # more load has no solution: the edge is that of what is possible
            return (slack <= ACTIVE) & ~edge
        slack = beside.slack(solution.x, u)
    return solution.mu > slack


def _slopes(kkt: KktSystem, active: np.ndarray, e: np.ndarray) -> np.ndarray:
    """d(e'x) by the right-hand side of each equality row; see the module's text."""
    N = sp.vstack([kkt.A_eq, kkt.S[active]], format="csr")
    Q = kkt.sigma * kkt.form.Q
    system = sp.block_array([[Q + ROUNDING * sp.identity(len(e)), N.T],
                             [N, -ENTRY * sp.identity(N.shape[0])]], format="csc")
    z = splu(system).solve(np.concatenate([e, np.zeros(N.shape[0])]))
    return z[len(e):len(e) + len(kkt.b_eq)]
