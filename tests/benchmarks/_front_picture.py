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
from pyomo_dlmp.connection.folder import places_of
from pyomo_dlmp.connection.pictures import hosting_picture
from pyomo_dlmp.report.figures.layout import positions
from pyomo_dlmp.report.figures.paper import INK, MUTED
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


@styled
def draw():
    plain = dlmp.load_feeder("ieee37")
    with_sites = plain.with_devices(*(
        dlmp.Datacenter(name=f"dc{bus}", bus=bus, kw=kw, power_factor=0.95)
        for bus, kw in SITES.items()))
    before, after = prices(plain), prices(with_sites)
    firm = dlmp.connection.hosting_map(plain, v_min=V_MIN, v_max=None).table.set_index("bus")
    branches = dlmp.results.branches_table(plain)
    place = positions(dlmp.results.buses_table(plain), branches)
    wires = [[place[i], place[j]]
             for i, j in zip(branches["from_bus"], branches["to_bus"], strict=True)]
    figure, axes = panels(1, 3, 4.3)
    money = norm_of(pd.concat([before, after]).to_numpy())[0]
    power = norm_of(firm["firm_kw"].clip(upper=firm["firm_kw"].quantile(0.9)).to_numpy())[0]
    todo = (("What does one more MWh cost?", before, money, "viridis", ()),
            ("And with three datacenters?", after, money, "viridis", SITES),
            ("How many kW can connect?", firm["firm_kw"], power, "cividis", ()))
    for ax, (title, values, norm, palette, sites) in zip(axes[0], todo, strict=True):
        ax.add_collection(LineCollection(wires, colors=MUTED, linewidths=1.4, zorder=1))
        at = np.array([place[bus] for bus in values.index])
        ax.scatter(*at.T, c=values, norm=norm, cmap=colormap(palette), s=60, zorder=3,
                   edgecolor=MUTED, linewidth=0.5)
        for bus in sites:
            ax.scatter(*place[bus], s=230, marker="o", facecolor="none", edgecolor=INK,
                       linewidth=1.8, zorder=4)
            ax.annotate(f"{SITES[bus]} kW", place[bus], LABELS[bus], textcoords="offset points",
                        weight="bold")
        ax.set_title(title, fontsize=14)
        ax.set_axis_off()
        ax.margins(0.1, 0.08)
    colour_bar(figure, list(axes[0, :2]), money, colormap("viridis"), "price at phase a ($/MWh)")
    colour_bar(figure, axes[0, 2], power, colormap("cividis"), "firm kW",
               "max")
    return figure


def envelope123():
    """The figure that the gallery's example makes."""
    names: dict = {}
    exec(examples_of(DOCS / "gallery.md")[0][0], names)
    return names["figure"]


def hosting123():
    network = dlmp.load_feeder("ieee123")
    found = dlmp.connection.hosting_map(network, v_max=None)
    return hosting_picture(found.table, places_of(network))


if __name__ == "__main__":
    for name, figure in (("front37", draw), ("envelope123", envelope123),
                         ("hosting123", hosting123)):
        with (DOCS / "pictures" / f"{name}.svg").open("wb") as file:
            figure().write_svg(file)
