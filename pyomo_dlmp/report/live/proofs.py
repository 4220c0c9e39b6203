"""Charts that are not by hour: price regimes over two powers, and how true prices are in AC."""

from __future__ import annotations

import math
from textwrap import wrap
from typing import Any

import numpy as np
import pandas as pd

from pyomo_dlmp.report.derived import all_cases, cases_of, pick
from pyomo_dlmp.report.figures.certificate import LEAST
from pyomo_dlmp.report.figures.regimes import REST, area, colours_of, short
from pyomo_dlmp.report.figures.style import INK, case_color, case_width
from pyomo_dlmp.report.live.panels import Chart, Panels, plain

_LINE = 60  # letters of a line of a legend on a narrow screen
_POINTS = 200  # of a curve


def regime_chart(regimes: pd.DataFrame) -> Chart:
    """Regions by what binds, with the price at the first datacenter; a panel per case.

    Parameters
    ----------
    regimes : DataFrame
        As of `Results`.

    Returns
    -------
    Chart
    """
    cases, colours = cases_of(regimes), colours_of(regimes)
    panels = Panels([f"{case} · hour {pick(regimes, case=case)['period'].iloc[0]}"
                     for case in cases], each=230)
    for row, case in enumerate(cases):
        mine = pick(regimes, case=case)
        corners = mine[mine["corner"] > 0].sort_values("corner")
        whole = float(np.ptp(corners["x"])) * float(np.ptp(corners["y"]))
        for words in dict.fromkeys(corners["binds"]):
            color = colours.get(words, REST)
            name = "<br>".join(wrap(plain(short(words, 2 * _LINE)), _LINE)) or "–"
            for _, region in corners[corners["binds"] == words].groupby("region"):
                x, y = (region[k].to_numpy(dtype=float) for k in ("x", "y"))
                price = float(region["price_x"].mean())
                panels.add(row, name, np.append(x, x[0]), pd.Series(np.append(y, y[0])),
                           mode="lines", fill="toself", fillcolor=color, hoveron="fills",
                           line={"color": "#fff", "width": 1}, hoverinfo="text",
                           text=f"{price:.2f} $/MWh<br>" + "<br>".join(wrap(plain(words), _LINE)))
                if area(x, y) > 0.02 * whole:
                    panels.note(row, float(x.mean()), float(y.mean()), f"{price:.2f}")
        answer = mine[mine["corner"] == 0]
        panels.add(row, "answer", answer["x"], answer["y"], mode="markers", cliponaxis=False,
                   marker={"symbol": "star", "size": 12, "color": INK}, hoverinfo="name")
    x_site, y_site = regimes["x_site"].iloc[0], regimes["y_site"].iloc[0]
    chart = panels.chart(
        [f"{y_site} (MW)"] * len(cases),
        f"What binds over the powers of {x_site} and {y_site}, in the hour of each case's highest "
        "payment; all else the leader decides is as in the answer (star). Limits that bind "
        f"everywhere are left out. Numbers: active DLMP at {x_site} ($/MWh), mean of the region's "
        "corners.", "Polygons of the regions in which the same limits bind, for each case.",
        hovermode="closest")
    chart.figure["layout"]["xaxis"] |= _axis(f"{x_site} (MW)")
    return chart


def certificate_chart(certificate: pd.DataFrame) -> Chart:
    """Sorted differences of price and dual, over the share of all prices, a line per case.

    Parameters
    ----------
    certificate : DataFrame
        As of `Results`.

    Returns
    -------
    Chart
    """
    names = [q for q in ("active", "reactive") if (certificate["quantity"] == q).any()]
    units = [pick(certificate, quantity=name)["unit"].iloc[0] for name in names]
    panels = Panels([f"{name} price" for name in names], each=180)
    for row, name in enumerate(names):
        rows = pick(certificate, quantity=name)
        rows = rows.assign(error=(rows["price"] - rows["dual"]).abs()).dropna(subset=["error"])
        cases = all_cases(rows)
        for case in cases_of(rows):
            y = np.sort(pick(rows, case=case)["error"].to_numpy(dtype=float))
            at = np.unique(np.linspace(0, len(y) - 1, min(_POINTS, len(y))).astype(int))
            panels.add(row, case, 100 * (at + 0.5) / len(y),
                       pd.Series(np.maximum(y[at], LEAST)), mode="lines",
                       line={"color": case_color(cases, case), "width": case_width(cases, case)})
    chart = panels.chart(
        units, "All prices, sorted by the distance of their dual from the marginal cost in AC.",
        "Curves of the differences of price and marginal cost on a logarithmic axis.")
    layout = chart.figure["layout"]
    for row in range(len(names)):
        layout[f"yaxis{row + 1 if row else ''}"] |= {"type": "log", "exponentformat": "power",
                                                    "dtick": _decades(chart, row)}
    layout["xaxis"] |= {**_axis("share of all prices (%)"), "range": [0, 100]}
    return chart


def _decades(chart: Chart, row: int) -> int:
    """Powers of ten from one tick to the next, for at most five on a logarithmic axis."""
    mark = f"y{row + 1 if row else ''}"
    values = np.concatenate([t["y"] for t in chart.figure["data"] if t["yaxis"] == mark])
    return max(1, math.ceil(float(np.ptp(np.log10(values))) / 4))


def _axis(title: str) -> dict[str, Any]:
    """An x axis of numbers, in place of that of hours."""
    return {"title": {"text": title, "standoff": 6}, "dtick": None, "tick0": None, "range": None,
            "type": "linear", "zeroline": False, "hoverformat": "", "unifiedhovertitle": None}
