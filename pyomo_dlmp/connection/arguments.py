"""Arguments of the room's calls that are of a wrong kind: refused by name, all at once.

Whether a number of the right kind is within its range, and whether a bus is there, is for the
functions themselves: they tell these together.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from pyomo_dlmp.connection.site import Site
from pyomo_dlmp.errors import Fault, ModelError, shown
from pyomo_dlmp.network import Network
from pyomo_dlmp.network.fields import Range
from pyomo_dlmp.network.phases import PHASES

P = ParamSpec("P")
R = TypeVar("R")
_NUMBERS = ("power_factor", "svg", "max_kw", "v_min", "v_max", "vuf")
_RANGES = {"hours": Range(0, above=True, unit="h"), "hours_per_year": Range(0, 8784, "h")}
_ANY = Range(-math.inf)
_WORDS = {"voltage_legs": ("phase", "line", "both"), "existing": ("relaxed", "left out")}


def of_right_kinds(function: Callable[P, R]) -> Callable[P, R]:
    """A function that refuses arguments of a wrong kind before it does anything.

    Parameters
    ----------
    function : callable
        A call of the room; arguments of the same name are the same thing in all of them.

    Returns
    -------
    callable

    Raises
    ------
    ModelError
        With all arguments of a wrong kind.
    """
    signature = inspect.signature(function)
    further = [p.name for p in signature.parameters.values() if p.kind is p.VAR_KEYWORD]

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        given = dict(signature.bind(*args, **kwargs).arguments)
        for name in further:
            given |= given.pop(name, {})
        faults = [Fault(f"{function.__name__}, {name}", what, cure)
                  for name, value in given.items() for what, cure in _findings(name, value)]
        if faults:
            raise ModelError(faults)
        return function(*args, **kwargs)

    return call


def _findings(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """What is wrong with the kind of an argument, and its cure."""
    cure = ""
    if name == "network":
        cure = "" if isinstance(value, Network) else (
            "Give a Network, such as load_feeder('ieee37').")
    elif name == "site":
        cure = "" if value is None or isinstance(value, Site) else "Give a Site, or None."
    elif name in ("progress", "on_bus"):
        cure = "" if value is None or callable(value) else "Give a function, or None."
    elif name in ("thermal", "check"):
        cure = "" if _is_switch(name, value) else "Give True or False."
    elif name in _WORDS:
        known = isinstance(value, str) and value in _WORDS[name]
        cure = "" if known else f"Give {' or '.join(map(repr, _WORDS[name]))}."
    elif name == "phases":
        cure = "" if value is None or _are_phases(value) else (
            "Give phases of the bus, such as 'abc' or 'a', or None for all three.")
    elif name in ("buses", "labels"):
        cure = "" if value is None or _is_list(value) else "Give a list, or None."
    elif name in _RANGES:
        yield from filter(None, [_RANGES[name].finding(value)])
    elif name in _NUMBERS:  # of its range the functions tell
        cure = "Give a smaller number." if type(value) is int and _ANY.finding(value) else ""
    if cure:
        yield f"is {shown(value)}", cure


def _is_switch(name: str, value: Any) -> bool:
    return isinstance(value, bool) or (name == "check" and isinstance(value, str)
                                       and value == "all")


def _is_list(value: Any) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping | Set)


def _are_phases(value: Any) -> bool:
    return isinstance(value, str) and bool(value) and len(set(value)) == len(value) and (
        set(value) <= set(PHASES))
