"""`write_report`: a results folder becomes one self-contained page, ``report.html``."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from pyomo_dlmp.report.drawing import Helpers, Progress
from pyomo_dlmp.report.lead import opening
from pyomo_dlmp.report.page import Picture, Section, render_page, stamp_of
from pyomo_dlmp.report.reading import TABLES, Results, read_results
from pyomo_dlmp.report.sections import drawn, sections_of
from pyomo_dlmp.report.story import headlines, points

MOST_CASES = 4
"""More cases than so many are not drawn one by one unless asked for."""


def write_report(folder: str | Path | Results, cases: Sequence[str] | None = None, *,
                 processes: int | None = None, pictures: str | Path | None = None,
                 progress: Progress | None = None) -> Path:
    """Write ``report.html`` into a results folder. Solves nothing.

    The page holds its charts and pictures, what draws them, and needs nothing else. Of many cases
    four are drawn one by one (or those in `cases`), all are compared. Tables that the folder lacks
    or that are empty leave out their part of the page. A page that shows these tables already is
    left as it is.

    Parameters
    ----------
    folder : str, Path or Results
        A folder that a study has written, or what `read_results` has read from it; of a file of
        `save_results` the page is written beside it.
    cases : sequence of str, optional
        Cases to draw one by one.
    processes : int, optional
        How many draw; by default one for each core, up to four. The page is the same.
    pictures : str or Path, optional
        Folder for each picture as an SVG file of its own, as of `write_pictures`.
    progress : callable, optional
        progress(how many pictures are drawn, of how many) is called as they are drawn.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    ResultsFileError
        For a missing or wrong file, or an unknown case.
    """
    place = folder.folder if isinstance(folder, Results) else Path(folder)
    path = place.with_suffix(".html") if place.is_file() else place / "report.html"
    stamp = _stamp(place, cases)
    if pictures is None and stamp and stamp_of(path) == stamp:
        return path
    # Helpers first: they get ready while the tables are read. The page alone has few pictures.
    with _helpers(1 if pictures is None else processes) as helpers:
        results = folder if isinstance(folder, Results) else read_results(folder)
        shown = shown_cases(results, cases)
        sections = drawn(sections_of(results, shown), helpers, progress, pictures is not None)
    part = path.with_name(f"{path.name}.part")  # whoever looks meanwhile sees the page as it was
    part.write_text(_page(results, shown, sections, stamp), encoding="utf-8")
    os.replace(part, path)
    if pictures is not None:
        _write_each(sections, Path(pictures))
    return path


def write_pictures(folder: str | Path | Results, target: str | Path,
                   cases: Sequence[str] | None = None, *, processes: int | None = None) -> int:
    """Write each picture of the report as an SVG file of its own.

    Parameters
    ----------
    folder : str, Path or Results
        A folder that a study has written, or what `read_results` has read from it.
    target : str or Path
        Folder for the pictures, made where it does not exist.
    cases : sequence of str, optional
        Cases to draw one by one, as in `write_report`.
    processes : int, optional
        How many draw, as in `write_report`.

    Returns
    -------
    int
        How many pictures there are.

    Raises
    ------
    ResultsFileError
        For a missing or wrong file, or an unknown case.
    """
    with _helpers(processes) as helpers:
        results = folder if isinstance(folder, Results) else read_results(folder)
        sections = drawn(sections_of(results, shown_cases(results, cases)), helpers, paper=True)
    return _write_each(sections, Path(target))


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
    shown = shown_cases(results, cases)
    with _helpers(1) as helpers:
        return _page(results, shown, drawn(sections_of(results, shown), helpers), "")


def _helpers(processes: int | None) -> Helpers:
    return Helpers(None if processes is None else processes - 1)


def _page(results: Results, shown: list[str], sections: list[Section], stamp: str) -> str:
    feeder = results.study.get("feeder", "")
    title = results.study.get("title") or f"DLMP study{f' of {feeder}' if feeder else ''}"
    some = results.only(shown)
    subtitle = (f"Feeder {feeder} · " if feeder else "") + f"cases: {' · '.join(shown)}"
    if len(shown) < len(results.cases):
        subtitle += f" (of {len(results.cases)}; pyomo-dlmp show --cases draws others)"
    return render_page(title, subtitle, opening(some), headlines(some), sections, stamp,
                       points(some))


def _write_each(sections: list[Section], target: Path) -> int:
    target.mkdir(parents=True, exist_ok=True)
    count = 0
    for section in sections:
        pictures = [item for item in section.items if isinstance(item, Picture)]
        for k, picture in enumerate(pictures, 1):
            path = target / f"{section.anchor}-{k}.svg"
            path.write_text(picture.svg, encoding="utf-8", newline="\n")
        count += len(pictures)
    return count


def _stamp(folder: Path, cases: Sequence[str] | None) -> str:
    """Of all that a page is drawn from: tables, cases, this code, and the library that draws.

    Empty where no folder or no table is there, so that who reads them says what is missing.
    """
    here = Path(__file__).parent
    own = [p for p in sorted(here.rglob("*")) if p.suffix in (".py", ".css", ".j2", ".js")]
    tables = [p for p in (folder / f"{name}.csv" for name in TABLES) if p.is_file()]
    if not tables:
        return ""
    digest = hashlib.sha256(repr(
        (list(cases or []), version("matplotlib"), version("plotly"))).encode())
    for path in (*own, *tables):
        content = path.read_bytes()
        digest.update(f"{path.name} {len(content)} ".encode() + content)
    return digest.hexdigest()


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
