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

from pyomo_dlmp.cli.stages import Lines, Live
from pyomo_dlmp.report.tables import of_the_solver
from pyomo_dlmp.status import Status
from pyomo_dlmp.study.file import Study
from pyomo_dlmp.study.output import CaseResult
from pyomo_dlmp.tolerances import ROUNDING

_FEW = 3  # cases that stand side by side
_SAID = ("proven_gap", "wall_time")
_KEYS = {
    "datacenters_pay": "paid ($)", "mean_active_price": "mean DLMP ($/MWh)",
    "lowest_voltage": "lowest voltage (pu)",
    "voltages_beyond_a_limit": "voltages beyond limits", "greatest_VUF": "greatest VUF (%)",
    "status": "status", "proven_gap": "gap (%)"}


class StudyScreen(Live):
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
        return super().__enter__()

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
    """Cases side by side with each one's change against the first; many cases one below the other.

    What the search and the machine did is left to the report, but for the gap and the time.

    Parameters
    ----------
    done : list of CaseResult
        Runs that are solved.

    Returns
    -------
    Table
    """
    return _side_by_side(done) if len(done) <= _FEW else _in_rows(done)


def _side_by_side(done: list[CaseResult]) -> Table:
    table = Table(title="Study", title_justify="left", header_style="bold")
    table.add_column("quantity")
    table.add_column("unit")
    for result in done:
        table.add_column(result.run.name, justify="right")
    for result in done[1:]:
        table.add_column(f"{result.run.name} - {done[0].run.name}", justify="right")
    summaries = [r.tables["summary"] for r in done]
    columns = [summary.set_index("quantity") for summary in summaries]
    first = summaries[0]
    inner = of_the_solver(first.assign(case=done[0].run.name)) & ~first["quantity"].isin(_SAID)
    for quantity, row in columns[0][~inner.to_numpy()].iterrows():
        if quantity == "voltage_furthest_beyond_its_limit":
            continue  # in words, which the run's notes have
        cells = [c["value"].get(quantity) for c in columns]
        changes = [_change(cells[0], cell) for cell in cells[1:]]
        table.add_row(str(quantity).replace("_", " "), str(row["unit"]), *map(_text, cells),
                      *changes)
    if all("audit" in r.tables for r in done):
        table.add_section()
        table.add_row("audit", "", *map(_audit, done))
    return table


def _in_rows(done: list[CaseResult]) -> Table:
    """A row for each case with the figures that are asked for first."""
    table = Table(title="Study", title_justify="left", header_style="bold",
                  caption="all figures: summary.csv, or the report", caption_justify="left")
    values = [r.tables["summary"].set_index("quantity")["value"] for r in done]
    shown = {q: head for q, head in _KEYS.items() if any(q in v.index for v in values)}
    if all(value.get("status") == Status.OPTIMAL.value for value in values):
        shown.pop("status", None)
    table.add_column("case")
    for head in shown.values():
        table.add_column(head, justify="right")
    table.add_column("audit")
    for result, value in zip(done, values, strict=True):
        table.add_row(result.run.name, *(_text(value.get(q)) for q in shown), _audit(result))
    return table


def _audit(result: CaseResult) -> str:
    if "audit" not in result.tables:
        return "-"
    return "passed" if result.tables["audit"]["passed"].all() else "FAILED"


def _text(value) -> str:
    if value is None or (isinstance(value, float) and pd.isna(value)):
        return "-"
    if isinstance(value, str):
        return value
    return _number(float(value))


def _number(value: float, sign: str = "") -> str:
    """Whole numbers as such, four decimals below 100, two above; 0 for what rounding leaves."""
    if not math.isfinite(value):
        return f"{value:{sign}}"
    if abs(value) < ROUNDING:
        return "0"
    if value == round(value) and abs(value) < 1e9:
        return f"{value:{sign},.0f}"
    text = f"{value:{sign},.2f}" if abs(value) >= 100 else f"{value:{sign}.4f}"
    return text if float(text.replace(",", "")) != 0 else f"{value:{sign}.0e}"


def _change(first, value) -> str:
    if isinstance(first, str) or isinstance(value, str) or first is None or value is None or not (
            math.isfinite(first) and math.isfinite(value)):
        return ""
    change = float(value) - float(first)
    return "0" if abs(change) <= ROUNDING * max(1.0, abs(first)) else _number(change, "+")
