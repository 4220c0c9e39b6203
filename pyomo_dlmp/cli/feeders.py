"""``pyomo-dlmp feeders``: list the shipped feeders."""

from __future__ import annotations

from rich.console import Console

from pyomo_dlmp.cli.stages import Stages


def add(commands) -> None:
    """Its arguments."""
    commands.add_parser("feeders", help="list the shipped feeders")


def run(args, console: Console) -> int:
    """Run the command; its exit code."""
    with Stages(console) as stage:
        stage("reading the shipped feeders")
        from pyomo_dlmp.io import list_feeders

        table = list_feeders(stage)
    table = table.drop(columns=["source"])
    table["licence"] = table["licence"].str.split(" (", regex=False).str[0]
    console.print(table.to_string(index=False), markup=False)
    return 0
