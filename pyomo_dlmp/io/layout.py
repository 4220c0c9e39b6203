"""The columns of our feeder format, and how rows become elements and back.

One folder per feeder. Units stand in the column names; cells of columns marked * may be empty, and
columns marked ** are left out unless some row needs them.

| file | columns |
|---|---|
| buses.csv | name, kv_ll, phases, v_min_pu*, v_max_pu*, x*, y*, neutrals**, ground_r_ohm**, ground_x_ohm** |
| line_codes.csv | name, length_unit, r_ohm_11 ... r_ohm_33, x_ohm_11 ..., b_us_11* ...; r_ohm_41** ... r_ohm_10_3** ... |
| lines.csv | name, from_bus, to_bus, phases, code, length, length_unit, rating_kva*, closed**, to_conductors**, rated** |
| regulators.csv | name, from_bus, to_bus, phases, connection, kind, taps, kva**, r_percent**, x_percent** |
| transformers.csv | name, from_bus, to_bus, phases, connection, kva, r_percent, x_percent, tap, rated, lead**, floating**, from_legs**, to_legs**, from_kv**, to_kv**, from_tap**, no_load_percent**, magnetizing_percent**, antifloat_ppm** |
| center_tapped.csv (optional) | name, from_bus, to_bus, leg, kva, r_percent, x_percent, and tap ... antifloat_ppm as above, all ** |
| admittances.csv (optional) | name, bus, conductor, other_bus, other_conductor, g_s, b_s, rating_kva** |
| loads.csv | name, bus, connection, model, leg, kw, kvar, coefficients**, leg_kv**, v_low_pu**, v_high_pu**, profile** |
| capacitors.csv (optional) | name, bus, connection, leg, kvar, leg_kv**, closed** |
| generators.csv (optional) | name, bus, phases, connection**, neutral**, kw_min, kw_max, kvar_min, kvar_max, cost_per_mwh, cost2_per_mw2h, kva**, power_factor_min**, kw**, kvar**, profile** |
| storages.csv (optional) | name, bus, phases, connection**, neutral**, kw_max, kwh_max, kwh_min, kwh_start, efficiency_charge, efficiency_discharge, cyclic**, cost_per_mwh**, kvar_max**, kva**, kw**, kvar** |
| datacenters.csv (optional) | name, bus, phases, connection**, neutral**, kw, floor_share, power_factor, balanced**, reactive**, kva**, ramp_kw** |
| svgs.csv (optional) | name, bus, phases, connection, neutral**, kvar, sharing**, loss_percent**, owner** |
| profiles.csv (optional) | name, minutes, values (multipliers with spaces between), q_values** |
| regulator_controls.csv, capacitor_controls.csv, fixed_controls.csv (optional) | the fields of `network.controls` |

The tables of devices are those of their classes (`device_tables`); a device that is registered from
outside has its own, named by its plural.

A line code stores the lower triangles of its symmetric matrices, r and x in ohm and b in
microsiemens per `length_unit` (km, m, mi, ft or kft); the digits of a column are row and column
of the matrix, whose order is that of a line's `phases`. A code of two conductors leaves the cells
of the third empty, columns of a fourth conductor and further ones are there if a code has one
(``r_ohm_43``; with an underscore from the tenth on, ``r_ohm_10_3``); one without shunts leaves all of b empty. A load and a capacitor have one row
per leg. Taps read ``a=8 b=5 c=5`` or ``ab=7 cb=4``, lists ``0.6 1.2 1.2`` or ``ab bc``. A nodal
admittance has one row per entry of Y (`io.admittance_table`).
"""  # noqa: E501  (a table row cannot be broken)

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pyomo_dlmp.errors import Fault
from pyomo_dlmp.io.admittance_table import ADMITTANCES
from pyomo_dlmp.io.columns import number, optional, rare, texts
from pyomo_dlmp.io.control_tables import CONTROLS
from pyomo_dlmp.io.csv_table import (
    NUMBER,
    NUMBERS,
    TAPS,
    TEXT,
    WORDS,
    YES_NO,
    Cell,
    Column,
    Table,
)
from pyomo_dlmp.io.device_tables import device_table
from pyomo_dlmp.io.line_tables import LINE_CODES, LINES
from pyomo_dlmp.network.elements import Bus, Regulator
from pyomo_dlmp.network.registry import device_classes
from pyomo_dlmp.network.transformers import CenterTappedTransformer, Transformer

_WINDINGS = (
    rare("from_kv"), rare("to_kv"), rare("from_tap", 1.0), rare("no_load_percent", 0.0),
    rare("magnetizing_percent", 0.0), rare("antifloat_ppm", 1.0),
)
# "none" of a bus that has only neutrals; an empty cell is the default
PHASES_CELL = Cell("phases such as abc", lambda text: "" if text == "none" else text,
                   lambda phases: phases or "none")
_BRANCH = (*texts("name", "from_bus", "to_bus"), optional("phases"))
BUSES = Table("buses.csv", (
    Column("name", "name"), number("kv_ll", "kv"), optional("phases", cell=PHASES_CELL),
    optional("v_min_pu", "v_min", NUMBER), optional("v_max_pu", "v_max", NUMBER),
    optional("x", cell=NUMBER), optional("y", cell=NUMBER), rare("neutrals", "", TEXT),
    rare("ground_r_ohm", field="ground_r"), rare("ground_x_ohm", field="ground_x"),
))
REGULATORS = Table("regulators.csv", (
    *_BRANCH, optional("connection"), optional("kind"), Column("taps", "taps", TAPS),
    rare("kva"), rare("r_percent", 0.0), rare("x_percent", 0.0),
))
TRANSFORMERS = Table("transformers.csv", (
    *_BRANCH, optional("connection"), number("kva"), number("r_percent"), number("x_percent"),
    optional("tap", cell=NUMBER), optional("rated", cell=YES_NO),
    rare("lead", False, YES_NO), rare("floating", "", TEXT), rare("from_legs", None, WORDS),
    rare("to_legs", None, WORDS), *_WINDINGS,
))
CENTER_TAPPED = Table("center_tapped.csv", (
    *texts("name", "from_bus", "to_bus", "leg"), number("kva"),
    Column("r_percent", "r_percent", NUMBERS), Column("x_percent", "x_percent", NUMBERS),
    rare("tap", 1.0), rare("rated", False, YES_NO), *_WINDINGS,
), optional=True)
PROFILES = Table("profiles.csv", (
    Column("name", "name"), number("minutes"), Column("values", "values", NUMBERS),
    rare("q_values", None, NUMBERS),
), optional=True)

# Tables whose rows are elements, field by field.
PLAIN: dict[type, Table] = {
    Bus: BUSES, Regulator: REGULATORS, Transformer: TRANSFORMERS,
    CenterTappedTransformer: CENTER_TAPPED,
}


def all_tables() -> tuple[Table, ...]:
    """Every table that a feeder's folder may hold; those of registered devices, too.

    Returns
    -------
    tuple of Table
    """
    return (*PLAIN.values(), LINE_CODES, LINES, ADMITTANCES, PROFILES,
            *CONTROLS.values(), *map(device_table, device_classes()))


def plain_row(element: object, table: Table) -> dict[str, Any]:
    """The row of an element of a `PLAIN` table.

    Parameters
    ----------
    element : Element
        Of the table's class.
    table : Table
        One of `PLAIN`.

    Returns
    -------
    dict
        Values by field.
    """
    return {column.field: getattr(element, column.field) for column in table.columns}


def stray_devices(folder: Path) -> list[Fault]:
    """Tables that look like those of a kind of devices that is not registered.

    Parameters
    ----------
    folder : Path
        Of a feeder.

    Returns
    -------
    list of Fault
        One for each unknown CSV file with columns ``name`` and ``bus``.
    """
    known = {table.file for table in all_tables()}
    found = []
    for path in sorted(folder.glob("*.csv")):
        if path.name not in known:
            with path.open(encoding="utf-8-sig", errors="replace") as file:
                header = {column.strip().strip('"') for column in file.readline().split(",")}
            if {"name", "bus"} <= header:
                found.append(Fault(
                    path.name, "it has columns 'name' and 'bus', and no kind of devices has this "
                    "table", "Register the kind before reading, dlmp.extend.register_device(...), "
                    "or move the file out of the feeder's folder."))
    return found


def stray_files(names: Iterable[str]) -> list[Fault]:
    """CSV files whose name is similar to that of a missing table: they would be ignored silently.

    Parameters
    ----------
    names : iterable of str
        Names of the files in a folder.

    Returns
    -------
    list of Fault
    """
    names = set(names)
    files = [table.file for table in all_tables()]
    absent = [file for file in files if file not in names]
    return [
        Fault(name, "it is not a table of the format", f"Did you mean {close[0]!r}?")
        for name in sorted(names - set(files))
        if (close := get_close_matches(name.lower(), absent, n=1, cutoff=0.85))
    ]
