"""When branching on pairs is used: asked for, before products are expanded, as a proof."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyomo.environ as pyo

from pyomo_dlmp.auditing.finalize import carries_on
from pyomo_dlmp.auditing.result import BilevelResult
from pyomo_dlmp.bilevel import lower_levels, upper_data
from pyomo_dlmp.bilevel.lower_level import is_inside
from pyomo_dlmp.bounds.labels import PairState
from pyomo_dlmp.branching.search import solve_by_pairs
from pyomo_dlmp.errors import AuditError, BoundError, DlmpError, ModelError, SolverError
from pyomo_dlmp.numerics import limits
from pyomo_dlmp.search.settings import Settings
from pyomo_dlmp.status import Status
from pyomo_dlmp.tolerances import SAME_OBJECTIVE
from pyomo_dlmp.transform.products.bilinear import is_convex
from pyomo_dlmp.transform.record import SingleLevel

_PROOF_NODES = 20_000  # of the tree that checks bounds of the user's
_FEW_PAIRS = 300  # open pairs up to which the tree is tried before products are expanded


class ProductsLeft(Exception):
    """Products are left that a tree may divide at once; `only`: nothing else can."""

    def __init__(self, only: bool):
        super().__init__()
        self.only = only


def refuse_pairs(settings: Settings) -> None:
    """Refuse a call that asks for branching on pairs and cannot have it.

    Raises
    ------
    ModelError
        Its model is transformed already, or it has options of the single level.
    SolverError
        Its solver is not the embedded one.
    """
    if not settings.own:
        raise ModelError.at(settings.model.name, "is transformed already and cannot be solved by "
                            "branching on pairs", "Solve the untransformed model.")
    if not settings.interface.embedded:
        raise SolverError.at(
            f"solver '{settings.interface.name}'", "cannot do search='pairs'",
            "The nodes of the tree are solved by the embedded HiGHS: solver='highs'.")
    if settings.options:
        raise ModelError.at(
            "solve_bilevel", f"was given {', '.join(settings.options)} and search='pairs'",
            "These belong to the single level; branching on pairs has no such options.")


def instead_of(err: DlmpError, settings: Settings) -> tuple[str, bool]:
    """Why branching on pairs takes the place of the single level, and whether the notes say so.

    Parameters
    ----------
    err
        A bound that is missing, or an audit that the solver's point has failed.
    settings
        The call.

    Returns
    -------
    tuple
        (sentence without its full stop, whether the user asked for something else).
    """
    first = err.faults[0]
    wished = {"complementarity", "products"} & settings.options.keys()
    told = bool(wished) or not settings.interface.embedded or not isinstance(err, BoundError)
    return ("solved by branching on pairs (embedded HiGHS), which needs no bounds of multipliers; "
            f"otherwise, {first.where}: {first.what}"), told


def proved_by_pairs(settings: Settings, result: BilevelResult) -> BilevelResult | None:
    """The answer without the bounds of multipliers that the user gave.

    An audit cannot see a bound that is too small: at a point that is not optimal every pair may be
    closed and every multiplier far from its bound.

    Parameters
    ----------
    settings
        The call.
    result
        The answer with the bounds; its values are on the model.

    Returns
    -------
    BilevelResult or None
        None where the tree grows too large for a proof.
    """
    kept = _Values(settings.model)
    try:
        proved = solve_by_pairs(settings, _PROOF_NODES, kept.known(result))
    except AuditError:
        kept.put_back()
        return None
    except (limits.Stopped, KeyboardInterrupt) as err:
        if not carries_on(result, err):
            raise
        kept.put_back()
        result.notes.append("the bounds given for multipliers are not checked")
        return result
    if proved.status not in (Status.OPTIMAL, Status.INFEASIBLE, Status.UNBOUNDED):
        kept.put_back()
        return None
    if not same_result(result, proved):
        proved.notes.append(
            "bounds given for multipliers were too small: with them the search ends "
            f"'{result.status}' with objective {result.objective}; the answer is that of branching "
            "on pairs, which needs no bounds")
    return proved


class _Values:
    """Values of a model's Vars and duals, to be put back."""

    def __init__(self, model: Any):
        self.values = [(v, v.value) for v in model.component_data_objects(
            pyo.Var, descend_into=pyo.Block)]
        found = (block.component("dual") for block in lower_levels(model))
        self.duals = [(suffix, dict(suffix.items())) for suffix in found if suffix is not None]

    def known(self, result: BilevelResult) -> dict[int, float] | None:
        """{id of Var: value} where the result has a point."""
        if result.objective is None:
            return None
        return {id(v): value for v, value in self.values if value is not None}

    def put_back(self) -> None:
        """Load them again."""
        for var, value in self.values:
            var.set_value(value, skip_validation=True)
        for suffix, duals in self.duals:
            suffix.clear()
            suffix.update(duals)


def tree_first(settings: Settings, record: SingleLevel) -> bool:
    """Whether branching on pairs is tried before products are expanded.

    Parameters
    ----------
    settings
        The call, which then has no options of the single level.
    record
        Of the transformed model, with few open pairs.

    Returns
    -------
    bool
    """
    few = sum(np.count_nonzero(lower.bounds.state == PairState.OPEN) for lower in record.lowers)
    wishes = {key for key in settings.options if key not in ("bounds", "proved")}
    return bool(few <= _FEW_PAIRS) and not wishes and settings.periods is not True


def beyond_miqp(model: Any, record: SingleLevel) -> bool:
    """Whether a single level is no MIQP: a nonconvex objective, or a row that is not linear.

    Parameters
    ----------
    model, record
        The transformed model and its record.

    Returns
    -------
    bool
    """
    goal = record.objective
    if not is_convex(record.goal_parts().quadratic, 1.0 if goal.sense == pyo.minimize else -1.0):
        return True
    inside = record.block
    rows = (row for row in upper_data(model, pyo.Constraint) if not is_inside(row, inside))
    return any(row.body.polynomial_degree() not in (0, 1) for row in rows)


def noted(settings: Settings, result: BilevelResult) -> BilevelResult:
    """A result that rests on what the user gave and nothing has checked, with a note of it."""
    given = [name for name in ("bounds", "cutoff") if settings.options.get(name)]
    if result.status == Status.INFEASIBLE and given:
        result.notes.append(
            f"no point was found within what {' and '.join(given)} allow, which was not checked")
    return result


def better(old: BilevelResult | None, new: BilevelResult) -> BilevelResult:
    """The later attempt, unless it has no point and an earlier one had."""
    return old if old is not None and new.objective is None and old.objective is not None else new


def same_result(one: BilevelResult, other: BilevelResult) -> bool:
    """Whether two results have the same objective and status, and both pass their audits."""
    if _failed(one) or _failed(other):
        return False
    if one.objective is None or other.objective is None:
        return one.objective is other.objective and one.status == other.status
    near = SAME_OBJECTIVE * max(1.0, abs(one.objective))
    return abs(one.objective - other.objective) <= near and one.status == other.status


def _failed(result: BilevelResult) -> bool:
    """Whether a point was settled on that fails its audit."""
    return (result.objective is not None and result.audit is not None
            and not result.audit.passed)
