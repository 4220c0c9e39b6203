"""The command ``pyomo-dlmp``: one file for each of its commands, gathered by `command`."""

from pyomo_dlmp.cli.command import main

__all__ = ["main"]
