"""Tables of control settings: ``regulator_controls.csv``, ``capacitor_controls.csv``, and
``fixed_controls.csv`` of those that are known by name only.

Columns are the fields of the classes in `network.controls`, in their order.
"""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any

from pyomo_dlmp.io.csv_table import NUMBER, NUMBERS, TEXT, WHOLE, YES_NO, Cell, Column, Table
from pyomo_dlmp.network.controls import CapacitorControl, FixedControl, RegulatorControl

_OTHER: dict[str, Cell] = {
    **dict.fromkeys(("most_taps", "steps"), WHOLE), "reverse": NUMBERS, "reverse_neutral": YES_NO,
    **dict.fromkeys(("name", "of", "unit", "side", "tap_side", "phase", "bus", "kind", "branch",
                     "v_phase", "i_phase", "why"), TEXT)}


def _table(file: str, cls: Any) -> Table:
    columns = []
    for field in fields(cls):
        given = field.default is MISSING
        columns.append(Column(field.name, field.name, _OTHER.get(field.name, NUMBER), given,
                              not given, None if given else field.default))
    return Table(file, tuple(columns), optional=True)


CONTROLS: dict[type, Table] = {
    RegulatorControl: _table("regulator_controls.csv", RegulatorControl),
    CapacitorControl: _table("capacitor_controls.csv", CapacitorControl),
    FixedControl: _table("fixed_controls.csv", FixedControl),
}
