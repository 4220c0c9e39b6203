"""The last point of a search on disk: written whole or not at all, read back and solved again."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Container, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyomo.environ as pyo

from pyomo_dlmp.bilevel import lower_levels, upper_data, upper_objective
from pyomo_dlmp.bilevel.components import upper_components
from pyomo_dlmp.errors import ModelError, nearest
from pyomo_dlmp.lower.form import compile_lower
from pyomo_dlmp.lower.kkt_system import build_kkt
from pyomo_dlmp.lower.solver import LowerSolver
from pyomo_dlmp.status import Status
from pyomo_dlmp.tolerances import ROUNDING

_EVERY = 1.0  # seconds between two writes of a search


class Checkpoint:
    """Keeps the best upper decisions, their objective and the proven bound in a JSON file.

    Parameters
    ----------
    path
        The file; it is written beside and moved, so that it is always complete.
    names
        Names of the Vars that are written; None: of all upper decisions.

    Attributes
    ----------
    failures
        Sentences on points that could not be written, for the result.

    Raises
    ------
    ModelError
        The file cannot be written.
    """

    def __init__(self, path: str | Path, names: Container[str] | None = None):
        if not isinstance(path, (str, os.PathLike)) or not Path(path).name:
            raise ModelError.at("checkpoint", f"is {path!r}", "Give the path of a file.")
        self.path, self.names, self._last = Path(path), names, -np.inf
        self._beside = self.path.with_name(self.path.name + ".part")
        self._refuse_path()  # said before hours of search, not after
        self._written: tuple | None = None
        self.failures: list[str] = []

    def _refuse_path(self) -> None:
        said = f"is {str(self.path)!r}"
        try:
            if not self.path.parent.is_dir():
                raise ModelError.at("checkpoint", f"{said}, whose folder does not exist",
                                    "Make the folder first.")
            if self.path.is_dir():
                raise ModelError.at("checkpoint", f"{said}, which is a folder",
                                    "Give the path of a file.")
            self._beside.write_text("", encoding="utf-8")
            self._beside.unlink()
        except OSError as err:
            raise ModelError.at(
                "checkpoint", f"{said}, which cannot be written ({err.strerror or err})",
                "Give a path in a folder that you may write.") from None

    def keep(self, decisions: Callable[[], dict[str, float]], objective: float | None,
             bound: float | None, status: str = Status.SEARCHING, final: bool = False) -> None:
        """Write a point, unless nothing changed or the last write was less than a second ago.

        A point that cannot be written is noted in `failures`: the search goes on.

        Parameters
        ----------
        decisions
            () -> {name: value} of the upper Vars, called only when something is written.
        objective, bound
            In the user's sense; without an objective nothing is written.
        status
            A `Status`.
        final
            Write at once.
        """
        now = time.monotonic()
        state = (objective, bound, status)
        if objective is None or not np.isfinite(objective) or state == self._written or (
                not final and now - self._last < _EVERY):
            return
        self._last, self._written = now, state
        bound = bound if bound is not None and np.isfinite(bound) else None
        gap = None if bound is None else abs(objective - bound) / max(abs(objective), ROUNDING)
        text = json.dumps({
            "objective": objective, "bound": bound, "gap": gap,
            "status": status, "written": time.strftime("%Y-%m-%dT%H:%M:%S"),
            "upper": {name: value for name, value in decisions().items()
                      if self.names is None or name in self.names}}, indent=1)
        try:
            self._beside.write_text(text, encoding="utf-8")
            os.replace(self._beside, self.path)
        except OSError as err:
            self.failures = [f"the checkpoint {str(self.path)!r} could not be written "
                             f"({err.strerror or err})"]
        else:
            self.failures = []


def load_checkpoint(model: Any, path: str | Path) -> dict:
    """Load a checkpoint's upper decisions onto a bilevel model and solve the lower levels there.

    Values and duals are then as after `solve_bilevel`; check them by `dlmp.audit(model)`. A model
    that the file does not fit is not changed.

    Parameters
    ----------
    model
        A bilevel model, not transformed, as it was when the checkpoint was written.
    path
        The JSON file.

    Returns
    -------
    dict
        What the file contains (objective, bound, gap, status, written, upper), and `recomputed`,
        the upper objective of the loaded values.

    Raises
    ------
    ModelError
        The file cannot be read, is no checkpoint, or belongs to another model.
    SolverError
        A lower level has no solution at the decisions.
    """
    blocks = lower_levels(model)
    held = _read(path)
    decided = _decided(model, blocks)
    found = [(_var_of(model, name, str(path), decided), value)
             for name, value in held["upper"].items()]
    missing = [v.name for v in _needed(blocks) if all(v is not var for var, _ in found)
               and not v.fixed]
    if missing:
        raise ModelError.at(
            str(path), f"has no value for '{missing[0]}', which the lower level of model "
            f"'{model.name}' uses", "Build the model as it was when the checkpoint was written.")
    for var, value in found:
        var.set_value(value, skip_validation=True)
    for block in blocks:
        LowerSolver(build_kkt(compile_lower(block))).solve_here().load()
    held["recomputed"] = float(pyo.value(upper_objective(model).expr))
    return held


def _read(path: str | Path) -> dict:
    """The contents of a checkpoint, checked; ModelError where the file is none."""
    cure = "Give a file that solve_bilevel(model, checkpoint=...) wrote."
    try:
        held = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as err:
        raise ModelError.at(str(path), f"cannot be read ({err.strerror or err})", cure) from None
    except ValueError as err:  # JSON's and Unicode's errors are of this class
        raise ModelError.at(str(path), f"is no checkpoint ({err})", cure) from None
    if not isinstance(held, dict) or not isinstance(held.get("upper"), dict):
        raise ModelError.at(str(path), "is no checkpoint: it has no entry 'upper' with decisions",
                            cure)
    for name, value in held["upper"].items():
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not np.isfinite(value):
            raise ModelError.at(str(path), f"has the value {value!r} of '{name}'",
                                "Decisions are finite numbers; write the checkpoint again.")
    return held


def _decided(model: Any, blocks: list) -> dict[str, Any]:
    """{name: VarData} of the upper level's Vars."""
    declared = [v for block in blocks for v in block.declared_upper()]
    return {v.name: v for v in (*upper_data(model, pyo.Var), *_in_disjuncts(model), *declared)}


def _in_disjuncts(model: Any) -> Iterator:
    for component in upper_components(model):
        if component.ctype is pyo.Var:
            yield from component.values()


def _needed(blocks: list) -> Iterator:
    for block in blocks:
        yield from compile_lower(block).u


def _var_of(model: Any, name: str, path: str, decided: dict[str, Any]) -> Any:
    """The upper Var of a name; ModelError where the model has none."""
    if name in decided:
        return decided[name]
    other = model.find_component(name)
    what = (f"contains variable '{name}', which model '{model.name}' does not have"
            if other is None else f"contains '{name}', which is no Var of the upper level")
    raise ModelError.at(path, what, "Build the model as it was when the checkpoint was written. "
                        + nearest(name, decided))
