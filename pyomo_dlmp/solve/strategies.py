"""The table of search strategies: how a bilevel model is solved, one row each.

| search       | `auto` takes it                                                | needs          |
|--------------|----------------------------------------------------------------|----------------|
| regions      | first, where prices are paid and no option of another is given | embedded HiGHS |
| single_level | then, where its constants can be proved                        |                |
| pairs        | where they cannot: it needs none                               | embedded HiGHS |

A strategy that finds that it cannot solve the model raises `Unsuitable`; the call then continues
with the next row, also where the strategy was asked for by name; the result's notes say so.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from pyomo_dlmp.auditing.result import BilevelResult
from pyomo_dlmp.branching.proof import instead_of, refuse_pairs
from pyomo_dlmp.branching.search import solve_by_pairs
from pyomo_dlmp.errors import AuditError, BoundError, ModelError, SolverError, require_kind
from pyomo_dlmp.parametric import NotExplicit, solve_explicit
from pyomo_dlmp.search.settings import Settings
from pyomo_dlmp.solve.attempts import solve_single_level

log = logging.getLogger("pyomo_dlmp")


class Unsuitable(Exception):
    """A strategy cannot solve this model.

    Parameters
    ----------
    why
        The reason, a sentence without its full stop.
    told
        Whether the result's notes state it although the user did not ask for the strategy.
    """

    def __init__(self, why: str, told: bool = False):
        super().__init__(why)
        self.told = told


@dataclass(frozen=True)
class SearchStrategy:
    """A row of the table.

    Attributes
    ----------
    name : str
        What users write: ``solve_bilevel(m, search="its name")``.
    solve : callable
        (Settings, asked: bool) -> BilevelResult; raises `Unsuitable`. `asked`: by name, not chosen
        by `auto`. The values of the result are on the model's Vars, and audited
        (`auditing.finalize`).
    suits : callable
        Settings -> bool: whether `auto` tries it, before the rows below it.
    refuse : callable
        Settings -> None: raises ModelError or SolverError where it was asked for and cannot run.
    """

    name: str
    solve: Callable[[Settings, bool], BilevelResult]
    suits: Callable[[Settings], bool] = lambda settings: False
    refuse: Callable[[Settings], None] = lambda settings: None


def _by_regions(settings: Settings, asked: bool) -> BilevelResult:
    try:
        return solve_explicit(settings.model, settings, priced=not asked)
    except NotExplicit as err:
        raise Unsuitable(f"not solved by critical regions: {err}", told=err.too_large) from err


def _regions_suit(settings: Settings) -> bool:
    """Whether the call has no option that belongs to the single level."""
    named = set(settings.options) - {"complementarity"}
    mode = settings.options.get("complementarity", "auto")
    return (mode == "auto" and not named and settings.periods is not True and settings.own
            and settings.interface.embedded)


def _refuse_regions(settings: Settings) -> None:
    if not settings.own:
        raise ModelError.at(settings.model.name, "is transformed already and cannot be solved "
                            "by critical regions", "Solve the untransformed model.")
    if not settings.interface.embedded:
        raise SolverError.at(
            f"solver '{settings.interface.name}'", "cannot do search='regions'",
            "The regions' master problem is solved by the embedded HiGHS: solver='highs'.")


def _by_single_level(settings: Settings, asked: bool) -> BilevelResult:
    try:
        return solve_single_level(settings)
    except (BoundError, AuditError) as err:
        if asked or not settings.own:
            raise
        raise Unsuitable(*instead_of(err, settings)) from err


STRATEGIES: dict[str, SearchStrategy] = {row.name: row for row in (
    SearchStrategy("regions", _by_regions, _regions_suit, _refuse_regions),
    SearchStrategy("single_level", _by_single_level, lambda settings: True),
    SearchStrategy("pairs", lambda settings, asked: solve_by_pairs(settings),
                   lambda settings: True, refuse_pairs),
)}
_LAST = ("single_level", "pairs")  # rows that take what those above them leave


def register_strategy(strategy: SearchStrategy) -> None:
    """Add a row to the table of search strategies, for this process.

    It stands before the rows that take every model.

    Parameters
    ----------
    strategy
        Its `name` is what users write.

    Raises
    ------
    ModelError
        The name is taken.
    """
    require_kind(strategy, SearchStrategy, "register_strategy")
    if strategy.name in STRATEGIES or strategy.name == "auto":
        raise ModelError.at(
            f"search strategy {strategy.name!r}", "exists already", "Give it another name.")
    last = [STRATEGIES.pop(name) for name in _LAST]
    for row in (strategy, *last):
        STRATEGIES[row.name] = row


def run_strategies(settings: Settings, search: str) -> BilevelResult:
    """Run strategies until one can solve the model.

    Parameters
    ----------
    settings
        The call.
    search
        "auto", or the name of a strategy, checked before.

    Returns
    -------
    BilevelResult
        Its notes state which strategies could not, and why.

    Raises
    ------
    ModelError
        The strategy cannot solve such a model.
    SolverError
        The strategy cannot use the solver.
    """
    rows = list(STRATEGIES.values())
    if search == "auto":
        tried = [row for row in rows if row.suits(settings)]
    else:
        STRATEGIES[search].refuse(settings)
        tried = [STRATEGIES[search], *(STRATEGIES[name] for name in _LAST if name != search)]
    notes: list[str] = []
    for k, row in enumerate(tried):
        asked = search != "auto" and k == 0
        try:
            result = row.solve(settings, asked)
        except Unsuitable as err:
            settings.clock.stop()
            log.info("%s: %s", row.name, err)
            notes += [str(err)] if asked or err.told else []
            continue
        result.notes += notes
        return result
    raise AssertionError("a row that takes every model has not")  # pragma: no cover
