"""``pyomo-dlmp solvers``: what each installed solver can do, found out by solving."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from pyomo_dlmp.cli.stages import Stages


def add(commands) -> None:
    """Its arguments."""
    commands.add_parser("solvers", help="what each installed solver can do, found out by solving")


def run(args, console: Console) -> int:
    """Run the command; its exit code."""
    with Stages(console) as stage:
        stage("looking for solvers")
        from pyomo_dlmp.solvers import solver_table

        table = solver_table(lambda name: stage(f"solving with {name}"))
    there = table[table["installed"] == "yes"]
    shown = Table(title="solvers, by what they have just solved")
    probes = [c for c in there.columns if c not in ("installed", "remark", "modes", "auto")]
    for column in probes:
        shown.add_column(column)
    for row in there[probes].itertuples(index=False):
        shown.add_row(*["-" if value == "no" else str(value) for value in row])
    console.print(shown)
    for record in there.to_dict("records"):
        modes = ", ".join(record["modes"].split())
        console.print(f"{record['solver']} runs {modes} (auto: {record['auto']})",
                      markup=False, highlight=False)
    for record in table.to_dict("records"):
        if record["remark"]:
            what = "not here" if record["installed"] == "no" else "cannot"
            console.print(
                f"{record['solver']} {what}: {record['remark']}", markup=False, highlight=False)
    return 0
