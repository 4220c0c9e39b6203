"""The columns of our feeder format, and how rows become elements and back.

One folder per feeder. Units stand in the column names; cells of columns marked * may be empty, and
columns marked ** are left out unless some row needs them.

| file | columns |
|---|---|
| buses.csv | name, kv_ll, phases, v_min_pu*, v_max_pu*, x*, y* |
| line_codes.csv | name, length_unit, r_ohm_11 ... r_ohm_33, x_ohm_11 ..., b_us_11* ... |
| lines.csv | name, from_bus, to_bus, phases, code, length, length_unit, rating_kva*, closed** |
| regulators.csv | name, from_bus, to_bus, phases, connection, kind, taps, kva**, r_percent**, x_percent** |
| transformers.csv | name, from_bus, to_bus, phases, connection, kva, r_percent, x_percent, tap, rated, lead**, floating**, from_legs**, to_legs**, from_kv**, to_kv**, from_tap**, no_load_percent**, magnetizing_percent**, antifloat_ppm** |
| center_tapped.csv (optional) | name, from_bus, to_bus, leg, kva, r_percent, x_percent, and tap ... antifloat_ppm as above, all ** |
| loads.csv | name, bus, connection, model, leg, kw, kvar, coefficients**, leg_kv**, v_low_pu**, v_high_pu**, profile** |
| capacitors.csv (optional) | name, bus, connection, leg, kvar, leg_kv**, closed** |
| generators.csv (optional) | name, bus, phases, connection**, kw_min, kw_max, kvar_min, kvar_max, cost_per_mwh, cost2_per_mw2h, kva**, power_factor_min**, kw**, kvar** |
| storages.csv (optional) | name, bus, phases, connection**, kw_max, kwh_max, kwh_min, kwh_start, efficiency_charge, efficiency_discharge, cyclic**, cost_per_mwh**, kvar_max**, kva**, kw**, kvar** |
| datacenters.csv (optional) | name, bus, phases, connection**, kw, floor_share, power_factor, balanced**, reactive**, kva**, ramp_kw** |
| svgs.csv (optional) | name, bus, phases, connection, kvar, sharing**, loss_percent**, owner** |
| profiles.csv (optional) | name, minutes, values (multipliers with spaces between) |

The tables of devices are those of their classes (`device_tables`); a device that is registered from
outside has its own, named by its plural.

A line code stores the lower triangles of its symmetric matrices, r and x in ohm and b in
microsiemens per `length_unit` (km, m, mi, ft or kft); the digits of a column are row and column
of the matrix, whose order is that of a line's `phases`. A code of two conductors leaves the cells
of the third empty; one without shunts leaves all of b empty. A load and a capacitor have one row
per leg. Taps read ``a=8 b=5 c=5`` or ``ab=7 cb=4``, lists ``0.6 1.2 1.2`` or ``ab bc``.
"""  # noqa: E501  (a table row cannot be broken)

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pyomo_dlmp.errors import Fault, nearest
from pyomo_dlmp.io.csv_table import (
    NUMBER,
    NUMBERS,
    TAPS,
    TEXT,
    WORDS,
    YES_NO,
    Cell,
    Column,
    Row,
    Table,
)
from pyomo_dlmp.io.device_tables import device_table
from pyomo_dlmp.network.elements import Bus, Line, LineCode, Matrix, Regulator
from pyomo_dlmp.network.registry import device_classes
from pyomo_dlmp.network.transformers import CenterTappedTransformer, Transformer

KM_PER = {"km": 1.0, "m": 0.001, "mi": 1.609344, "ft": 0.0003048, "kft": 0.3048}


def _parse_unit(text: str) -> str:
    if text not in KM_PER:
        raise ValueError(text)
    return text


UNIT = Cell(f"one of {', '.join(KM_PER)}", _parse_unit, str)


def _columns(*texts: str) -> tuple[Column, ...]:
    return tuple(Column(text, text) for text in texts)


def _number(name: str, field: str = "", required: bool = True) -> Column:
    return Column(name, field or name, NUMBER, required)


def _default(name: str, field: str = "", cell: Cell = TEXT) -> Column:
    return Column(name, field or name, cell, required=False)


def _rare(name: str, default: Any = None, cell: Cell = NUMBER, field: str = "") -> Column:
    return Column(name, field or name, cell, required=False, rare=True, default=default)


_WINDINGS = (
    _rare("from_kv"), _rare("to_kv"), _rare("from_tap", 1.0), _rare("no_load_percent", 0.0),
    _rare("magnetizing_percent", 0.0), _rare("antifloat_ppm", 1.0),
)
_BRANCH = (*_columns("name", "from_bus", "to_bus"), _default("phases"))
TRIANGLE = [(row, column) for row in range(3) for column in range(row + 1)]
MATRICES = {"r": "r_ohm", "x": "x_ohm", "b": "b_us"}


def _matrix_column(key: str, row: int, column: int) -> str:
    return f"{MATRICES[key]}_{row + 1}{column + 1}"


BUSES = Table("buses.csv", (
    Column("name", "name"), _number("kv_ll", "kv"), _default("phases"),
    _default("v_min_pu", "v_min", NUMBER), _default("v_max_pu", "v_max", NUMBER),
    _default("x", cell=NUMBER), _default("y", cell=NUMBER),
))
LINE_CODES = Table("line_codes.csv", (
    Column("name", "name"), Column("length_unit", "unit", UNIT),
    *(_default(_matrix_column(key, i, j), cell=NUMBER) for key in MATRICES for i, j in TRIANGLE),
))
LINES = Table("lines.csv", (
    *_BRANCH, Column("code", "code"), _number("length"), Column("length_unit", "unit", UNIT),
    _default("rating_kva", cell=NUMBER), _rare("closed", True, YES_NO),
))
REGULATORS = Table("regulators.csv", (
    *_BRANCH, _default("connection"), _default("kind"), Column("taps", "taps", TAPS),
    _rare("kva"), _rare("r_percent", 0.0), _rare("x_percent", 0.0),
))
TRANSFORMERS = Table("transformers.csv", (
    *_BRANCH, _default("connection"), _number("kva"), _number("r_percent"), _number("x_percent"),
    _default("tap", cell=NUMBER), _default("rated", cell=YES_NO),
    _rare("lead", False, YES_NO), _rare("floating", "", TEXT), _rare("from_legs", None, WORDS),
    _rare("to_legs", None, WORDS), *_WINDINGS,
))
CENTER_TAPPED = Table("center_tapped.csv", (
    *_columns("name", "from_bus", "to_bus", "leg"), _number("kva"),
    Column("r_percent", "r_percent", NUMBERS), Column("x_percent", "x_percent", NUMBERS),
    _rare("tap", 1.0), _rare("rated", False, YES_NO), *_WINDINGS,
), optional=True)
PROFILES = Table("profiles.csv", (
    Column("name", "name"), _number("minutes"), Column("values", "values", NUMBERS),
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
    return (*PLAIN.values(), LINE_CODES, LINES, PROFILES, *map(device_table, device_classes()))


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


# ----------------------------------------------------------------------------- length units


def _shortest(guess: float, back: Callable[[float], float], exact: float) -> float | None:
    """The number with the fewest digits near `guess` that `back` turns into exactly `exact`."""
    for digits in range(1, 18):
        figure = float(f"{guess:.{digits}g}")
        if back(figure) == exact:
            return figure
    return None


def _scaled(unit: str, power: int) -> Callable[[float], float]:
    """From a number in `unit` (or per unit, for power -1) to the same in (or per) km."""
    km = KM_PER[unit]
    return (lambda figure: figure * km) if power > 0 else (lambda figure: figure / km)


def in_unit(values: list[float], unit: str, power: int) -> tuple[str, list[float]]:
    """Numbers in another unit, such that they read back exactly.

    Not every float has such a number in another unit: all of them stay in km then.

    Parameters
    ----------
    values : list of float
        In km, or per km.
    unit : str
        One of `KM_PER`.
    power : int
        1: in km; -1: per km.

    Returns
    -------
    (str, list of float)
        The unit, and the numbers in it.
    """
    back = _scaled(unit, power)
    figures = [_shortest(value * KM_PER[unit] ** -power, back, value) for value in values]
    exact = [figure for figure in figures if figure is not None]
    return (unit, exact) if len(exact) == len(values) else ("km", values)


# ------------------------------------------------------------------------------- line codes


def code_row(code: LineCode, unit: str) -> dict[str, Any]:
    """A line code as a row; the upper triangles are not stored.

    Parameters
    ----------
    code : LineCode
        In ohm/km and microsiemens/km.
    unit : str
        Of length, where that is exact.

    Returns
    -------
    dict
        Values by field.
    """
    places = [
        (key, i, j)
        for key in MATRICES if getattr(code, key) is not None
        for i, j in TRIANGLE if i < len(code.r)
    ]
    unit, figures = in_unit([float(getattr(code, k)[i][j]) for k, i, j in places], unit, -1)
    cells = {_matrix_column(*place): f for place, f in zip(places, figures, strict=True)}
    return {"name": code.name, "unit": unit, **cells}


def read_codes(rows: Iterable[Row], faults: list[Fault]) -> dict[str, LineCode]:
    """The line codes of a table.

    Parameters
    ----------
    rows : iterable of Row
        Of ``line_codes.csv``.
    faults : list of Fault
        Repeated names and incomplete matrices are appended.

    Returns
    -------
    dict of str to LineCode
        In ohm/km and microsiemens/km.
    """
    codes: dict[str, LineCode] = {}
    for row in rows:
        name = row.values.get("name")
        if name in codes:
            faults.append(row.fault("name", f"the line code {name!r} comes twice", "Keep one."))
        size = max((i + 1 for i, _ in TRIANGLE if _matrix_column("r", i, 0) in row.values),
                   default=1)
        matrices = {
            key: _read_matrix(row, key, size, faults)
            for key in MATRICES
            if key != "b" or any(_matrix_column("b", i, j) in row.values for i, j in TRIANGLE)
        }
        if name is not None and None not in matrices.values():
            codes[name] = LineCode(name=name, **matrices)  # type: ignore[arg-type]
    return codes


def _read_matrix(row: Row, key: str, size: int, faults: list[Fault]) -> Matrix | None:
    """One symmetric matrix of `size` conductors, or None if cells are missing or in excess."""
    wrong = 0
    for i, j in TRIANGLE:
        column = _matrix_column(key, i, j)
        if (column in row.values) != (i < size):
            wrong += 1
            state = "is empty" if i < size else "is filled"
            faults.append(row.fault(column, f"it {state}, but r_ohm has {size} conductor(s)",
                                    "Fill the lower triangle of the same size in r, x and b."))
    if wrong or "unit" not in row.values:
        return None
    to_km = _scaled(row.values["unit"], -1)
    return tuple(
        tuple(to_km(row.values[_matrix_column(key, max(i, j), min(i, j))]) for j in range(size))
        for i in range(size)
    )


# ------------------------------------------------------------------------------------ lines


def line_row(line: Line, unit: str) -> dict[str, Any]:
    """A line as a row.

    Parameters
    ----------
    line : Line
        With its length in km.
    unit : str
        Of the length, where that is exact.

    Returns
    -------
    dict
        Values by field.
    """
    unit, (length,) = in_unit([float(line.length)], unit, 1)
    return {
        "name": line.name, "from_bus": line.from_bus, "to_bus": line.to_bus,
        "phases": line.phases, "code": line.code.name, "length": length, "unit": unit,
        "rating_kva": line.rating_kva, "closed": line.closed,
    }


def read_lines(
    rows: Iterable[Row], codes: dict[str, LineCode], known: set[str] | None, faults: list[Fault]
) -> Iterator[Line]:
    """Lines with their codes.

    Parameters
    ----------
    rows : iterable of Row
        Of ``lines.csv``.
    codes : dict of str to LineCode
        Those that could be read.
    known : set of str or None
        All names of codes, also the unreadable ones; None if not even they can be read.
    faults : list of Fault
        Unknown codes are appended.

    Yields
    ------
    Line
    """
    for row in rows:
        values = dict(row.values)
        code = values.pop("code", None)
        if code is not None and known is not None and code not in known:
            faults.append(row.fault("code", f"the line code {code!r} is not in line_codes.csv",
                                    nearest(code, known) or "Add it there."))
        if row.complete and code in codes:
            length = _scaled(values.pop("unit"), 1)(values.pop("length"))
            yield Line(code=codes[code], length=length, **values)


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
