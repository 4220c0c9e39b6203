"""``pyomo-dlmp buses``: the buses of a feeder, to find where something can stand."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from pyomo_dlmp.cli.stages import Stages
from pyomo_dlmp.errors import ModelError, nearest

_FRAMED = 200  # rows of a table with a frame


def add(commands) -> None:
    """Its arguments."""
    buses = commands.add_parser(
        "buses", help="list a feeder's buses: phases, voltage, load, distance, devices")
    buses.add_argument("feeder",
                       help="a shipped feeder's name, a folder of tables, or a .dss file")
    buses.add_argument("name", nargs="?", default="", help="part of a bus's name")
    buses.add_argument("--three-phase", action="store_true", help="only buses with three phases")
    buses.add_argument("--min-kv", type=float, default=0.0, metavar="KV",
                       help="only buses of at least this nominal voltage (line to line)")
    buses.add_argument("--csv", metavar="FILE", help="write them to a file, too")


def run(args, console: Console) -> int:
    """Run the command; its exit code."""
    with Stages(console) as stage:
        stage(f"reading {args.feeder}")
        import pandas as pd

        from pyomo_dlmp.io import find_feeder
        from pyomo_dlmp.results.buses import list_buses

        network = find_feeder(args.feeder, stage)
        stage("measuring distances")
        table = list_buses(network, 3 if args.three_phase else 1, args.min_kv)
    found = table[table["bus"].str.contains(args.name, case=False, regex=False)]
    if not len(found):
        what = f"has no bus like {args.name!r}" if args.name else "has no such bus"
        kv = max((bus.kv for bus in network.buses.values()), default=0.0)
        cure = (nearest(args.name, table["bus"]) if args.name and len(table) else
                f"The highest nominal voltage is {kv:g} kV." if args.min_kv > kv else
                "Leave out --three-phase or --min-kv.")
        raise ModelError.at(f"feeder {network.name!r}", what, cure)
    title = f"{network.name}: {len(found)} of {len(network.buses)} buses"
    words = pd.DataFrame({
        "bus": found["bus"], "phases": found["phases"], "kV": found["kv"].map("{:g}".format),
        "load (kW)": found["load_kw"].map("{:,.1f}".format),
        "distance (km)": found["distance_km"].map("{:.3f}".format), "devices": found["devices"]})
    if len(words) > _FRAMED:  # frames around thousands of rows take seconds
        console.print(title, markup=False, highlight=False)
        print(words.to_string(index=False), file=console.file)
    else:
        _framed(console, title, words)
    if args.csv:
        found.to_csv(args.csv, index=False)
        console.print(f"Table: {args.csv}", markup=False, highlight=False)
    return 0


def _framed(console: Console, title: str, words) -> None:
    shown = Table(title=title, title_justify="left")
    for column in words:
        shown.add_column(column, justify="left" if column in ("bus", "phases", "devices")
                         else "right", overflow="fold")
    for row in words.itertuples(index=False):
        shown.add_row(*row)
    console.print(shown)
