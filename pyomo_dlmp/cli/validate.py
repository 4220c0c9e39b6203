"""``pyomo-dlmp validate``: a feeder's linear model against an AC power flow."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from pyomo_dlmp.cli.stages import Stages


def add(commands) -> None:
    """Its arguments."""
    validate = commands.add_parser(
        "validate", help="compare a feeder's linear model with an AC power flow")
    validate.add_argument(
        "feeder", help="a shipped feeder's name, a folder of tables, or a .dss file")


def run(args, console: Console) -> int:
    """Run the command; its exit code."""
    with Stages(console) as stage:
        stage(f"reading {args.feeder}")
        from pyomo_dlmp.io import find_feeder
        from pyomo_dlmp.validation.feeder import timed

        network = find_feeder(args.feeder, stage)
        table, ac, seconds = timed(network, stage)
    shown = Table(title=f"{network.name}: voltages of the linear model against AC (taps fixed)")
    for column in ("form", "load", "max error (pu)", "at", "mean error (pu)"):
        shown.add_column(column, justify="left" if column in ("form", "at") else "right")
    for row in table.to_dict("records"):
        shown.add_row(row["form"], f"{100 * row['load']:.0f} %", f"{row['max_error']:.4f}",
                      row["at"], f"{row['mean_error']:.4f}")
    console.print(shown)
    nodes = sum(len(bus.phases) for bus in network.buses.values())
    console.print(f"{nodes} nodes; AC losses {1e3 * sum(ac.losses.values()):.1f} kW, lowest "
                  f"voltage {ac.lowest_voltage:.4f} pu; {seconds:.1f} s", highlight=False)
    return 0
