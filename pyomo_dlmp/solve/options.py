"""Keywords of `solve_bilevel`, checked before anything is built, with this package's errors."""

from __future__ import annotations

from math import inf
from numbers import Integral, Real
from typing import Any

from pyomo_dlmp.errors import ModelError, nearest
from pyomo_dlmp.parametric import SolveCache
from pyomo_dlmp.transform.options import SINGLE_LEVEL, configured, declared, with_new_names

_MOST_THREADS = 1024
_REGIONS = "explicit"  # the older keyword for search="regions"


def check_numbers(**given: Any) -> None:
    """Check keywords that take a finite number >= 0, or None where it may be.

    Parameters
    ----------
    **given
        {keyword: value}.

    Raises
    ------
    ModelError
        A value is something else.
    """
    for key, value in given.items():
        if value is None and key != "gap":
            continue
        if isinstance(value, bool) or not isinstance(value, Real) or not (
                0 <= float(value) < inf):
            raise _wrong(key, value, "Give a number >= 0" + (
                "." if key == "gap" else ", or None for no limit."))


def check_words(periods: Any, threads: Any, progress: Any, **switches: Any) -> None:
    """Check keywords that take other than any number.

    Raises
    ------
    ModelError
        `periods` is not True, False or None; `threads` no whole number; `progress` cannot be
        called; another is not True or False.
    """
    for key, value in switches.items():
        if not isinstance(value, bool):
            raise _wrong(key, value, "Give True or False.")
    if not (progress is None or callable(progress)):
        raise _wrong("progress", progress, "Give a function (stage, incumbent, bound).")
    if isinstance(threads, bool) or not isinstance(threads, Integral) or not (
            0 <= int(threads) <= _MOST_THREADS):
        raise _wrong("threads", threads, f"Give a whole number up to {_MOST_THREADS}; 0: HiGHS's "
                     "own choice.")
    if not (periods is None or isinstance(periods, bool)):
        raise _wrong("periods", periods, "Give True (decompose at once), False (never) or "
                     "None (where branch and bound does not end soon).")


def search_and_options(search: str, given: dict, taken: list[str]) -> tuple[str, dict]:
    """The search strategy and the options of ``dlmp.single_level`` that a call asks for.

    Parameters
    ----------
    search : str
        As given to `solve_bilevel`.
    given : dict
        Its further keywords. ``complementarity="explicit"`` means ``search="regions"``.
    taken : list of str
        Its own keywords, to find what a mistyped one may have meant.

    Returns
    -------
    tuple
        (name of the strategy or "auto", options).

    Raises
    ------
    ModelError
        An unknown keyword, or a value that an option does not take.
    """
    options = with_new_names(given)
    if options.get("complementarity") == _REGIONS:
        if search not in ("auto", "regions"):
            raise ModelError.at(
                "solve_bilevel", f"was given complementarity='explicit' and search={search!r}",
                "Leave complementarity out: it means search='regions'.")
        search = "regions"
        del options["complementarity"]
    for key in options:
        if key not in SINGLE_LEVEL:
            raise ModelError.at("solve_bilevel", f"has no keyword {key!r}",
                                nearest(key, [*taken, *SINGLE_LEVEL]))
    configured(declared(SINGLE_LEVEL), options, "solve_bilevel")
    return search, options


def check_cache(cache: Any) -> None:
    """Check the keyword `cache`.

    Raises
    ------
    ModelError
        It is not a `SolveCache` or None.
    """
    if not (cache is None or isinstance(cache, SolveCache)):
        raise _wrong("cache", cache, "Give a dlmp.SolveCache(), the same one to each solve.")


def _wrong(key: str, value: Any, cure: str) -> ModelError:
    error = ModelError.at("solve_bilevel", f"does not take {key}={value!r}", cure)
    assert isinstance(error, ModelError)
    return error
