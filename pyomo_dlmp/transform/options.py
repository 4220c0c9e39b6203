"""Options of the transformations: declared as data, checked with this package's errors."""

from __future__ import annotations

from math import isfinite
from typing import Any

from pyomo.common.config import (
    ConfigDict,
    ConfigValue,
    In,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
)

from pyomo_dlmp.deprecation import warn_renamed
from pyomo_dlmp.errors import ModelError, nearest, shown
from pyomo_dlmp.transform.complementarity import MODES

_MOST_BITS = 30
PRODUCTS = ("auto", "strong_duality", "binary_expansion", "mccormick", "keep")
TIGHTEN = ("auto", "all", "none", "off")
SEGMENTS: dict[str, Any] = {
    "domain": PositiveInt,
    "description": "number of segments of the enveloped Var in a McCormick envelope"}


def _number(value: Any) -> float | None:
    """Domain of a finite number or None."""
    if value is not None and (isinstance(value, bool) or not isfinite(value)):
        raise ValueError(f"{value!r} is not finite")
    return value


def _tolerance(value: Any) -> float:
    """Domain of a finite number >= 0."""
    found = _number(NonNegativeFloat(value))
    assert found is not None
    return found


def _bits(value: Any) -> int:
    """Domain of `bits`: 2^-30 of a range is what a solver's tolerance is."""
    if NonNegativeInt(value) > _MOST_BITS:
        raise ValueError(f"{value!r} bits are more than {_MOST_BITS}")
    return int(value)


def _table(value: Any) -> dict | None:
    """Domain of a dict or None."""
    if not (value is None or isinstance(value, dict)):
        raise ValueError(f"{value!r} is no dict")
    return value


def _ranges(value: Any) -> dict | None:
    """Domain of {name: (low, high)}, both finite."""
    for low, high in (_table(value) or {}).values():
        if not (isfinite(low) and isfinite(high) and low <= high):
            raise ValueError(f"({low!r}, {high!r}) is no range")
    return value


def _proved(value: Any) -> Any:
    """Domain of what `dlmp.tighten` gives, or None."""
    if not (value is None or hasattr(value, "of")):
        raise ValueError(f"{value!r} has no proved bounds")
    return value


def _mode(name: str) -> str:
    """Domain of `complementarity`: `auto` or a row of the table as it is at the call."""
    if name not in _words("complementarity"):
        raise ValueError(f"{name!r} is not a complementarity mode")
    return name


def _words(option: str) -> tuple[str, ...]:
    """The words that an option takes; () for an option that takes no words."""
    return {"complementarity": ("auto", *MODES), "products": PRODUCTS,
            "tighten": TIGHTEN}.get(option, ())


SINGLE_LEVEL: dict[str, dict[str, Any]] = {
    "complementarity": {
        "default": "auto", "domain": _mode,
        "description": "auto, or a complementarity mode such as sos1, bigm, strong_duality",
        "doc": "auto: SOS1 where the solver has it, then indicator constraints, then big-M with "
               "proved bounds; products for a local solver."},
    "eps": {
        "default": 0.0, "domain": _tolerance,
        "description": "number >= 0, of modes with a tolerance: greatest duality gap of the lower "
                       "level (its cost's unit), greatest product of a pair"},
    "complementarity_of": {
        "default": None, "domain": _table,
        "description": "{full name or component: mode} for constraints or Vars"},
    "products": {
        "default": "auto", "domain": In(PRODUCTS),
        "description": f"dual x quantity: {' | '.join(PRODUCTS)}",
        "doc": "auto uses the strong-duality identity wherever it holds and expands what is left "
               "(or keeps it where the solver takes nonconvex quadratics); strong_duality raises "
               "an error when something is left; the others treat every product in that way."},
    "bits": {
        "default": 5, "domain": _bits,
        "description": "number of bits of a binary expansion, at most 30 (0: the remainder's "
                       "envelope alone)"},
    "remainder": {
        "default": True, "domain": bool,
        "description": "continuous remainder in the expansion: a relaxation with a stated error; "
                       "False restricts to the grid"},
    "segments": {"default": 8, **SEGMENTS},
    "bounds": {
        "default": None, "domain": _table,
        "description": "{name or component: bound of |dual|} given by the user"},
    "tighten": {
        "default": "auto", "domain": In(TIGHTEN),
        "description": "tighten bounds by LPs: where none is finite yet (auto), everywhere, or not "
                       "(none); off: prove nothing and use the user's bounds, of slacks too "
                       "(unverified big-M, for comparisons)"},
    "ranges": {
        "default": None, "domain": _ranges,
        "description": "{product: (low, high)} proved ranges of the expressions that stand in "
                       "products (names as on the block `product`)"},
    "cutoff": {
        "default": None, "domain": _number,
        "description": "upper objective of a known bilevel-feasible point: bounds may then hold "
                       "only for points at least as good"},
    "proved": {"default": None, "domain": _proved,
               "description": "bounds proved before by dlmp.tighten(model)"},
    "capabilities": {
        "default": frozenset({"milp"}), "domain": frozenset,
        "description": "what the solver can do, for auto: milp, miqp, nonconvex, sos1, indicator"},
}


def declared(options: dict[str, dict[str, Any]]) -> ConfigDict:
    """A ConfigDict of options.

    Parameters
    ----------
    options
        {name: keywords of its ConfigValue}, as in `SINGLE_LEVEL`.

    Returns
    -------
    ConfigDict
    """
    config = ConfigDict(implicit=False)
    for name, option in options.items():
        config.declare(name, ConfigValue(**option))
    return config


def configured(config: ConfigDict, given: dict[str, Any], where: str) -> ConfigDict:
    """The options with the user's values.

    Parameters
    ----------
    config : ConfigDict
        Options with their defaults; not changed.
    given : dict
        {option: value}; an older name of an option is taken with a DeprecationWarning.
    where : str
        What they are options of, for the error.

    Returns
    -------
    ConfigDict

    Raises
    ------
    ModelError
        For the first option that is unknown or does not take its value.
    """
    config = config({})
    for key, value in with_new_names(given).items():
        if key not in config:
            raise ModelError.at(where, f"has no option {key!r}", nearest(key, config.keys()))
        try:
            config[key] = value
        except Exception:  # whatever a conversion of what the user gave may raise
            words = _words(key)
            cure = nearest(value, words) if words else (
                f"It is: {SINGLE_LEVEL[key]['description']}." if key in SINGLE_LEVEL else "")
            raise ModelError.at(where, f"does not take {key}={shown(value)}", cure) from None
    return config


def with_new_names(given: dict[str, Any]) -> dict[str, Any]:
    """The same options, older names replaced by the present ones with a DeprecationWarning."""
    found = {}
    for key, value in given.items():
        if key in _OLD_NAMES:
            said = f"the option `{key}` is now called `{_OLD_NAMES[key]}`"
            if _OLD_NAMES[key] in given:
                raise ModelError.at("dlmp.single_level", said, f"Give `{_OLD_NAMES[key]}` alone.")
            warn_renamed(said)
        found[_OLD_NAMES.get(key, key)] = value
    return found


_OLD_NAMES = {"pieces": "segments"}
