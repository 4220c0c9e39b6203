"""The table of solvers, made by solving: what is installed, what it can do, which modes it runs."""

from __future__ import annotations

import pandas as pd

from pyomo_dlmp.errors import SolverError
from pyomo_dlmp.solvers.interfaces import SOLVERS, get_solver
from pyomo_dlmp.solvers.probes import PROBES
from pyomo_dlmp.transform.complementarity import automatic, modes_of


def solver_table() -> pd.DataFrame:
    """One row for each solver; the solvers run to make it.

    Columns: solver, installed, one for each probe (yes, no, ""), modes it may run, `auto` (what
    complementarity='auto' takes), remark (why it is not there, or what its probes showed).
    """
    rows = []
    for name in SOLVERS:
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
