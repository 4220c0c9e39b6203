"""``pyomo-dlmp show``: print a results folder and draw its report again."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table


def add(commands) -> None:
    """Its arguments."""
    show = commands.add_parser(
        "show", help="print a results folder and draw its report again, without solving")
    show.add_argument("results", help="folder that a study has written")
    show.add_argument("--cases", help="cases to draw, with ; between them (default: up to four)")
    show.add_argument("--pictures", help="folder for each picture as a file of its own (SVG)")


def run(args, console: Console) -> int:
    """Run the command; its exit code."""
    from pyomo_dlmp.report import read_results, write_report
    from pyomo_dlmp.report.penalties import flag_sentence
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
    if sentence := flag_sentence(results):
        console.print(f"WARNING: {sentence}", markup=False, highlight=False, soft_wrap=True)
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
