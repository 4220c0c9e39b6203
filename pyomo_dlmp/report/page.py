"""The page around charts and tables: a template, a style sheet, plotly, and nothing to fetch.

Its security policy forbids any connection. Without JavaScript the text, the tables and the static
pictures remain.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from pyomo_dlmp.report.drawing import Job
from pyomo_dlmp.report.figures.style import case_color
from pyomo_dlmp.report.live.encoding import compact, plotly_script
from pyomo_dlmp.report.live.panels import Chart
from pyomo_dlmp.report.story import Headline
from pyomo_dlmp.report.tables import Table, number

_HERE = Path(__file__).parent
_HEAD = 400  # letters of a page before its title


@dataclass(frozen=True)
class Picture:
    """A picture with its caption.

    Attributes
    ----------
    svg : str
        Text of an SVG file.
    caption : str
        What it shows, with units.
    alt : str
        A text for readers who cannot see it.
    paper : bool
        Whether it is left out of the page, where a chart shows the same.
    narrow : bool
        Whether it is half as wide as the page: two stand side by side, on a narrow screen one
        below the other.
    """

    svg: str
    caption: str
    alt: str
    paper: bool = False
    narrow: bool = False


@dataclass(frozen=True)
class Plan:
    """A picture that is not drawn yet: how, and its caption and text as of `Picture`.

    On the page a chart takes the place of one that is on paper alone: it is drawn as a file only.
    """

    job: Job
    caption: str
    alt: str
    paper: bool = False


@dataclass(frozen=True)
class FeederMap:
    """The map with its controls; `data` of `live.feeder`, `hour` the place of the first period."""

    data: dict[str, Any]
    hour: int
    caption: str
    alt: str


Item = Picture | Plan | Table | Chart | FeederMap


@dataclass(frozen=True)
class Section:
    """A chapter of the page; left out when it has no items."""

    anchor: str
    title: str
    intro: str = ""
    items: Sequence[Item] = field(default_factory=tuple)


def picture(caption: str, alt: str, draw: Callable[..., Figure], *args: object,
            **kwargs: object) -> Plan:
    """A picture of the page, to be drawn.

    Parameters
    ----------
    caption, alt : str
        As of `Picture`.
    draw : callable
        A figure function.
    *args, **kwargs
        What it is given.

    Returns
    -------
    Plan
    """
    return Plan(Job(draw, args, kwargs), caption, alt)


def on_paper(caption: str, alt: str, draw: Callable[..., Figure], *args: object,
             **kwargs: object) -> Plan:
    """A picture whose place a chart takes on the page; see `picture`.

    Parameters
    ----------
    caption, alt : str
    draw : callable
    *args, **kwargs

    Returns
    -------
    Plan
    """
    return replace(picture(caption, alt, draw, *args, **kwargs), paper=True)


def both(chart: Chart, draw: Callable[..., Figure], *args: object,
         **kwargs: object) -> Iterator[Chart | Plan]:
    """A chart of the page, and the picture of the same for papers under the same caption.

    Parameters
    ----------
    chart : Chart
    draw : callable
        A figure function.
    *args, **kwargs
        What it is given.

    Yields
    ------
    Chart or Plan
    """
    yield chart
    yield on_paper(chart.caption, chart.alt, draw, *args, **kwargs)


def render_page(
    title: str, subtitle: str, lead: str, headlines: Sequence[Headline],
    sections: Sequence[Section], stamp: str = "", points: Sequence[tuple[str, str]] = (),
) -> str:
    """The whole page; figures and tables are numbered in their order.

    Parameters
    ----------
    title, subtitle, lead : str
        Head of the page, as plain text: whatever stands in it is escaped.
    headlines : sequence of Headline
        Figures shown as cards below the lead.
    sections : sequence of Section
        Chapters in their order, drawn; those without items are left out.
    stamp : str, optional
        Of what it is drawn from, kept in its head for `stamp_of`.
    points : sequence of (str, str), optional
        A subject, and what is said of it in plain text: below the cards.

    Returns
    -------
    str
        An HTML document that holds its style, pictures and script and refers to nothing else.
    """
    page = _environment().get_template("page.html.j2")
    sections = [replace(section, items=[
        item for item in section.items if not (isinstance(item, Picture) and item.paper)])
        for section in sections]
    sections = [section for section in sections if section.items]
    alive = any(isinstance(item, Chart | FeederMap) for s in sections for item in s.items)
    script = (_HERE / "live" / "live.js").read_text(encoding="utf-8") if alive else ""
    return page.render(
        title=title, subtitle=subtitle, lead=lead, headlines=headlines, points=points,
        sections=sections, stamp=stamp, script=Markup(script),
        library=Markup(plotly_script() if alive else ""),
        style=Markup((_HERE / "style.css").read_text(encoding="utf-8")),
    )  # fmt: skip


def stamp_of(page: Path) -> str:
    """The stamp of a page.

    Parameters
    ----------
    page : Path
        As `render_page` has written it.

    Returns
    -------
    str
        Empty where there is no page, or none in it.
    """
    try:
        with page.open(encoding="utf-8") as file:
            head = file.read(_HEAD)
    except (OSError, UnicodeDecodeError):
        return ""
    found = re.search(r'<meta name="drawn-from" content="(\w+)">', head)
    return found[1] if found else ""


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined,
        keep_trailing_newline=True,
    )  # fmt: skip
    environment.filters.update(number=number, case_color=case_color, data_uri=_data_uri,
                               json=lambda value: Markup(compact(value)))
    environment.tests.update(picture=lambda item: isinstance(item, Picture),
                             chart=lambda item: isinstance(item, Chart),
                             feedermap=lambda item: isinstance(item, FeederMap))
    return environment


def _data_uri(svg: str) -> str:
    """A picture as part of the page: sharp on screen and paper, with nothing to fetch."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode("utf-8")).decode("ascii")
