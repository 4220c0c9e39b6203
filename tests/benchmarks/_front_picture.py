"""The picture at the head of README and home page, and those of connections in docs/gallery.md.

    python -m tests.benchmarks._front_picture

The first is of IEEE 37, in AC, one hour at nominal load and 85 $/MWh: the active DLMP of phase a
without and with three datacenters, on one scale, and the firm kW of a datacenter at each bus of the
feeder without them (0.93 pu and ratings).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.collections import LineCollection

import pyomo_dlmp as dlmp
from pyomo_dlmp.report.figures.layout import positions
from pyomo_dlmp.report.figures.paper import INK, MUTED, svg_text
from pyomo_dlmp.report.figures.style import colormap, colour_bar, norm_of, panels, styled
from tests.test_docs import examples_of

DOCS = Path(__file__).parents[2] / "docs"
SITES = {"730": 700, "738": 600, "711": 500}  # kW at each bus
LABELS = {"730": (12, 6), "738": (-22, -24), "711": (-12, -24)}  # of the sites, in pt
V_MIN = 0.93


def prices(network: dlmp.Network) -> pd.Series:
    """Active DLMP of phase a by bus ($/MWh)."""
    done = dlmp.solve_ac_opf(network, price=85, voltage_limits=None)
    rows = dlmp.results.prices_table(done.model)
    return rows[(rows["quantity"] == "active") & (rows["phase"] == "a")].set_index("bus")["value"]


def draw_map(ax, network, values: pd.Series, norm, palette: str) -> dict:
    """The feeder with coloured buses; their places."""
    branches = dlmp.results.branches_table(network)
    place = positions(dlmp.results.buses_table(network), branches)
    wires = [[place[i], place[j]]
             for i, j in zip(branches["from_bus"], branches["to_bus"], strict=True)]
    ax.add_collection(LineCollection(wires, colors=MUTED, linewidths=1.4, zorder=1))
    ax.scatter(*np.array([place[bus] for bus in values.index]).T, c=values, norm=norm, s=60,
               cmap=colormap(palette), zorder=3, edgecolor=MUTED, linewidth=0.5)
    ax.set_axis_off()
    ax.margins(0.1, 0.08)
    return place


def firm_kw(network, **limits) -> tuple[pd.Series, object]:
    """Firm kW at each three-phase bus, and a scale that the buses near the head do not stretch."""
    firm = dlmp.connection.hosting_map(network, v_max=None, **limits).table
    kw = firm.set_index("bus")["firm_kw"]
    return kw, norm_of(kw.clip(upper=kw.quantile(0.9)).to_numpy())[0]


@styled
def front37():
    plain = dlmp.load_feeder("ieee37")
    with_sites = plain.with_devices(*(
        dlmp.Datacenter(name=f"dc{bus}", bus=bus, kw=kw, power_factor=0.95)
        for bus, kw in SITES.items()))
    before, after = prices(plain), prices(with_sites)
    firm, power = firm_kw(plain, v_min=V_MIN)
    figure, axes = panels(1, 3, 4.3)
    money = norm_of(pd.concat([before, after]).to_numpy())[0]
    todo = (("What does one more MWh cost?", before, money, "viridis", ()),
            ("And with three datacenters?", after, money, "viridis", SITES),
            ("How many kW can connect?", firm, power, "cividis", ()))
    for ax, (title, values, norm, palette, sites) in zip(axes[0], todo, strict=True):
        place = draw_map(ax, plain, values, norm, palette)
        ax.set_title(title, fontsize=14)
        for bus in sites:
            ax.scatter(*place[bus], s=230, marker="o", facecolor="none", edgecolor=INK,
                       linewidth=1.8, zorder=4)
            ax.annotate(f"{SITES[bus]} kW", place[bus], LABELS[bus], textcoords="offset points",
                        weight="bold")
    colour_bar(figure, list(axes[0, :2]), money, colormap("viridis"), "price at phase a ($/MWh)")
    colour_bar(figure, axes[0, 2], power, colormap("cividis"), "firm kW", "max")
    return figure


@styled
def hosting123():
    network = dlmp.load_feeder("ieee123")
    firm, power = firm_kw(network, thermal=False)
    figure, axes = panels(1, 1, 5.5)
    place = draw_map(axes[0, 0], network, firm, power, "cividis")
    for bus, offset in (("76", (6, 9)), (firm.idxmin(), (-20, -18))):
        axes[0, 0].annotate(f"bus {bus}: {firm[bus]:,.0f} kW", place[bus], offset, weight="bold",
                            textcoords="offset points")
    colour_bar(figure, axes[0, 0], power, colormap("cividis"), "firm kW", "max")
    return figure


@styled
def envelope123():
    """The figure that the gallery's example makes."""
    names: dict = {}
    exec(examples_of(DOCS / "gallery.md")[0][0], names)
    return names["figure"]


if __name__ == "__main__":
    for draw in (front37, envelope123, hosting123):
        (DOCS / "pictures" / f"{draw.__name__}.svg").write_text(svg_text(draw()), encoding="utf-8")
