"""The OPF in the AC form as a loop: solve at a point, AC power flow of the dispatch, again.

Sequential quadratic programming: the rows have the AC equations' values and slopes at the point,
the objective has the exact Hessian of the Lagrangian over the devices' powers. Where a solution is
its own operating point, its KKT conditions are those of the AC OPF.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyomo.environ as pyo

from pyomo_dlmp.ac.adjoint import node_prices, sensitivities
from pyomo_dlmp.ac.circuit import Circuit
from pyomo_dlmp.ac.curvature import Weights, hessian, made_convex
from pyomo_dlmp.ac.flows import operating_point
from pyomo_dlmp.ac.newton import solve
from pyomo_dlmp.ac_opf.duals import ModelMap, adjoints, direction
from pyomo_dlmp.ac_opf.kinks import on_the_models_side
from pyomo_dlmp.ac_opf.start import start_injections
from pyomo_dlmp.blocks.registry import device_blocks
from pyomo_dlmp.lower.form import LowerForm
from pyomo_dlmp.lower.kept import KeptLower
from pyomo_dlmp.lower.kkt_system import KktSystem
from pyomo_dlmp.lower.solver import LowerSolution, LowerSolver
from pyomo_dlmp.network import Network
from pyomo_dlmp.network.series import period_labels
from pyomo_dlmp.opf import build_opf
from pyomo_dlmp.opf.ac_point import false_bends, set_operating_point
from pyomo_dlmp.opf.curvature import channels
from pyomo_dlmp.opf.load_scale import load_series, reactive_series
from pyomo_dlmp.opf.option_checks import OWN_POINT
from pyomo_dlmp.opf.options import OpfOptions
from pyomo_dlmp.tolerances import SAME_PRICE, SAME_VOLTAGE

_USUAL_PRICE = 50.0  # $/MWh
Progress = Callable[[str, float, float], None]


class AcLoop:
    """A DSO's OPF in the AC form and its operating point.

    Parameters
    ----------
    network : Network
        The feeder.
    into : Block, optional
        As of `build_opf`, such as a LowerLevel: the leader's decisions stay at their values.
    **options
        Of `build_opf`, without `form` and `operating_point`.

    Attributes
    ----------
    model : Block
        The model of the AC form at `point`.
    circuit : Circuit
    state : AcState
        Solution of the AC equations at the present dispatch.
    point : OperatingPoint
        The same as data.
    solution : LowerSolution or None
        Of the last problem.
    lam : ndarray, shape (size, periods), complex
        Adjoint at the state, with the multipliers of the last problem ($ per MVA/pu).
    """

    def __init__(self, network: Network, into: Any = None, **options: Any):
        self.network, self.circuit = network, Circuit(network)
        first = build_opf_options(network, options)
        self.labels, self.hours = first.labels, first.hours
        self.load_scale = first.load_scale
        scales = [series(network, first.load_scale, self.labels, self.hours)
                  for series in (load_series, reactive_series)]
        p, q = ({name: np.array([by[t] for t in self.labels]) for name, by in scale.items()}
                for scale in scales)
        self.drawn = np.broadcast_to(self.circuit.legs.scaled((p, q)), (
            len(self.circuit.legs), len(self.labels))).copy()
        injected = start_injections(self.circuit, self.labels, first.datacenter_kw)
        # devices may be needed to have a solution at all: then a part of the powers is the start
        self.state = solve(self.circuit, injected, self.drawn, labels=self.labels, nearest=True)
        self.point = operating_point(self.state, self.labels)
        self.model = build_opf(network, into=into, form="ac", operating_point=self.point,
                               **options)
        self.kept: KeptLower | None = None  # the model compiled, at the first solve
        self.solution: LowerSolution | None = None
        self.map: ModelMap | None = None
        self.proximal = 0.0
        self.straight: set = set()  # legs whose bend at `v_high` the model cannot have
        self.lam = adjoints(self.state, self.prices, np.zeros(
            (self.circuit.n, len(self.labels)), dtype=complex))
        self.limits: tuple[np.ndarray, ...] = (np.zeros((0, len(self.labels))),) * 2
        self.directions = [[direction(self.circuit, c) for c in channels(self.model, t)]
                           for t in self.labels]
        self.linearise()

    @property
    def prices(self) -> np.ndarray:
        """Price of power bought ($/MW of each period)."""
        (source,) = self.model.substation.values()
        return self.hours * np.array([pyo.value(source.price[t]) for t in self.labels])

    def injected(self) -> np.ndarray:
        """Powers of the devices in the model's values, shape (legs, periods), complex (MVA)."""
        found = np.zeros_like(self.state.injected)
        legs = self.circuit.legs
        for name, block in device_blocks(self.model):
            at = legs.of[name]
            if legs.given[at[0]]:
                for i, t in enumerate(self.labels):
                    p, q = block.made(t)
                    found[at, i] = np.array(p) + 1j * np.array(q)
        return found

    def start_at(self, injected: np.ndarray) -> None:
        """Take another dispatch as the operating point; what others decide keeps its values.

        Parameters
        ----------
        injected : ndarray, shape (legs, periods), complex
            Powers of the devices (MVA), as of `injected`.

        Raises
        ------
        SolverError
            If the AC equations have no solution at any part of these powers.
        """
        decided = [] if self.form is None else [(var, var.value) for var in self.form.u]
        self.state = solve(self.circuit, injected, self.drawn, labels=self.labels, nearest=True)
        self.straight, self.proximal = set(), 0.0
        self.limits = tuple(np.zeros_like(each) for each in self.limits)
        self.lam = adjoints(self.state, self.prices, np.zeros_like(self.lam))
        self.linearise()
        for var, held in decided:
            var.set_value(held, skip_validation=True)

    # ------------------------------------------------------------------------- one round

    def linearise(self) -> None:
        """Take the present state as the operating point of the model, with its Hessian."""
        matrices, prices = {}, self.prices
        for i, t in enumerate(self.labels):
            ways = self.directions[i]
            z = sensitivities(self.state, i, ways)
            none = np.zeros((0, self.circuit.n))
            rows, others = (none, none) if self.map is None else self.map.phasors
            mu, nu = (each[:, i] for each in self.limits)
            h = hessian(self.state, i, ways, z, Weights(
                prices[i], rows, mu, self.lam[:, i], others, nu))
            matrices[t] = made_convex(h + self.proximal * np.eye(len(h)))
        self.point = operating_point(self.state, self.labels, flows=False)
        self.matrices = matrices
        set_operating_point(self.model, self.network, self.point, matrices, self.straight)

    def compiled(self) -> KktSystem:
        """The model at its present point, compiled: only numbers that changed are read.

        Returns
        -------
        KktSystem
        """
        before = None if self.kept is None else self.kept.kkt.form.rows
        if self.kept is None:
            self.kept = KeptLower(self.model)
        else:
            self.kept.update()
        form = self.kept.kkt.form
        if form.rows is not before:
            self.map = ModelMap(self.model, self.circuit, form)
        return self.kept.kkt

    @property
    def form(self) -> LowerForm | None:
        """The model as it was compiled last; None before the first solve."""
        return None if self.kept is None else self.kept.kkt.form

    def solve_model(self) -> LowerSolution:
        """Solve the model at its point; values and duals are loaded.

        Returns
        -------
        LowerSolution

        Raises
        ------
        SolverError
            If no dispatch keeps the hard limits of the problem at this point.
        """
        self.solution = LowerSolver(self.compiled()).solve_here()
        self.solution.load()
        false = false_bends(self.model) - self.straight
        if false:  # more load is wanted there: the point again, with these legs straight
            self.straight |= false
            assert self.form is not None
            decided = [(var, var.value) for var in self.form.u]  # by others, since that point
            set_operating_point(self.model, self.network, self.point, self.matrices,
                                self.straight)
            for var, held in decided:
                var.set_value(held, skip_validation=True)
            return self.solve_model()
        return self.solution

    def move(self) -> tuple[float, float]:
        """AC power flow of the model's dispatch: the new state, and its adjoint.

        Returns
        -------
        (float, float)
            Greatest change of a voltage (pu), and of a price ($/MWh). `model_gap` is how far the
            legs' voltages of the model are from those of the power flow (pu).
        """
        before = self.node_prices()
        old = self.state.legs.u
        self.state = solve(self.circuit, self.injected(), self.drawn, self.state.z, self.labels)
        assert self.map is not None and self.solution is not None
        self.state = on_the_models_side(self.state, self.model, self.labels)
        self.model_gap = float(np.abs(self.map.leg_voltages(self.solution.x, self.state)
                                      - self.state.legs.u).max(initial=0.0))
        duals = self.solution.row_duals
        self.limits = self.map.limit_multipliers(duals)
        self.lam = adjoints(self.state, self.prices, np.add.reduce(
            list(self.limit_gradients().values())))
        # a neutral's price is its current's, divided by a voltage that may be nothing but rounding
        apart = np.abs(self.node_prices() - before)[:, self.circuit.phase_nodes]
        return (float(np.abs(self.state.legs.u - old).max(initial=0.0)),
                float(np.nanmax(apart, initial=0.0)) / self.hours)

    def limit_gradients(self) -> dict[str, np.ndarray]:
        """Derivatives of limits at the last solution, as `ModelMap.limit_gradients`."""
        assert self.form is not None and self.map is not None and self.solution is not None
        return self.map.limit_gradients(self.form, self.solution.x, self.solution.row_duals)

    def node_prices(self) -> np.ndarray:
        """Prices of all nodes by the adjoint, shape (2, n, periods): P, Q ($ of the period)."""
        return node_prices(self.state, self.lam)

    def dual_prices(self) -> np.ndarray:
        """Prices of all nodes by the duals of the model's balances, as `node_prices`."""
        assert self.map is not None and self.solution is not None
        return self.map.node_prices(self.solution.row_duals, self.state)

    # -------------------------------------------------------------------------- the loop

    def settle(self, max_rounds: int = 20, progress: Progress | None = None) -> list[tuple]:
        """Rounds until voltages and prices stand still; the model is then solved at its point.

        Parameters
        ----------
        max_rounds : int
        progress : callable, optional
            progress(stage, cost, voltage change) after each round.

        Returns
        -------
        list of (int, float, float, float)
            Round, greatest voltage change (pu), greatest price change ($/MWh), cost ($).
            `settled` tells whether it converged.
        """
        rounds: list[tuple] = []
        self.settled, self.proximal = False, 0.0
        for number in range(1, max_rounds + 1):
            self.solve_model()
            cost = float(pyo.value(self.model.cost))
            volts, money = self.move()
            rounds.append((number, volts, money, cost))
            if progress is not None:
                progress(f"round {number}", cost, volts)
            still = self._still(volts, money)
            if not still:
                self._damp(rounds)
            self.linearise()
            if still:
                self.solve_model()  # duals at the point itself, where it has to stand still, too
                self.settled = self._still(*self.move())
                if self.settled:
                    break
                self.linearise()
        if not self.settled:
            self.solve_model()
            self.move()
        self.point = operating_point(self.state, self.labels)  # of this last dispatch
        return rounds

    def _still(self, volts: float, money: float) -> bool:
        """Whether the changes of a round are none (pu, $/MWh)."""
        return (volts <= SAME_VOLTAGE and money <= SAME_PRICE * self._dear()
                and self.model_gap <= SAME_VOLTAGE)

    def _dear(self) -> float:
        """How many times the greatest price is a usual one: duals are exact relatively.

        Where soft limits are broken at hundreds of nodes, prices are tens of thousands of $/MWh.
        """
        greatest = np.nanmax(np.abs(self.node_prices()[:, self.circuit.phase_nodes]), initial=0.0)
        return max(1.0, float(greatest) / self.hours / _USUAL_PRICE)

    def _damp(self, rounds: list[tuple]) -> None:
        """Steps that do not shrink: a growing weight on the distance from the point."""
        last, before = rounds[-1][1], rounds[max(0, len(rounds) - 2)][1]
        if len(rounds) >= 4 and last > SAME_VOLTAGE and last > 0.5 * before:  # no mere rounding
            typical = max((np.abs(self.prices).max(initial=0.0), 1.0))
            self.proximal = 4.0 * self.proximal if self.proximal else 0.1 * typical


def build_opf_options(network: Network, options: Mapping[str, Any]) -> Any:
    """What a loop needs of the options of an OPF before the model is built.

    Parameters
    ----------
    network : Network
    options : mapping
        Of `build_opf`.

    Returns
    -------
    object
        With `labels`, `hours`, `load_scale`, `datacenter_kw`.
    """
    given = OpfOptions.of({**options, "form": "ac", "operating_point": OWN_POINT}, network)
    labels, _ = period_labels(given.periods)
    return SimpleNamespace(labels=list(labels), hours=float(given.hours),
                           load_scale=given.load_scale, datacenter_kw=given.datacenter_kw)
