"""The strategy "pairs": compile, rewrite by identities, search the tree, finalize."""

from __future__ import annotations

import logging
import os
from typing import Any

import numpy as np
from pyomo.common.gc_manager import PauseGC

from pyomo_dlmp.auditing.finalize import Claim, LowerPoint, finalize_result, no_point
from pyomo_dlmp.auditing.result import BilevelResult
from pyomo_dlmp.bilevel import lower_levels, upper_objective
from pyomo_dlmp.bilevel.values import load_values
from pyomo_dlmp.bounds.prove import prove_bounds
from pyomo_dlmp.bounds.upper_view import upper_views
from pyomo_dlmp.branching.patterns import LowerAnswers, known_decisions
from pyomo_dlmp.branching.tree import Tree, TreeOptions, TreeResult
from pyomo_dlmp.lower.form import compile_lower
from pyomo_dlmp.lower.kkt_system import build_kkt
from pyomo_dlmp.lower.solver import LowerSolver
from pyomo_dlmp.numerics.identities import convexify
from pyomo_dlmp.numerics.pairs import FREE
from pyomo_dlmp.numerics.scaling import scaled
from pyomo_dlmp.search.rays import without_end
from pyomo_dlmp.search.settings import Settings
from pyomo_dlmp.status import Status
from pyomo_dlmp.tolerances import ROW_HOLDS
from pyomo_dlmp.transform.pairs import CompiledPairs, compile_pairs
from pyomo_dlmp.transform.record import SingleLevel

log = logging.getLogger("pyomo_dlmp")
_SOLVER = "highs"  # embedded, whatever solver the call names
_AIM = 0.2  # of the gap asked for: pruning is by bounds, and a smaller gap costs little


def solve_by_pairs(settings: Settings, nodes: float = np.inf,
                   known: dict[int, float] | None = None) -> BilevelResult:
    """`solve_bilevel` by branching on complementarity pairs.

    Parameters
    ----------
    settings
        The call; the solution is loaded onto its model, which is not transformed.
    nodes
        Greatest number of nodes.
    known
        {id of Var: value} of a bilevel-feasible point to begin with; None: one is looked for,
        where the call asks for it.

    Returns
    -------
    BilevelResult

    Raises
    ------
    ModelError
        The model is not of this kind: an upper row or objective beyond quadratic.
    AuditError
        The point is not a solution of the bilevel problem.
    """
    model, clock = settings.model, settings.clock
    clock.stage("compile and bounds")
    with PauseGC():
        compiled = _compiled(model)
        record = SingleLevel()  # for `finalize_result`; the model itself is not transformed
        record.original = upper_objective(model)
        rewritten = convexify(compiled.problem)
    sign = compiled.problem.program.sign
    clock.stage("first point")
    starts = known_decisions(settings, compiled, known)
    clock.stage("search")
    outcome = _search(settings, compiled, rewritten.problem, starts, nodes)
    claim = Claim(
        outcome.status, None if outcome.z is None else sign * outcome.objective,
        sign * outcome.bound if np.isfinite(outcome.bound) else None,
        {"rows": compiled.problem.program.A.shape[0], "columns": len(compiled.problem.program.c),
         "pairs": len(compiled.problem.pairs),
         "pairs after bounds": int((compiled.problem.state == FREE).sum()),
         "nodes": outcome.nodes, "patterns": outcome.leaves})
    if outcome.z is None or outcome.status == Status.UNBOUNDED:
        if outcome.status == Status.UNBOUNDED:
            claim.notes.append(_along(compiled, outcome))
        return no_point(record, claim, _SOLVER, clock)
    clock.stage("audit")
    _load(compiled, outcome, record)
    return finalize_result(model, record, claim, _SOLVER, clock, settings.gap)


def _compiled(model: Any) -> CompiledPairs:
    """The model's arrays, with what can be proved quickly of its pairs."""
    systems = [build_kkt(compile_lower(block)) for block in lower_levels(model)]
    views = upper_views(model, systems)
    bounds = [prove_bounds(kkt, {}, "vertices", view)[0]
              for kkt, view in zip(systems, views, strict=True)]
    return compile_pairs(model, systems, bounds)


def _search(settings: Settings, compiled: CompiledPairs, problem, starts, nodes) -> TreeResult:
    program = compiled.problem.program
    sign, clock = program.sign, settings.clock
    names = settings.upper_names(program.columns)
    small, scale = scaled(problem)
    answers = LowerAnswers(compiled)
    options = TreeOptions(
        _AIM * settings.gap, nodes,
        lambda best, bound: clock.progress("branching on pairs", sign * best, sign * bound),
        lambda z, best, bound: settings.save_point(
            lambda: names(scale * z), sign * best, sign * bound),
        lambda z: answers.pattern(scale * z), settings.threads or os.cpu_count() or 1)
    outcome = Tree(small, options).solve([z / scale for z in starts])
    if outcome.z is not None:
        outcome.z = scale * outcome.z
    if outcome.ray is not None:
        outcome.ray = scale * outcome.ray[: len(scale)]
    log.info("pairs: %s after %d nodes, %d patterns", outcome.status, outcome.nodes,
             outcome.leaves)
    return outcome


def _load(compiled: CompiledPairs, outcome: TreeResult, record: SingleLevel) -> None:
    """The point on the model's Vars; its duals in the record."""
    program, z = compiled.problem.program, outcome.z
    assert z is not None
    own = [(var, value) for var, value in zip(program.columns, z, strict=True) if var is not None]
    load_values([var for var, _ in own], [value for _, value in own])
    record.lowers = [
        LowerPoint(kkt, LowerSolver(kkt), z[y], np.maximum(z[mu], 0.0))
        for kkt, y, mu in zip(compiled.systems, compiled.y, compiled.mu, strict=True)]


def _along(compiled: CompiledPairs, outcome: TreeResult) -> str:
    """The sentence that says along which Vars and duals the problem is unbounded."""
    assert outcome.ray is not None
    size = np.abs(outcome.ray).max()
    names = [name for name, d in zip(compiled.names(), outcome.ray, strict=True)
             if abs(d) > ROW_HOLDS * size]
    return without_end(names)
