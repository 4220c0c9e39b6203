"""Complementarity modes: what a mode is (`mode`), the table of them (`modes`), a file each."""

from pyomo_dlmp.transform.complementarity.mode import LevelRow, Mode
from pyomo_dlmp.transform.complementarity.modes import MODES, automatic, modes_of, register_mode

__all__ = ["MODES", "LevelRow", "Mode", "automatic", "modes_of", "register_mode"]
