"""Keywords of `solve_bilevel`, checked before anything is built, with this package's errors."""

from __future__ import annotations

from functools import partial
from typing import Any

from pyomo_dlmp.errors import ModelError, all_at_once, nearest, shown
from pyomo_dlmp.parametric import Atlas
from pyomo_dlmp.search.keywords import wrong_keyword
from pyomo_dlmp.solve.strategies import STRATEGIES
from pyomo_dlmp.transform.options import SINGLE_LEVEL, configured, declared, with_new_names

_REGIONS = "explicit"  # the older keyword for search="regions"


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
    explicit = options.get("complementarity")
    if isinstance(explicit, str) and explicit == _REGIONS:
        if search not in ("auto", "regions"):
            raise ModelError.at(
                "solve_bilevel", f"was given complementarity='explicit' and search={shown(search)}",
                "Leave complementarity out: it means search='regions'.")
        search = "regions"
        del options["complementarity"]
    def check(key: str) -> None:
        if key not in SINGLE_LEVEL:
            raise ModelError.at("solve_bilevel", f"has no keyword {key!r}",
                                nearest(key, [*taken, *SINGLE_LEVEL]))
        configured(declared(SINGLE_LEVEL), {key: options[key]}, "solve_bilevel")

    all_at_once(lambda: check_search(search), *(partial(check, key) for key in options))
    return search, options


def check_search(search: Any) -> None:
    """Check the keyword `search`.

    Raises
    ------
    ModelError
        It is neither "auto" nor the name of a strategy.
    """
    if not (isinstance(search, str) and (search == "auto" or search in STRATEGIES)):
        raise wrong_keyword("search", search, nearest(search, ["auto", *STRATEGIES]))


def check_atlas(atlas: Any) -> None:
    """Check the keyword `atlas`.

    Raises
    ------
    ModelError
        It is not an `Atlas` or None.
    """
    if not (atlas is None or isinstance(atlas, Atlas)):
        raise wrong_keyword("atlas", atlas, "Give a dlmp.Atlas(), the same one to each solve.")
