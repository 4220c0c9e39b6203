"""Transformation ``dlmp.single_level``: a bilevel model becomes one MIQP or MILP.

    upper level:  min F(u, x, y)   s.t.  upper rows,  x, y = a solution and duals of each lower

Steps: compile each LowerLevel (`lower_form`), prove bounds (`bounds`), write KKT rows (`kkt`) and
complementarity (`complementarity/`), rewrite dual x quantity products (`products/`). Everything is
added on one block, `dlmp_single_level`; objectives that were replaced are deactivated.
"""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import pyomo.environ as pyo
from pyomo.common.config import (
    ConfigDict,
    ConfigValue,
    In,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
)
from pyomo.common.gc_manager import PauseGC
from pyomo.common.modeling import unique_component_name
from pyomo.core import Transformation, TransformationFactory

from pyomo_dlmp.bilevel import guard_of, lower_levels, upper_objective
from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.lower.form import compile_lower
from pyomo_dlmp.lower.kkt_system import KktSystem, build_kkt
from pyomo_dlmp.transform.bounds.pair_bounds import unbounded
from pyomo_dlmp.transform.bounds.prove import prove_bounds
from pyomo_dlmp.transform.complementarity import MODES, automatic, needs_bounds
from pyomo_dlmp.transform.kkt import emit_kkt
from pyomo_dlmp.transform.products.rewrite import (
    residual_treatment,
    rewrite_products,
    write_duality_gap,
)
from pyomo_dlmp.transform.record import SingleLevel, record_on, single_level_data, undo_single_level
from pyomo_dlmp.transform.upper_view import upper_views

log = logging.getLogger("pyomo_dlmp")
PRODUCTS = ("auto", "strong_duality", "binary_expansion", "mccormick", "keep")


@TransformationFactory.register(
    "dlmp.single_level", doc="Bilevel model with LowerLevel blocks to a single-level MIQP or MILP")
class SingleLevelTransformation(Transformation):
    """See the module's text. Raises ModelError or BoundError before the model is changed."""

    CONFIG = ConfigDict(implicit=False)
    CONFIG.declare("complementarity", ConfigValue(
        default="auto", domain=In(["auto", *MODES]),
        description="auto | sos1 | bigm | strong_duality | product | mpec",
        doc="auto: SOS1 where the solver has it, big-M with proved bounds, products for a local "
            "solver."))
    CONFIG.declare("eps", ConfigValue(
        default=0.0, domain=NonNegativeFloat, description="strong_duality and product: greatest "
        "duality gap of the lower level (its cost's unit), greatest product of a pair"))
    CONFIG.declare("complementarity_of", ConfigValue(
        default=None, description="{full name or component: mode} for constraints or Vars"))
    CONFIG.declare("products", ConfigValue(
        default="auto", domain=In(PRODUCTS),
        description="dual x quantity: auto | strong_duality | binary_expansion | mccormick | keep",
        doc="auto uses the strong-duality identity wherever it holds and expands what is left "
            "(or keeps it where the solver takes nonconvex quadratics); strong_duality refuses "
            "when something is left; the others treat every product in that way."))
    CONFIG.declare("bits", ConfigValue(
        default=5, domain=NonNegativeInt, description="bits of a binary expansion (0: the "
        "remainder's envelope alone)"))
    CONFIG.declare("remainder", ConfigValue(
        default=True, domain=bool, description="continuous remainder in the expansion: a "
        "relaxation with a stated error; False restricts to the grid"))
    CONFIG.declare("pieces", ConfigValue(
        default=8, domain=PositiveInt, description="pieces of a McCormick envelope"))
    CONFIG.declare("bounds", ConfigValue(
        default=None, description="{name or component: bound of |dual|} given by the user"))
    CONFIG.declare("tighten", ConfigValue(
        default="auto", domain=In(["auto", "all", "none", "off"]), description="tighten bounds by "
        "LPs: where none is finite yet (auto), everywhere, or not (none); off: prove nothing and "
        "believe the user's bounds, of slacks too (the blind practice, for comparisons)"))
    CONFIG.declare("ranges", ConfigValue(
        default=None, description="{product: (low, high)} proved ranges of the expressions that "
        "stand in products (names as on the block `product`)"))
    CONFIG.declare("cutoff", ConfigValue(
        default=None, description="upper objective of a known bilevel-feasible point: bounds may "
        "then hold only for points at least as good"))
    CONFIG.declare("proved", ConfigValue(
        default=None, description="bounds proved before by dlmp.tighten(model)"))
    CONFIG.declare("capabilities", ConfigValue(
        default=frozenset({"milp"}), domain=frozenset,
        description="what the solver can do, for auto: milp, miqp, nonconvex, sos1"))

    def _apply_to(self, model, **kwds):
        config = _configured(self.CONFIG, kwds)
        if single_level_data(model) is not None:
            raise ModelError.at(
                model.name, "has been transformed by dlmp.single_level already",
                "Apply it to a fresh clone of the untransformed model.")
        blocks = lower_levels(model)
        if not blocks:
            raise ModelError.at(
                model.name, "has no active LowerLevel",
                "Add one: m.dso = dlmp.LowerLevel().")
        with PauseGC():
            systems = [build_kkt(compile_lower(block)) for block in blocks]
            upper = upper_objective(model)
            views = upper_views(model, systems, config.cutoff)
            proved = [_prove(kkt, view, config) for kkt, view in zip(systems, views, strict=True)]
            if config.cutoff is not None:
                for bounds in proved:
                    bounds.mark_cutoff()
            modes = [_choose_modes(kkt, b, config) for kkt, b in zip(systems, proved, strict=True)]
            block = pyo.Block(concrete=True)
            model.add_component(unique_component_name(model, "dlmp_single_level"), block)
            record = record_on(block)
            record.added.append(block.local_name)
            record.unproved_prices = [
                kkt.form.block.name for kkt, b, view in zip(systems, proved, views, strict=True)
                if view.uses_duals and np.isinf(b.mu[b.state == "open"]).any()]
            guards = [guard for b in blocks if (guard := guard_of(b)) is not None and guard.active]
            record.deactivated = [*(kkt.form.objective for kkt in systems), *guards]
            for guard in guards:
                guard.deactivate()
            try:
                _write(block, record, systems, proved, modes, upper, config)
            except Exception:
                record.block = block
                undo_single_level(model)
                raise
            record.block = block


@TransformationFactory.register(
    "dlmp.kkt", doc="KKT conditions of LowerLevel blocks, pairs as Pyomo Complementarity")
class KktTransformation(SingleLevelTransformation):
    """`dlmp.single_level` that stops at the KKT system: products stay, pairs are mpec components.

    What follows is the user's choice: ``mpec.simple_nonlinear``, ``mpec.simple_disjunction``, PATH.
    """

    CONFIG = SingleLevelTransformation.CONFIG()
    CONFIG.get("complementarity").set_default_value("mpec")
    CONFIG.get("products").set_default_value("keep")
    CONFIG.reset()


def _write(block, record: SingleLevel, systems, proved, modes, upper, config) -> None:
    block.lower = pyo.Block([kkt.form.block.name for kkt in systems])
    for kkt, bounds, mode in zip(systems, proved, modes, strict=True):
        lower = emit_kkt(block.lower[kkt.form.block.name], kkt, bounds)
        record.lowers.append(lower)
        for name in sorted(set(mode) - {""}):
            pairs = [p for p, n in enumerate(mode) if n == name]
            row = MODES[name].add(lower, pairs, config.eps)
            if row is not None:
                write_duality_gap(block, record, lower, row, config)
        lower.pair_mode = mode
        record.exact &= not (config.eps and {"strong_duality", "product"} & set(mode))
    record.original = record.objective = upper
    rewrite_products(block, record, config)


def _user_bounds(kkt: KktSystem, given) -> dict[int, float]:
    """Pair numbers -> bound, from {full name or component: bound of its dual}."""
    wanted: dict[int, float] = {}
    for key, value in (given or {}).items():
        component = _component(kkt, key, "bound")
        if not np.isfinite(value) or value < 0:
            raise ModelError.at(component.name, f"has the bound {value!r} for its dual",
                                "Give a finite number >= 0.")
        for item in _items(component):
            for pair in _pairs_of(kkt, item):
                wanted[pair] = float(value)
    return wanted


def _pairs_of(kkt: KktSystem, item) -> list[int]:
    """Pairs of a row or of a Var's bounds; none for what is not in the lower level."""
    for number, of_row in ((kkt.form.row_number.get(item), True),
                           (kkt.form.column_number.get(item), False)):
        if number is not None:
            return kkt.duals.pairs_of(number, of_row)
    return []


def _configured(declared, kwds: dict):
    """The options, or a ModelError that lists what there is."""
    try:
        config = declared(kwds.pop("options", {}))
        config.set_value(kwds)
    except ValueError as err:
        raise ModelError.at(
            "dlmp.single_level", f"was given a wrong option ({' '.join(str(err).split())})",
            f"Options: {', '.join(declared.keys())}.") from None
    return config


def _prove(kkt: KktSystem, view, config):
    if config.proved is not None:
        return config.proved.of(kkt)
    return prove_bounds(kkt, _user_bounds(kkt, config.bounds), _tightening(config, view), view)[0]


def _tightening(config, view) -> str:
    """Linear programs for bounds are spent only where a mode or an expansion needs bounds."""
    if config.tighten != "auto":
        return config.tighten
    mode = config.complementarity
    mode = automatic(config.capabilities) if mode == "auto" else mode
    expanded = residual_treatment(config) != "keep" and (
        view.uses_duals or mode == "strong_duality")
    needed = needs_bounds(mode, config.capabilities) or config.complementarity_of or expanded
    return "auto" if needed else "vertices"


def _component(kkt: KktSystem, key, what: str):
    """The component of a key: itself, or found by its full name."""
    component = kkt.form.block.model().find_component(key) if isinstance(key, str) else key
    if component is None:
        raise ModelError.at(str(key), f"is given a {what} and is not in the model",
                            "Use the component's full name, such as 'dso.row'.")
    return component


def _items(component):
    return component.values() if component.is_indexed() else [component]


def _choose_modes(kkt: KktSystem, bounds, config) -> list[str]:
    """Mode name per pair, "" where none is needed."""
    default = config.complementarity
    state = bounds.state
    if default == "auto":
        default = automatic(config.capabilities)
        log.info("complementarity of %s: %s (%s)", kkt.form.block.name, default,
                 "some bounds are not proved" if unbounded(bounds).any()
                 else "every bound is proved")
    special: dict[int, str] = {}
    for key, name in (config.complementarity_of or {}).items():
        component = _component(kkt, key, "mode")
        if name not in MODES:
            raise ModelError.at(component.name, f"complementarity mode {name!r} is unknown",
                                f"Known: {', '.join(MODES)}.")
        for item in _items(component):
            special.update(dict.fromkeys(_pairs_of(kkt, item), name))
    modes = [special.get(p, default) if state[p] == "open" else "" for p in range(kkt.pairs)]
    needed = np.array([
        bool(m) and needs_bounds(m, config.capabilities) for m in modes], dtype=bool)
    bounds.require_finite(kkt, needed)
    return modes


def bounds_table(model) -> pd.DataFrame:
    """Every complementarity pair with its bounds and where they come from.

    Columns: lower_level, pair, state (open, never binds, always binds), mode, slack_bound,
    slack_source, multiplier_bound, multiplier_source (user | interval | vertex | lp | "" for none).
    Units: those of the row, and lower cost per unit of the row.
    """
    record = single_level_data(model)
    if record is None:
        raise ModelError.at(model.name, "has not been transformed",
                            "Apply dlmp.single_level first.")
    frames = []
    for lower in record.lowers:
        b = lower.bounds
        frames.append(pd.DataFrame({
            "lower_level": lower.kkt.form.block.name, "pair": lower.kkt.label, "state": b.state,
            "mode": lower.pair_mode, "slack_bound": b.slack, "slack_source": b.slack_source,
            "multiplier_bound": b.mu, "multiplier_source": b.mu_source}))
    return pd.concat(frames, ignore_index=True)
