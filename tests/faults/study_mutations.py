"""Study files with mistakes: in the data (then written as TOML), or in the text itself."""

from __future__ import annotations

import copy
import json
import math
import random
from typing import Any

SOUND: dict[str, Any] = {
    "title": "All tables", "feeder": "ieee37", "results": "results/mutated",
    "time": {"periods": 2, "hours": 1.0},
    "dso": {"form": "lindist", "price": [30, 60], "load_scale": [0.7, 1.0],
            "losses": "quadratic",
            "voltage_limits": "soft", "v_min": 0.95, "v_max": 1.05, "penalty": 2000,
            "thermal_sides": 12, "thermal_penalty": 2000, "angles": True},
    "unbalance": {"price": 2.0, "buses": ["730", "738"], "sides": 8},
    "aggregator": {"pays": "active", "tariff": [50, 55]},
    "market": {"kinds": ["strategic", "cooperative"], "price_taker_steps": "averaged",
               "max_rounds": 30},
    "sweep": {"loading": [0.5, 1.0]}, "ac": {"max_rounds": 8, "deviations": 4},
    "check": {"ac": False},
    "scenarios": {"history": "days.csv", "count": 3, "seed": 1, "keep_means": True},
    "stochastic": {"first_stage": ["schedule"], "flexibility": {"dc": 0.2}, "deviation_price": 5,
                   "capacity_price": 0.5, "risk_weight": 0.5, "risk_level": 0.9, "frontier": [0, 1],
                   "settlement": "one", "value": False},
    "solver": {"name": "highs", "gap": 0.001, "time_limit": 60},
    "generator": [{"name": "g", "bus": "741", "kw_max": 200, "cost": 40, "cost2": 60, "kva": 250,
                   "phases": "abc", "connection": "delta", "kvar_min": -50, "kvar_max": 50}],
    "storage": [{"name": "b", "bus": "741", "kw_max": 50, "kwh_max": 100, "kwh_start": 50,
                 "efficiency_charge": 0.9, "cyclic": True}],
    "load": [{"name": "extra", "bus": "711", "legs": ["ab"], "kw": [10.0], "kvar": [1.0],
              "connection": "delta", "model": "power"}],
    "capacitor": [{"name": "cap", "bus": "711", "legs": ["ab"], "kvar": [10.0],
                   "connection": "delta"}],
    "datacenter": [{"name": "dc", "bus": "711", "kw": 500, "floor": 0.1, "power_factor": 0.95,
                    "ramp_kw": 300, "balanced": True},
                   {"name": "other", "bus": "730", "kw": 300}],
    "price_taker": [{"name": "they", "sites": ["other"], "energy_share": 0.5}],
    "servers": [{"site": "dc", "count": 1000, "idle_w": 100, "peak_w": 250, "service_rate": 5,
                 "delay_s": 0.5, "pue": [1.2, 1.3]}],
    "interactive": [{"name": "web", "rate": [1000, 1500], "sites": ["dc"]}],
    "job": [{"name": "j", "arrival": 0, "deadline": 2, "mwh": 0.1, "sites": ["dc"],
             "kw_max": 200}],
    "ups": [{"site": "dc", "kw": 20, "kwh": 40, "kwh_min": 5, "efficiency": 0.95}],
    "llm": [{"name": "chat", "tokens": [2e4, 3e4], "replicas": [20], "sites": ["dc"],
             "model": "Llama-3.1-8B", "latency_s": 0.05, "idle_w": 100.0, "pue": 1.2}],
    "training": [{"name": "tune", "site": "dc", "gpus": 40, "gpu_hours": 50, "arrival": 0,
                  "deadline": 2, "caps": [[0.5, 0.7], [1.0, 1.0]], "swing": 0.3}],
    "smoothing": [{"site": "dc", "kw": 20, "kwh": 40, "step_kw": 30, "ramp_kw": 10}],
    "case": [{"name": "no SVG"},
             {"name": "SVG", "dso": {"v_min": 0.94, "price": 45},
              "unbalance": {"limit": 2.0, "penalty": 100},
              "svg": [{"name": "s", "bus": "711", "kvar": 300, "connection": "delta",
                       "sharing": "total", "loss_percent": 1.0, "owner": "dso"}]}],
}
JUNK = [True, False, 0, -1, 3, 2.5, -1e9, 1e308, 1e-320, 10**30, math.nan, math.inf, -math.inf, "",
        " ", "a", "none", "711", "x" * 3000, "\x01", "1.0", "abc", "delta", "~", "../..", "/", [],
        [[]], {}, [1, 2], [1, "a"], [0.5, math.nan], {"a": 1}, [{"a": 1}], [{}], [{"name": "g"}],
        "2024-01-01T00:00:00Z", ["711", 3], ["dc", "dc"], [1.0] * 40, {"name": {"name": "x"}}]
TOKENS = ["[", "]", "[[", "]]", "{", "}", '"', "'", "=", ",", "\n", "#", "nan", "inf", "1e999",
          "0x1F", "9" * 5000, "[" * 3000, "2024-01-01", "07:32:00", "\\u0000", "\ufeff", "é",
          "\x00", "true", '"""', ".5", "5.", "--", "[case]", "[[dso]]", "name = 3"]


def toml(value: Any) -> str:
    """A value as inline TOML; a text of a date is written as that date."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return {"inf": "inf", "-inf": "-inf", "nan": "nan"}.get(repr(value), repr(value))
    if isinstance(value, int):
        return repr(value)
    if isinstance(value, str):
        dated = value.startswith("2024-")
        return value if dated else json.dumps(value).replace("\x7f", "\\u007f")
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    pairs = (f"{json.dumps(key)} = {toml(inner)}" for key, inner in value.items())
    return "{" + ", ".join(pairs) + "}"


def text_of(data: dict[str, Any]) -> str:
    """A study file."""
    return "".join(f"{json.dumps(key)} = {toml(value)}\n" for key, value in data.items())


def places(data: Any, path: tuple = ()) -> list[tuple]:
    """Paths of every key and every item of a list."""
    keys = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(
        data, list) else ()
    found = []
    for key, inner in keys:
        found += [(*path, key), *places(inner, (*path, key))]
    return found


def at(data: Any, path: tuple) -> Any:
    """What is at a path."""
    for key in path:
        data = data[key]
    return data


def changed(path: tuple, value: Any) -> dict[str, Any]:
    """The sound study with another value at a path."""
    data = copy.deepcopy(SOUND)
    at(data, path[:-1])[path[-1]] = value
    return data


def mutated_data(rng: random.Random) -> str:
    """One to four mistakes in the data."""
    data = copy.deepcopy(SOUND)
    for _ in range(rng.choice([1, 1, 2, 3, 4])):
        path = rng.choice(places(data) or [()])
        if not path:
            continue
        inside, key = at(data, path[:-1]), path[-1]
        kind = rng.choice(["value", "value", "value", "remove", "rename", "double", "move", "add"])
        if kind == "value":
            inside[key] = copy.deepcopy(rng.choice(JUNK))
        elif kind == "remove":
            del inside[key]
        elif kind == "double" and isinstance(inside, list):
            inside.append(copy.deepcopy(inside[key]))
        elif kind == "move":
            inside[key] = copy.deepcopy(at(data, rng.choice(places(data))))
        elif isinstance(inside, dict):
            name = str(key)
            place = rng.randrange(len(name) + 1)
            wrong = name[:place] + rng.choice("xe_ ") + name[place + 1:]
            inside[wrong or "x"] = (
                inside.pop(key) if kind == "rename" else copy.deepcopy(rng.choice(JUNK)))
    return text_of(data)


def mutated_text(rng: random.Random, sound: str) -> str:
    """One to four slips in the text."""
    text = sound
    for _ in range(rng.choice([1, 1, 2, 3, 4])):
        start = rng.randrange(len(text) + 1)
        end = min(len(text), start + rng.choice([0, 1, 1, 2, 30]))
        lines = text.splitlines(keepends=True)
        kind = rng.choice(["insert", "delete", "replace", "twice", "without", "swap", "cut"])
        row = rng.randrange(len(lines)) if lines else 0
        if kind == "insert":
            text = text[:start] + rng.choice(TOKENS) + text[start:]
        elif kind == "delete":
            text = text[:start] + text[end:]
        elif kind == "replace":
            text = text[:start] + rng.choice(TOKENS) + text[end:]
        elif kind == "cut":
            text = text[:start]
        elif lines and kind == "twice":
            text = "".join([*lines, lines[row]])
        elif lines and kind == "without":
            text = "".join(lines[:row] + lines[row + 1:])
        elif lines:
            rng.shuffle(lines)
            text = "".join(lines)
    return text
