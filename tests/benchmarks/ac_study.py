"""What the datacenters of a study in the AC form pay, by an NLP of each hour and nothing else.

    python -m tests.benchmarks.ac_study STUDY.toml RESULTS [MOVES]

reads the schedules in the tables of RESULTS, solves the DSO's AC OPF of every hour as a nonlinear
program at them, and prints the payment beside that of the tables, for each case. MOVES random moves
of energy between two hours are tried then: the greatest saving is printed (none, at an optimum).
At a voltage limit that just binds a price is not unique, and the two may differ a little.
"""

from __future__ import annotations

import math
import random
import sys
from pathlib import Path

import numpy as np
import pandas as pd

import pyomo_dlmp as dlmp
from tests.library.ac_nlp import Limits, Nlp

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib


class Case:
    """A case of a study: its network, and the schedule in its results (kW by hour and name)."""

    def __init__(self, spec: dict, name: str, dispatch: pd.DataFrame):
        own = next(case for case in spec["case"] if case["name"] == name)
        self.dso, self.sites = spec["dso"], {d["name"]: d for d in spec["datacenter"]}
        self.network = dlmp.load_feeder(spec["feeder"]).with_devices(
            *(dlmp.Generator(**given) for given in spec.get("generator", [])),
            *(dlmp.Datacenter(**given) for given in spec["datacenter"]),
            *(dlmp.StaticVarGenerator(**given) for given in own.get("svg", [])))
        rows = dispatch[(dispatch.case == name) & dispatch.element.isin(self.sites)
                        & (dispatch.quantity == "active")]
        self.schedule: dict[int, dict[str, float]] = {}
        for row in rows.itertuples():
            self.schedule.setdefault(int(row.period), {})[row.element] = 1e3 * row.value

    def payment(self, hour: int, kw: dict[str, float]) -> float:
        """Of all datacenters in an hour ($)."""
        limits = Limits(*(self.dso[key] for key in ("voltage_limits", "v_min", "v_max",
                                                    "penalty")))
        exact = Nlp(self.network, price=self.dso["price"][hour], limits=limits,
                    load_scale=self.dso["load_scale"][hour], datacenter_kw=kw).solve()
        total = 0.0
        for name, site in self.sites.items():
            legs = [exact.price(site["bus"], leg.name) for leg in exact.nlp.eq.legs[name]]
            p, q = np.mean(legs, axis=0)
            total += kw[name] / 1e3 * (p + math.tan(math.acos(site["power_factor"])) * q)
        return float(total)


def best_move(case: Case, base: dict[int, float], moves: int) -> float:
    """Greatest saving of random moves of 1 to 80 kW between two hours ($)."""
    rng, best = random.Random(1), 0.0
    for _ in range(moves):
        hours, names = rng.sample(list(base), 2), rng.choices(list(case.sites), k=2)
        kw = rng.choice([1.0, 3.0, 10.0, 30.0, 80.0])
        change = 0.0
        for hour, name, sign in zip(hours, names, (1, -1), strict=True):
            new = dict(case.schedule[hour])
            new[name] += sign * kw
            site = case.sites[name]
            if not site.get("floor", 0.0) * site["kw"] <= new[name] <= site["kw"]:
                break
            change += case.payment(hour, new) - base[hour]
        else:
            best = min(best, change)
    return best


def main(study: str, results: str, moves: int = 0) -> None:
    """All cases of a study."""
    spec = tomllib.loads(Path(study).read_text(encoding="utf-8"))
    dispatch, paid = (pd.read_csv(Path(results) / name)
                      for name in ("dispatch.csv", "payments.csv"))
    for each in spec["case"]:
        case = Case(spec, each["name"], dispatch)
        base = {hour: case.payment(hour, kw) for hour, kw in case.schedule.items()}
        table = paid[paid.case == each["name"]].groupby("period").value.sum()
        apart = {hour: round(base[hour] - table[hour], 6) for hour in base
                 if abs(base[hour] - table[hour]) > 1e-4}
        print(f"{each['name']}: {sum(base.values()):.5f} $ by the NLP, {table.sum():.5f} $ in the "
              f"tables, hours apart {apart}", flush=True)
        if moves:
            print(f"  best of {moves} moves: {best_move(case, base, moves):.6f} $", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:3], *map(int, sys.argv[3:]))
