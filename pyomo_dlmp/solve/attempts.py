"""The strategy "single_level": transform, search, finalize; again where that can give more.

Products that stand in too coarse a binary expansion are expanded again with more bits; before that,
small models are tried by branching on pairs, which divides products exactly. Bounds of multipliers
that the user gave are never believed: branching on pairs, which needs none, proves the answer, or
they are widened until it stays the same.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np

from pyomo_dlmp.auditing.finalize import Claim, carries_on, finalize_result, no_point
from pyomo_dlmp.auditing.result import BilevelResult
from pyomo_dlmp.bilevel import lower_levels
from pyomo_dlmp.bounds.labels import PairState, Source
from pyomo_dlmp.branching.proof import (
    ProductsLeft,
    better,
    beyond_miqp,
    noted,
    proved_by_pairs,
    same_result,
    tree_first,
)
from pyomo_dlmp.branching.search import solve_by_pairs
from pyomo_dlmp.errors import AuditError, BoundError
from pyomo_dlmp.numerics import limits
from pyomo_dlmp.search.branch_and_bound import search_embedded
from pyomo_dlmp.search.by_pyomo import search_by_pyomo, start_point
from pyomo_dlmp.search.first_answer import keep_a_point
from pyomo_dlmp.search.product_ranges import MOST_BITS, Expansion
from pyomo_dlmp.search.settings import Settings
from pyomo_dlmp.search.start import known_point
from pyomo_dlmp.solvers.refusals import refuse_solver
from pyomo_dlmp.status import Status
from pyomo_dlmp.transform.record import SingleLevel, single_level_data, undo_single_level
from pyomo_dlmp.transform.single_level import SingleLevelAsArrays, SingleLevelTransformation

log = logging.getLogger("pyomo_dlmp")
_MORE_BITS = 3
_MOST_WIDENING = 4
_FIRST_NODES = 4_000  # of the tree that is tried before products are expanded


def solve_single_level(settings: Settings) -> BilevelResult:
    """Solve by the single level; see the module's text.

    Parameters
    ----------
    settings
        The call; the solution is loaded onto its model.

    Returns
    -------
    BilevelResult

    Raises
    ------
    ModelError, BoundError, SolverError
        Before the search where possible.
    AuditError
        The point is not a solution of the bilevel problem.
    """
    result, relies = _with_finer_products(settings, settings.options)
    if relies and settings.check_bounds and settings.own:
        return proved_by_pairs(settings, result) or _with_wider_bounds(settings, result)
    return noted(settings, result)


def _with_finer_products(settings: Settings, options: dict) -> tuple[BilevelResult, bool]:
    """(result, whether a bound of the user's was relied on), with more and more bits.

    More as long as a coarse expansion keeps the gap open and the user did not give `bits`.
    """
    products, best, relies = Expansion(), None, False
    while True:
        try:
            attempt = _attempt(settings, options, products)
        except ProductsLeft as left:
            best = solve_by_pairs(settings, np.inf if left.only else _FIRST_NODES)
            if left.only or best.status != Status.GAP_NOT_REACHED:
                return best, False
            products.tried = True
            continue
        except (limits.Stopped, KeyboardInterrupt) as err:
            if best is None or not carries_on(best, err):
                raise
            return best, relies
        relies |= attempt.relies
        best = better(best, attempt.result)
        coarse = attempt.relaxed and attempt.result.status == Status.GAP_NOT_REACHED
        finest = products.bits is not None and products.bits >= MOST_BITS
        if not (settings.own and coarse) or "bits" in options or finest or settings.over:
            return best, relies
        products.bits = (products.enough if products.bits is None else products.bits) + _MORE_BITS
        log.info("gap %s: products are expanded again with %d bits", attempt.result.gap,
                 products.bits)


def _with_wider_bounds(settings: Settings, result: BilevelResult) -> BilevelResult:
    """Solve again with ten times the user's bounds until the objective stays the same."""
    bounds = settings.options.get("bounds") or {}
    for _ in range(_MOST_WIDENING):
        bounds = {key: 10.0 * value for key, value in bounds.items()}
        try:
            wider, _ = _with_finer_products(settings, {**settings.options, "bounds": bounds})
        except AuditError as err:
            wider = err.result
        except (limits.Stopped, KeyboardInterrupt) as err:
            if not carries_on(result, err):
                raise
            result.notes.append("the bounds given for multipliers are not checked")
            return result
        if same_result(result, wider):
            return result
        log.info("bounds given for multipliers were too small: widened tenfold")
        wider.notes.append(
            "bounds given for multipliers were too small and were widened: the objective changed "
            f"from {result.objective} to {wider.objective}")
        result = wider
    raise BoundError.at(
        settings.model.name, "the objective changes each time the bounds given for multipliers are "
        f"widened tenfold ({_MOST_WIDENING} times)",
        "Use a complementarity mode that needs no bounds, such as 'sos1' with a solver that has "
        "it, or prove a bound.")


@dataclass
class _Attempt:
    """A result, and what its single level was like: `relaxed` products, `relies` on the user."""

    result: BilevelResult
    relaxed: bool
    relies: bool


def _attempt(settings: Settings, options: dict, products: Expansion) -> _Attempt:
    """One transformation, search and audit; the model is the user's again afterwards."""
    start = start_point(settings)
    try:
        record = _transformed(settings, options, products)
        relies = any(
            np.any(lower.bounds.mu_source[lower.bounds.state == PairState.OPEN] == Source.USER)
            for lower in record.lowers)
        found = (search_embedded(settings, record) if settings.interface.embedded
                 else search_by_pyomo(settings, record, start))
        result = _finalize(settings, record, found)
    except AuditError as err:
        widens = settings.check_bounds and settings.own
        if not (widens and _held_by_user(record, err.result)):
            raise
        result = err.result  # to be solved again with wider bounds
        result.status = Status.GAP_NOT_REACHED
    finally:
        if settings.own:
            with limits.shield():
                undo_single_level(settings.model)
    return _Attempt(result, record.relaxed, relies)


def _transformed(settings: Settings, options: dict, products: Expansion) -> SingleLevel:
    """The record of the transformed model; ranges of its products are proved once, for HiGHS."""
    keep_a_point(settings)
    settings.clock.stage("compile and bounds")
    if settings.own:
        given = {} if products.bits is None else {"bits": products.bits, "ranges": products.ranges}
        _transform(settings, {**options, **given})
    record = _record(settings.model)
    exactly = settings.own and settings.interface.embedded  # by the tree, where others cannot
    if exactly and beyond_miqp(settings.model, record):
        raise ProductsLeft(only=True)
    refuse_solver(record, settings.interface)
    if not exactly or not record.relaxed or products.ranges is not None:
        return record
    if not products.tried and tree_first(settings, record):
        raise ProductsLeft(only=False)
    products.prove(settings, record)
    if not products.ranges:
        return record
    settings.clock.stage("compile and bounds")
    undo_single_level(settings.model)
    _transform(settings, {"bits": products.enough, **options, "ranges": products.ranges})
    return _record(settings.model)


def _record(model) -> SingleLevel:
    record = single_level_data(model)
    assert record is not None  # the transformation has just been applied
    return record


def _transform(settings: Settings, options: dict) -> None:
    """Apply; where a bound is missing, once more with the cutoff of a known point."""
    model = settings.model
    options = {"capabilities": settings.interface.capabilities, **options}
    single = SingleLevelAsArrays() if settings.interface.embedded else SingleLevelTransformation()
    try:
        single.apply_to(model, **options)
    except BoundError:
        if "cutoff" in options:
            raise
        known = known_point(model, lower_levels(model))
        if known is None:
            raise
        log.info("bounds are proved again with the cutoff %g", known[0])
        single.apply_to(model, cutoff=known[0], **options)


def _finalize(settings: Settings, record: SingleLevel, found: Claim) -> BilevelResult:
    """The audited result of what a search found."""
    if found.objective is None:
        return no_point(record, found, settings.interface.name, settings.clock)
    return finalize_result(settings.model, record, found, settings.interface.name,
                           settings.clock, settings.gap)


def _held_by_user(record: SingleLevel, result: Any) -> bool:
    """Whether a bound of the user's was reached by a multiplier (it is then widened)."""
    held = {name for lower in result.audit.lowers for name in lower.at_bound}
    return bool(held) and any(
        f"{lower.kkt.form.block.name}.{lower.kkt.label[p]}" in held
        for lower in record.lowers
        for p in np.flatnonzero(lower.bounds.mu_source == Source.USER))
