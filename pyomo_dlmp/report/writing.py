"""`write_report`: a results folder becomes one self-contained page, ``report.html``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from pyomo_dlmp.report.page import Picture, render_page
from pyomo_dlmp.report.reading import Results, read_results
from pyomo_dlmp.report.sections import sections_of
from pyomo_dlmp.report.story import headlines, paragraph

MOST_CASES = 4
"""More cases than so many are not drawn one by one unless asked for."""


def write_report(folder: str | Path, cases: Sequence[str] | None = None) -> Path:
    """Write ``report.html`` into a results folder. Solves nothing.

    The page holds its pictures and needs nothing else. Of many cases four are drawn one by one (or
    those in `cases`), all are compared. Tables that the folder lacks or that are empty leave out
    their part of the page.

    Parameters
    ----------
    folder : str or Path
        A folder that a study has written.
    cases : sequence of str, optional
        Cases to draw one by one.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    ResultsFileError
        For a missing or wrong file, or an unknown case.
    """
    results = read_results(folder)
    path = results.folder / "report.html"
    part = path.with_name("report.html.part")  # whoever looks meanwhile sees the page as it was
    part.write_text(report_html(results, cases), encoding="utf-8")
    os.replace(part, path)
    return path


def write_pictures(folder: str | Path, target: str | Path,
                   cases: Sequence[str] | None = None) -> int:
    """Write each picture of the report as an SVG file of its own.

    Parameters
    ----------
    folder : str or Path
        A folder that a study has written.
    target : str or Path
        Folder for the pictures, made where it does not exist.
    cases : sequence of str, optional
        Cases to draw one by one, as in `write_report`.

    Returns
    -------
    int
        How many pictures there are.

    Raises
    ------
    ResultsFileError
        For a missing or wrong file, or an unknown case.
    """
    results = read_results(folder)
    Path(target).mkdir(parents=True, exist_ok=True)
    count = 0
    for section in sections_of(results, shown_cases(results, cases)):
        pictures = [item for item in section.items if isinstance(item, Picture)]
        for k, picture in enumerate(pictures, 1):
            path = Path(target) / f"{section.anchor}-{k}.svg"
            path.write_text(picture.svg, encoding="utf-8", newline="\n")
        count += len(pictures)
    return count


def report_html(results: Results, cases: Sequence[str] | None = None) -> str:
    """The report as the text of an HTML page.

    Parameters
    ----------
    results : Results
        As `read_results` gives them.
    cases : sequence of str, optional
        Cases to draw one by one, as in `write_report`.

    Returns
    -------
    str

    Raises
    ------
    ResultsFileError
        For an unknown case.
    """
    feeder = results.study.get("feeder", "")
    title = results.study.get("title") or f"DLMP study{f' of {feeder}' if feeder else ''}"
    shown = shown_cases(results, cases)
    some = results.only(shown)
    subtitle = (f"Feeder {feeder} · " if feeder else "") + f"cases: {' · '.join(shown)}"
    if len(shown) < len(results.cases):
        subtitle += f" (of {len(results.cases)}; `pyomo-dlmp show --cases` draws others)"
    return render_page(title, subtitle, paragraph(some), headlines(some),
                       sections_of(results, shown))


def shown_cases(results: Results, wanted: Sequence[str] | None = None) -> list[str]:
    """Cases that are drawn one by one: those wanted, all of a few, or four of many.

    Of many: the loading nearest to 1 and markets whose leader foresees the prices, as far as there
    are such runs.

    Parameters
    ----------
    results : Results
    wanted : sequence of str, optional
        Taken as they are.

    Returns
    -------
    list of str
    """
    if wanted:
        return list(wanted)
    if len(results.cases) <= MOST_CASES or results.cases_table.empty:
        return results.cases[:MOST_CASES]
    runs = results.cases_table
    runs = runs[runs["case"].isin(set(results.prices["case"]))]
    nearest = runs["loading"].iloc[int((runs["loading"] - 1).abs().to_numpy().argmin())]
    runs = runs[runs["loading"] == nearest]
    foreseen = runs[runs["foresees"]] if "foresees" in runs.columns else runs
    chosen = foreseen if len(foreseen) else runs
    return [str(case) for case in chosen["case"]][:MOST_CASES]
