"""DLMPs of a solved DSO: the duals of its balances by the hour."""

from __future__ import annotations

import warnings
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from pyomo.environ import value

from pyomo_dlmp.blocks.legs import leg_map
from pyomo_dlmp.deprecation import renamed_arguments
from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.opf.flagged import CURE
from pyomo_dlmp.opf.voltage_penalties import broken_limits
from pyomo_dlmp.results.schema import PRICES
from pyomo_dlmp.results.voltages import bus_phasors, exact

UNITS = {"active": "$/MWh", "reactive": "$/Mvarh"}


def prices_table(dso) -> pd.DataFrame:
    """Prices at every bus, phase and period.

    Where soft voltage limits are broken, prices contain their penalty: a UserWarning says how many
    and where.

    Parameters
    ----------
    dso : block or MarketResult
        Filled by `build_opf` and solved by `solve_bilevel` or `solve_opf`; or what `solve_market`
        returned.

    Returns
    -------
    DataFrame
        Columns bus, phase, period, quantity (active, reactive), value ($/MWh, $/Mvarh), unit.

    Raises
    ------
    ModelError
        When no duals are loaded.
    """
    dso = getattr(dso, "dso", dso)
    table = balance_duals(dso)
    broken = broken_limits(dso)
    if broken is not None:
        warnings.warn(f"{dso.name}: {broken} {CURE}", UserWarning, stacklevel=2)
    return table


def balance_duals(dso) -> pd.DataFrame:
    """The table of `prices_table`, without its warning."""
    duals = dso.component("dual")
    if duals is None:
        raise ModelError.at(dso.name, "has no duals", "Solve it: solve_bilevel or solve_opf.")
    return PRICES.frame(at_balances(dso, duals, UNITS))


def at_balances(dso, duals: Mapping[Any, float], units: Mapping[str, str],
                buses: Container[str] | None = None, periods: Sequence[Any] | None = None,
                ) -> list[tuple]:
    """What a MWh or Mvarh at each bus, phase and period adds to what the balances' duals are of.

    Parameters
    ----------
    dso : block
        Filled by `build_opf`.
    duals : mapping of ConstraintData to float
        Derivative of a quantity by the right-hand side of each balance.
    units : mapping of str to str
        Units of "active" and "reactive".
    buses, periods : container of str, sequence, optional
        Those that are wanted; by default all.

    Returns
    -------
    list of tuple
        (bus, phase, period, quantity, value, unit).
    """
    wanted = list(dso.periods) if periods is None else list(periods)
    shown = [(name, bus) for name, bus in dso.bus.items() if buses is None or name in buses]
    if exact(dso):
        return [row for name, bus in shown
                for row in _of_currents(name, bus, wanted, duals, units)]
    return [
        (name, phase, t, quantity, duals[balance[phase, t]] / bus.hours, units[quantity])
        for name, bus in shown
        for quantity, balance in (("active", bus.balance_p), ("reactive", bus.balance_q))
        for phase, t in balance if periods is None or t in wanted
    ]


def _of_currents(name: str, bus, periods: list, duals, units) -> Iterator[tuple]:
    """Rows of the phases of a bus of the AC form: prices of power between each and ground.

    With d = dual_p + j dual_q and the multiplier m, a current drawn costs pi = m conj(d), and power
    at the voltage u the conjugate of pi over that of u (d itself where m = u). Where nothing
    grounds the bus, u is less the mean of its phases, and the current returns through all three.
    """
    if not bus.phases:
        return
    at = [(k, t) for t in periods for k in bus.phases]
    d, m = (np.array([complex(one(k), other(k)) for k in at]).reshape(len(periods), -1)
            for one, other in (
                (lambda k: duals[bus.balance_p[k]], lambda k: duals[bus.balance_q[k]]),
                (lambda k: value(bus.point[("mr", *k)]), lambda k: value(bus.point[("mi", *k)]))))
    pi = m * d.conj()
    if bus.floats:
        pi = pi - pi.mean(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        price = (pi / bus_phasors(bus, periods)).conj() / bus.hours
    for quantity, part in (("active", price.real), ("reactive", price.imag)):
        yield from ((name, k, t, quantity, float(part[i, j]), units[quantity])
                    for j, k in enumerate(bus.phases) for i, t in enumerate(periods))


@renamed_arguments(net="network")
def customer_prices(prices: pd.DataFrame, network, bus: str, legs: Sequence[str],
                    connection: str = "delta") -> pd.DataFrame:
    """Prices that a customer pays at its legs, by its connection.

    For a delta leg ab the active price is (lamP_a + lamP_b)/2 + (lamQ_b - lamQ_a)/(2 sqrt3).

    Parameters
    ----------
    prices : DataFrame
        A `prices_table`.
    network : Network
        The network that the DSO's block was built from.
    bus : str
        Name of the customer's bus.
    legs : sequence of str
        Phases, or pairs such as "ab".
    connection : str
        "wye" or "delta".

    Returns
    -------
    DataFrame
        Columns as of `prices`, `phase` holding the leg.

    Raises
    ------
    ModelError
        For a leg that the bus lacks.
    """
    here = prices[prices["bus"] == bus]
    keys = [c for c in prices.columns if c not in ("phase", "quantity", "value", "unit")]
    return at_legs(here, network.buses[bus].phases, tuple(legs), connection, keys)


def at_legs(values: pd.DataFrame, phases: str, legs: Sequence[str], connection: str,
            keys: list[str]) -> pd.DataFrame:
    """Phase values at the legs of a device, by the transposed map of its connection.

    Parameters
    ----------
    values : DataFrame
        Columns phase, quantity, value and `keys`.
    phases : str
        Of the bus, such as "abc".
    legs : sequence of str
        Phases, or pairs such as "ab".
    connection : str
        "wye" or "delta".
    keys : list of str
        Columns that name a row beside phase and quantity.

    Returns
    -------
    DataFrame
        Columns as of `values`, `phase` holding the leg.
    """
    D = leg_map("customer", tuple(legs), connection, phases)
    wide = values.pivot_table(index=keys, columns=["quantity", "phase"], values="value",
                              observed=True, sort=False)
    P, Q = (wide.reindex(columns=[(quantity, k) for k in phases]).to_numpy()
            for quantity in UNITS)
    frames = []
    for quantity, at in (("active", P @ D.real.T + Q @ D.imag.T),
                         ("reactive", Q @ D.real.T - P @ D.imag.T)):
        for row, leg in enumerate(legs):
            frames.append(wide.index.to_frame(index=False).assign(
                phase=leg, quantity=quantity, value=at[:, row], unit=UNITS[quantity]))
    table = pd.concat(frames, ignore_index=True)
    return table[[c for c in values.columns if c in table.columns]]
