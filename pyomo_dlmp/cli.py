"""The command ``pyomo-dlmp``. Exit codes: 0 solved, 1 an error, 2 wrong usage, 3 not to the gap
(time limit, or no solution), 130 interrupted."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from pyomo_dlmp.errors import DlmpError


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with its arguments (default: the process's) and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="pyomo-dlmp", description="Distribution prices against datacenters, on real feeders.")
    commands = parser.add_subparsers(dest="command", required=True)
    study = commands.add_parser("study", help="solve a study file; write tables and a report")
    study.add_argument("file", help="study file, such as studies/ieee37.toml")
    study.add_argument("--results", help="folder for the results, instead of the study's own")
    commands.add_parser("feeders", help="list the shipped feeders")
    validate = commands.add_parser(
        "validate", help="compare a feeder's linear model with an AC power flow")
    validate.add_argument(
        "feeder", help="a shipped feeder's name, a folder of tables, or a .dss file")
    commands.add_parser("solvers", help="what each installed solver can do, found out by solving")
    args = parser.parse_args(argv)
    console = Console()
    if not console.is_terminal:
        console.width = 110  # a log file has no width of its own
    try:
        return _COMMANDS[args.command](args, console)
    except DlmpError as err:
        console.print(f"pyomo-dlmp: {err}", style="red", markup=False, highlight=False)
        return 1
    except KeyboardInterrupt:
        console.print("\npyomo-dlmp: interrupted; what was written stays.", markup=False)
        return 130


def _study(args, console: Console) -> int:
    from pyomo_dlmp.study import read_study, run_study
    from pyomo_dlmp.study.screen import StudyScreen, comparison

    study = read_study(args.file)
    with StudyScreen(console, study) as screen:
        done = run_study(study, screen.progress, args.results)
    console.print(comparison(done))
    for result in done:
        for note in result.solution.notes:
            console.print(f"{result.case.name}: {note}", markup=False)
    folder = args.results or study.results
    console.print(f"Tables and pictures: {folder}/report.html", markup=False, highlight=False)
    states = {r.solution.status for r in done}
    if "interrupted" in states:
        return 130
    return 0 if states == {"optimal"} else 3


def _feeders(args, console: Console) -> int:
    from pyomo_dlmp.io import list_feeders

    table = list_feeders().drop(columns=["source"])
    table["licence"] = table["licence"].str.split(" (", regex=False).str[0]
    console.print(table.to_string(index=False), markup=False)
    return 0


def _solvers(args, console: Console) -> int:
    from pyomo_dlmp.solve import solver_table

    table = solver_table()
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


def _validate(args, console: Console) -> int:
    from pyomo_dlmp.io import find_feeder
    from pyomo_dlmp.validation.feeder import timed

    net = find_feeder(args.feeder)
    with console.status(f"{net.name}: AC power flow, then four linear models"):
        table, ac, seconds = timed(net)
    shown = Table(title=f"{net.name}: voltages of the linear model against AC (taps fixed)")
    for column in ("form", "load", "max error (pu)", "at", "mean error (pu)"):
        shown.add_column(column, justify="left" if column in ("form", "at") else "right")
    for row in table.to_dict("records"):
        shown.add_row(row["form"], f"{100 * row['load']:.0f} %", f"{row['max_error']:.4f}",
                      row["at"], f"{row['mean_error']:.4f}")
    console.print(shown)
    low = min(abs(v) for v in ac.point.voltages.values())
    nodes = sum(len(bus.phases) for bus in net.buses.values())
    console.print(f"{nodes} nodes; AC losses {1e3 * sum(ac.losses.values()):.1f} kW, lowest "
                  f"voltage {low:.4f} pu; {seconds:.1f} s", highlight=False)
    return 0


_COMMANDS = {"study": _study, "feeders": _feeders, "solvers": _solvers, "validate": _validate}


if __name__ == "__main__":
    sys.exit(main())
