"""Errors of a solution, in any form, against AC: voltages, flows, limits, prices."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyomo.environ as pyo

from pyomo_dlmp.blocks.parallel import flow_blocks
from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.network import Generator, Network
from pyomo_dlmp.network.phases import DELTA_PAIRS, PHASES
from pyomo_dlmp.network.zones import grounded_buses
from pyomo_dlmp.opf.limits import limited_blocks
from pyomo_dlmp.opf.load_scale import LoadScale, load_series, reactive_series
from pyomo_dlmp.power_flow import AcPowerFlow, ac_power_flow
from pyomo_dlmp.power_flow.ac_solver import AcSolver
from pyomo_dlmp.power_flow.dispatch import dispatch_by_period
from pyomo_dlmp.results import unbalance_table
from pyomo_dlmp.results.unbalance import measures
from pyomo_dlmp.tolerances import ACTIVE, SAME_MONEY
from pyomo_dlmp.validation.model_point import model_flows
from pyomo_dlmp.validation.outside import loads_outside
from pyomo_dlmp.validation.prices import price_in_model

PROBE_KW = 1.0


@dataclass
class AcReport:
    """Tables of a solution against AC; error is model less ac.

    Attributes
    ----------
    ac : AcPowerFlow
        Of the solution's dispatch.
    voltages : DataFrame
        Columns bus, phase, period, model, ac, error, unit (pu).
    flows : DataFrame
        Columns branch, phase, period, quantity, model, ac, error, unit (MW, Mvar).
    unbalance : DataFrame
        Columns bus, period, quantity, model, ac, error, unit (%).
    limits : DataFrame
        Each voltage and thermal limit that is violated in AC or binds in the model: columns kind,
        element, phase, period, limit, model, ac, broken_by, unit (pu, MVA).
    prices : DataFrame
        DLMP against the finite difference of the AC cost: columns bus, leg, period, quantity, dlmp,
        ac, error, binding, unit ($/MWh, $/Mvarh).
    summary : DataFrame
        Columns quantity, value, unit.
    """

    ac: AcPowerFlow
    voltages: pd.DataFrame = field(repr=False)
    flows: pd.DataFrame = field(repr=False)
    unbalance: pd.DataFrame = field(repr=False)
    limits: pd.DataFrame = field(repr=False)
    prices: pd.DataFrame = field(repr=False)
    summary: pd.DataFrame


def ac_report(model: Any, network: Network, *, load_scale: LoadScale = 1.0,
              price_samples: int = 6) -> AcReport:
    """Compare a solved OPF (or the DSO of a bilevel model) with the AC power flow of its dispatch.

    Parameters
    ----------
    model : Block
        Filled by `build_opf`, with values and duals.
    network : Network
        That of the model.
    load_scale : float, sequence, mapping or "profiles"
        As the model was built with.
    price_samples : int
        Number of nodes at which the DLMP is compared with the change of AC cost (substation energy
        at its price) for 1 kW more, in the first period; spread over the feeder, single-phase
        where the bus is grounded, otherwise a delta leg. If a limit binds (column `binding`) the
        DLMP includes its multiplier, which an AC power flow does not have.

    Returns
    -------
    AcReport

    Raises
    ------
    ModelError
        If the model has no duals.
    OpenDssError
        As of `ac_power_flow`.
    """
    if model.component("dual") is None:
        raise ModelError.at(str(model.name), "has no duals: it is not solved",
                            "Solve it: solve_opf or solve_bilevel.")
    hours = model.period_hours
    ac = ac_power_flow(network, model, load_scale=load_scale, hours=hours)
    voltages = _voltages(model, ac)
    flows = _flows(model, network, ac)
    unbalance = _unbalance(model, ac)
    limits = _limits(model, ac)
    prices = _prices(model, network, load_scale, price_samples) if price_samples else (
        pd.DataFrame(columns=_PRICE_COLUMNS))
    return AcReport(ac, voltages, flows, unbalance, limits, prices,
                    _summary(model, network, ac, voltages, flows, unbalance, limits, prices))


def _voltages(m, ac: AcPowerFlow) -> pd.DataFrame:
    rows = [(*place, ours, theirs, ours - theirs, "pu")
            for *place, ours, theirs in ac.against(m)]
    return pd.DataFrame(rows, columns=["bus", "phase", "period", "model", "ac", "error", "unit"])


def _flows(m, network: Network, ac: AcPowerFlow) -> pd.DataFrame:
    rows = []
    for (name, k, t), ours in model_flows(m, network).items():
        theirs = ac.point.flows.get((name, k, t))
        if theirs is None:  # an element of several buses beyond its second, or without a flow
            continue
        for quantity, a, b, unit in (("active", ours.real, theirs.real, "MW"),
                                     ("reactive", ours.imag, theirs.imag, "Mvar")):
            rows.append((name, k, t, quantity, a, b, a - b, unit))
    return pd.DataFrame(rows, columns=[
        "branch", "phase", "period", "quantity", "model", "ac", "error", "unit"])


def _unbalance(m, ac: AcPowerFlow) -> pd.DataFrame:
    table = unbalance_table(m).rename(columns={"value": "model"})
    exact: dict[tuple, float] = {}
    for name, bus in m.bus.items():
        if bus.phases == PHASES:
            for t in m.periods:
                v = np.array([[ac.point.voltages[name, k, t] for k in PHASES]])
                exact |= {(name, t, quantity): 100 * float(value[0])
                          for quantity, value in measures(v).items()}
    table["ac"] = [exact[key] for key in zip(
        table["bus"], table["period"], table["quantity"], strict=True)]
    table["error"] = table["model"] - table["ac"]
    return table[["bus", "period", "quantity", "model", "ac", "error", "unit"]]


_LIMIT_COLUMNS = ["kind", "element", "phase", "period", "limit", "model", "ac", "broken_by", "unit"]


def _limits(m, ac: AcPowerFlow) -> pd.DataFrame:
    """Limits that bind in the model (to 1e-4) or are violated in AC; `broken_by` 0 if kept."""
    rows = []
    for name, bus in m.bus.items():
        for leg, block in limited_blocks(bus):
            for row, sign in (("v_low", 1.0), ("v_high", -1.0)):
                held = block.component(row)
                for k, con in held.items() if held is not None else ():
                    phase, t = (leg, k) if leg else k
                    limit = math.sqrt(pyo.value(con.lower if sign > 0 else con.upper))
                    ours = math.sqrt(max(pyo.value(block.w[k]), 0.0))
                    theirs = _limited_in_ac(ac, name, bus, leg, phase, t)
                    broken = max(0.0, sign * (limit - theirs))
                    if broken > 0 or sign * (ours - limit) < 100 * ACTIVE:
                        rows.append(("low voltage" if sign > 0 else "high voltage", name, phase,
                                     t, limit, ours, theirs, broken, "pu"))
    rows += [("thermal", *place, rating, ours, theirs, broken, "MVA")
             for *place, rating, ours, theirs in _ratings(m, ac)
             if (broken := max(0.0, theirs - rating)) > 0 or ours > 0.96 * rating]
    return pd.DataFrame(rows, columns=_LIMIT_COLUMNS)


def _limited_in_ac(ac: AcPowerFlow, name: str, bus, leg: str, phase: str, t) -> float:
    """Magnitude in AC of what a limit is on: a phase to its reference, or a leg (pu)."""
    terms = {phase: 1.0} if bus.form != "ac" else bus.leg[leg].phasor if leg else bus.phasor(phase)
    u = sum(c * ac.point.voltages[name, k, t] for k, c in terms.items())
    return abs(u) / (bus.leg[leg].nominal if leg else 1.0)


def _ratings(m, ac: AcPowerFlow) -> Iterator[tuple]:
    """Branch, phase, period, rating, load in the model and in AC (MVA) of rated branches.

    The linear form limits the power that arrives, the AC form the current that enters.
    """
    for kind in (m.line, m.transformer):
        for name, block in kind.items():
            if block.component("thermal") is None:
                continue
            if block.component("ir") is None:
                for k, t in block.p.index_set():
                    yield (name, k, t, block.rating_mva,
                           math.hypot(pyo.value(block.p[k, t]), pyo.value(block.q[k, t])),
                           abs(ac.point.flows[name, k, t]))
                continue
            first = block.terminals[0][0]
            for k, t in block.ir.index_set():
                row = block.y[block.terminals.index((first, k))]
                volts = [ac.point.voltages[bus, end, t] for bus, end in block.terminals]
                yield (name, k, t, block.rating_mva,
                       math.hypot(pyo.value(block.ir[k, t]), pyo.value(block.ii[k, t])),
                       abs(row @ np.array(volts)))


_PRICE_COLUMNS = ["bus", "leg", "period", "quantity", "dlmp", "ac", "error", "binding", "unit"]


def _prices(m, network: Network, load_scale, samples: int) -> pd.DataFrame:
    """DLMP and AC finite difference at nodes spread over the feeder, in the first period."""
    t = next(iter(m.periods))
    grounded = grounded_buses(network)
    names = list(network.buses)
    chosen = [names[round(i * (len(names) - 1) / max(1, samples - 1))] for i in range(samples)]
    probes = {}
    for i, name in enumerate(dict.fromkeys(chosen)):
        phases = network.buses[name].phases
        if name in grounded:
            leg = phases[i % len(phases)]
            probes[f"probe_{i}"] = Generator(name=f"probe_{i}", bus=name, kw_max=1, cost=0,
                                             phases=leg)
        elif len(phases) == 3:
            probes[f"probe_{i}"] = Generator(
                name=f"probe_{i}", bus=name, kw_max=1, cost=0, connection="delta",
                phases=DELTA_PAIRS[i % 3])
    solver = AcSolver(network.with_devices(*probes.values()))
    base = dict(dispatch_by_period(network, m)[t])
    scales = [{name: values[t] for name, values in series(
        network, load_scale, list(m.periods), m.period_hours).items()}
        for series in (load_series, reactive_series)]
    (source,) = m.substation.values()
    price = pyo.value(source.price[t])
    limited = [*(block for bus in m.bus.values() for _, block in limited_blocks(bus)),
               *(block for _, block in flow_blocks(m))]
    binding = any(abs(m.dual.get(con, 0.0)) > SAME_MONEY for block in limited
                  for row in ("v_low", "v_high", "thermal") if block.component(row) is not None
                  for con in getattr(block, row).values())

    def bought(name: str, kw: float, kvar: float) -> float:
        zero = dict.fromkeys(probes, ((0.0,), (0.0,)))
        solver.solve({**base, **zero, name: ((kw,), (kvar,))}, *scales)
        return solver.bought_kw()

    rows, price_of = [], price_in_model(m)
    for name, probe in probes.items():
        mine = price_of(probe.bus, probe.legs[0], t)
        for quantity, unit, step in (("active", "$/MWh", (PROBE_KW, 0.0)),
                                     ("reactive", "$/Mvarh", (0.0, PROBE_KW))):
            up = bought(name, -step[0], -step[1])
            down = bought(name, step[0], step[1])
            theirs = price * (up - down) / (2 * PROBE_KW)
            ours = mine.real if quantity == "active" else mine.imag
            rows.append((probe.bus, probe.legs[0], t, quantity, ours, theirs, ours - theirs,
                         binding, unit))
    return pd.DataFrame(rows, columns=_PRICE_COLUMNS)


def _summary(m, network, ac, voltages, flows, unbalance, limits, prices) -> pd.DataFrame:
    source = ac.point.source
    (substation,) = m.substation.values()
    bought = sum(s.real for s in source.values())
    ours = sum(substation.p[k].value for k in substation.p)
    hours = m.period_hours
    active = flows[flows["quantity"] == "active"]["error"].abs()
    rows = [
        ("greatest_voltage_error", voltages["error"].abs().max(), "pu"),
        ("mean_voltage_error", voltages["error"].abs().mean(), "pu"),
        ("lowest_voltage_in_AC", voltages["ac"].min(), "pu"),
        ("highest_voltage_in_AC", voltages["ac"].max(), "pu"),
        ("greatest_active_flow_error", active.max(), "MW"),
        ("substation_energy_model", hours * ours, "MWh"),
        ("substation_energy_AC", hours * bought, "MWh"),
        ("losses_in_AC", hours * sum(ac.losses.values()), "MWh"),
        ("load_legs_outside_their_range_in_AC",
         sum(map(len, loads_outside(network, ac.point).values())), "count"),
        ("limits_broken_in_AC", int((limits["broken_by"] > 0).sum()), "count"),
    ]
    for kind, part in limits.groupby("kind"):
        if part["broken_by"].max() > 0:
            unit = part["unit"].iloc[0]
            rows.append((f"greatest_{str(kind).replace(' ', '_')}_violation_in_AC",
                         part["broken_by"].max(), unit))
    for quantity, part in unbalance.groupby("quantity"):
        rows.append((f"greatest_{quantity}_error", part["error"].abs().max(), "percentage points"))
    for quantity, part in prices.groupby("quantity"):
        rows.append((f"greatest_{quantity}_price_error", part["error"].abs().max(),
                     part["unit"].iloc[0]))
    return pd.DataFrame(rows, columns=["quantity", "value", "unit"])
