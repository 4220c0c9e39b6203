"""A market of two hours and a few scenarios of it, and payments found apart from any search."""

import itertools
from functools import cache

import numpy as np

import pyomo_dlmp as dlmp
from pyomo_dlmp.results import dispatch_table, payments_table, prices_table
from tests.models import feeder

LOAD = dlmp.Load(name="l", bus="end", legs=("a", "b", "c"), kw=(100,) * 3, kvar=(40,) * 3)
PV = dlmp.Generator(name="pv", bus="end", kw_max=300, cost=20, cost2=80)
DC = dlmp.Datacenter(name="dc", bus="end", kw=900, floor=0.1)
NET = feeder(LOAD, PV, DC)
OPF = {"hours": 1.0, "v_min": 0.97}
PRICE = ((40.0, 55.0), (70.0, 44.0))
SUN = ((1.0, 0.4), (0.2, 0.8))
MWH = (1.0, 1.2)


def market(network=NET, work=1.0, **opf):
    return dlmp.Market(network, work, {"periods": 2, **OPF, **opf})


def scenarios(probabilities=(0.4, 0.6), names=("sunny", "dark"), price=PRICE, sun=SUN, mwh=MWH,
              outages=None):
    numbers = {"price": np.array(price), "available.pv": np.array(sun)}
    if mwh is not None:
        numbers["energy_mwh"] = np.repeat(np.array(mwh)[:, None] / 2, 2, axis=1)
    return dlmp.Scenarios(tuple(names), np.array(probabilities), numbers, outages or {})


@cache
def pays(price: float, sun: float, kw: tuple[float, ...]) -> np.ndarray:
    """What the datacenter pays in an hour at each of some powers ($): OPFs solved by themselves."""
    dso = dlmp.build_opf(NET, periods=len(kw), price=price, datacenter_kw={"dc": list(kw)},
                         load_scale={"pv": sun}, **OPF)
    dlmp.solve_opf(dso)
    table = payments_table(prices_table(dso), dispatch_table(dso, NET), NET, 1.0)
    return table.groupby("period")["value"].sum().reindex(range(len(kw))).to_numpy()


def paid(schedule, given=None) -> dict[str, float]:
    """What a result's schedule pays by scenario, hour by hour apart from the search."""
    given = given or scenarios()
    found = {}
    for name, mine in schedule.groupby("scenario", sort=False):
        numbers = given.of(name)
        found[name] = sum(
            pays(numbers["price"][t], numbers["available.pv"][t], (kw,)).item()
            for t, kw in zip(mine["period"], mine["kw"], strict=True))
    return found


def brute_force(pays, flexibility, deviation, step=10.0, most=900.0):
    """Least expected cost over a grid of schedules and powers (kW); pays(price, sun, powers)."""
    grid = np.arange(90.0, most + 0.1, step)
    hour = [[pays(PRICE[s][t], SUN[s][t], tuple(grid)) for t in (0, 1)] for s in (0, 1)]
    best = np.inf
    room = flexibility * 900.0
    second = [[(i, j) for i in range(len(grid)) for j in range(len(grid))
               if abs(grid[i] + grid[j] - 1e3 * MWH[s]) < 1e-6] for s in (0, 1)]
    pairs = [np.array(found) for found in second]
    cost = [hour[s][0][pairs[s][:, 0]] + hour[s][1][pairs[s][:, 1]] for s in (0, 1)]
    power = [grid[pairs[s]] for s in (0, 1)]
    for x in itertools.product(np.arange(90.0, most + 0.1, step / 2), repeat=2):
        total = 0.0
        for s, p in ((0, 0.4), (1, 0.6)):
            apart = np.abs(power[s] - np.array(x))
            able = (apart <= room + 1e-9).all(axis=1)
            if not able.any():
                total = np.inf
                break
            total += p * (cost[s] + deviation / 1e3 * apart.sum(axis=1))[able].min()
        best = min(best, total)
    return best
