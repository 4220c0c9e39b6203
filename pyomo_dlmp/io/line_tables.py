"""Lines and line codes as rows: matrices by their lower triangles, lengths in the user's unit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pyomo_dlmp.errors import Fault, nearest
from pyomo_dlmp.io.columns import number, optional, rare, texts
from pyomo_dlmp.io.csv_table import NUMBER, TEXT, YES_NO, Cell, Column, Row, Table
from pyomo_dlmp.network.elements import Line, LineCode, Matrix
from pyomo_dlmp.network.phases import NEUTRALS, PHASES

KM_PER = {"km": 1.0, "m": 0.001, "mi": 1.609344, "ft": 0.0003048, "kft": 0.3048}


def _parse_unit(text: str) -> str:
    if text not in KM_PER:
        raise ValueError(text)
    return text


UNIT = Cell(f"one of {', '.join(KM_PER)}", _parse_unit, str)
MOST = len(PHASES + NEUTRALS)  # conductors that a line may have
TRIANGLE = [(row, column) for row in range(MOST) for column in range(row + 1)]
MATRICES = {"r": "r_ohm", "x": "x_ohm", "b": "b_us"}


def _matrix_column(key: str, row: int, column: int) -> str:
    between = "_" if row >= 9 else ""  # r_ohm_43, but r_ohm_10_3
    return f"{MATRICES[key]}_{row + 1}{between}{column + 1}"


def _entry(key: str, row: int, column: int) -> Column:
    """Entries of more than three conductors are rare."""
    name = _matrix_column(key, row, column)
    return optional(name, cell=NUMBER) if row < len(PHASES) else rare(name)


LINE_CODES = Table("line_codes.csv", (
    Column("name", "name"), Column("length_unit", "unit", UNIT),
    *(_entry(key, i, j) for key in MATRICES for i, j in TRIANGLE),
))
LINES = Table("lines.csv", (
    *texts("name", "from_bus", "to_bus"), optional("phases"), Column("code", "code"),
    number("length"), Column("length_unit", "unit", UNIT), optional("rating_kva", cell=NUMBER),
    rare("closed", True, YES_NO), rare("to_conductors", None, TEXT),
    rare("rated", True, YES_NO),
))


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
    rows = list(rows)
    triangle = _used(rows)
    for row in rows:
        name = row.values.get("name")
        if name in codes:
            faults.append(row.fault("name", f"the line code {name!r} comes twice", "Keep one."))
        size = max((i + 1 for i, _ in triangle if _matrix_column("r", i, 0) in row.values),
                   default=1)
        matrices = {
            key: _read_matrix(row, key, size, triangle, faults)
            for key in MATRICES
            if key != "b" or any(_matrix_column("b", i, j) in row.values for i, j in triangle)
        }
        if name is not None and None not in matrices.values():
            codes[name] = LineCode(name=name, **matrices)  # type: ignore[arg-type]
    return codes


def _used(rows: Iterable[Row]) -> list[tuple[int, int]]:
    """The part of the triangle that the greatest code of a table fills."""
    filled = {name for row in rows for name in row.values}
    most = max((i for i, j in TRIANGLE if any(
        _matrix_column(key, i, j) in filled for key in MATRICES)), default=0)
    return [(i, j) for i, j in TRIANGLE if i <= most]


def _read_matrix(row: Row, key: str, size: int, triangle: list[tuple[int, int]],
                 faults: list[Fault]) -> Matrix | None:
    """One symmetric matrix of `size` conductors, or None if cells are missing or in excess."""
    wrong = 0
    for i, j in triangle:
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
        "rating_kva": line.rating_kva, "closed": line.closed, "to_conductors": line.to_conductors,
        "rated": line.rated,
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
