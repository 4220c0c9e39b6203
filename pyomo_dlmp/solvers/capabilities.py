"""The table of solvers, made by solving: what is installed, what it can do, which modes it runs."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from pyomo_dlmp.errors import SolverError
from pyomo_dlmp.solvers.interfaces import SOLVERS, get_solver
from pyomo_dlmp.solvers.probes import PROBES
from pyomo_dlmp.transform.complementarity import automatic, modes_of


def solver_table(progress: Callable[[str], None] | None = None) -> pd.DataFrame:
    """What each solver can do; the solvers run to find out.

    Parameters
    ----------
    progress : callable, optional
        progress(name) is called before each solver.

    Returns
    -------
    pandas.DataFrame
        A row for each solver. Columns: solver, installed, one for each probe (yes, no, ""), modes
        that it may run, `auto` (the mode of complementarity='auto'), remark (why it is not
        available, or what its probes showed).
    """
    rows = []
    for name in SOLVERS:
        if progress is not None:
            progress(name)
        try:
            interface = get_solver(name)
        except SolverError as err:
            fault = err.faults[0]
            rows.append({"solver": name, "installed": "no", "remark": fault.what,
                         **dict.fromkeys(PROBES, ""), "modes": "", "auto": ""})
            continue
        able = interface.capabilities
        rows.append({
            "solver": name, "installed": "yes",
            **{probe: "yes" if probe in able else "no" for probe in PROBES},
            "modes": " ".join(modes_of(able)),
            "auto": automatic(able),
            "remark": "; ".join(f"{k}: {v}" for k, v in interface.reasons.items())})
    return pd.DataFrame(rows)[["solver", "installed", *PROBES, "modes", "auto", "remark"]]
