"""Price regimes of one hour over the powers of two datacenters."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Polygon

from pyomo_dlmp.report.derived import cases_of, pick
from pyomo_dlmp.report.figures.style import INK, panels, styled

# Light enough to write prices on, distinct under common colour blindness (Paul Tol's "light").
_COLORS = ("#77AADD", "#EE8866", "#EEDD88", "#FFAABB", "#99DDFF", "#44BB99", "#BBCC33", "#AAAA00",
           "#DDDDDD")
REST = "#f4f6f8"
_LETTERS = 130  # of a legend's line; more limits are counted


@styled
def regime_map(regimes: pd.DataFrame) -> Figure:
    """Regions by what binds, with the price at the first datacenter; a panel per case.

    Parameters
    ----------
    regimes : DataFrame
        Columns case, period, region, binds, corner (0: the answer), x_site, y_site, x, y (MW),
        price_x, price_y ($/MWh).

    Returns
    -------
    Figure
    """
    cases, colour = cases_of(regimes), colours_of(regimes)
    columns = min(len(cases), 3)
    figure, axes = panels(-(-len(cases) // columns), columns, 3.6)
    for ax, case in zip(axes.flat, cases, strict=False):
        _draw(ax, pick(regimes, case=case), colour)
        ax.set_title(f"{case} · hour {pick(regimes, case=case)['period'].iloc[0]}")
    for ax in axes.flat[len(cases):]:
        ax.remove()
    handles: list = [Patch(facecolor=colour[words], edgecolor="white", label=short(words))
                     for words in colour]
    if regimes["binds"].nunique() > len(colour):
        handles.append(Patch(facecolor=REST, label="others"))
    handles.append(Line2D([], [], marker="*", color=INK, lw=0, ms=11, label="answer"))
    figure.legend(handles=handles, loc="outside lower center", ncols=1)
    return figure


def split_regimes(regimes: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Cases that have more than one region, and in words what holds in the others.

    Parameters
    ----------
    regimes : DataFrame
        As of `regime_map`.

    Returns
    -------
    (DataFrame, str)
        Where all have one region alone, the table as it is, as a picture of what binds.
    """
    alike = [case for case in cases_of(regimes)
             if pick(regimes, case=case)["region"].nunique() == 1] if len(regimes) else []
    if not alike:
        return regimes, ""
    rows = pick(regimes, case=alike[0])
    where = "" if len(cases_of(regimes)) == 1 else " in " + ", ".join(f"“{c}”" for c in alike)
    words = (f"Over all powers of {rows['x_site'].iloc[0]} and {rows['y_site'].iloc[0]} there is "
             f"one region alone{where}: nowhere do prices jump.")
    rest = regimes[~regimes["case"].isin(alike)]
    return (rest if len(rest) else regimes), words


def colours_of(regimes: pd.DataFrame) -> dict[str, str]:
    """A colour for what binds, the largest regions first; further ones have none of their own.

    Parameters
    ----------
    regimes : DataFrame
        As of `regime_map`.

    Returns
    -------
    dict of str to str
    """
    size = dict.fromkeys(regimes["binds"], 0.0)
    for (_, _, words), rows in regimes[regimes["corner"] > 0].groupby(
            ["case", "region", "binds"], observed=True):
        size[words] += area(rows["x"].to_numpy(float), rows["y"].to_numpy(float))
    return dict(zip(sorted(size, key=lambda words: -size[words]), _COLORS, strict=False))


def _draw(ax: Axes, rows: pd.DataFrame, colour: dict[str, str]) -> None:
    x_site, y_site = rows["x_site"].iloc[0], rows["y_site"].iloc[0]
    corners = rows[rows["corner"] > 0]
    total = float(np.ptp(corners["x"])) * float(np.ptp(corners["y"]))
    for _, region in corners.sort_values("corner").groupby("region"):
        at = region[["x", "y"]].to_numpy(float)
        ax.add_patch(Polygon(at, facecolor=colour.get(region["binds"].iloc[0], REST),
                             edgecolor="white", lw=0.8))
        if area(*at.T) > 0.02 * total:
            ax.annotate(f"{region['price_x'].mean():.1f}", at.mean(axis=0), ha="center",
                        va="center", fontsize=8, color=INK)
    answer = rows[rows["corner"] == 0]
    ax.plot(answer["x"], answer["y"], "*", color=INK, ms=11, clip_on=False, zorder=5)
    ax.set_xlim(corners["x"].min(), corners["x"].max())
    ax.set_ylim(corners["y"].min(), corners["y"].max())
    ax.grid(False)
    ax.set_xlabel(f"{x_site} (MW)")
    ax.set_ylabel(f"{y_site} (MW)")


def short(words: str, letters: int = _LETTERS) -> str:
    """As many limits as a line of the legend holds, and how many more there are.

    Parameters
    ----------
    words : str
        Limits with "; " between them.
    letters : int
        Of the line.

    Returns
    -------
    str
    """
    limits, kept = words.split("; "), list[str]()
    for limit in limits:
        if kept and len("; ".join([*kept, limit])) > letters:
            return f"{'; '.join(kept)}; {len(limits) - len(kept)} more"
        kept.append(limit)
    return words


def area(x: np.ndarray, y: np.ndarray) -> float:
    """Area of a polygon.

    Parameters
    ----------
    x, y : ndarray, shape (corners,)
        In their order around it.

    Returns
    -------
    float
    """
    return 0.5 * abs(float(x @ np.roll(y, 1) - y @ np.roll(x, 1)))
