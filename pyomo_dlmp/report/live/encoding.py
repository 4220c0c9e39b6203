"""Tables and layouts as JSON for a page: short numbers, nothing that could end its script tag."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from pyomo_dlmp.errors import ModelError

DIGITS = 5
"""Of each number in the page: a voltage to 1e-5 pu, a price to a cent below 1,000 $/MWh."""


def compact(value: object) -> str:
    """JSON of nested dicts, lists, arrays, texts and numbers.

    Parameters
    ----------
    value : object
        Floats are written with `DIGITS` significant digits, NaN and infinity as null.

    Returns
    -------
    str
        Without "<", so that it can stand in a script tag.
    """
    return "".join(_parts(value))


def _parts(value: object) -> list[str]:
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Mapping):
        found = ["{"]
        for key, item in value.items():
            found += ["," if len(found) > 1 else "", _text(str(key)), ":", *_parts(item)]
        return [*found, "}"]
    if isinstance(value, str):
        return [_text(value)]
    if isinstance(value, Sequence):
        if value and all(isinstance(item, float) for item in value):
            return ["[", ",".join(map(_number, value)), "]"]
        found = ["["]
        for item in value:
            found += ["," if len(found) > 1 else "", *_parts(item)]
        return [*found, "]"]
    return [_number(value) if isinstance(value, float) else json.dumps(value)]


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c").replace(
        "\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _number(value: float) -> str:
    return f"{value:.{DIGITS}g}" if math.isfinite(value) else "null"


def plotly_script() -> str:
    """The text of plotly.min.js, from the installed package, which is not imported (1 s).

    Returns
    -------
    str

    Raises
    ------
    ModelError
        If plotly is not installed.
    """
    spec = find_spec("plotly")
    for place in (spec.submodule_search_locations or ()) if spec is not None else ():
        path = Path(place) / "package_data" / "plotly.min.js"
        if path.is_file():
            return path.read_text(encoding="utf-8")
    raise ModelError.at("plotly", "is not installed", "Install it: pip install plotly")
