"""What pictures are drawn on: a figure that measures, lays out and writes itself once, as SVG."""

from __future__ import annotations

import io
from typing import Any, BinaryIO

import matplotlib
from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_svg import FigureCanvasSVG, RendererSVG
from matplotlib.figure import Figure

INK, MUTED = "#1f2933", "#5f6b7a"
_IMAGE_DPI = 200  # of what is drawn as an image within a picture
_PT = 72  # points in an inch: the unit of an SVG file

RC: Any = {  # the look of all pictures
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib: the same page everywhere
    "font.size": 9,
    "axes.formatter.useoffset": False,  # "+1.393" above an axis is overlooked
    "text.color": INK,
    "text.parse_math": False,  # "$" is money here
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.labelcolor": INK,
    "axes.edgecolor": "#9aa5b1",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e7eb",
    "grid.linewidth": 0.7,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "figure.facecolor": "white",
    "svg.fonttype": "path",
    "svg.hashsalt": "pyomo_dlmp",  # the same tables give the same bytes
}


class _Paper(FigureCanvasSVG):
    """A canvas that measures letters with one renderer, the one that draws them in the end.

    By default matplotlib makes a new one for each question, 500 of them for a report.
    """

    _ruler: RendererBase | None = None

    def get_renderer(self) -> RendererBase:
        if self._ruler is None:
            width, height = (float(x) * _PT for x in self.figure.get_size_inches())
            self._ruler = RendererSVG(width, height, io.StringIO())
        return self._ruler


class Drawing(Figure):
    """A figure that shows itself in a notebook, without pyplot; measured in points."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(dpi=_PT, **kwargs)
        _Paper(self)  # puts itself in the place of the figure's canvas

    def lay_out(self) -> None:
        """Give every panel its place on paper, for good: who draws need not do it again."""
        engine = self.get_layout_engine()
        if engine is not None:
            for ax in self.axes:
                ax.apply_aspect()
            engine.execute(self)
            self.set_layout_engine("none")

    def write_svg(self, file: BinaryIO) -> None:
        """Write the picture, laid out and drawn once."""
        self.lay_out()
        self.dpi = _IMAGE_DPI
        paper = self.canvas if isinstance(self.canvas, _Paper) else _Paper(self)
        paper.print_svg(file, metadata={"Date": None})

    def _repr_svg_(self) -> str:
        return svg_text(self)


def svg_text(figure: Figure) -> str:
    """The picture as the text of an SVG file.

    Parameters
    ----------
    figure : Figure

    Returns
    -------
    str
        The same bytes for the same picture.
    """
    buffer = io.BytesIO()
    with matplotlib.rc_context(RC):
        if isinstance(figure, Drawing):  # savefig would draw it twice, to lay it out
            figure.write_svg(buffer)
        else:
            figure.savefig(buffer, format="svg", metadata={"Date": None}, dpi=_IMAGE_DPI)
    return buffer.getvalue().decode("utf-8")
