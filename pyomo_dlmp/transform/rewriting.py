"""An upper level with Disjunctions, Complementarity, Arcs ... as Vars and Constraints, on a copy.

Pyomo's own transformations rewrite the copy: the user's model keeps its components, is solved
through the copy and gets the values. Big-Ms come from the Vars' bounds, and from what the rows of
both levels imply of them by interval arithmetic; such bounds are not kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyomo.environ as pyo
from pyomo.common.log import LoggingIntercept
from pyomo.common.modeling import unique_component_name
from pyomo.gdp import Disjunct

from pyomo_dlmp.bilevel import guard_of, lower_levels, upper_data
from pyomo_dlmp.bilevel.components import refuse_statements, statements
from pyomo_dlmp.bilevel.rows import RowReader
from pyomo_dlmp.bilevel.values import bounds_of
from pyomo_dlmp.errors import Fault, ModelError
from pyomo_dlmp.lower.form import active_parts
from pyomo_dlmp.numerics.boxes import propagate
from pyomo_dlmp.numerics.sparse import csr_of
from pyomo_dlmp.transform.record import single_level_data

_ORDER = ("network.expand_arcs", "contrib.piecewise.disaggregated_logarithmic",
          "mpec.simple_disjunction", "sos", "contrib.logical_to_disjunctive", "gdp.bigm")
_BOUNDED = ("sos", "gdp.bigm")  # steps that take big-Ms from the bounds of Vars
_OPTIONS = {"gdp.bigm": {"assume_fixed_vars_permanent": True}}
_CURE = ("Give the Vars in it finite bounds, or rewrite it by a transformation of Pyomo of your "
         "choice before the solve.")


@dataclass
class UpperCopy:
    """A copy of a bilevel model whose upper level is Vars and Constraints.

    Attributes
    ----------
    user, model
        The user's model and the copy.
    twin
        {id of what the user's model owns: its copy}.
    """

    user: Any
    model: Any
    twin: dict[int, Any] = field(default_factory=dict)

    def of(self, component: Any) -> Any:
        """The copy of a component; itself where it is of another model or is a name."""
        return self.twin.get(id(component), component)

    def options(self, options: dict) -> dict:
        """Options of ``dlmp.single_level`` for the copy: their keys may be components."""
        return {name: {self.of(key): entry for key, entry in value.items()}
                if name in ("bounds", "complementarity_of") and isinstance(value, dict) else value
                for name, value in options.items()}

    def names(self) -> set[str]:
        """Names of the user's Vars."""
        return {var.name for var in self._all(pyo.Var)}

    def hand_back(self) -> None:
        """Load the copy's values and duals onto the user's model."""
        for var in self._all(pyo.Var):
            var.set_value(self.of(var).value, skip_validation=True)
        for var in self._all(pyo.BooleanVar):
            binary = self.of(var).get_associated_binary()
            if binary is not None and binary.value is not None and not var.fixed:
                var.set_value(binary.value > 0.5, skip_validation=True)
        for block in lower_levels(self.user):
            found = self.of(block).component("dual")
            if found is None:
                continue
            if block.component("dual") is None:
                block.add_component("dual", pyo.Suffix(direction=pyo.Suffix.IMPORT))
            for row in active_parts(block)[pyo.Constraint]:
                if (value := found.get(self.of(row))) is not None:
                    block.component("dual")[row] = value

    def _all(self, ctype) -> Iterator:
        for data in self.user.component_data_objects(ctype, descend_into=(pyo.Block, Disjunct)):
            if id(data) in self.twin:
                yield data


def upper_copy(model: Any, capabilities: Iterable[str] = ()) -> UpperCopy | None:
    """A copy of a bilevel model, its upper level rewritten as Vars and Constraints.

    Parameters
    ----------
    model
        A bilevel model; not changed.
    capabilities
        Of the solver: SOS sets over Vars without finite bounds stay for one that has "sos1".

    Returns
    -------
    UpperCopy or None
        None where the upper level has Vars and Constraints only, or was transformed by the user.

    Raises
    ------
    ModelError
        A component is not known, or cannot be rewritten exactly.
    """
    if single_level_data(model) is not None:
        refuse_statements(model, besides=("sos", "mpec.simple_disjunction"))  # as modes add them
        return None
    if not statements(model):
        return None
    twin: dict[int, Any] = {}
    copy = UpperCopy(model, model.clone(twin), twin)
    for step in _ORDER:
        there = statements(copy.model).get(step, [])
        if there:
            _rewrite(copy.model, step, there, "sos1" in capabilities)
    left = statements(copy.model)
    left.pop("sos", None)
    faults = [Fault(c.name, f"is a {c.ctype.__name__} that {step} does not rewrite", _CURE
                    if c.ctype is not Disjunct else "Name it in a Disjunction, or deactivate it.")
              for step, components in left.items() for c in components]
    if faults:
        raise ModelError(faults)
    return copy


def _rewrite(model: Any, step: str, components: list, keeps_sos: bool) -> None:
    """Apply one step; ModelError that names the components where it fails."""
    bounds = _implied_bounds(model) if step in _BOUNDED else nullcontext()
    with bounds, LoggingIntercept(None, "pyomo"):
        if step == "sos":
            _write_sos(model, keeps_sos)
            return
        try:
            with _guards_off(model):
                pyo.TransformationFactory(step).apply_to(model, **_OPTIONS.get(step, {}))
        except Exception as err:
            names = ", ".join(c.name for c in components[:4])
            raise ModelError.at(names, f"cannot be rewritten by {step} ({_brief(err)})",
                                _CURE) from None


@contextmanager
def _guards_off(model: Any) -> Iterator[None]:
    """Inside, tools that know Pyomo's own components only may walk through the lower levels."""
    guards = [g for block in lower_levels(model) if (g := guard_of(block)) is not None and g.active]
    for guard in guards:
        guard.deactivate()
    try:
        yield
    finally:
        for guard in guards:
            guard.activate()


@contextmanager
def _implied_bounds(model: Any) -> Iterator[None]:
    """Inside the `with`, Vars without a bound have the one that the rows of both levels imply."""
    rows = list(upper_data(model, pyo.Constraint))
    for block in lower_levels(model):
        rows += active_parts(block)[pyo.Constraint]
    reader = RowReader()
    read = [found for row in rows if (found := reader.read(row)) is not None]
    columns = list(reader.var_map.values())
    place = {vid: j for j, vid in enumerate(reader.var_map)}
    A = csr_of([(i, place[vid], value) for i, (terms, *_) in enumerate(read)
                for vid, value in terms.items()], (len(read), len(columns)))
    lo, hi = (np.array([row[k] for row in read], dtype=float) for k in (1, 2))
    low, high = propagate((A, np.zeros(len(read)), lo, hi), *bounds_of(columns))
    free = []
    try:
        for var, least, most in zip(columns, low, high, strict=True):
            if var.lb is None and np.isfinite(least):
                free.append((var, "lower", var.lower))
                var.setlb(float(least))
            if var.ub is None and np.isfinite(most):
                free.append((var, "upper", var.upper))
                var.setub(float(most))
        yield
    finally:
        for var, side, before in free:
            (var.setlb if side == "lower" else var.setub)(before)


def _write_sos(model: Any, keep: bool) -> None:
    """Replace SOS sets by binaries: all but n members that are adjacent by weight are zero.

    Raises
    ------
    ModelError
        A member has no finite bound, and the solver does not take SOS sets.
    """
    block = pyo.Block(concrete=True)
    model.add_component(unique_component_name(model, "dlmp_sos"), block)
    sets = list(upper_data(model, pyo.SOSConstraint))
    block.window = pyo.VarList(domain=pyo.Binary)
    block.rows = pyo.ConstraintList()
    for data in sets:
        members = [var for var, _ in sorted(data.get_items(), key=lambda item: item[1])]
        ends = [(var.value, var.value) if var.fixed else (var.lb, var.ub) for var in members]
        missing = [v.name for v, end in zip(members, ends, strict=True) if None in end]
        if missing:
            if keep:
                continue
            raise ModelError.at(
                data.name, f"is an SOS set over '{missing[0]}', which has no finite bound",
                "Give it bounds, or use a solver that takes SOS sets, such as 'gurobi'.")
        data.deactivate()
        count = len(members) - data.level + 1
        if count <= 1:
            continue
        windows = [block.window.add() for _ in range(count)]
        block.rows.add(sum(windows) == 1)
        for k, (var, (low, high)) in enumerate(zip(members, ends, strict=True)):
            free = sum(windows[max(0, k - data.level + 1):k + 1])
            block.rows.add(var <= high * free if high else var <= 0)
            block.rows.add(var >= low * free if low else var >= 0)


def _brief(err: Exception) -> str:
    return (str(err).splitlines() or [type(err).__name__])[0].rstrip(". ")
