"""Made-up results of a random feeder: the shape of a study's tables, none of its physics."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pyomo_dlmp.report.reading import TABLES

PHASES = ("a", "b", "c")
UNITS = {"active": "$/MWh", "reactive": "$/Mvarh"}
SHIFT = {"a": 1.15, "b": 0.8, "c": 1.05}  # how much each phase is loaded
HELPED = 0.6  # what an SVG leaves of congestion, unbalance and reactive import


def write_synthetic(  # one table after the other
    folder: Path,
    *,
    buses: int = 38,
    periods: int = 24,
    cases: tuple[str, ...] = ("no SVG", "SVG"),
    seed: int = 7,
    coordinates: bool = True,
) -> Path:
    """Writes all tables of a study into `folder`; the case ``SVG`` has an SVG."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    tree = _tree(rng, buses)
    names = [name for name, *_ in tree]
    phases = {
        name: ("b" if i % 17 == 16 else "ac" if i % 13 == 12 else "abc")
        for i, name in enumerate(names)
    }
    sites = {"dc1": names[buses // 3], "dc2": names[2 * buses // 3], "dc3": names[-1]}
    for bus in sites.values():
        phases[bus] = "abc"
    hours = np.arange(1, periods + 1)
    load = 0.55 + 0.35 * np.exp(-(((hours - 18) / 4.0) ** 2)) + 0.1 * np.sin(hours / 3)
    energy_price = 28 + 34 * load + rng.normal(0, 1.2, periods)
    rows: dict[str, list[tuple]] = {
        name: [] for name in ("prices", "voltages", "unbalance", "dispatch", "payments")
    }
    rows |= {"summary": [], "audit": []}
    day = _Day(hours, load, energy_price)
    for case in cases:
        price = _add_prices(rows, case, tree, phases, day)
        _add_sites(rows, case, sites, day, price)
        _add_other_devices(rows, case, names, day)
        _add_numbers(rows, case)
    for name, table in rows.items():
        _write(folder, name, table)
    _write(
        folder, "buses",
        [(n, x if coordinates else "", y if coordinates else "", d) for n, _, x, y, d in tree],
    )  # fmt: skip
    _write(folder, "branches", [(f"l{n}", parent, n) for n, parent, *_ in tree if parent])
    _write(
        folder, "study",
        [
            *(("title", "Three datacenters on a synthetic feeder"), ("feeder", "synthetic38")),
            *(("v_min", 0.95), ("v_max", 1.05), ("vuf_max", 2.0), ("period_hours", 1)),
        ],
    )  # fmt: skip
    return folder


@dataclass
class _Day:
    """Hours, and what holds in each of them."""

    hours: np.ndarray
    load: np.ndarray
    energy_price: np.ndarray

    def __iter__(self):
        return iter(enumerate(self.hours))


def _drop(case: str, distance: float, load: float, phase: str) -> float:
    """A voltage drop that grows with distance and load, and is less even without an SVG."""
    drop = 0.0125 * distance * load * SHIFT[phase]
    if case == "SVG":
        drop = 0.85 * drop * (1 + HELPED * (SHIFT[phase] - 1)) / SHIFT[phase]
    return drop


def _add_prices(rows: dict, case: str, tree, phases, day: _Day) -> dict[tuple, float]:
    """Prices, voltages and unbalance of every bus; returns the active prices."""
    price: dict[tuple, float] = {}
    for name, _, _, _, distance in tree:
        for t, hour in day:
            v = {}
            for phase in phases[name]:
                drop = _drop(case, distance, day.load[t], phase)
                v[phase] = 1.02 - drop
                congestion = max(0.0, drop - 0.035) * 900 * (HELPED if case == "SVG" else 1.0)
                price[name, phase, hour] = day.energy_price[t] * (1 + 1.2 * drop) + congestion
                reactive = 0.1 * day.energy_price[t] * drop + 0.2 * congestion
                for quantity, value in (
                    ("active", price[name, phase, hour]),
                    ("reactive", reactive),
                ):
                    rows["prices"].append(
                        (case, name, phase, hour, quantity, value, UNITS[quantity])
                    )
                rows["voltages"].append(
                    (case, name, phase, hour, "line_to_neutral", v[phase], "pu")
                )
            if len(v) == 3:
                _add_unbalance(rows, case, name, hour, v)
    return price


def _add_unbalance(rows: dict, case: str, name: str, hour: int, v: dict[str, float]) -> None:
    mean = sum(v.values()) / 3
    worst = 100 * max(abs(x - mean) for x in v.values()) / mean
    for leg in ("ab", "bc", "ca"):
        value = (v[leg[0]] + v[leg[1]]) / 2
        rows["voltages"].append((case, name, leg, hour, "line_to_line", value, "pu"))
    for quantity, factor in (("VUF", 0.62), ("PVUR", 1.0), ("LVUR", 0.55)):
        rows["unbalance"].append((case, name, hour, quantity, factor * worst, "%"))


def _add_sites(rows: dict, case: str, sites, day: _Day, price: dict[tuple, float]) -> None:
    """Datacenters that work in cheap hours, and what they pay."""
    cheap = np.argsort(np.argsort(day.energy_price + (0.0 if case == "SVG" else 2.0 * day.load)))
    for k, (site, bus) in enumerate(sites.items()):
        power = 0.12 + 0.05 * k + 0.22 * (cheap < len(day.hours) * (0.45 + 0.1 * k))
        for t, hour in day:
            at = np.mean([price[bus, phase, hour] for phase in PHASES])
            rows["dispatch"].append(
                (case, "datacenter", site, bus, "", hour, "active", power[t], "MW")
            )
            rows["payments"].append((case, site, bus, hour, "active", at * power[t], "$"))
            rows["payments"].append((case, site, bus, hour, "reactive", 0.4 * power[t], "$"))


def _add_other_devices(rows: dict, case: str, names: list[str], day: _Day) -> None:
    """The substation, and an SVG in the case of that name."""
    for t, hour in day:
        for phase in PHASES:
            for quantity, unit, value in (("active", "MW", 0.9), ("reactive", "Mvar", 0.4)):
                helped = HELPED if case == "SVG" and unit == "Mvar" else 1
                power = value * day.load[t] * SHIFT[phase] * helped
                rows["dispatch"].append(
                    (case, "substation", "grid", names[0], phase, hour, quantity, power, unit)
                )
        if case == "SVG":
            for leg, sign in (("ab", 1), ("bc", -0.6), ("ca", 0.4)):
                power = 0.1 * sign * day.load[t]
                rows["dispatch"].append(
                    (case, "svg", "svg1", names[len(names) // 2], leg, hour, "reactive", power,
                     "Mvar")
                )  # fmt: skip


def _add_numbers(rows: dict, case: str) -> None:
    """Summary and audit."""
    paid = sum(row[5] for row in rows["payments"] if row[0] == case)
    rows["summary"] += [
        (case, "payment_of_all_datacenters", paid, "$"),
        (case, "cost_of_the_operator", 9 * paid, "$"),
        (case, "optimality_gap", 0.0 if case == "SVG" else 3.2e-5, "%"),
        (case, "solver_status", "optimal", ""),
        (case, "binaries", 216, "1"),
    ]
    rows["audit"] += [
        (case, "lower_level_cost_gap", 2.1e-7, 1e-5, "relative", True),
        (case, "worst_complementarity_product", 8.3e-9, 1e-6, "$", True),
        (case, "ac_voltage_difference", 0.0041, 0.01, "pu", case != "bad"),
    ]


def frame(name: str, rows: list[tuple]) -> pd.DataFrame:
    """Rows as the table of that name has them in its file."""
    return pd.DataFrame(rows, columns=[column.name for column in TABLES[name].in_file])


def _write(folder: Path, name: str, rows: list[tuple]) -> None:
    frame(name, rows).to_csv(folder / f"{name}.csv", index=False)


def _tree(rng: np.random.Generator, n: int) -> list[tuple[str, str, float, float, float]]:
    """A trunk downwards with a lateral left and right: (bus, parent, x, y, distance in km)."""
    trunk = max(2, n // 3)
    tree = [("source", "", 0.0, 0.0, 0.0)]
    ends: list[tuple[int, float]] = []  # where a lateral can go on, and on which side
    for i in range(1, n):
        name = str(700 + i)
        if i < trunk:
            parent, dx, dy = tree[-1], 0.0, -float(rng.uniform(0.4, 0.9))
            ends += [(i, -1.0), (i, 1.0)]
        else:
            k = int(rng.integers(len(ends)))
            at, side = ends[k]
            ends[k] = (i, side)
            parent, dx, dy = tree[at], side * float(rng.uniform(0.4, 0.7)), -0.05
        _, _, x, y, distance = parent
        length = float(np.hypot(dx, dy))
        tree.append((name, parent[0], x + dx, y + dy, distance + 0.5 * length))
    return tree
