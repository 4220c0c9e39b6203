"""What is checked of the room `ac` and of the form made of it, on any network."""

from __future__ import annotations

import numpy as np

import pyomo_dlmp as dlmp
from pyomo_dlmp.ac.adjoint import bought_gradient, referred, solve_adjoint
from pyomo_dlmp.ac.circuit import Circuit
from pyomo_dlmp.ac.newton import solve
from tests.library.ac_differences import legs_of, marginal_costs

ENGINE = 1e-7  # pu


def state_at(network, ac, t=0):
    """The AC equations solved by the package at the dispatch of an AC power flow."""
    circuit = Circuit(network)
    injected = np.zeros((len(circuit.legs), 1), dtype=complex)
    for (name, period), (p, q) in ac.point.injections.items():
        if period == t:
            injected[circuit.legs.of[name], 0] = np.array(p) + 1j * np.array(q)
    return solve(circuit, injected, circuit.legs.scaled(({}, {})))


def check_newton_is_the_engine(network, tolerance=ENGINE):
    """Newton's solution is that of the engine, at every conductor; it gives (state, gap)."""
    ac = dlmp.ac_power_flow(network)
    state = state_at(network, ac)
    volts = referred(state)[:, 0]
    gaps = {key: abs(volts[i] - ac.point.voltages[(*key, 0)])
            for i, key in enumerate(state.circuit.nodes)}
    worst = max(gaps, key=gaps.get)
    assert gaps[worst] < tolerance, (worst, gaps[worst])
    return state, gaps[worst]


def leg_price(state, lam, bus, leg, t=0):
    """Cost of drawing 1 MW and 1 Mvar at any leg, by an adjoint."""
    at = [state.circuit.at[bus, k] for k in leg]
    u, across = (sum(sign * x[i] for sign, i in zip((1, -1), at, strict=False) if i >= 0)
                 for x in (state.volts[:, t], lam))
    value = -np.conj(across) / np.conj(u)
    return float(value.real), float(value.imag)


def check_adjoint_is_marginal_cost(network, price=50.0, tolerance=0.01, legs=None, kinks=0.0):
    """The adjoint's price of every leg is the engine's marginal cost; it gives (gap, kinks)."""
    state, _ = check_newton_is_the_engine(network)
    lam = solve_adjoint(state, 0, price * bought_gradient(state, 0))
    legs = list(legs_of(network) if legs is None else legs)
    found = marginal_costs(network, legs, price=price)
    ours = {leg: leg_price(state, lam, *leg) for leg in legs}
    gaps = {key: abs(ours[key[:2]][key[3] == "reactive"] - each.value)
            for key, each in found.items() if not each.kink}
    worst = max(gaps, key=gaps.get)
    assert gaps[worst] < tolerance, (worst, gaps[worst], found[worst])
    at_kinks = sorted(key for key, each in found.items() if each.kink)
    assert len(at_kinks) <= kinks * len(found), at_kinks
    return gaps[worst], at_kinks


def linear_error(network, point, scale):
    """Greatest voltage error (pu) of the AC form at another point's rows, loads multiplied."""
    model = dlmp.build_opf(network, form="ac", operating_point=point, load_scale=scale,
                           voltage_limits=None)
    dlmp.solve_opf(model)
    ac = dlmp.ac_power_flow(network, model, load_scale=scale)
    worst = 0.0
    for name, bus in model.bus.items():
        volts = {k: complex(bus.vr[k, 0].value, bus.vi[k, 0].value) for k in bus.conductors}
        if bus.floats:
            mean = sum(volts[k] for k in "abc") / 3
            volts = {k: v - mean for k, v in volts.items()}
        worst = max(worst, *(abs(v - ac.point.voltages[name, k, 0]) for k, v in volts.items()))
    return worst, ac


def crossing(network, first, second):
    """Loads of which a leg leaves or enters its range between two AC power flows."""
    from pyomo_dlmp.network.operating_point import leg_voltage_pu

    found = set()
    for load in network.loads.values():
        for leg in load.legs:
            inside = [load.v_low <= leg_voltage_pu(load, network.buses[load.bus], ac.point, leg, 0)
                      <= load.v_high for ac in (first, second)]
            if inside[0] != inside[1]:
                found.add(load.name)
    return sorted(found)


def check_second_order(network, change=0.02):
    """Halving a change of all loads divides the form's error by 3.5, or it is below ENGINE.

    It gives (error at the change, at half of it, loads that cross the edge of their range).
    """
    ac = dlmp.ac_power_flow(network)
    whole, there = linear_error(network, ac.point, 1 + change)
    half, _ = linear_error(network, ac.point, 1 + change / 2)
    across = crossing(network, ac, there)
    assert across or whole < ENGINE or whole >= 3.5 * half, (whole, half)
    return whole, half, across
