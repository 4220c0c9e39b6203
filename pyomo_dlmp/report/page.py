"""The page around the pictures: a template and a style sheet, nothing to fetch, no script."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pyomo_dlmp.report.drawing import Job
from pyomo_dlmp.report.figures.style import case_color
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
    """

    svg: str
    caption: str
    alt: str


@dataclass(frozen=True)
class Plan:
    """A picture that is not drawn yet: how, and its caption and text as of `Picture`."""

    job: Job
    caption: str
    alt: str


@dataclass(frozen=True)
class Section:
    """A chapter of the page; left out when it has no items."""

    anchor: str
    title: str
    intro: str = ""
    items: Sequence[Picture | Plan | Table] = field(default_factory=tuple)


def render_page(
    title: str, subtitle: str, lead: str, headlines: Sequence[Headline],
    sections: Sequence[Section], stamp: str = "",
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

    Returns
    -------
    str
        An HTML document that holds its style and pictures and refers to nothing else.
    """
    page = _environment().get_template("page.html.j2")
    return page.render(
        title=title, subtitle=subtitle, lead=lead, headlines=headlines,
        sections=[section for section in sections if section.items], stamp=stamp,
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
    environment.filters.update(number=number, case_color=case_color, data_uri=_data_uri)
    environment.tests["picture"] = lambda item: isinstance(item, Picture)
    return environment


def _data_uri(svg: str) -> str:
    """A picture as part of the page: sharp on screen and paper, with nothing to fetch."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode("utf-8")).decode("ascii")
