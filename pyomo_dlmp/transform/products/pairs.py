"""Products of pairs of Vars, each once for a whole model.

Of every row and objective the quadratic terms that must be linear are found; a pair of Vars has
one product wherever it occurs, so that rows which share it are linked. Over bounds of Vars alone
this is at least as tight as envelopes of sums: each row of the envelope of v (y + z) is a sum of
rows of those of v y and of v z. Which Var of a pair is expanded or divided is chosen so that few
are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pyomo.environ as pyo
from pyomo.common.collections import ComponentSet
from pyomo.gdp import Disjunct

from pyomo_dlmp.bilevel.quadratics import QuadraticParts
from pyomo_dlmp.errors import BoundError, Fault, ModelError
from pyomo_dlmp.transform.products.bilinear import (
    Product,
    bilinear_rows,
    is_convex,
    range_of,
)

KEEP_CONVEX = ("objective", "all", "none")

Pair = tuple[int, int]


@dataclass
class Row:
    """A row or objective with products.

    Attributes
    ----------
    data
        ConstraintData or ObjectiveData.
    parts
        Its terms.
    kept
        Quadratic terms that stay, {(id, id): coefficient}.
    products
        Those that become linear, {pair: coefficient}; a pair is two ids in ascending order.
    """

    data: Any
    parts: QuadraticParts
    kept: dict
    products: dict[Pair, float]


def rows_with_products(model: Any, keep_convex: str = "objective") -> list[Row]:
    """The rows and objectives of a model in which products must become linear.

    Parameters
    ----------
    model
        A Pyomo model or block.
    keep_convex
        Where convex quadratic terms stay as they are: in the "objective", in "all" rows too, or in
        "none".

    Returns
    -------
    list of Row

    Raises
    ------
    ModelError
        One is neither linear nor quadratic, stands in a Disjunct, or is a second objective.
    """
    _refuse_disjuncts(model)
    found = []
    for data, parts in bilinear_rows(model):
        kept, rest = _kept(data, parts.quadratic, keep_convex)
        products: dict[Pair, float] = {}
        for (i, j), coef in rest.items():
            if coef:
                key = (min(i, j), max(i, j))
                products[key] = products.get(key, 0.0) + coef
        if products:
            found.append(Row(data, parts, kept, products))
    goals = [row.data for row in found if row.data.ctype is pyo.Objective]
    if len(goals) > 1:
        raise ModelError.at(goals[1].name, f"is a second active objective with products, beside "
                            f"'{goals[0].name}'", "Deactivate one.")
    return found


def _refuse_disjuncts(model) -> None:
    for disjunct in model.component_data_objects(
            Disjunct, active=True, descend_into=(pyo.Block, Disjunct)):
        for data, _ in bilinear_rows(disjunct):
            raise ModelError.at(
                data.name, "has products and stands in a Disjunct",
                "Apply gdp.bigm or gdp.hull first.")


def _kept(data, quadratic: dict, keep_convex: str) -> tuple[dict, dict]:
    """(terms that stay, terms that become linear)."""
    is_objective = data.ctype is pyo.Objective
    if keep_convex == "none" or (keep_convex == "objective" and not is_objective):
        return {}, quadratic
    if is_objective:
        sign = 1.0 if data.is_minimizing() else -1.0
    elif data.has_lb() and data.has_ub():
        return {}, quadratic
    else:
        sign = 1.0 if data.has_ub() else -1.0
    if is_convex(quadratic, sign):
        return quadratic, {}
    kept = {(i, j): coef for (i, j), coef in quadratic.items() if i == j and sign * coef >= 0}
    return kept, {key: coef for key, coef in quadratic.items() if key not in kept}


def shared_products(rows: Iterable[Row], prefer: ComponentSet,
                    fits: Callable[[Any], bool]) -> dict[Pair, Product]:
    """One product for each pair of Vars in the rows.

    Parameters
    ----------
    rows
        As of `rows_with_products`.
    prefer
        Vars to be v where one is in a pair.
    fits
        Whether a Var, as v, makes its products exact; such are chosen next, then those in most
        pairs.

    Returns
    -------
    dict
        {pair: product}.

    Raises
    ------
    BoundError
        Vars have no finite bounds; names all of them.
    """
    var_of: dict[int, Any] = {}
    where: dict[int, str] = {}
    pairs: dict[Pair, None] = {}
    for row in rows:
        pairs.update(dict.fromkeys(row.products))
        factors = {vid for pair in row.products for vid in pair}
        for vid, var in row.parts.var_map.items():  # in the order of the model, unlike ids
            if vid in factors:
                var_of.setdefault(vid, var)
                where.setdefault(vid, row.data.name)
    faults = [
        Fault(var.name, f"has bounds {var.bounds} but stands in a product in '{where[vid]}'",
              "Give it finite bounds.")
        for vid, var in var_of.items() if var.lb is None or var.ub is None]
    if faults:
        raise BoundError(faults)
    first = _choice(pairs, var_of, prefer, fits)
    found = {}
    for pair in pairs:
        v, Y = pair if first[pair] == pair[0] else pair[::-1]
        found[pair] = Product("", var_of[v], var_of[Y], *range_of(var_of[Y]))
    return found


def _choice(pairs: Iterable[Pair], var_of: dict[int, Any], prefer: ComponentSet,
            fits: Callable[[Any], bool]) -> dict[Pair, int]:
    """The Var of each pair that is expanded or divided, so that few are: a greedy cover.

    Vars of squares are covered without a choice; then the Var in most pairs that are left, again
    and again.
    """
    rank = {vid: (var in prefer, fits(var)) for vid, var in var_of.items()}
    open_pairs: dict[int, set[Pair]] = {}
    for pair in pairs:
        for vid in pair:
            open_pairs.setdefault(vid, set()).add(pair)
    order = {vid: -k for k, vid in enumerate(var_of)}  # ties: the one met first
    taken = {i for i, j in pairs if i == j}
    chosen: dict[Pair, int] = {}
    while open_pairs:
        best = max(open_pairs, key=lambda vid: (
            rank[vid], vid in taken, len(open_pairs[vid]), order[vid]))
        for pair in open_pairs.pop(best):
            chosen[pair] = best
            other = pair[1] if pair[0] == best else pair[0]
            if other in open_pairs:
                open_pairs[other].discard(pair)
                if not open_pairs[other]:
                    del open_pairs[other]
    return chosen
