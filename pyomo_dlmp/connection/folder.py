"""Results of a connection study as a folder: tidy tables, each written when it is known, a page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from pyomo_dlmp.connection.answer import Flexible
from pyomo_dlmp.connection.hosting import HostingMap
from pyomo_dlmp.connection.prices import PriceImpact
from pyomo_dlmp.connection.result import ConnectionStudy
from pyomo_dlmp.errors import ResultsFileError
from pyomo_dlmp.network import Network
from pyomo_dlmp.report.drawing import Job
from pyomo_dlmp.report.page import Picture, Section, render_page
from pyomo_dlmp.report.story import Headline
from pyomo_dlmp.report.tables import Table, number

TABLES = ("summary", "envelope", "limits", "existing", "effects", "prices", "price_hours",
          "remedies", "applicants", "hosting")
PAGE = "report.html"


class ResultFolder:
    """A folder of results.

    Parameters
    ----------
    path : Path
    overwrite : bool
        Whether tables that are there are replaced.

    Raises
    ------
    ResultsFileError
        If it holds something that is not to be replaced, or that no connection study has written.
    """

    def __init__(self, path: Path, overwrite: bool = False):
        self.path = path
        own = {f"{name}.csv" for name in TABLES} | {PAGE}
        there = sorted(p.name for p in path.iterdir()) if path.is_dir() else []
        if path.exists() and not path.is_dir():
            raise ResultsFileError.at(str(path), "is a file", "Name another folder by --out.")
        if foreign := [name for name in there if name not in own]:
            raise ResultsFileError.at(
                str(path), f"holds {foreign[0]!r}, which no connection study has written",
                "Name another folder by --out.")
        if there and not overwrite:
            raise ResultsFileError.at(str(path), "holds results already",
                                      "Replace them by --overwrite, or name another by --out.")
        path.mkdir(parents=True, exist_ok=True)
        for name in there:
            (path / name).unlink()

    def write(self, name: str, table: pd.DataFrame) -> None:
        """Write a table of `TABLES`."""
        part = self.path / f"{name}.csv.part"
        table.to_csv(part, index=False)
        part.replace(self.path / f"{name}.csv")

    def page(self, text: str) -> Path:
        """Write the page; its path."""
        (self.path / PAGE).write_text(text, encoding="utf-8")
        return self.path / PAGE


def summary_table(study: ConnectionStudy, flexible: dict[str, Flexible],
                  impact: PriceImpact | None) -> pd.DataFrame:
    """A study in a few numbers.

    Parameters
    ----------
    study : ConnectionStudy
    flexible : dict of str to Flexible
        By what is allowed, in words.
    impact : PriceImpact or None

    Returns
    -------
    DataFrame
        Columns quantity, value, unit.
    """
    rows: list[tuple[str, Any, str]] = [
        ("bus", study.site.bus, ""), ("hours", study.hours.count, "1"),
        ("firm", study.firm_kw, "kW"), ("firm_ends_at", str(study.binding), ""),
        ("limits_broken_before", len(study.existing), "1")]
    for name, one in flexible.items():
        rows += [(f"flexible_{name}", one.kw, "kW"),
                 (f"curtailed_{name}", one.curtailed_kwh, "kWh"),
                 (f"cvar_of_curtailment_{name}", one.cvar_kw, "kW")]
    if study.check is not None:
        rows.append(("engine", "agrees" if study.check.passed else "DOES NOT AGREE", ""))
    if impact is not None:
        before, after = impact.others
        rows += [("price_it_pays", impact.price, "$/MWh"),
                 ("price_of_its_first_kw", impact.price_before, "$/MWh"),
                 ("price_of_others_before", before, "$/MWh"),
                 ("price_of_others", after, "$/MWh")]
        worst = impact.hourly["penalty_share"].max()
        rows.append(("share_of_penalties_in_its_price", float(worst), "1"))
    return pd.DataFrame(rows, columns=["quantity", "value", "unit"])


def study_page(study: ConnectionStudy, flexible: dict[str, Flexible],
               impact: PriceImpact | None, remedies: pd.DataFrame | None) -> str:
    """The page of a study.

    Parameters
    ----------
    study : ConnectionStudy
    flexible : dict of str to Flexible
    impact : PriceImpact or None
    remedies : DataFrame or None

    Returns
    -------
    str
        HTML that refers to nothing else.
    """
    contracts = {name.replace("_", " "): one.kw for name, one in flexible.items()}
    sections = [Section("envelope", "What each hour allows", _gap_words(study), [
        Picture(Job(_envelope, (study.hourly.kw, study.firm_kw, contracts)).svg(),
                "What the site may draw (kW) with every limit kept in AC.",
                "Capacity by hour, sorted and by day and hour."),
        table_of(study.bindings, 3, "Limits that are met first, and in how many hours.")])]
    if study.existing:
        sections.append(Section(
            "existing", "Broken before anything is connected",
            "These limits are broken without the site. They are taken at the worst value that they "
            "have without it, so that the site may not make that worse."
            if study.options.get("existing") != "left out" else
            "These limits are broken without the site, and do not count.",
            [table_of(study.existing_table, 3, "Limits, and where they are broken furthest.")]))
    sections.append(Section("effects", "What the firm kW does", "", [table_of(
        study.effects, 1, "Voltages, unbalance and losses before and after, in four hours.")]))
    if impact is not None:
        sections.append(Section("prices", "Prices", impact.sentence, [
            table_of(impact.hourly, 1, "At the site ($/MWh); paid in $."),
            table_of(impact.table.head(12), 1, "Buses whose prices change most ($/MWh).")]))
    if remedies is not None and len(remedies):
        sections.append(Section("remedies", "What would move the limit", "", [table_of(
            remedies, 2, "Ranked by the limiting hour; the best solved in all hours.")]))
    headlines = [Headline("Firm (kW)", {"all hours": float(math.floor(study.firm_kw))})]
    if flexible:
        headlines.append(Headline("Flexible (kW)", {
            name.replace("_", " "): float(math.floor(one.kw)) for name, one in flexible.items()}))
    if impact is not None:
        headlines.append(Headline("Price ($/MWh)", {
            "it pays": impact.price, "others, before": impact.others[0],
            "others, after": impact.others[1]}))
    return render_page(f"Connection at bus {study.site.bus} of {study.network.name}",
                       site_words(study), lead_words(study), headlines, sections)


def hosting_page(answer: HostingMap) -> str:
    """The page of a hosting map.

    Parameters
    ----------
    answer : HostingMap

    Returns
    -------
    str
    """
    hours = answer.grid.hours.count
    return render_page(
        f"Hosting map of {answer.network.name}",
        f"one site at a time, {hours:,} hours, taps and capacitors as they are",
        f"{answer!r}"[1:-1] + ".", [], [Section("map", "Firm kW by bus", "", [
            Picture(Job(_hosting, (answer.table, places_of(answer.network))).svg(),
                    "Firm kW of a three-phase site at each bus.", "Firm kW over distance."),
            table_of(answer.table, 1, f"Flexible: curtailed in at most {answer.allowed_hours:g} "
                     "hours a year.")])])


def _envelope(*args: Any):
    from pyomo_dlmp.connection.pictures import envelope_picture  # loads matplotlib

    return envelope_picture(*args)


def _hosting(*args: Any):
    from pyomo_dlmp.connection.pictures import hosting_picture  # loads matplotlib

    return hosting_picture(*args)


def site_words(study: ConnectionStudy) -> str:
    """Site and hours in words."""
    site = study.site
    svg = f", static var generator of {site.svg_kvar:,.0f} kvar" if site.svg_kvar else ""
    return (f"phases {site.phases}, power factor {site.power_factor:g}{svg}; "
            f"{study.hours.count:,} hours, {study.hourly.different:,} of them different; taps and "
            "capacitors as they are")


def lead_words(study: ConnectionStudy) -> str:
    """The answer in sentences."""
    words = f"{math.floor(study.firm_kw):,} kW are firm: every limit is kept in every hour. "
    words += (f"The limit is {study.binding}. " if study.binding.limit is not None else
              f"{str(study.binding).capitalize()}: no more was looked for. "
              if study.binding.what == "no limit" else f"Beyond it there is {study.binding}. ")
    if study.existing:
        words += f"{len(study.existing)} limits are broken before anything is connected. "
    return words + (str(study.check) if study.check is not None else "")


def _gap_words(study: ConnectionStudy) -> str:
    gaps = study.gaps
    return "" if not len(gaps) else (
        f"In {len(gaps)} hours (the first: {int(gaps[0])}) more than this keeps all limits again: "
        "what is allowed is no interval from 0.")


def table_of(table: pd.DataFrame, words: int, caption: str) -> Table:
    """A table of a page.

    Parameters
    ----------
    table : DataFrame
    words : int
        Columns of words, from the left.
    caption : str

    Returns
    -------
    Table
    """
    head = [str(c).replace("_", " ") for c in table.columns]
    rows = [[_cell(x) for x in row] for row in table.itertuples(index=False)]
    return Table(head, rows, words, caption)


def _cell(x: Any) -> str:
    if isinstance(x, float):
        return "–" if math.isnan(x) else number(x)
    return str(x)


def places_of(network: Network) -> pd.DataFrame:
    """Coordinates of buses and what feeds them: columns bus, x, y, before."""
    graph = network.graph()
    rows = [(name, bus.x, bus.y, next(iter(graph.predecessors(name)), ""))
            for name, bus in network.buses.items() if name in graph]
    table = pd.DataFrame(rows, columns=["bus", "x", "y", "before"])
    return table.astype({"x": float, "y": float})


def applicants_table(studies: Sequence[ConnectionStudy]) -> pd.DataFrame:
    """Applicants in their order: columns order, bus, asked_kw, firm_kw, what, element, phase, hour.
    """
    rows = [(i + 1, s.site.bus, s.max_kw, s.firm_kw, s.binding.what, s.binding.element,
             s.binding.phase, s.binding.hour) for i, s in enumerate(studies)]
    return pd.DataFrame(rows, columns=["order", "bus", "looked_for_kw", "firm_kw", "what",
                                       "element", "phase", "hour"])
