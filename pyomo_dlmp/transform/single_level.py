"""Transformation ``dlmp.single_level``: a bilevel model becomes one MIQP or MILP.

    upper level:  min F(u, x, y)   s.t.  upper rows,  x, y = a solution and duals of each lower

Steps: compile each LowerLevel (`lower_form`), prove bounds (`bounds`), write KKT rows (`kkt`) and
complementarity (`complementarity/`), rewrite dual x quantity products (`products/`). Everything is
added on one block, `dlmp_single_level`; objectives that were replaced are deactivated.
"""

from __future__ import annotations

import logging
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
import pyomo.environ as pyo
from pyomo.common.gc_manager import PauseGC
from pyomo.common.modeling import unique_component_name
from pyomo.core import Transformation, TransformationFactory
from pyomo.core.expr.visitor import identify_variables

from pyomo_dlmp.bilevel import guard_of, is_inside, lower_levels, upper_data, upper_objective
from pyomo_dlmp.bilevel.components import refuse_statements
from pyomo_dlmp.bilevel.numbers import refuse_upper_numbers
from pyomo_dlmp.bounds.labels import PairState
from pyomo_dlmp.bounds.pair_bounds import unbounded
from pyomo_dlmp.bounds.prove import prove_bounds
from pyomo_dlmp.bounds.upper_view import upper_views
from pyomo_dlmp.errors import ModelError, nearest
from pyomo_dlmp.lower.form import compile_lower
from pyomo_dlmp.lower.kkt_system import KktSystem, build_kkt
from pyomo_dlmp.numerics import limits
from pyomo_dlmp.transform.complementarity import MODES, automatic
from pyomo_dlmp.transform.complementarity.mpec import Mpec
from pyomo_dlmp.transform.kkt import emit_kkt
from pyomo_dlmp.transform.options import SINGLE_LEVEL, configured, declared
from pyomo_dlmp.transform.products.rewrite import (
    residual_treatment,
    rewrite_products,
    write_level_row,
)
from pyomo_dlmp.transform.record import SingleLevel, record_on, single_level_data, undo_single_level
from pyomo_dlmp.transform.rows import ArrayRows, PyomoRows, RowWriter

log = logging.getLogger("pyomo_dlmp")


@TransformationFactory.register(
    "dlmp.single_level", doc="Bilevel model with LowerLevel blocks to a single-level MIQP or MILP")
class SingleLevelTransformation(Transformation):
    """``dlmp.single_level``; see the module's text, and `CONFIG` for the options.

    Raises
    ------
    ModelError
        The model is transformed already, has no LowerLevel or not one upper objective, a lower
        level is not a convex LP or QP, or an option does not fit; before the model is changed.
    BoundError
        A complementarity mode needs a bound that cannot be proved; before the model is changed.
    """

    CONFIG = declared(SINGLE_LEVEL)
    writer: type[RowWriter] = PyomoRows

    def _apply_to(self, model, **kwds):
        config = configured(
            self.CONFIG, {**kwds.pop("options", {}), **kwds}, "dlmp.single_level")
        if single_level_data(model) is not None:
            raise ModelError.at(
                model.name, "has been transformed by dlmp.single_level already",
                "Apply it to a fresh clone of the untransformed model.")
        blocks = lower_levels(model)
        if not blocks:
            raise ModelError.at(
                model.name, "has no active LowerLevel",
                "Add one: m.dso = dlmp.LowerLevel().")
        besides = ("sos", "mpec.simple_disjunction") if config.complementarity == Mpec.name else (
            "sos",)  # stay what they are: a solver takes them, or what follows rewrites them
        refuse_statements(model, besides)
        refuse_upper_numbers(model)
        with PauseGC():
            systems = [build_kkt(compile_lower(block)) for block in blocks]
            upper = upper_objective(model)
            views = upper_views(model, systems, config.cutoff)
            proved = [_prove(kkt, view, config) for kkt, view in zip(systems, views, strict=True)]
            if config.cutoff is not None:
                for bounds in proved:
                    bounds.mark_cutoff()
            modes = [_choose_modes(kkt, b, config) for kkt, b in zip(systems, proved, strict=True)]
            name = unique_component_name(model, "dlmp_single_level")
            block = pyo.Block(concrete=True, name=name)
            record = record_on(block)
            record.block, record.as_arrays = block, self.writer is ArrayRows
            record.added.append(name)
            record.unproved_prices = [
                kkt.form.block.name for kkt, b, view in zip(systems, proved, views, strict=True)
                if view.uses_duals and np.isinf(b.mu[b.state == PairState.OPEN]).any()]
            guards = [guard for b in blocks if (guard := guard_of(b)) is not None and guard.active]
            record.deactivated = [*(kkt.form.objective for kkt in systems), *guards]
            duals = [(d.var, d.var.lb, d.var.ub) for kkt in systems for d in kkt.duals.asked()]
            try:
                model.add_component(name, block)
                for guard in guards:
                    guard.deactivate()
                _write(block, record, systems, proved, modes, upper, config, self.writer)
            except BaseException:  # Ctrl-C and limits of time and memory, too
                with limits.shield():
                    undo_single_level(model)
                    for var, low, high in duals:
                        var.setlb(low)
                        var.setub(high)
                raise


class SingleLevelAsArrays(SingleLevelTransformation):
    """`dlmp.single_level` for the embedded solver: its rows stay arrays, see `transform.rows`.

    For one solve: what is changed on the model afterwards is not seen, and only `compile_program`
    with the record reads it.
    """

    writer = ArrayRows


@TransformationFactory.register(
    "dlmp.kkt", doc="KKT conditions of LowerLevel blocks, pairs as Pyomo Complementarity")
class KktTransformation(SingleLevelTransformation):
    """`dlmp.single_level` that stops at the KKT system: products stay, pairs are mpec components.

    What follows is the user's choice: ``mpec.simple_nonlinear``, ``mpec.simple_disjunction``, PATH.
    """

    CONFIG = SingleLevelTransformation.CONFIG()
    CONFIG.get("complementarity").set_default_value(Mpec.name)
    CONFIG.get("products").set_default_value("keep")
    CONFIG.reset()


def _write(block, record: SingleLevel, systems, proved, modes, upper, config,
           writer) -> None:
    block.lower = pyo.Block([kkt.form.block.name for kkt in systems])
    for kkt, bounds, mode in zip(systems, proved, modes, strict=True):
        limits.check()
        own = block.lower[kkt.form.block.name]
        lower = emit_kkt(writer(own), own, kkt, bounds)
        record.lowers.append(lower)
        lower.pair_mode = mode
        for name, pairs in lower.pairs_by_mode().items():
            row = MODES[name].add(lower, pairs, config.eps)
            record.exact &= MODES[name].is_exact(config.eps)
            if row is not None:
                write_level_row(block, record, lower, row, config)
    record.original = record.objective = upper
    limits.check()
    rewrite_products(block, record, config)
    if not record.as_arrays:
        _show_hidden(block, systems, upper)


def _show_hidden(block, systems, upper) -> None:
    """Refer to Vars that the model uses and its active blocks do not hold.

    They stand on a deactivated block or on another model; interfaces to solvers do not find them.
    """
    model, shown = block.parent_block(), {}  # {id of a Block: whether it and those around it are}
    used = [v for kkt in systems for v in (*kkt.form.x, *kkt.form.u)]
    expressions = [upper.expr, *(row.body for row in upper_data(model, pyo.Constraint)
                                 if not is_inside(row, block))]
    for expression in expressions:
        used += identify_variables(expression, include_fixed=False)
    hidden = {}
    for var in used:
        home = var.parent_block()
        if id(home) not in shown:
            shown[id(home)] = _is_shown(home, model)
        if not shown[id(home)]:
            hidden[id(var)] = var
    if hidden:
        block.hidden = pyo.Reference(list(hidden.values()))


def _is_shown(block, model) -> bool:
    """Whether a Block is an active one of the model, within active ones."""
    while block is not None and block is not model and block.active and block.ctype is pyo.Block:
        block = block.parent_block()
    return block is model


def _user_bounds(kkt: KktSystem, given) -> dict[int, float]:
    """Pair numbers -> bound, from {full name or component: bound of its dual}."""
    wanted: dict[int, float] = {}
    for key, value in (given or {}).items():
        component = _component(kkt, key, "bound")
        if isinstance(value, bool) or not isinstance(value, Real) or not (
                0 <= float(value) < np.inf):
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


def _prove(kkt: KktSystem, view, config):
    if config.proved is not None:
        return config.proved.of(kkt)
    return prove_bounds(kkt, _user_bounds(kkt, config.bounds), _tightening(config, view), view)[0]


def _default_mode(config) -> str:
    """Name of the mode of pairs that have none of their own; ModelError where auto finds none."""
    if config.complementarity != "auto":
        return config.complementarity
    name = automatic(config.capabilities)
    if not name:
        raise ModelError.at(
            "complementarity='auto'", "has no mode for a solver that can do "
            f"{', '.join(sorted(config.capabilities)) or 'nothing'}",
            f"Name a mode: {', '.join(MODES)}.")
    return name


def _tightening(config, view) -> str:
    """Linear programs for bounds are spent only where a mode or an expansion needs bounds."""
    if config.tighten != "auto":
        return config.tighten
    mode = MODES[_default_mode(config)]
    expanded = residual_treatment(config) != "keep" and (view.uses_duals or mode.leaves_products)
    needed = mode.needs_bounds(config.capabilities) or config.complementarity_of or expanded
    return "auto" if needed else "vertices"


def _component(kkt: KktSystem, key, what: str):
    """The component of a key: itself, or found by its full name."""
    model = kkt.form.block.model()
    component = model.find_component(key) if isinstance(key, str) else key
    if getattr(component, "ctype", None) not in (pyo.Var, pyo.Constraint) or (
            component.model() is not model):
        raise ModelError.at(str(key), f"is given a {what} and is not in the model",
                            "Use the full name of a row or Var of it, such as 'dso.row'.")
    return component


def _items(component):
    return component.values() if component.is_indexed() else [component]


def _choose_modes(kkt: KktSystem, bounds, config) -> list[str]:
    """Mode name per pair, "" where none is needed."""
    default, state = _default_mode(config), bounds.state
    if config.complementarity == "auto":
        log.info("complementarity of %s: %s (%s)", kkt.form.block.name, default,
                 "some bounds are not proved" if unbounded(bounds).any()
                 else "every bound is proved")
    special: dict[int, str] = {}
    for key, name in (config.complementarity_of or {}).items():
        component = _component(kkt, key, "mode")
        if name not in MODES:
            raise ModelError.at(component.name, f"complementarity mode {name!r} is unknown",
                                nearest(str(name), MODES))
        for item in _items(component):
            special.update(dict.fromkeys(_pairs_of(kkt, item), name))
    modes = [special.get(p, default) if state[p] == PairState.OPEN else ""
             for p in range(kkt.pairs)]
    bounds.require_finite(kkt, [MODES[name] if name and MODES[name].needs_bounds(
        config.capabilities) else None for name in modes])
    return modes


def bounds_table(model: Any) -> pd.DataFrame:
    """Every complementarity pair with its bounds and where they come from.

    Parameters
    ----------
    model
        A model to which ``dlmp.single_level`` was applied.

    Returns
    -------
    pandas.DataFrame
        Columns lower_level, pair, state (open, never binds, always binds, settled), mode,
        slack_bound (unit of the row), slack_source, multiplier_bound (lower cost per unit of the
        row) and multiplier_source (a `Source` such as user, interval, vertex, lp; "" for none).

    Raises
    ------
    ModelError
        The model has not been transformed.
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
