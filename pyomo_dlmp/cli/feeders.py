"""``pyomo-dlmp feeders``: list the shipped feeders."""

from __future__ import annotations

from rich.console import Console


def add(commands) -> None:
    """Its arguments."""
    commands.add_parser("feeders", help="list the shipped feeders")


def run(args, console: Console) -> int:
    """Run the command; its exit code."""
    from pyomo_dlmp.io import list_feeders
    from pyomo_dlmp.study.screen import Stages

    with Stages(console) as stage:
        table = list_feeders(stage if console.is_terminal else None)
    table = table.drop(columns=["source"])
    table["licence"] = table["licence"].str.split(" (", regex=False).str[0]
    console.print(table.to_string(index=False), markup=False)
    return 0
