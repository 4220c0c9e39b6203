"""The command ``pyomo-dlmp``. Exit codes: 0 solved, 1 an error, 2 wrong usage, 3 not to the gap
(time limit, or no solution), 130 interrupted."""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table

from pyomo_dlmp.errors import DlmpError
from pyomo_dlmp.status import Status

# thousands of systems of twenty rows: threads that wait for each other cost more than they save;
# read when numpy is loaded, which no import above does
for _name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    argv : sequence of str, optional
        Its arguments; by default those of the process.

    Returns
    -------
    int
        The exit code.
    """
    parser = argparse.ArgumentParser(
        prog="pyomo-dlmp", description="Distribution prices against datacenters, on real feeders.")
    parser.add_argument("--version", action="version",
                        version=f"pyomo-dlmp {version('pyomo_dlmp')}")
    commands = parser.add_subparsers(dest="command", required=True)
    study = commands.add_parser("study", help="solve a study file; write tables and a report")
    study.add_argument("file", help="study file (TOML), or the name of a shipped study: "
                       "ieee123, ieee37, ieee37_heavy, ieee37_markets, ieee37_per_phase, "
                       "ieee37_svg, ieee37_unbalance")
    study.add_argument("--results", help="folder for the results, instead of the study's own")
    earlier = study.add_mutually_exclusive_group()
    earlier.add_argument("--overwrite", action="store_true",
                         help="replace the results that the folder holds, once the new ones are "
                         "all there")
    earlier.add_argument("--resume", action="store_true",
                         help="continue a study that was interrupted: keep its finished runs")
    show = commands.add_parser(
        "show", help="print a results folder and draw its report again, without solving")
    show.add_argument("results", help="folder that a study has written")
    show.add_argument("--cases", help="cases to draw, with ; between them (default: up to four)")
    show.add_argument("--pictures", help="folder for each picture as a file of its own (SVG)")
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
        with _plain_warnings(console):
            return _COMMANDS[args.command](args, console)
    except DlmpError as err:
        console.print(f"pyomo-dlmp: {err} [{err.code}]", style="red", markup=False, highlight=False)
        _print_notes(err, console)
        return 1
    except OSError as err:  # a folder that cannot be written, a full disk
        console.print(f"pyomo-dlmp: {err}", style="red", markup=False, highlight=False)
        _print_notes(err, console)
        return 1
    except KeyboardInterrupt as err:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # one more must not break the line
        try:
            said = " ".join(map(str, err.args))
            console.print(f"\npyomo-dlmp: interrupted. {said}".rstrip(), markup=False,
                          highlight=False)
        finally:
            signal.signal(signal.SIGINT, before)
        return 130


@contextmanager
def _plain_warnings(console: Console) -> Iterator[None]:
    """Warnings as sentences, each once, without the place in Python from which they come."""
    said: set[str] = set()

    def show(message, category, filename, lineno, file=None, line=None):
        text = re.sub(r"^(?P<file>[^:\n]+): (?=(?P=file)\b)", "", str(message))  # file: file, line
        if text not in said:
            said.add(text)
            console.print(f"warning: {text}", style="yellow", markup=False, highlight=False)

    before, warnings.showwarning = warnings.showwarning, show
    try:
        yield
    finally:
        warnings.showwarning = before


def _print_notes(err: Exception, console: Console) -> None:
    for note in getattr(err, "__notes__", []):
        console.print(f"pyomo-dlmp: {note}", markup=False, highlight=False)


def _study(args, console: Console) -> int:
    from pyomo_dlmp.study import read_study, run_study
    from pyomo_dlmp.study.screen import Stages, StudyScreen, comparison

    with Stages(console) as stage:
        study = read_study(args.file, stage)
    with StudyScreen(console, study, stage.start) as screen:
        done = run_study(study, screen.progress, args.results, args.overwrite, args.resume,
                         models=False)
    console.print(comparison(done))
    for result in done:
        for note in result.notes:
            console.print(f"{result.run.name}: {note}", markup=False)
    for what, why in done.missing.items():
        console.print(f"{what} is missing: {why}", style="red", markup=False, highlight=False)
    place = (f"Tables: {done.folder} (pyomo-dlmp show {done.folder} draws the report)"
             if done.report_missing else f"Tables and pictures: {done.folder}/report.html")
    console.print(place, markup=False, highlight=False)
    if not done.finished:
        console.print(_unfinished(done, study, args), markup=False, highlight=False)
    if done.interrupted:
        return 130
    if done.missing:
        return 1
    states = {r.outcome.status for r in done} - {Status.CYCLES, Status.ROUNDS_USED_UP}
    return 0 if states <= {Status.OPTIMAL} else 3


def _unfinished(done, study, args) -> str:
    """Where an unfinished study is and what can be done with it."""
    final = Path(args.results or study.results)
    place = "" if done.folder == final else (
        f", beside the earlier results, which stay in {final} until the new ones are all there")
    return (f"The study is unfinished ({len(done)} of {len(study.runs)} runs){place}. "
            "Continue it with --resume, or begin anew with --overwrite.")


def _show(args, console: Console) -> int:
    from pyomo_dlmp.report import read_results, write_report
    from pyomo_dlmp.study.journal import read_journal
    from pyomo_dlmp.study.screen import Stages

    cases = [name.strip() for name in args.cases.split(";")] if args.cases else None
    results = read_results(args.results)
    shown = Table(title=results.study.get("title", str(results.folder)), title_justify="left")
    wide = results.summary.pivot_table(index=["quantity", "unit"], columns="case", sort=False,
                                       values="value", aggfunc="first", observed=True)
    wide = wide[cases] if cases and set(cases) <= set(wide.columns) else wide
    for column in ("quantity", "unit", *wide.columns):
        shown.add_column(str(column), justify="left" if column in ("quantity", "unit") else "right")
    for quantity, unit, *cells in wide.reset_index().itertuples(index=False):
        shown.add_row(str(quantity).replace("_", " "), str(unit), *map(_four, cells))
    console.print(shown)
    with Stages(console) as stage:
        stage("drawing the report")
        path = write_report(
            results, cases, pictures=args.pictures,
            progress=lambda k, of: stage(f"drawing the report: {k} of {of} pictures"))
    console.print(f"Pictures: {path}", markup=False, highlight=False)
    journal = read_journal(Path(args.results))
    if journal is not None:
        runs = f"{len(journal.runs)} run{'' if len(journal.runs) == 1 else 's'} whole"
        console.print(f"The study is unfinished ({runs}). Its command with --resume continues it.",
                      markup=False, highlight=False)
    if args.pictures:
        count = len(list(Path(args.pictures).glob("*.svg")))
        console.print(f"{count} pictures in {args.pictures}", markup=False, highlight=False)
    return 0


def _four(cell) -> str:
    try:
        return f"{float(cell):,.6g}" if float(cell) == float(cell) else "-"
    except (TypeError, ValueError):
        return str(cell) or "-"


def _feeders(args, console: Console) -> int:
    from pyomo_dlmp.io import list_feeders
    from pyomo_dlmp.study.screen import Stages

    with Stages(console) as stage:
        table = list_feeders(stage if console.is_terminal else None)
    table = table.drop(columns=["source"])
    table["licence"] = table["licence"].str.split(" (", regex=False).str[0]
    console.print(table.to_string(index=False), markup=False)
    return 0


def _solvers(args, console: Console) -> int:
    from pyomo_dlmp.solvers import solver_table

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
    from pyomo_dlmp.study.screen import Stages
    from pyomo_dlmp.validation.feeder import timed

    with Stages(console) as stage:
        network = find_feeder(args.feeder, stage)
        table, ac, seconds = timed(network, stage)
    shown = Table(title=f"{network.name}: voltages of the linear model against AC (taps fixed)")
    for column in ("form", "load", "max error (pu)", "at", "mean error (pu)"):
        shown.add_column(column, justify="left" if column in ("form", "at") else "right")
    for row in table.to_dict("records"):
        shown.add_row(row["form"], f"{100 * row['load']:.0f} %", f"{row['max_error']:.4f}",
                      row["at"], f"{row['mean_error']:.4f}")
    console.print(shown)
    nodes = sum(len(bus.phases) for bus in network.buses.values())
    console.print(f"{nodes} nodes; AC losses {1e3 * sum(ac.losses.values()):.1f} kW, lowest "
                  f"voltage {ac.lowest_voltage:.4f} pu; {seconds:.1f} s", highlight=False)
    return 0


_COMMANDS = {"study": _study, "show": _show, "feeders": _feeders, "solvers": _solvers,
             "validate": _validate}


if __name__ == "__main__":
    sys.exit(main())
