"""The page around the pictures: plain HTML and CSS, nothing to fetch, no script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

from pyomo_dlmp.report.figures.style import case_color
from pyomo_dlmp.report.story import Headline
from pyomo_dlmp.report.tables import number

CSS = """
:root { --ink: #1f2933; --muted: #5f6b7a; --line: #d9dee4; --soft: #f5f7f9; --accent: #0b5c94; }
* { box-sizing: border-box; }
html { scroll-behavior: smooth; }
body { margin: 0; background: #fff; color: var(--ink); -webkit-text-size-adjust: 100%;
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial,
  "DejaVu Sans", sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 2.4rem 1.4rem 4rem; }
h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 .2rem; letter-spacing: -.01em; }
h2 { font-size: 1.35rem; margin: 3rem 0 .4rem; padding-top: .9rem;
  border-top: 2px solid var(--ink); }
p { max-width: 48rem; } .sub { color: var(--muted); margin: 0 0 1.4rem; }
.lead { font-size: 1.06rem; max-width: 54rem; }
a { color: var(--accent); }
.cards { display: grid; gap: .9rem; margin: 1.6rem 0;
  grid-template-columns: repeat(auto-fit, minmax(215px, 1fr)); }
.card { background: var(--soft); border-radius: 8px; padding: .8rem 1rem .9rem; }
.card b { display: block; font-weight: 600; font-size: .86rem; color: var(--muted);
  margin-bottom: .3rem; }
.card div { display: flex; justify-content: space-between; align-items: baseline; gap: .6rem; }
.card span { font-size: .9rem; }
.card strong { font-size: 1.3rem; font-variant-numeric: tabular-nums; }
.dot { display: inline-block; width: .62em; height: .62em; border-radius: 50%;
  margin-right: .45em; }
nav { margin: 1.8rem 0 0; } nav ol { columns: 2; column-gap: 2.5rem; margin: .3rem 0 0;
  padding-left: 1.4rem; } nav li { padding: .15rem 0; break-inside: avoid; }
figure { margin: 1.5rem 0 2.2rem; } figure img { display: block; width: 100%; height: auto; }
figcaption, .caption { font-size: .92rem; color: var(--muted); margin: .5rem 0 0;
  max-width: 54rem; }
figcaption b, .caption b { color: var(--ink); }
.wide { overflow-x: auto; margin: 1rem 0 .4rem; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th, td { padding: .34rem .75rem; border-bottom: 1px solid var(--line); vertical-align: baseline; }
th { text-align: left; border-bottom: 2px solid var(--ink); font-weight: 600; }
td.num, th.num { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
tr.group td:first-child { font-weight: 600; }
td.pass { color: #1a6b3c; } td.fail { color: #b42318; font-weight: 700; }
footer { margin-top: 3rem; padding-top: .8rem; border-top: 1px solid var(--line);
  color: var(--muted); font-size: .86rem; }
@media (max-width: 640px) { main { padding: 1.4rem 1rem 3rem; } nav ol { columns: 1; }
  h1 { font-size: 1.6rem; } }
@media print {
  @page { margin: 14mm; }
  body { font-size: 10.5pt; } main { max-width: none; padding: 0; }
  figure, .card, tr { break-inside: avoid; } h2 { break-after: avoid; }
  figure img { max-height: 235mm; object-fit: contain; object-position: left; }
  .card { border: 1px solid var(--line); } a { color: inherit; text-decoration: none; }
}
"""


@dataclass(frozen=True)
class Picture:
    """A picture with its caption (what it shows, units) and a text for who cannot see it."""

    source: str
    caption: str
    alt: str


@dataclass(frozen=True)
class Table:
    """A ready HTML table with its caption."""

    html: str
    caption: str


@dataclass(frozen=True)
class Section:
    """A chapter of the page; left out when it has no items."""

    anchor: str
    title: str
    intro: str = ""
    items: Sequence[Picture | Table] = field(default_factory=tuple)


def render_page(
    title: str, subtitle: str, lead: str, headlines: Sequence[Headline], sections: Sequence[Section]
) -> str:
    """The whole page as text; figures and tables are numbered in their order."""
    sections = [section for section in sections if section.items]
    contents = "\n".join(
        f'<li><a href="#{section.anchor}">{escape(section.title)}</a></li>' for section in sections
    )
    counts = {"Figure": 0, "Table": 0}
    body = "\n".join(_section(section, counts) for section in sections)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{CSS}</style>
</head>
<body>
<main>
<header>
<h1>{escape(title)}</h1>
<p class="sub">{escape(subtitle)}</p>
<p class="lead">{escape(lead)}</p>
{_cards(headlines)}
<nav aria-label="Contents"><strong>Contents</strong>
<ol>
{contents}
</ol></nav>
</header>
{body}
<footer>Written by pyomo_dlmp from the tables in this folder. DLMP: distribution locational
marginal price, the change of the operator's cost for one more unit of load at a bus and phase.
VUF, PVUR, LVUR: voltage unbalance factor, phase and line voltage unbalance rate.</footer>
</main>
</body>
</html>
"""


def _cards(headlines: Sequence[Headline]) -> str:
    if not headlines:
        return ""
    cards = []
    for one in headlines:
        cases = list(one.values)
        rows = "".join(
            f'<div><span><i class="dot" style="background:{case_color(cases, case)}"></i>'
            f"{escape(case)}</span><strong>{number(value)}</strong></div>"
            for case, value in one.values.items()
        )
        cards.append(f'<div class="card"><b>{escape(one.name)}</b>{rows}</div>')
    return f'<div class="cards">{"".join(cards)}</div>'


def _section(section: Section, counts: dict[str, int]) -> str:
    parts = [f'<section id="{section.anchor}">', f"<h2>{escape(section.title)}</h2>"]
    if section.intro:
        parts.append(f"<p>{escape(section.intro)}</p>")
    for item in section.items:
        kind = "Figure" if isinstance(item, Picture) else "Table"
        counts[kind] += 1
        name = f"<b>{kind} {counts[kind]}.</b> {escape(item.caption)}"
        if isinstance(item, Picture):
            parts.append(
                f'<figure><img alt="{escape(item.alt, quote=True)}" src="{item.source}">'
                f"<figcaption>{name}</figcaption></figure>"
            )
        else:
            parts.append(f'{item.html}<p class="caption">{name}</p>')
    return "\n".join([*parts, "</section>"])
