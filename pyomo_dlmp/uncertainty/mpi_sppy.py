"""The same two-stage problem handed to mpi-sppy: extensive form, or progressive hedging on MPI.

`scenario_model` writes a scenario as a Pyomo MILP: its hull (`parametric.hull`), tangents to the
costs of its pieces, and its own copy of the first stage. Tangents lie below the cost, so every
bound of mpi-sppy is one of the problem; each point it finds is priced exactly by the pieces, and
tangents are added where it lies. On one rank the extensive form is solved. On more there are a hub
(progressive hedging) and spokes: a first stage tried at the average of the scenarios' own (xhat),
and from three ranks on a Lagrangian bound. They start from the multipliers and the first stage of
the relaxation of the whole (`shipment`).

Needs the extra `mpi`. Reference: Knueven, Mildebrath, Muir, Siirola, Watson and Woodruff (2023), A
parallel hub-and-spoke system for large-scale scenario-based optimization under uncertainty,
Mathematical Programming Computation 15.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from unittest import mock

import mpisppy.log
import numpy as np
import pyomo.environ as pyo

from pyomo_dlmp.numerics import limits
from pyomo_dlmp.status import Status
from pyomo_dlmp.tolerances import ABSOLUTE_GAP
from pyomo_dlmp.uncertainty.exact_points import (
    Decided,
    at_relaxation,
    decided,
    gathered,
    judged,
    settled,
)
from pyomo_dlmp.uncertainty.route import Found
from pyomo_dlmp.uncertainty.scenario_milp import (
    point_of,
    refine,
    scenario_model,
    scenario_name,
    scenarios_in,
)
from pyomo_dlmp.uncertainty.searches import together
from pyomo_dlmp.uncertainty.shipment import RiskRows, Shipment, pack, risk_rows
from pyomo_dlmp.uncertainty.two_stage import TwoStage

with mock.patch.object(mpisppy.log, "setup_logger"):  # it would open files where the user stands
    import mpisppy.utils.sputils as sputils
    from mpisppy.cylinders.hub import PHHub
    from mpisppy.cylinders.lagrangian_bounder import LagrangianOuterBound
    from mpisppy.cylinders.xhatxbar_bounder import XhatXbarInnerBound
    from mpisppy.extensions.extension import Extension
    from mpisppy.opt.ef import ExtensiveForm
    from mpisppy.opt.ph import PH
    from mpisppy.spin_the_wheel import WheelSpinner
    from mpisppy.utils.xhat_eval import Xhat_Eval

SOLVER = "appsi_highs"
_ROUNDS = 4  # of tangents, after a solve
_ROUNDS_OF_FORM = 16
ITERATIONS = 100
Progress = Callable[[str, float, float], None]


def extensive_form(shipment: Shipment, gap: float, time_limit: float | None = None,
                   tell: Progress | None = None) -> Found:
    """Solve the extensive form of mpi-sppy, with tangents added until its costs are exact.

    Parameters
    ----------
    shipment
        The problem.
    gap
        Relative gap to prove.
    time_limit
        Seconds; None: no limit.
    tell
        tell(stage, objective, bound).

    Returns
    -------
    Found
    """
    problem = shipment.problem
    form = ExtensiveForm({"solver": SOLVER, "toc": False}, _names(shipment, 1), scenario_model,
                         _arguments(shipment))
    models = list(form.local_scenarios.values())
    deadline = None if time_limit is None else time.monotonic() + time_limit
    best, bound = gathered(shipment, []), shipment.bound
    otherwise: str = Status.GAP_NOT_REACHED
    for number in range(_ROUNDS_OF_FORM):
        left = None if deadline is None else deadline - time.monotonic()
        if left is not None and left <= 0.0:
            otherwise = Status.TIME_LIMIT
            break
        results = form.solve_extensive_form(solver_options=_options(0.3 * gap, left))
        if str(results.solver.termination_condition) == "infeasible":
            return Found(Status.INFEASIBLE, None, [], np.zeros(0), np.inf, np.inf)
        bound = max(bound, _number(results.problem.lower_bound))
        if not form.tree_solution_available:
            otherwise = Status.TIME_LIMIT
            break
        aim = _aim(gap, bound)
        short = sum(m._mpisppy_probability * refine(m, 0.1 * aim) for m in models)
        found = gathered(shipment, decided(problem, [point_of(m) for m in models], gap))
        best = found if found.objective < best.objective else best
        if tell is not None:
            tell(f"extensive form, round {number + 1}", best.objective, bound)
        if best.objective - bound <= aim or short <= 0.01 * aim:
            break
        if ended := limits.stopped():
            otherwise = ended
            break
    if best.x is None:
        best = at_relaxation(shipment, gap)
    return judged(best, bound, gap, otherwise)


def _options(gap: float, seconds: float | None) -> dict[str, Any]:
    """Options of HiGHS."""
    found: dict[str, Any] = {"mip_rel_gap": gap, "parallel": "off"}
    return found if seconds is None else {**found, "time_limit": seconds}


def _aim(gap: float, bound: float) -> float:
    return max(gap * abs(bound), ABSOLUTE_GAP) if np.isfinite(bound) else ABSOLUTE_GAP


def _number(x: Any) -> float:
    return -np.inf if x is None or not np.isfinite(float(x)) else float(x)


def _arguments(shipment: Shipment) -> dict[str, Any]:
    return {"shipment": shipment, "risk": risk_rows(shipment.problem)}


# ------------------------------------------------------------------------------ hub and spokes

def _names(shipment: Shipment, size: int) -> list[str]:
    """Names of the models of mpi-sppy: scenarios, or bundles of them."""
    many = len(shipment.problem.recourses)
    if size <= 1:
        return [scenario_name(s) for s in range(many)]
    return [f"Bundle_{a}_{min(a + size, many) - 1}" for a in range(0, many, size)]


def subproblem(name: str, shipment: Shipment, risk: list[RiskRows]) -> pyo.ConcreteModel:
    """A scenario's model, or the extensive form of a bundle of them; arguments as there."""
    if not name.startswith("Bundle"):
        return scenario_model(name, shipment, risk)
    first, last = map(int, name.split("_")[1:])
    names = [scenario_name(s) for s in range(first, last + 1)]
    if len(names) == 1:
        return scenario_model(names[0], shipment, risk)
    bundle = sputils.create_EF(
        names, scenario_model, {"shipment": shipment, "risk": risk}, EF_name=name,
        suppress_warnings=True, nonant_for_fixed_vars=False)
    sputils.attach_root_node(bundle, 0, [v for (node, _), v in bundle.ref_vars.items()
                                         if node == "ROOT"])
    return bundle


class Handed(Extension):
    """Starts from the relaxation's multipliers, and adds tangents after each solve."""

    def __init__(self, opt, shipment: Shipment, aim: float, rounds: int):
        super().__init__(opt)
        self.shipment, self.aim, self.rounds = shipment, aim, rounds

    def pre_iter0(self) -> None:
        """Set the multipliers, where the models have some."""
        p = self.shipment.problem.probabilities
        for model in self.opt.local_scenarios.values():
            if not hasattr(model._mpisppy_model, "W"):
                return
            at = [m._written.number for m in scenarios_in(model)]
            W = p[at] @ self.shipment.W[at] / max(p[at].sum(), ABSOLUTE_GAP)
            for j, value in enumerate(W.tolist()):
                model._mpisppy_model.W["ROOT", j] = value
        self.opt._reenable_W()

    def post_solve(self, subproblem: pyo.ConcreteModel, results: Any) -> Any:
        """Solve again with tangents where the costs were too low."""
        data = subproblem._mpisppy_data
        for k in range(self.rounds + 1):
            if not data.solution_available:
                break
            short = refine(subproblem, self.aim)
            if short <= self.aim or k == self.rounds:
                break
            again = subproblem._solver_plugin.solve(subproblem, load_solutions=False)
            if sputils.not_good_enough_results(again):
                break
            subproblem.solutions.load_from(again)
            data.outer_bound = max(data.outer_bound, again.Problem[0].Lower_bound)
            data.inner_bound = again.Problem[0].Upper_bound
        return results


class PrimedPH(PH):
    """Progressive hedging whose first solves already have multipliers."""

    def PH_Prep(self, attach_duals=True, attach_prox=True, attach_smooth=0, defer_attach=False):
        """As of `PH`, with the multipliers in the objective from the beginning."""
        super().PH_Prep(attach_duals, attach_prox, attach_smooth, defer_attach=False)


def _penalties(shipment: Shipment) -> np.ndarray:
    """Penalties rho of the first stage ($ per unit squared), shape (n,).

    A tenth of a column's range away from the average costs what the multipliers differ by, or a
    tenth of what a deviation costs where they do not.
    """
    first, x = shipment.problem.first, shipment.x
    assert x is not None
    dear = max(float(np.abs(r.program.c).max(initial=0.0)) for r in shipment.problem.recourses)
    size = np.maximum(np.abs(shipment.W).max(axis=0), max(0.1 * dear, ABSOLUTE_GAP))
    span = np.append(first.ub - first.lb, 1.0 + np.abs(x[first.size:]))
    return size / (0.1 * np.where((span > 0) & np.isfinite(span), span, 1.0))


def _cylinders(shipment: Shipment, gap: float, time_limit: float | None, bundle: int,
               many: int) -> list[dict]:
    """The hub and its spokes, as mpi-sppy takes them."""
    names, rho = _names(shipment, bundle), _penalties(shipment)
    aim = 0.1 * _aim(gap, shipment.bound)
    solver = _options(0.2 * gap, time_limit)
    first = shipment.problem.first
    span = float((first.ub - first.lb).max(initial=1.0))
    options = {
        "solver_name": SOLVER, "PHIterLimit": ITERATIONS, "defaultPHrho": 1.0, "convthresh": -1.0,
        "verbose": False, "display_progress": False, "toc": False, "smoothed": 0,
        "turn_off_names_check": bundle > 1,  # a bundle's first stage is that of its first scenario
        "linearize_proximal_terms": True, "proximal_linearization_tolerance": (0.001 * span) ** 2,
        "time_limit": time_limit, "solver_options": solver,
        "solver_options_layers": [sputils.solver_options_layer("default", solver)],
        "xhat_xbar_options": {"xhat_solver_options": solver, "keep_solution": True},
        "feasible_xhat": {"feasible_xhat_creator": lambda **_: {"ROOT": shipment.x}}}

    def penalties(model) -> list[tuple[int, float]]:
        return [(id(v), float(r)) for v, r in zip(
            model._mpisppy_data.nonant_indices.values(), rho, strict=True)]

    def opt(rounds: int, **more) -> dict[str, Any]:
        return {"options": dict(options), "all_scenario_names": names,
                "scenario_creator": subproblem, "scenario_creator_kwargs": _arguments(shipment),
                "extensions": Handed, "extension_kwargs": {
                    "shipment": shipment, "aim": aim, "rounds": rounds}, **more}

    hub = {"hub_class": PHHub, "opt_class": PrimedPH, "opt_kwargs": opt(1, rho_setter=penalties),
           "hub_kwargs": {"options": {"rel_gap": 0.5 * gap, "abs_gap": ABSOLUTE_GAP}}}
    xhat = {"spoke_class": XhatXbarInnerBound, "opt_class": Xhat_Eval, "opt_kwargs": opt(_ROUNDS)}
    lagrangian = {"spoke_class": LagrangianOuterBound, "opt_class": PrimedPH,
                  "opt_kwargs": opt(_ROUNDS)}
    return [hub, xhat, lagrangian][:many]


def hub_and_spokes(comm: Any, shipment: Shipment, gap: float, time_limit: float | None = None,
                   bundle: int = 1) -> Found | None:
    """Solve by progressive hedging with bounds; called by all ranks of a communicator.

    Parameters
    ----------
    comm
        Of mpi4py, with two ranks or more.
    shipment
        The same on all ranks.
    gap
        Relative gap to prove.
    time_limit
        Seconds; None: no limit.
    bundle
        Scenarios that are solved as one.

    Returns
    -------
    Found or None
        On rank 0; None on the others.
    """
    began = time.monotonic()
    cylinders = min(3, comm.size)
    used = cylinders * min(comm.size // cylinders, len(_names(shipment, bundle)))
    team = comm.Split(0 if comm.rank < used else 1, comm.rank)
    mine: list[Decided] = []
    outer = -np.inf
    if comm.rank < used:
        hub, *spokes = _cylinders(shipment, gap, time_limit, bundle, cylinders)
        wheel = WheelSpinner(hub, spokes)
        wheel.spin(team)
        winner = team.bcast(wheel.spcomm.last_ib_idx if team.rank == 0 else None)
        if winner is not None and wheel.strata_rank == winner:
            points = [point_of(m) for one in wheel.spcomm.opt.local_scenarios.values()
                      for m in scenarios_in(one)]
            mine = decided(shipment.problem, points, gap)
        if team.rank == 0:
            outer = _number(wheel.BestOuterBound)
    everyone = comm.gather(mine)
    if comm.rank:
        return None
    found = gathered(shipment, [one for rank in everyone for one in rank])
    if found.x is None:
        found = at_relaxation(shipment, gap)
    late = time_limit is not None and time.monotonic() - began >= time_limit
    otherwise = limits.stopped() or (Status.TIME_LIMIT if late else Status.GAP_NOT_REACHED)
    return judged(found, max(shipment.bound, outer), gap, otherwise)


def searcher(comm: Any, bundle: int = 1) -> Callable[..., Found]:
    """A search as `route.search`, on all ranks of a communicator; the others `serve`.

    Parameters
    ----------
    comm
        Of mpi4py.
    bundle
        Scenarios that are solved as one.

    Returns
    -------
    callable
        As `route.search`, for rank 0; a first stage to begin from is not used.
    """
    def search(problem: TwoStage, gap: float, time_limit: float | None = None,
               tell: Progress | None = None, start: np.ndarray | None = None) -> Found:
        began = time.monotonic()
        shipment = pack(problem, gap, time_limit, tell)
        if shipment.x is None:
            return Found(shipment.status, None, [], np.zeros(0), np.inf, shipment.bound)
        left = None if time_limit is None else max(1.0, time_limit + began - time.monotonic())
        if comm.size == 1:
            found = extensive_form(shipment, gap, left, tell)
        else:
            with together(comm):  # who calls this may catch the error
                comm.bcast((shipment, gap, left, bundle))
                whole = hub_and_spokes(comm, shipment, gap, left, bundle)
            assert whole is not None
            found = whole
        if found.x is None:
            return found
        better = settled(shipment.problem, found, 0.01 * gap)
        return judged(better, found.bound, gap, found.status)

    return search


def serve(comm: Any) -> None:
    """Solve what rank 0 sends, until it sends None."""
    while (order := comm.bcast(None)) is not None:
        hub_and_spokes(comm, *order)


def dismiss(comm: Any) -> None:
    """Let the ranks that `serve` go on; called by rank 0."""
    if comm.size > 1:
        comm.bcast(None)
