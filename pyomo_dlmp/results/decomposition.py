"""DLMPs taken apart: energy, loss, voltage, congestion, unbalance.

The state z of the network (flows, squared voltages, angles, power bought) is fixed by the
injections through as many equality rows as it has entries, E z = ... (balances, voltage and angle
rows). Stationarity of the DSO's Lagrangian in z, with y the duals of these rows (the balance rows'
are the DLMPs), a_r the other rows that z stands in and nu_r their duals, reads

    E' y = d(energy cost)/dz + d(loss cost)/dz - sum_r nu_r a_r

which is linear in its right-hand side, so each part of it has its own y, and the parts add up to
the duals exactly:  voltage = rows v_low, v_high; congestion = rows of thermal limits; unbalance =
rows of VUF limits and prices. What one more MW at a node costs in each part, the other decisions
held, is that part of its price. Energy is split once more: the substation price (0 for reactive
power), and `load_response`, what voltage-dependent loads and shunts draw more or less.
"""

from __future__ import annotations

from collections.abc import Container, Iterator

import numpy as np
import pandas as pd
from pyomo.environ import Block, value
from scipy.sparse.linalg import splu

from pyomo_dlmp.blocks.branch import BranchBlockData
from pyomo_dlmp.blocks.parallel import branch_blocks
from pyomo_dlmp.blocks.substation import SubstationBlockData
from pyomo_dlmp.errors import ModelError, SolverError
from pyomo_dlmp.lower.form import LowerForm, compile_lower
from pyomo_dlmp.results.prices import UNITS, at_legs
from pyomo_dlmp.results.schema import DECOMPOSITION
from pyomo_dlmp.tolerances import ROUNDING, SAME_MONEY

PARTS = ("energy", "loss", "voltage", "congestion", "unbalance", "load_response", "other")
ROWS = {"v_low": "voltage", "v_high": "voltage", "thermal": "congestion",
        "unbalance_limit": "unbalance", "unbalance_price": "unbalance"}


def decomposition_table(dso, buses: Container[str] | None = None,
                        form: LowerForm | None = None) -> pd.DataFrame:
    """Parts of every DLMP of a solved DSO, which add up to it.

    Parameters
    ----------
    dso : block
        Filled by `build_opf`, or composed by hand with its BusBlocks as `bus[name]`; solved by
        `solve_bilevel` or `solve_opf`.
    buses : container of str, optional
        Those that the table is of; by default all. The parts are checked at all of them.
    form : LowerForm, optional
        The compiled DSO as it was solved (`MarketResult.form`); by default it is compiled again,
        which is most of the time that this takes on a large feeder.

    Returns
    -------
    DataFrame
        Columns bus, phase, period, quantity, part, value ($/MWh, $/Mvarh), unit. Parts of `PARTS`;
        `other` holds the rows of devices of your own that limit network Vars, and is left out (as
        `load_response` is) where it is zero everywhere.

    Raises
    ------
    ModelError
        When there are no duals, the model is of the AC form, or a block adds Vars or rows to the
        network's state.
    SolverError
        When the parts miss a dual by more than a millionth of the greatest.
    """
    duals = dso.component("dual")
    if duals is None:
        raise ModelError.at(dso.name, "has no duals", "Solve it: solve_bilevel or solve_opf.")
    if any(bus.form == "ac" for bus in dso.bus.values()):
        raise ModelError.at(dso.name, "is of the AC form, whose prices are taken apart otherwise",
                            "Take solve_ac_opf(network, ...).price_parts().")
    form = compile_lower(dso) if form is None else form
    columns, rows = _state(dso, form)
    E = form.A[rows][:, columns]
    if E.shape[0] != E.shape[1]:
        raise ModelError.at(
            dso.name, f"has {E.shape[1]} network Vars and {E.shape[0]} rows that settle them",
            "A device of your own may inject and limit, but not add to voltage or flow rows.")
    right = _right_hand_sides(dso, form, columns, rows, duals)
    solved = splu(E.T.tocsc()).solve(np.column_stack(list(right.values())))
    parts = dict(zip(right, solved.T, strict=True))
    exact = np.array([duals[form.rows[r]] for r in rows])
    missed = np.abs(sum(parts.values()) - exact).max(initial=0.0)
    if missed > SAME_MONEY * max(1.0, np.abs(exact).max(initial=0.0)):
        raise SolverError.at(dso.name, f"has duals that its price parts miss by {missed:.2g}",
                             "Solve it again: the loaded duals are not those of this point.")
    shown = {name: bus for name, bus in dso.bus.items() if buses is None or name in buses}
    return _table(dso, shown, form, rows, parts)


def _table(dso, buses: dict, form: LowerForm, rows: np.ndarray,
           parts: dict[str, np.ndarray]) -> pd.DataFrame:
    number = {id(form.rows[r]): i for i, r in enumerate(rows)}
    substation = _substation(dso)
    keys, places, base = [], [], []
    prices = {t: value(price) for t, price in substation.price.items()}
    for name, bus in buses.items():
        for quantity, balance in (("active", bus.balance_p), ("reactive", bus.balance_q)):
            for phase, t in balance:
                keys.append((name, phase, t, quantity))
                places.append(number[id(balance[phase, t])])
                base.append(prices[t] if quantity == "active" else 0.0)
    hours = dso.period_hours
    found = {part: values[places] / hours for part, values in parts.items()}
    found["load_response"] = found["energy"] - np.array(base)
    found["energy"] = np.array(base)
    frames = []
    table = pd.DataFrame(keys, columns=DECOMPOSITION.names[:4])
    for part in PARTS:
        if part in ("load_response", "other") and np.abs(found[part]).max(initial=0) < ROUNDING:
            continue
        frames.append(table.assign(part=part, value=found[part],
                                   unit=table["quantity"].map(UNITS)))
    return pd.concat(frames, ignore_index=True)[DECOMPOSITION.names]


def _branches(dso) -> list:
    """Blocks of branches, under whatever names where they are composed by hand."""
    if dso.component("substation") is not None:
        return [block for _, block in branch_blocks(dso)]
    return [block for block in _blocks(dso, BranchBlockData)
            if block.component("voltage") is not None]


def _substation(dso):
    """The block of the only source, under whatever name."""
    own = dso.component("substation")
    found = list(own.values()) if own is not None else _blocks(dso, SubstationBlockData)
    if len(found) != 1:
        raise ModelError.at(
            dso.name, f"has {len(found)} SubstationBlocks, and prices are taken apart from that of "
            "one", "Build one SubstationBlock on it.")
    return found[0]


def _blocks(dso, kind: type) -> list:
    return [block for block in dso.component_data_objects(Block, active=True)
            if isinstance(block, kind)]


def _state(dso, form: LowerForm) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the network's columns and of the rows that settle them."""
    column = {id(v): j for j, v in enumerate(form.x)}
    row = {id(r): i for i, r in enumerate(form.rows)}
    branches = _branches(dso)
    blocks = [*dso.bus.values(), *branches, _substation(dso)]
    columns = [column[id(v)] for block in blocks for name in ("w", "theta", "p", "q")
               if block.component(name) is not None
               for v in getattr(block, name).values() if id(v) in column]
    rows = [row[id(r)] for block in blocks
            for name in ("balance_p", "balance_q", "voltage", "angle")
            if block.component(name) is not None for r in getattr(block, name).values()]
    return np.array(columns), np.array(rows)


def _right_hand_sides(dso, form: LowerForm, columns, rows, duals) -> dict[str, np.ndarray]:
    """{part: its share of the right-hand side over the network's columns}."""
    x = np.array([v.value for v in form.x])
    gradient = (form.c + form.Q @ x)[columns]
    place = {id(form.x[j]): i for i, j in enumerate(columns)}
    energy = np.zeros(len(columns))
    for var in _substation(dso).p.values():
        energy[place[id(var)]] = form.c[columns[place[id(var)]]]
    loss = np.zeros(len(columns))
    for index, values in _loss_gradients(dso):
        for var, slope in zip(index, values, strict=True):
            loss[place[id(var)]] += slope
    right = {"energy": energy, "loss": loss, "other": gradient - energy - loss}
    inside = np.zeros(len(form.rows), dtype=bool)
    inside[rows] = True
    touching = np.flatnonzero(~inside & (np.diff(form.A[:, columns].indptr) > 0))
    nu = np.array([duals.get(form.rows[r], 0.0) for r in touching])
    part_of = [ROWS.get(form.rows[r].parent_component().local_name, "other") for r in touching]
    A = form.A[touching][:, columns]
    for part in dict.fromkeys(("voltage", "congestion", "unbalance", *part_of)):
        mask = np.array([name == part for name in part_of], dtype=bool)
        right[part] = right.get(part, 0.0) - A.T @ np.where(mask, nu, 0.0)
    return right


def _loss_gradients(dso) -> Iterator[tuple[list, np.ndarray]]:
    """(Vars, slopes of the costed losses) of each branch and period."""
    substation = _substation(dso)
    hours = dso.period_hours
    for branch in _branches(dso):
        if branch.component("loss") is None:
            continue
        for t in dso.periods:
            flows = [branch.p[k, t] for k in branch.phases] + [
                branch.q[k, t] for k in branch.phases]
            x = np.array([var.value for var in flows])
            slopes = branch.loss_slopes(x)
            yield flows, value(substation.loss_price(t)) * hours * slopes


def customer_parts(parts: pd.DataFrame, phases: str, legs, connection: str) -> pd.DataFrame:
    """Parts at the legs of a customer, by the transposed map of its connection.

    The price of a leg is sum_phase Re D lamP + Im D lamQ (active) and Re D lamQ - Im D lamP
    (reactive), with the map D of `blocks.legs.leg_map`; so are its parts.

    Parameters
    ----------
    parts : DataFrame
        Rows of `decomposition_table` of one bus.
    phases : str
        Of the bus, such as "abc".
    legs : sequence of str
        Phases, or pairs such as "ab".
    connection : str
        "wye" or "delta".

    Returns
    -------
    DataFrame
        Columns as of `parts`, `phase` holding the leg.
    """
    keys = [c for c in parts.columns if c not in ("phase", "quantity", "value", "unit")]
    return at_legs(parts, phases, legs, connection, keys)
