"""The last point of a search on disk: written whole or not at all, read back and solved again."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyomo.environ as pyo

from pyomo_dlmp.bilevel import lower_levels, upper_objective
from pyomo_dlmp.errors import ModelError
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
    """

    def __init__(self, path: str | Path):
        self.path, self._last = Path(path), -np.inf
        if not self.path.parent.is_dir():  # said before hours of search, not after
            raise ModelError.at("checkpoint", f"is {str(path)!r}, whose folder does not exist",
                                "Make the folder first.")
        self._written: tuple | None = None

    def keep(self, decisions: Callable[[], dict[str, float]], objective: float | None,
             bound: float | None, status: str = Status.SEARCHING, final: bool = False) -> None:
        """Write a point, unless nothing changed or the last write was less than a second ago.

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
            "upper": decisions()}, indent=1)
        beside = self.path.with_name(self.path.name + ".part")
        beside.write_text(text, encoding="utf-8")
        os.replace(beside, self.path)


def load_checkpoint(model: Any, path: str | Path) -> dict:
    """Load a checkpoint's upper decisions onto a bilevel model and solve the lower levels there.

    Values and duals are then as after `solve_bilevel`; check them by `dlmp.audit(model)`.

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
        The file belongs to another model.
    SolverError
        A lower level has no solution at the decisions.
    """
    held = json.loads(Path(path).read_text(encoding="utf-8"))
    for name, value in held["upper"].items():
        var = model.find_component(name)
        if var is None:
            raise ModelError.at(str(path), f"contains variable '{name}', which model "
                                f"'{model.name}' does not have",
                                "Build the model as it was when the checkpoint was written.")
        var.set_value(value, skip_validation=True)
    for block in lower_levels(model):
        LowerSolver(build_kkt(compile_lower(block))).solve_here().load()
    held["recomputed"] = float(pyo.value(upper_objective(model).expr))
    return held
