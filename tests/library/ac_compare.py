"""An answer of `solve_ac_opf` beside that of the NLP of the same problem."""

from __future__ import annotations

import numpy as np
import pyomo.environ as pyo

from tests.library.ac_differences import QUANTITIES
from tests.library.ac_nlp import Nlp


def check_opf_against_nlp(network, answer, prices=1e-3, objective=1e-5, **options):
    """The AC OPF's cost and prices are those of the NLP; `options` as of `Nlp`."""
    exact = Nlp(network, **options).solve()
    assert not exact.outside, f"loads beyond their range: {exact.outside}"
    cost = pyo.value(answer.model.cost)
    assert cost <= exact.objective + objective * abs(exact.objective), (cost, exact.objective)
    assert cost >= exact.objective - objective * abs(exact.objective), (cost, exact.objective)
    worst = max(price_differences(answer.prices, exact), key=lambda row: row[-1])
    assert worst[-1] < prices, worst
    return exact


def price_differences(table, exact):
    """(bus, leg, period, quantity, ours, theirs, difference) for each price of a table.

    They are to the bus's neutral, if it has one that is not solidly grounded; where nothing grounds
    the bus to the mean of its phases (pairs of them are compared).
    """
    eq = exact.nlp.eq
    found = {(row.bus, row.phase, row.period, row.quantity): row.value
             for row in table.itertuples()}
    for bus, phase, t in dict.fromkeys(key[:3] for key in found):
        wired = eq.node(bus, "n") >= 0
        if wired or bus in eq.grounded or exact.nlp.net.buses[bus].phases != "abc":
            leg = phase + "n" * wired
            ours = complex(*(found[bus, phase, t, q] for q in QUANTITIES))
        else:
            leg = {"a": "ab", "b": "bc", "c": "ca"}[phase]
            volts = [exact.v[bus, k, t] for k in "abc"]
            u = dict(zip("abc", np.array(volts) - np.mean(volts), strict=True))
            cost = [complex(*(found[bus, k, t, q] for q in QUANTITIES)) * np.conj(u[k])
                    for k in leg]
            ours = (cost[0] - cost[1]) / np.conj(u[leg[0]] - u[leg[1]])
        theirs = exact.price(bus, leg, t)
        for quantity, mine, other in zip(QUANTITIES, (ours.real, ours.imag), theirs, strict=True):
            if not np.isnan(mine):
                yield bus, leg, t, quantity, mine, other, abs(mine - other)
