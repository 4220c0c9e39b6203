"""The table [series] of a study: each run's market along a file of data."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from pyomo_dlmp.errors import DlmpError, Fault, ResultsFileError, StudyFileError
from pyomo_dlmp.results.schema import OF_A_SERIES
from pyomo_dlmp.series import SeriesResult, check_series, solve_series
from pyomo_dlmp.study.data import Run, Study

_FILES = ("series.jsonl", "series_steps.csv", "series_dispatch.csv", "series_prices.csv")


def check_file(study: Study, run: Run) -> None:
    """Raise an error with every fault of the file of [series].

    Parameters
    ----------
    study : Study
    run : Run
        Whose market it has to fit.

    Raises
    ------
    StudyFileError
        Each fault with the study file's name.
    """
    if not study.series:
        return
    try:
        check_series(study.market(run), **_arguments(study))
    except DlmpError as err:
        raise StudyFileError([Fault(f"{study.path}: [series], {fault.where}", fault.what,
                                    fault.cure) for fault in err.faults]) from None


def _arguments(study: Study) -> dict[str, Any]:
    given = dict(study.series)
    return {"table": given.pop("file"), **{key: given[key] for key in (
        "columns", "horizon", "step", "window")}}


def series_tables(study: Study, run: Run, results: Path,
                  tell: Callable[[str], None]) -> dict[str, pd.DataFrame]:
    """Tables of a run's series.

    Rows that are finished lie beside the results until all are there, so that an interrupted study
    goes on with them.

    Parameters
    ----------
    study : Study
    run : Run
    results : Path
        Folder of the results.
    tell : callable
        tell(how far it is).

    Returns
    -------
    dict of str to DataFrame
        By name of their file.

    Raises
    ------
    KeyboardInterrupt
        Ctrl-C: what is finished is kept beside the results.
    """
    folder = results.with_name(f"{results.name}.series") / str(study.runs.index(run) + 1)

    def progress(stage: str, done: int, total: int, left: float) -> None:
        tell(f"{done} of {total}" + (f", {left:.0f} s left" if left == left else ""))

    def solved() -> SeriesResult:
        return solve_series(
            study.market(run), name=run.market, **_arguments(study),
            workers=study.series["workers"], judge=study.series["judge"], folder=folder,
            progress=progress, solver=study.solver, gap=study.gap, time_limit=study.time_limit)

    try:
        found = solved()
    except ResultsFileError:  # of the study before it was changed
        _clear(folder)
        found = solved()
    if found.interrupted:
        raise KeyboardInterrupt
    _clear(folder)
    frames = (found.steps, found.dispatch, found.prices)
    return {table.name: frame.assign(time=frame["time"].astype(str))[table.names]
            for table, frame in zip(OF_A_SERIES, frames, strict=True)}


def _clear(folder: Path) -> None:
    for name in _FILES:
        (folder / name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder.rmdir()
        folder.parent.rmdir()
