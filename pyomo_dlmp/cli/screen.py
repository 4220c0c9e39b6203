"""What a run shows on the terminal: the stage, incumbent, bound and gap; then one table."""

from __future__ import annotations

import math
import time

import pandas as pd
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from pyomo_dlmp.cli.stages import Lines
from pyomo_dlmp.study.file import Study
from pyomo_dlmp.study.output import CaseResult
from pyomo_dlmp.tolerances import ROUNDING


class StudyScreen:
    """Progress of a study, a bar and a live line on a terminal, plain lines elsewhere.

    Parameters
    ----------
    console : Console
    study : Study
    start : float, optional
        Time of ``time.monotonic`` from which the printed seconds count.
    """

    def __init__(self, console: Console, study: Study, start: float | None = None):
        self.console, self.study = console, study
        self.start = time.monotonic() if start is None else start
        self.lines = Lines(console, self.start)
        self.width = max(12, *(len(run.name) for run in study.runs), 0)
        self.runs = [run.name for run in study.runs]
        self.bar = Progress(
            SpinnerColumn(), BarColumn(bar_width=20), TextColumn("{task.fields[runs]}"),
            TimeElapsedColumn(), TextColumn("{task.description}", markup=False),
            console=console, transient=True)
        # a little more than the runs, so that time goes on while the report is drawn
        self.task = self.bar.add_task("", total=len(self.runs) + 0.5, runs="")

    def __enter__(self) -> StudyScreen:
        runs = self.study.runs
        cases = "; ".join(run.name for run in runs) if len(runs) < 9 else f"{len(runs)} runs"
        self.console.print(
            f"{self.study.title}\nfeeder {self.study.feeder}, {self.study.periods} periods, "
            f"cases: {cases}, solver {self.study.solver}", highlight=False, markup=False)
        self.lines.__enter__()
        if self.console.is_terminal:
            self.bar.start()
        return self

    def __exit__(self, *_) -> None:
        self.lines.__exit__()
        if self.console.is_terminal:
            self.bar.stop()

    def progress(self, case: str, stage: str, incumbent: float | None, bound: float | None):
        """Show one step of a run; see `run_study`.

        Parameters
        ----------
        case : str
            Name of the run; empty while the cases are checked.
        stage : str
            What is being done.
        incumbent, bound : float or None
            Of the search ($).
        """
        what = f"{case:<{self.width}} {stage:<20}{values(incumbent, bound)}"
        if self.console.is_terminal:
            finished = self.runs.index(case) if case in self.runs else 0
            finished += stage.partition(":")[0] in ("written", "kept", "drawing")
            self.bar.update(self.task, description=what, completed=finished,
                            runs=f"{finished}/{len(self.runs)}")
        # "stage: how far it is" is of that stage
        self.lines.say(what, case, stage.partition(":")[0], always=stage in ("written", "kept"))


def values(incumbent: float | None, bound: float | None) -> str:
    """Incumbent, bound and gap in words.

    Parameters
    ----------
    incumbent, bound : float or None
        Of the search ($); None or infinite while there is none.

    Returns
    -------
    str
        Empty without any.
    """
    incumbent, bound = (
        None if x is None or not abs(x) < 1e30 else x for x in (incumbent, bound))
    text = "" if incumbent is None else f"  incumbent {incumbent:,.4f}"
    text += "" if bound is None else f"  bound {bound:,.4f}"
    if incumbent is not None and bound is not None:
        gap = abs(incumbent - bound) / max(abs(incumbent), ROUNDING)
        text += f"  gap {100 * gap:.3f} %" if gap < 10 else "  gap > 1000 %"
    return text


def comparison(done: list[CaseResult]) -> Table:
    """Cases side by side, and each one's change against the first.

    Parameters
    ----------
    done : list of CaseResult
        Runs that are solved.

    Returns
    -------
    Table
    """
    table = Table(title="Study", title_justify="left", header_style="bold")
    table.add_column("quantity")
    table.add_column("unit")
    for result in done:
        table.add_column(result.run.name, justify="right")
    beside = done[1:] if len(done) <= 3 else []
    for result in beside:
        table.add_column(f"{result.run.name} - {done[0].run.name}", justify="right")
    columns = [r.tables["summary"].set_index("quantity") for r in done]
    for quantity, row in columns[0].iterrows():
        if quantity == "voltage_furthest_beyond_its_limit":
            continue  # in words, which the run's notes have
        cells = [c["value"].get(quantity) for c in columns]
        changes = [_change(cells[0], cell) for cell in cells[1 : 1 + len(beside)]]
        table.add_row(str(quantity).replace("_", " "), str(row["unit"]), *map(_text, cells),
                      *changes)
    if all("audit" in r.tables for r in done):
        table.add_section()
        table.add_row("audit", "", *("passed" if r.tables["audit"]["passed"].all() else "FAILED"
                                     for r in done))
    return table


def _text(value) -> str:
    if value is None or (isinstance(value, float) and pd.isna(value)):
        return "-"
    if isinstance(value, str):
        return value
    return _number(float(value))


def _number(value: float, sign: str = "") -> str:
    """Whole numbers as such, four decimals below 100, two above."""
    if not math.isfinite(value):
        return f"{value:{sign}}"
    if value == round(value) and abs(value) < 1e9:
        return f"{value:{sign},.0f}"
    return f"{value:{sign},.2f}" if abs(value) >= 100 else f"{value:{sign}.4f}"


def _change(first, value) -> str:
    if isinstance(first, str) or isinstance(value, str) or first is None or value is None or not (
            math.isfinite(first) and math.isfinite(value)):
        return ""
    change = float(value) - float(first)
    return "0" if abs(change) <= ROUNDING * max(1.0, abs(first)) else _number(change, "+")
