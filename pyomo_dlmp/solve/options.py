"""Keywords of `solve_bilevel`, checked before anything is built, with this package's errors."""

from __future__ import annotations

from numbers import Real
from typing import Any

from pyomo_dlmp.errors import ModelError, SolverError, nearest
from pyomo_dlmp.numerics.highs import option_names, refused_option
from pyomo_dlmp.parametric import SolveCache
from pyomo_dlmp.solvers.interfaces import SolverInterface
from pyomo_dlmp.transform.options import SINGLE_LEVEL, configured, declared, with_new_names

_REGIONS = "explicit"  # the older keyword for search="regions"


def check_numbers(**given: Any) -> None:
    """Check keywords that take a number >= 0, or None where it may be.

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
                float(value) >= 0):
            raise _wrong(key, value, "Give a number >= 0.")


def check_periods(periods: Any) -> None:
    """Check the keyword `periods`.

    Raises
    ------
    ModelError
        It is not True, False or None.
    """
    if not (periods is None or isinstance(periods, bool)):
        raise _wrong("periods", periods, "Give True (decompose at once), False (never) or "
                     "None (where branch and bound does not end soon).")


def check_mip_options(mip_options: dict | None, interface: SolverInterface) -> dict:
    """The further options of a solver.

    Parameters
    ----------
    mip_options
        As given by the user.
    interface
        The solver.

    Returns
    -------
    dict
        {name: value}.

    Raises
    ------
    SolverError
        The embedded HiGHS does not take one.
    """
    options = dict(mip_options or {})
    refused = refused_option(options) if interface.embedded else None
    if refused is not None:
        known = option_names()
        cure = (f"See HiGHS's documentation for what {refused!r} may be." if refused in known
                else nearest(refused, known))
        raise SolverError.at(f"solver '{interface.name}'",
                             f"does not take {refused}={options[refused]!r}", cure)
    return options


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
