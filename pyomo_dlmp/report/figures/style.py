"""One look for all pictures: fonts, colour-blind safe colours, grids of panels, hour axes.

Figures are made with `matplotlib.figure.Figure` alone, so that no global state of pyplot is
touched and any number of reports can be written in one program.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Sequence
from textwrap import fill
from typing import Any, ParamSpec

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import CenteredNorm, Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from pyomo_dlmp.report.figures.paper import INK, MUTED, RC, Drawing
from pyomo_dlmp.tolerances import ROUNDING, SAME_MONEY

FAINT, LIMIT = "#d9dee4", "#b42318"
WIDTH = 11.0
"""Width of every picture (inches), so that letters have one size down the page."""
_TITLE = 126  # letters of a panel's title that stand side by side over all columns of a picture

# Okabe and Ito's palette: distinct under every common colour blindness, and in grey by lightness.
PHASE_COLORS = {
    **{"a": "#0072B2", "b": "#D55E00", "c": "#009E73"},
    **{"ab": "#0072B2", "bc": "#D55E00", "ca": "#009E73"},
}
SITE_COLORS = ("#CC79A7", "#E69F00", "#56B4E9", "#7A5195", "#8C9A2B", "#A0522D", "#2F6F6F",
               "#F28E8E", "#5C6BC0", "#B8A04A")
CASE_COLORS = ("#3d4f66", "#c2417c", "#1b9aaa", "#e0a030", "#5b3f8c", "#4c8c4a", "#d9623b",
               "#8d99a6")
CASE_MARKERS = ("o", "D", "s", "^", "v", "P", "X", "*")
MOST_SHAPES = 400  # in a panel; beyond, they are drawn as an image within the picture

P = ParamSpec("P")


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Runs a figure function in this look, without changing the caller's settings.

    Parameters
    ----------
    draw : callable
        Returns a Figure.

    Returns
    -------
    callable
        The same function in this look.
    """

    @functools.wraps(draw)
    def inside(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with matplotlib.rc_context(RC):
            return draw(*args, **kwargs)

    return inside


def panels(rows: int, columns: int, height: float, **kwargs: Any) -> tuple[Drawing, Any]:
    """A figure of rows x columns panels.

    Parameters
    ----------
    rows, columns : int
        How many.
    height : float
        Of each (inches).
    **kwargs
        As of `Figure.subplots`.

    Returns
    -------
    (Drawing, ndarray of Axes, shape (rows, columns))
    """
    layout = ConstrainedLayoutEngine(w_pad=0.06, h_pad=0.06, wspace=0.03, hspace=0.03)
    figure = Drawing(figsize=(WIDTH, rows * height + 0.5), layout=layout)
    return figure, figure.subplots(rows, columns, squeeze=False, **kwargs)


def case_color(cases: Sequence[str], case: str) -> str:
    """Colour of a case by its place in the study.

    Parameters
    ----------
    cases : sequence of str
        All cases of the study, in its order.
    case : str
        Name of the case.

    Returns
    -------
    str
    """
    return CASE_COLORS[list(cases).index(case) % len(CASE_COLORS)]


def case_marker(cases: Sequence[str], case: str) -> str:
    """Marker of a case by its place in the study.

    Parameters
    ----------
    cases : sequence of str
        All cases of the study, in its order.
    case : str
        Name of the case.

    Returns
    -------
    str
    """
    return CASE_MARKERS[list(cases).index(case) % len(CASE_MARKERS)]


def case_width(cases: Sequence[str], case: str) -> float:
    """Width of a case's line: earlier ones are wider, to show behind lines that coincide.

    Parameters
    ----------
    cases : sequence of str
        All cases of the study, in its order.
    case : str
        Name of the case.

    Returns
    -------
    float
        In pt.
    """
    place, last = list(cases).index(case), len(cases) - 1
    return 1.5 + 1.2 * (last - place) / max(last, 1)


def phase_color(phase: str) -> str:
    """Colour of a phase or delta leg.

    Parameters
    ----------
    phase : str
        "a", "b", "c", or a leg such as "ab"; "an", to a neutral, is as its phase.

    Returns
    -------
    str
    """
    return PHASE_COLORS.get(phase, PHASE_COLORS.get(phase[:1], MUTED))


def site_colors(sites: Sequence[str]) -> dict[str, str]:
    """A colour for each datacenter, by its place.

    Figures of one report agree when all pass the sites as `derived.sites_of` orders them.

    Parameters
    ----------
    sites : sequence of str
        Names of the datacenters.

    Returns
    -------
    dict of str to str
    """
    return {site: SITE_COLORS[i % len(SITE_COLORS)] for i, site in enumerate(sites)}


def phase_title(ax: Axes, phase: str, case: str = "") -> None:
    """Name a panel by phase and case.

    Parameters
    ----------
    ax : Axes
        The panel.
    phase : str
        "a", "b", "c", or a leg such as "ab".
    case : str, optional
        Name of the case.
    """
    word = "leg" if len(phase) == 2 else "phase"
    title, spec = f"{case} · {word} {phase}" if case else f"{word} {phase}", ax.get_subplotspec()
    room = max(_TITLE // (spec.get_gridspec().ncols if spec is not None else 1), 12)
    ax.set_title(title if len(title) <= room else f"{fill(case, room)}\n{word} {phase}")
    ax.title.set_color(INK)


def hour_axis(ax: Axes, periods: Sequence[Hashable], *, label: bool = True) -> None:
    """Set the x axis to blocks 0..n, one per period, with about eight readable ticks.

    Parameters
    ----------
    ax : Axes
        The panel.
    periods : sequence
        Periods in their order.
    label : bool
        Whether to write what the axis is.
    """
    every = max(1, int(np.ceil(len(periods) / 8)))
    at = range(0, len(periods), every)
    ax.set_xticks([i + 0.5 for i in at], [str(periods[i]) for i in at])
    ax.set_xlim(0, len(periods))
    if label:
        ax.set_xlabel("hour")


def steps(ax: Axes, values: pd.Series, periods: Sequence[Hashable], **kwargs: Any) -> Any:
    """Draw a line that is constant over each period, as prices and powers of a period are.

    Parameters
    ----------
    ax : Axes
        The panel.
    values : Series
        A number for each period.
    periods : sequence
        Periods in their order.
    **kwargs
        As of `Axes.stairs`.

    Returns
    -------
    StepPatch
    """
    y = values.reindex(list(periods)).to_numpy(dtype=float)
    return ax.stairs(y, np.arange(len(periods) + 1), baseline=None, **kwargs)


def norm_of(values: np.ndarray, *, centred: bool = False) -> tuple[Normalize, str]:
    """A colour scale for numbers, and the colour bar's `extend`.

    A spike that would flatten all the rest (beyond the middle 99 % by more than its width) is left
    beyond the scale and shown by the bar's arrows.

    Parameters
    ----------
    values : ndarray
        Numbers in the unit of the bar; NaN where missing.
    centred : bool
        Whether zero is in the middle.

    Returns
    -------
    (Normalize, str)
        `extend` is "neither", "min", "max" or "both".
    """
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return Normalize(0.0, 1.0), "neither"
    low, high = np.percentile(finite, [0.5, 99.5])
    span = high - low
    beyond_low, beyond_high = finite.min() < low - span, finite.max() > high + span
    low, high = (low if beyond_low else finite.min()), (high if beyond_high else finite.max())
    if centred:
        half = max(abs(low), abs(high), ROUNDING)
        return CenteredNorm(0.0, half), "both" if beyond_low or beyond_high else "neither"
    least = SAME_MONEY * max(1.0, abs(high))
    if high - low < least:  # all equal: a scale needs some width
        low, high = low - 0.5, high + 0.5
    extend = {(1, 1): "both", (1, 0): "min", (0, 1): "max"}.get(
        (int(beyond_low), int(beyond_high)), "neither"
    )
    return Normalize(float(low), float(high)), extend


def colormap(name: str) -> Colormap:
    """A colour map whose missing values are light grey.

    Parameters
    ----------
    name : str
        As matplotlib knows it.

    Returns
    -------
    Colormap
    """
    return matplotlib.colormaps[name].with_extremes(bad="#e9ecef")


def colour_bar(figure: Figure, axes: Any, norm: Normalize, cmap: Colormap, label: str,
               extend: str = "neither") -> None:  # fmt: skip
    """Draw one bar below all `axes`, of one size in every picture.

    Parameters
    ----------
    figure : Figure
    axes : Axes or array of them
        Panels that share the scale.
    norm, cmap : Normalize, Colormap
        The scale.
    label : str
        What it shows, with its unit.
    extend : str
        As `norm_of` gives it.
    """
    bar = figure.colorbar(
        ScalarMappable(norm, cmap), ax=axes, extend=extend, extendfrac=0.03, location="bottom",
        shrink=0.45, aspect=38, pad=0.02,
    )  # fmt: skip
    bar.set_label(label)
    bar.outline.set_visible(False)  # type: ignore[operator]


def is_large(items: object) -> bool:
    """Whether so many marks or wires are drawn as an image within the picture.

    As shapes of their own, thousands in each panel make a page that a browser is slow to open.

    Parameters
    ----------
    items : sized
        Buses, branches or lines.

    Returns
    -------
    bool
    """
    return len(items) > MOST_SHAPES  # type: ignore[arg-type]
