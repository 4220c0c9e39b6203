"""One AC OPF of a network held against everything that is known of it without the package's form.

    adjoint - dual     what `solve_ac_opf` certifies itself
    engine - model     voltages, in the OpenDSS engine
    marginal costs     of the engine at the answer's dispatch: prices lie between one-sided ones
    NLP                cost and prices, where loads keep within their range
    other dispatches   random ones in the engine: none is cheaper
"""

from __future__ import annotations

import random
from typing import ClassVar

import numpy as np
import pyomo.environ as pyo

import pyomo_dlmp as dlmp
from pyomo_dlmp.errors import DlmpError
from pyomo_dlmp.network import OperatingPoint
from pyomo_dlmp.opf.load_scale import load_series, reactive_series
from pyomo_dlmp.power_flow.ac_solver import AcSolver
from tests.library.ac_compare import price_differences
from tests.library.ac_differences import QUANTITIES, Probes, legs_of
from tests.library.ac_nlp import RATING_PENALTY, SIDES, Limits, Nlp

SHARES = (1.0, .3, .1, .03)  # of the way from the answer to a random dispatch


class Verdict(dict):
    """What was found of one network, by name of the check; `faults` are those beyond bounds."""

    bounds: ClassVar = {"certificate": 1e-5, "engine": 1e-7, "cost": 1e-5, "price": 1e-3,
                        "cheaper": 1e-6, "beyond": 1e-2}

    @property
    def faults(self):
        """Checks that fail."""
        return [key for key, bound in self.bounds.items() if not self.get(key, 0.0) <= bound]

    def __str__(self):
        words = [f"{key} {value:.1e}" if isinstance(value, float) else f"{key} {value}"
                 for key, value in self.items()]
        return ", ".join(words) + (f"  FAULTS {self.faults}" if self.faults else "")


def judge(network, options, samples=6, seed=0, nlp=True):
    """`Verdict` of `solve_ac_opf(network, **options)`."""
    found = Verdict()
    try:
        answer = dlmp.solve_ac_opf(network, **options)
    except DlmpError as error:
        found["said"] = " ".join(str(error).split())[:160]
        return found
    found["settled" if answer.settled else "NOT settled in"] = len(answer.rounds)
    found["certificate"] = float(answer.certificate["difference"].abs().max())
    found["engine"] = float(answer.engine_difference)
    cost = float(pyo.value(answer.model.cost))
    if nlp:
        held_against_nlp(network, options, answer, cost, found)
    if samples:
        found["cheaper"] = cheapest(network, options, answer, cost, samples, seed)
        if options.get("voltage_limits") != "hard":
            worst = max(beyond(network, options, answer, seed), key=lambda row: row[0])
            found["beyond"] = worst[0]
            if worst[0] > Verdict.bounds["beyond"]:
                found["where"] = worst[1:]
    return found


def beyond(network, options, answer, seed, legs=3):
    """(how far a price is beyond the engine's one-sided marginal costs, where) of some legs.

    With the dispatch held, the cost of one more can only be greater, and the saving of one less
    only smaller, than with another optimum.
    """
    bill = Bill(network, options, answer)
    table = {(row.bus, row.phase, row.period, row.quantity): row.value
             for row in answer.prices.itertuples()}
    known = [leg for leg in legs_of(network) if leg[0] in bill.solver.grounded]
    chosen = random.Random(seed).sample(known, min(legs, len(known)))
    yield 0.0, "nowhere"
    for t in bill.labels:
        probes = Probes(network, chosen, bill.price[t], bill.powers(t),
                        [{name: by[t] for name, by in each.items()} for each in bill.scales],
                        lambda point: bill.soft(point, 0) + bill.ratings(point, 0))
        for leg in chosen:
            for quantity in QUANTITIES:
                each = probes.difference(leg, quantity)
                price = table[leg[0], leg[1][0], t, quantity]
                if np.isnan(each.spread):
                    continue
                low, high = sorted((each.below, each.above)) if each.kink else [each.value] * 2
                # the limit itself lies in rounding
                room = max(each.spread, .05 * (high - low), 2e-5 * abs(price))
                yield max(low - price, price - high) - room, leg, t, quantity, price, each


def limits_of(options):
    """As `Limits`, with the defaults of `build_opf`."""
    return Limits(options.get("voltage_limits", "soft"), options.get("v_min", .95),
                  options.get("v_max", 1.05), options.get("penalty", 2000.0))


def held_against_nlp(network, options, answer, cost, found):
    """Cost (relative) and prices beside those of the NLP, begun at the answer's dispatch."""
    own = {key: options[key] for key in ("price", "periods", "hours", "load_scale")
           if key in options}
    try:
        exact = Nlp(network, limits=limits_of(options), start=dict(answer.ac.point.injections),
                    **own).solve()
    except AssertionError as error:
        found["nlp"] = str(error)[:60]
        return
    if exact.outside:
        found["nlp"] = f"{len(exact.outside)} loads beyond their range"
        return
    found["cost"] = abs(cost - exact.objective) / max(1.0, abs(exact.objective))
    losses_pay = min(np.atleast_1d(options.get("price", 50.0))) <= 0
    if losses_pay and abs(cost - exact.objective) > 1e-7 * max(1.0, abs(cost)):
        found["nlp"] = f"another local optimum, by {cost - exact.objective:.1e} $"
        del found["cost"]
        return
    worst = max(price_differences(answer.prices, exact), key=lambda row: row[-1])
    found["price"] = float(worst[-1] / max(1.0, abs(worst[-2]) / 100))
    if found["price"] > Verdict.bounds["price"]:
        found["at"] = worst[:6]
    found["gain"] = float(cost - exact.objective)


# ---------------------------------------------------------------------- other dispatches


def cheapest(network, options, answer, cost, samples, seed):
    """How much cheaper the cheapest of random dispatches is, relative (0: none is)."""
    rng = random.Random(seed)
    if options.get("voltage_limits") == "hard":
        return 0.0  # most of them would break a limit
    bill = Bill(network, options, answer)
    start = {t: bill.powers(t) for t in bill.labels}
    scale = max(1.0, abs(cost))
    # the engine's own rounding, at every limit
    slack = 1e-7 * bill.hours * bill.limits.penalty * len(answer.ac.point.voltages)
    best = bill.cost(start)
    gap = abs(best - cost)
    assert gap < 1e-6 * scale + slack, f"the bill of the answer is {best}, its cost {cost}"
    begin = best
    for _ in range(samples):
        goal = {t: bill.random(t, rng) for t in bill.labels}
        for share in SHARES:
            mixed = {t: {name: _mix(start[t][name], goal[t][name], share) for name in start[t]}
                     for t in bill.labels}
            best = min(best, bill.cost(mixed))
    return (begin - best) / scale


def _mix(first, second, share):
    return tuple(tuple((1 - share) * a + share * b for a, b in zip(x, y, strict=True))
                 for x, y in zip(first, second, strict=True))


class Bill:
    """Cost of any dispatch in the engine, soft limits with it."""

    def __init__(self, network, options, answer):
        self.network, self.solver = network, AcSolver(network)
        self.labels = list(answer.ac.point.periods)
        self.hours = options.get("hours", 1.0)
        price = options.get("price", 50.0)
        self.price = dict(zip(self.labels, [price] * len(self.labels) if np.isscalar(price)
                              else price, strict=True))
        scale = options.get("load_scale", 1.0)
        self.scales = [series(network, scale, self.labels, self.hours)
                       for series in (load_series, reactive_series)]
        self.limits, self.point = limits_of(options), answer.ac.point

    def powers(self, t):
        """[device]: (kW by leg, kvar by leg) of the answer."""
        return {name: tuple(tuple(1e3 * x for x in part) for part in self.point.injections[name, t])
                for name in self.solver.base}

    def random(self, t, rng):
        """A dispatch that devices can have; storages keep the answer's (it links periods)."""
        made = self.powers(t)
        for name in made:
            device = self.network.devices[name]
            legs = len(made[name][0])
            if device.word == "generator":
                made[name] = device.equal_legs(*self._inverter(device, t, rng))
            elif device.word == "svg":
                q = [rng.uniform(-1, 1) * device.kvar / legs for _ in range(legs)]
                if device.connection == "wye" and device.bus not in self.solver.grounded:
                    q = [q[0]] * legs
                made[name] = (tuple(-device.loss_percent / 100 * abs(x) for x in q), tuple(q))
        return made

    def _inverter(self, g, t, rng):
        for _ in range(200):
            p, q = rng.uniform(g.kw_min, g.kw_max), rng.uniform(g.kvar_min, g.kvar_max)
            slope = np.tan(np.arccos(g.power_factor_min)) if g.power_factor_min else np.inf
            if (g.kva is None or np.hypot(p, q) <= g.kva * np.cos(np.pi / SIDES)) and (
                    abs(q) <= slope * p):
                return p, q
        return g.kw_min, 0.0

    def cost(self, dispatch):
        """In $."""
        total = 0.0
        for t in self.labels:
            self.solver.solve(dispatch[t], *({name: by[t] for name, by in each.items()}
                                             for each in self.scales))
            point = OperatingPoint(periods=[t])
            self.solver.read(point, t)
            if not point.settled[t]:
                return np.inf
            total += self.hours * (self.price[t] * self.solver.bought_kw() / 1e3
                                   + self.soft(point, t) + self._devices(dispatch[t])
                                   + self.ratings(point, t))
        return total

    def _devices(self, powers):
        total = 0.0
        for name, (kw, kvar) in powers.items():
            device = self.network.devices[name]
            if device.word == "generator":
                p = sum(kw) / 1e3
                total += device.cost * p + device.cost2 * p**2
            elif device.word == "svg" and device.sharing == "total":
                total += RATING_PENALTY * max(0.0, sum(map(abs, kvar)) - device.kvar) / 1e3
        return total

    def soft(self, point, t):
        if self.limits.kind != "soft":
            return 0.0
        total = 0.0
        for name, bus in self.network.buses.items():
            if name == self.network.substation.bus:
                continue
            neutral = point.voltages.get((name, "n", t), 0.0)
            for k in bus.phases:
                w = abs(point.voltages[name, k, t] - neutral) ** 2
                total += max(self.limits.v_min**2 - w, w - self.limits.v_max**2, 0.0)
        return self.limits.penalty * total

    def ratings(self, point, t):
        from tests.library.ac_equations import Equations

        if not hasattr(self, "rated"):
            equations = Equations(self.network)
            keys = list(equations.place)
            self.rated = [(kva, [keys[i] for i in nodes], y) for kva, nodes, y in
                          equations.rated()]
        total = 0.0
        for kva, keys, y in self.rated:
            currents = y @ np.array([point.voltages[(*key, t)] for key in keys])
            turns = np.exp(-2j * np.pi * np.arange(12) / 12)
            reach = np.max((currents[:, None] * turns).real, axis=1)
            total += np.sum(np.maximum(reach - kva / 1e3 * np.cos(np.pi / 12), 0.0))
        return RATING_PENALTY * total
