"""Pictures of a connection study, each half as wide as the page: capacities, the hosting map."""

from __future__ import annotations

from math import floor

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pyomo_dlmp.report.figures.style import FAINT, LIMIT, SITE_COLORS, WIDTH, panels, styled

_DAY = 24


def _half(height: float) -> tuple[Figure, Axes]:
    """A figure of half the page's width, and its axes."""
    figure, axes = panels(1, 1, height)
    figure.set_size_inches(WIDTH / 2, figure.get_size_inches()[1])
    return figure, axes[0][0]


@styled
def sorted_picture(kw: np.ndarray, firm: float, contracts: dict[str, float]) -> Figure:
    """The capacity of all hours, least first, and contracts.

    Parameters
    ----------
    kw : ndarray, shape (hours,)
    firm : float
        kW.
    contracts : dict of str to float
        Further contracts by name (kW).

    Returns
    -------
    Figure
    """
    figure, curve = _half(3.4)
    least_first = np.sort(np.asarray(kw, dtype=float))
    curve.plot(np.arange(1, len(kw) + 1), least_first, color="#0072B2", lw=1.8,
               marker="o" if len(kw) == 1 else None)
    if len(kw) > 2 * _DAY:
        curve.set_xscale("log")
        curve.xaxis.set_major_formatter("{x:,.0f}")
    curve.axhline(firm, color=LIMIT, lw=1.4, label=f"firm {floor(firm):,} kW")
    for i, (name, value) in enumerate(contracts.items()):
        curve.axhline(value, color=SITE_COLORS[i % len(SITE_COLORS)], lw=1.1, ls="--",
                      label=f"{name}: {value:,.0f} kW")
    curve.set_title("Hours by what they allow, least first")
    curve.set_xlabel("hours")
    curve.set_ylabel("kW")
    curve.set_ylim(0, None)
    curve.legend(loc="lower right", frameon=False)
    return figure


@styled
def hourly_picture(kw: np.ndarray, firm: float) -> Figure:
    """The capacity of the hours in their order; of a year as a calendar of days and hours.

    Parameters
    ----------
    kw : ndarray, shape (hours,)
    firm : float
        kW.

    Returns
    -------
    Figure
    """
    figure, order = _half(3.4)
    kw = np.asarray(kw, dtype=float)
    days = len(kw) // _DAY
    if days >= 7 and days * _DAY == len(kw):
        image = order.imshow(kw.reshape(days, _DAY).T, aspect="auto", origin="lower",
                             cmap="cividis", extent=(0, days, 0, _DAY), interpolation="nearest",
                             vmin=0 if firm < 0.2 * kw.max() else None)
        figure.colorbar(image, ax=order, label="kW")
        order.grid(False)
        order.set_title("Capacity by day and hour")
        order.set_xlabel("day")
        order.set_ylabel("hour of the day")
    else:
        order.step(np.arange(len(kw)), kw, where="mid", color="#0072B2", lw=1.6)
        order.fill_between(np.arange(len(kw)), kw, step="mid", color="#0072B2", alpha=0.15)
        order.axhline(firm, color=LIMIT, lw=1.4)
        order.set_title("Capacity by hour")
        order.set_xlabel("hour")
        order.set_ylabel("kW")
        order.set_ylim(0, None)
    return figure


def _top(table: pd.DataFrame) -> float:
    """Upper end of the kW that are drawn: buses without a limit do not stretch it."""
    limited = table[table["what"] != "no limit"]
    kw = (limited if len(limited) else table)["firm_kw"]
    return float(kw.quantile(0.9)) * 1.15 or 1.0


@styled
def distance_picture(table: pd.DataFrame) -> Figure:
    """Firm kW over the distance from the substation.

    Parameters
    ----------
    table : DataFrame
        As `HostingMap.table`.

    Returns
    -------
    Figure
    """
    figure, ax = _half(4.2)
    top = _top(table)
    names = list(dict.fromkeys(
        f"{w} {e}".strip() for w, e in zip(table["what"], table["element"], strict=True)))
    shown = names[:len(SITE_COLORS)]
    for i, name in enumerate(shown):
        rows = table[(table["what"] + " " + table["element"]).str.strip() == name]
        ax.scatter(rows["distance_km"], rows["firm_kw"].clip(upper=top), s=26,
                   color=SITE_COLORS[i], label=name)
    if len(names) > len(shown):
        rest = table[~(table["what"] + " " + table["element"]).str.strip().isin(shown)]
        ax.scatter(rest["distance_km"], rest["firm_kw"].clip(upper=top), s=26, color="#777777",
                   label="others")
    ax.set_ylim(0, top * 1.03)
    ax.set_title("Firm kW by the limit that ends it\n(greater ones at the upper edge)")
    ax.set_xlabel("distance from the substation (km)")
    ax.set_ylabel("kW")
    ax.legend(frameon=False, fontsize=8)
    return figure


def mapped(table: pd.DataFrame, places: pd.DataFrame) -> bool:
    """Whether a feeder has the coordinates of all of its buses."""
    known = places.dropna(subset=["x", "y"])
    return len(known) >= 2 and set(table["bus"]) <= set(known["bus"])


@styled
def map_picture(table: pd.DataFrame, places: pd.DataFrame) -> Figure:
    """Firm kW on the feeder's map.

    Parameters
    ----------
    table : DataFrame
        As `HostingMap.table`.
    places : DataFrame
        Columns bus, x, y, before (the bus that feeds it); rows without x are not drawn.

    Returns
    -------
    Figure
    """
    figure, ax = _half(4.2)
    known, top = places.dropna(subset=["x", "y"]), _top(table)
    at = known.set_index("bus")[["x", "y"]]
    for bus, before in zip(known["bus"], known["before"], strict=True):
        if before in at.index:
            ax.plot(at.loc[[before, bus], "x"], at.loc[[before, bus], "y"], color=FAINT, lw=1.2,
                    zorder=1)
    spots = at.loc[table["bus"]]
    dots = ax.scatter(spots["x"], spots["y"], c=table["firm_kw"].clip(upper=top), cmap="cividis",
                      s=34, zorder=2, vmin=0, vmax=top)
    figure.colorbar(dots, ax=ax, label="firm kW")
    ax.set_title("Where they are")
    ax.set_aspect("equal", adjustable="datalim")
    ax.set_xticks([])
    ax.set_yticks([])
    return figure
