"""Panels one below the other over the hours, as plotly reads them: what all charts are made of."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from textwrap import wrap
from typing import Any

import pandas as pd

from pyomo_dlmp.report.figures.style import LIMIT

_TITLE = 62  # letters of a panel's title in a line, on a narrow screen
_GAP = 46  # px above each panel, for its title
_AXIS, _ROW_PX, _LINE_PX = 56, 14, 16  # px below the last: axis, each row of the legend, its lines
_LEGEND, _LETTER, _KEY = 480, 7, 52  # px: the legend on a narrow screen, a letter, a line's key
_EDGE = 0.49  # of a period, from its middle to where a step line ends: hover texts round it away


@dataclass(frozen=True)
class Chart:
    """A chart of the page.

    Attributes
    ----------
    figure : dict
        data and layout of plotly.
    height : int
        In px.
    caption, alt : str
        As of a picture.
    """

    figure: dict[str, Any]
    height: int
    caption: str
    alt: str


@dataclass
class Panels:
    """Panels one below the other over the hours, as they are filled."""

    titles: Sequence[str]
    each: int = 190  # px
    data: list[dict[str, Any]] = field(default_factory=list)
    layout: dict[str, Any] = field(default_factory=dict)
    named: set[str] = field(default_factory=set)
    notes: list[dict[str, Any]] = field(default_factory=list)
    periods: list[Hashable] = field(default_factory=list)

    def add(self, row: int, name: str, x: Iterable, y: pd.Series, **trace: Any) -> None:
        """A trace; of those with one name the first is in the legend and switches all."""
        mark = "" if row == 0 else str(row + 1)
        self.data.append({
            "x": list(x), "y": y.to_numpy(dtype=float), "legendgroup": name,
            "name": name if "<br>" in name else plain(name),
            "showlegend": name not in self.named, "xaxis": "x", "yaxis": f"y{mark}", **trace})
        self.named.add(name)

    def steps(self, row: int, name: str, periods: list[Hashable], y: pd.Series, color: str, *,
              trace: dict[str, Any] | None = None, **line: Any) -> None:
        """A line that is constant over each hour, from the first one's start to the last's end."""
        self.periods = periods
        y = y.reindex(periods)
        if _whole(periods):
            ends = [periods[0] - _EDGE, *periods, periods[-1] + _EDGE]  # type: ignore[operator]
            y = pd.Series([y.iloc[0], *y, y.iloc[-1]])
        self.add(row, name, ends if _whole(periods) else periods, y, mode="lines", **{
            "line": {"shape": "hvh", "color": color, "width": 2, **line}, **(trace or {})})

    def level(self, row: int, value: float) -> None:
        """A limit."""
        mark = "" if row == 0 else str(row + 1)
        self.layout.setdefault("shapes", []).append({
            "type": "line", "xref": "paper", "x0": 0, "x1": 1, "yref": f"y{mark}", "y0": value,
            "y1": value, "line": {"color": LIMIT, "width": 1.2, "dash": "dash"}})

    def note(self, row: int, x: float, y: float, text: str) -> None:
        """A text in a panel."""
        self.notes.append({"text": text, "x": x, "y": y, "showarrow": False, "xref": "x",
                           "yref": f"y{row + 1 if row else ''}", "font": {"size": 11}})

    def chart(self, ytitles: Sequence[str], caption: str, alt: str, over: str | None = None,
              **layout: Any) -> Chart:
        """The whole; `over`: title of an x axis that is not of hours."""
        count = len(self.titles)
        titles = ["<br>".join(map(plain, wrap(title, _TITLE))) for title in self.titles]
        inner = count * (self.each + _GAP)
        notes = list(self.notes)
        for row, (title, ytitle) in enumerate(zip(titles, ytitles, strict=True)):
            top = 1 - (row * (self.each + _GAP) + _GAP) / inner
            mark = "" if row == 0 else str(row + 1)
            self.layout[f"yaxis{mark}"] = {
                "domain": [max(0.0, top - self.each / inner), top], "title": {"text": ytitle},
                "gridcolor": "#e9ecef", "zerolinecolor": "#b8c0c8", "anchor": "x" if
                row == count - 1 else "free", "automargin": False, "nticks": 6}
            if row < count - 1:
                self.layout[f"yaxis{mark}"]["position"] = 0
            notes.append({"text": f"<b>{title}</b>", "xref": "paper", "yref": "paper", "x": 0,
                          "y": top, "xanchor": "left", "yanchor": "bottom", "showarrow": False,
                          "align": "left", "yshift": 4})
        last = "" if count == 1 else str(count)
        foot = foot_px([trace["name"] for trace in self.data if trace["showlegend"]])
        whole = {
            "margin": {"l": 66, "r": 12, "t": 26, "b": foot}, "annotations": notes,
            "hovermode": "x unified", "hoverlabel": {"namelength": -1}, "plot_bgcolor": "#fff",
            "xaxis": {"title": {"text": "hour", "standoff": 6}, "anchor": f"y{last}",
                      "gridcolor": "#f0f2f4", **(
                          _hours(self.periods or self.data[0]["x"]) if over is None else
                          {"title": {"text": over, "standoff": 6}, "zeroline": False})},
            "legend": {"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom",
                       "x": 0, "xanchor": "left", "itemsizing": "constant"},
            **self.layout, **layout}
        return Chart({"data": self.data, "layout": whole}, int(inner + foot + 26), caption, alt)


def foot_px(names: Sequence[str]) -> int:
    """Height of the axis and of the legend, whose lines are those of a narrow screen.

    Parameters
    ----------
    names : sequence of str
        Its entries, as plotly reads them: a break makes a line of its own.

    Returns
    -------
    int
        In px.
    """
    rows, used = 0, float(_LEGEND)
    for name in names:
        wide = _KEY + _LETTER * max(map(len, name.split("<br>")))
        if used + wide > _LEGEND:
            rows, used = rows + 1, 0.0
        used += wide
    lines = max((name.count("<br>") + 1 for name in names), default=1)  # all rows are equal
    return _AXIS + rows * (_ROW_PX + lines * _LINE_PX)


def _whole(periods: Sequence) -> bool:
    """Whether periods are hours one after the other, and not names."""
    return len(periods) > 0 and all(isinstance(t, int) for t in periods)


def _hours(periods: Sequence) -> dict[str, Any]:
    """An axis with about eight ticks, whether hours are numbers or names."""
    every, shown = max(1, -(-len(periods) // 8)), "%{x:.0f}" if _whole(periods) else "%{x}"
    title = {"unifiedhovertitle": {"text": f"hour {shown}"}}
    if all(isinstance(t, int | float) for t in periods):
        return {**title, "zeroline": False, "tick0": periods[0], "dtick": every,
                "range": [periods[0] - 0.5, periods[-1] + 0.5],
                **({"hoverformat": ".0f"} if _whole(periods) else {})}
    return {**title, "type": "category", "dtick": every}


def plain(text: str) -> str:
    """A text that plotly shows as it is: it reads some tags of HTML.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
    """
    return escape(text, quote=False)
