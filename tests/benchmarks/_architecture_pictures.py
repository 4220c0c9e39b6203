"""The pictures of docs/architecture.md: rooms by floor, and a datum's way through them.

    python -m tests.benchmarks._architecture_pictures

Rooms and arrows come from `tests.test_imports.MAY_IMPORT`; tests/test_architecture.py compares.
"""

from __future__ import annotations

import textwrap
from itertools import pairwise
from pathlib import Path

import matplotlib
import networkx as nx
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from pyomo_dlmp.report.figures.style import RC, styled
from tests.test_imports import MAY_IMPORT

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
PURPOSE = {
    "errors": "where, what, cure", "status": "how a solve ended",
    "expressions": "sums of few objects", "testing": "for users' own tests",
    "extend": "rows of your own", "deprecation": "older argument names",
    "plotting": "older name of report", "tolerances": "what counts as zero",
    "network": "feeder as data",
    "numerics": "arrays, HiGHS, polytopes", "bilevel": "declares lower levels",
    "engine": "foreign scripts, in a child", "opendss": "OpenDSS files in and out",
    "io": "feeder tables",
    "blocks": "one Pyomo block per device",
    "lower": "lower level as arrays, its duals", "opf": "the DSO's problem",
    "transform": "bilevel to single level", "bounds": "bounds of multipliers",
    "auditing": "checks every solution",
    "solvers": "what each solver can do", "search": "starts, MIP, decomposition",
    "parametric": "critical regions", "branching": "tree over pairs",
    "solve": "solve_bilevel, solve_opf",
    "market": "aggregators, four markets", "results": "tidy tables, prices, payments",
    "ac": "AC equations as arrays", "power_flow": "AC of a dispatch, in the engine",
    "ac_opf": "OPF true in AC", "validation": "feeders against AC",
    "series": "a market along a table",
    "uncertainty": "scenarios, two-stage decisions",
    "connection": "what an applicant may draw",
    "report": "figures and HTML page",
    "study": "study file to results folder", "cli": "the command pyomo-dlmp",
    "mpi": "a study on several ranks"}
COLORS = {"base": "#e9e9e9", "grid": "#d7e8f5", "bilevel": "#fde3c8", "both": "#d9efe3"}
WING = {"grid": 0.5, "base": 1.5, "both": 1.5, "bilevel": 2.5}
WAY = [
    ("study/file.py", "datacenter in kW,\nprice in $/MWh, from TOML"),
    ("network/", "Datacenter(kw=...),\nchecked with the feeder"),
    ("blocks/datacenter.py", "Var p in MW,\npower of each leg"),
    ("blocks/bus.py", "inject(...) into\nbalance_p, balance_q"),
    ("bilevel/lower_level.py", "dual_of(balance_p):\nprice as upper-level Var"),
    ("market/aggregator.py", "price x power = payment,\nthe upper objective"),
    ("lower/, transform/", "arrays, KKT conditions,\nproved bounds"),
    ("parametric/ or search/", "upper decisions\nand a proven bound"),
    ("lower/solver.py", "lower level solved again:\npowers and duals"),
    ("auditing/", "checks of the solution;\nvalues loaded on the Vars"),
    ("results/prices.py", "dual / hours =\nDLMP in $/MWh"),
    ("results/payments.py", "price x MW x hours,\napart from the model"),
    ("study/output.py", "payments.csv, checked\nagainst the objective"),
    ("report/", "figures and report.html\nfrom the tables alone"),
]


def imports() -> nx.DiGraph:
    """imported room -> importing room, without arrows that follow from others."""
    graph = nx.DiGraph((low, high) for high, lows in MAY_IMPORT.items() for low in lows)
    return nx.transitive_reduction(graph)


def description() -> str:
    """What the picture of rooms shows, in words that a test can compare."""
    return "; ".join(sorted(f"{high} imports {low}" for low, high in imports().edges))


def wing(graph: nx.DiGraph, room: str) -> str:
    """Whether a room builds on the grid, on bilevel models, on both or on neither."""
    below = nx.ancestors(graph, room) | {room}
    return {(True, True): "both", (True, False): "grid", (False, True): "bilevel",
            (False, False): "base"}["network" in below, "bilevel" in below]


def positions(graph: nx.DiGraph) -> dict[str, tuple[float, float]]:
    """{room: (column, floor)}; rooms on one floor do not import one another."""
    placed = {}
    for floor, rooms in enumerate(nx.topological_generations(graph)):
        for side in WING:
            here = sorted(room for room in rooms if wing(graph, room) == side)
            for k, room in enumerate(here):
                placed[room] = (WING[side] + k - (len(here) - 1) / 2, float(floor))
    return placed


def box(ax, x: float, y: float, title: str, text: str, color: str) -> None:
    ax.add_patch(FancyBboxPatch((x - 0.44, y - 0.32), 0.88, 0.64, linewidth=0.8,
                                boxstyle="round,pad=0,rounding_size=0.06", facecolor=color,
                                edgecolor="#555555", zorder=3))
    ax.text(x, y + 0.11, title, ha="center", va="center", weight="bold", fontsize=8.5, zorder=4)
    ax.text(x, y - 0.12, text, ha="center", va="center", fontsize=6.8, zorder=4)


def canvas(width: float, height: float, right: float, top: float):
    figure = Figure(figsize=(width, height))
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set_axis_off()
    ax.set(xlim=(-0.5, right), ylim=(-0.5, top))
    return figure, ax


@styled
def rooms_picture() -> Figure:
    """Rooms by floor, one arrow from each room to those it builds on."""
    graph = imports()
    at = positions(graph)
    floors = max(y for _, y in at.values())
    figure, ax = canvas(8, 0.62 * (floors + 1.0), 3.5, floors + 0.5)
    for low, high in graph.edges:
        ax.annotate("", (at[low][0], at[low][1] + 0.32), (at[high][0], at[high][1] - 0.32),
                    arrowprops={"arrowstyle": "-|>", "color": "#999999", "lw": 0.8}, zorder=1)
    for room, (x, y) in at.items():
        box(ax, x, y, room, PURPOSE.get(room, ""), COLORS[wing(graph, room)])
    names = {"grid": "grid", "bilevel": "bilevel models (no power)", "both": "both",
             "base": "arrays and basics"}
    for k, (side, name) in enumerate(names.items()):
        ax.text(-0.36, floors - 0.5 * k, f" {name} ", fontsize=8, va="center",
                bbox={"facecolor": COLORS[side], "edgecolor": "#555555", "lw": 0.5})
    return figure


@styled
def way_picture(columns: int = 4) -> Figure:
    """From study file to price and payment, row by row."""
    rows = -(-len(WAY) // columns)
    figure, ax = canvas(8, 0.95 * rows + 0.1, columns - 0.5, rows - 0.5)
    spots = []
    for k, (title, text) in enumerate(WAY):
        row, column = divmod(k, columns)
        x = column if row % 2 == 0 else columns - 1 - column
        spots.append((x, rows - 1 - row))
        box(ax, *spots[-1], title, text, COLORS["grid"])
    for (x, y), (x2, y2) in pairwise(spots):
        dx, dy = 0.44 * (x2 - x), 0.32 * (y2 - y)
        ax.annotate("", (x2 - dx, y2 - dy), (x + dx, y + dy),
                    arrowprops={"arrowstyle": "-|>", "color": "#444444", "lw": 1.0}, zorder=1)
    return figure


def save(figure: Figure, name: str, text: str) -> None:
    with matplotlib.rc_context(RC):
        figure.savefig(PICTURES / name, metadata={
            "Date": None, "Creator": None, "Description": textwrap.fill(text, 10**6)})


def main() -> None:
    save(rooms_picture(), "rooms.svg", description())
    save(way_picture(), "way.svg", " > ".join(title for title, _ in WAY))


if __name__ == "__main__":
    main()
