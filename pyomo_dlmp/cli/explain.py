"""``pyomo-dlmp explain``: why a price is what it is, in words."""

from __future__ import annotations

from rich.console import Console

from pyomo_dlmp.cli.stages import Stages


def add(commands) -> None:
    """Its arguments."""
    explain = commands.add_parser(
        "explain", help="say in words why the price of a bus in an hour is what it is")
    explain.add_argument("results", help="folder that a study has written")
    explain.add_argument("bus", help="name of the bus")
    explain.add_argument("hour", help="the period, as prices.csv names it")
    explain.add_argument("--case", help="one case alone (default: all)")


def run(args, console: Console) -> int:
    """Run the command; its exit code."""
    with Stages(console) as stage:
        stage(f"reading {args.results}")
        from pyomo_dlmp.report import read_results
        from pyomo_dlmp.report.explain import explain_price

        lines = explain_price(read_results(args.results), args.bus, args.hour, args.case)
    for line in lines:
        console.print(line, markup=False, highlight=False)
    return 0
