"""CSV files with declared columns: every bad cell becomes a fault with file, row and column."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from pyomo_dlmp.errors import Fault, listed, nearest


class Cell(NamedTuple):
    """How one kind of cell is read and written.

    Attributes
    ----------
    words : str
        What the cell must hold, in messages.
    parse : callable
        From text; ValueError or KeyError if it cannot be read.
    format : callable
        To text.
    """

    words: str
    parse: Callable[[str], Any]
    format: Callable[[Any], str]


def number_text(value: float) -> str:
    """The shortest text that reads back as exactly a number, without a useless ``.0``.

    Parameters
    ----------
    value : float
        In any unit.

    Returns
    -------
    str
    """
    text = repr(float(value))
    return text[:-2] if text.endswith(".0") else text


def _parse_yes(text: str) -> bool:
    return {"yes": True, "no": False}[text.lower()]


def _parse_taps(text: str) -> dict[str, int]:
    taps: dict[str, int] = {}
    for item in text.split():
        key, value = item.split("=")
        if key in taps:
            raise ValueError(item)
        taps[key] = int(value)
    return taps


TEXT = Cell("text", str, str)
NUMBER = Cell("a number", float, number_text)
WHOLE = Cell("a whole number", int, str)
YES_NO = Cell("yes or no", _parse_yes, lambda value: "yes" if value else "no")
TAPS = Cell(
    "taps such as 'a=8 b=5 c=5' or 'ab=7 cb=4'",
    _parse_taps,
    lambda taps: " ".join(f"{key}={tap}" for key, tap in taps.items()),
)


def _parse_figures(text: str) -> tuple[float, ...]:
    return tuple(float(word) for word in text.split())


NUMBERS = Cell("numbers with spaces between", _parse_figures,
               lambda values: " ".join(number_text(v) for v in values))
WORDS = Cell("words with spaces between", lambda text: tuple(text.split()), " ".join)


@dataclass(frozen=True)
class Column:
    """A column of a table; its unit is part of its name.

    Attributes
    ----------
    name : str
        In the header.
    field : str
        The field that it fills.
    cell : Cell
        How its cells are read and written.
    required : bool
        False: the column or a cell may be left out; the field keeps its default.
    rare : bool
        Whether it is written only if some row differs from `default`.
    default : object
        Of the field.
    """

    name: str
    field: str
    cell: Cell = TEXT
    required: bool = True
    rare: bool = False
    default: Any = None


@dataclass(frozen=True)
class Table:
    """A file of the format.

    Attributes
    ----------
    file : str
        Its name.
    columns : tuple of Column
        In their order.
    optional : bool
        Whether a feeder may lack it.
    """

    file: str
    columns: tuple[Column, ...]
    optional: bool = False


@dataclass(frozen=True)
class Row:
    """One row of a file.

    Attributes
    ----------
    file : str
        Name of the file.
    line : int
        Number of the line, from 1.
    values : mapping
        The fields that it fills.
    complete : bool
        Whether all its cells are right.
    """

    file: str
    line: int
    values: Mapping[str, Any]
    complete: bool = True

    def fault(self, column: str, what: str, cure: str = "") -> Fault:
        """A fault in this row.

        Parameters
        ----------
        column : str
            Name of the column.
        what, cure : str
            What is wrong, and how to correct it.

        Returns
        -------
        Fault
        """
        return Fault(f"{self.file}, row {self.line}, column {column!r}", what, cure)


def read_table(folder: Path, table: Table, faults: list[Fault]) -> list[Row]:
    """The rows of a table, as far as they can be read.

    Parameters
    ----------
    folder : Path
        Of the feeder.
    table : Table
        Its file and columns.
    faults : list of Fault
        What cannot be read is appended.

    Returns
    -------
    list of Row
    """
    path = folder / table.file
    if not path.exists():
        if not table.optional:
            faults.append(Fault(table.file, f"the file is missing in {str(folder)!r}",
                                "Write it, with its header at least."))
        return []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            lines = [([cell.strip() for cell in cells], reader.line_num) for cells in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        faults.append(Fault(table.file, f"it cannot be read: {error}",
                            "Save it as comma-separated values in UTF-8."))
        return []
    lines = [(cells, line) for cells, line in lines if any(cells)]
    if not lines:
        faults.append(Fault(table.file, "it is empty", f"Its header is {_header(table)}."))
        return []
    header = lines[0][0]
    flawed = _header_faults(table, header)
    faults += flawed
    return [] if flawed else _rows(table, header, lines[1:], faults)


def _header(table: Table) -> str:
    return repr(",".join(column.name for column in table.columns if not column.rare))


def _header_faults(table: Table, header: list[str]) -> list[Fault]:
    names = [column.name for column in table.columns]
    if len(header) == 1 and (";" in header[0] or "\t" in header[0]):
        return [Fault(table.file, f"its header is {header[0]!r}", "Separate columns by commas.")]
    unused = [name for name in names if name not in header]
    found = [
        Fault(f"{table.file}, row 1, column {name!r}", "the column is not known",
              nearest(name, unused) or "Remove it.")
        for name in header if name not in names
    ]
    found += [
        Fault(f"{table.file}, row 1, column {name!r}", "the column comes twice", "Keep one.")
        for name in dict.fromkeys(header) if header.count(name) > 1
    ]
    found += [
        Fault(f"{table.file}, row 1", f"the column {column.name!r} is missing",
              f"Columns are {listed(names, 40)}.")
        for column in table.columns if column.required and column.name not in header
    ]
    return found


def _rows(
    table: Table, header: list[str], lines: list[tuple[list[str], int]], faults: list[Fault]
) -> list[Row]:
    columns = {column.name: column for column in table.columns}
    rows = []
    for cells, line in lines:
        values: dict[str, Any] = {}
        row = Row(table.file, line, values)
        before = len(faults)
        if len(cells) != len(header):
            faults.append(Fault(
                f"{table.file}, row {line}", f"it has {len(cells)} cells, the header "
                f"{len(header)}", "Leave cells empty, but keep their commas; quote commas."))
            continue
        for name, text in zip(header, cells, strict=True):
            column = columns[name]
            if not text:
                if column.required:
                    faults.append(row.fault(name, "it is empty", f"Give {column.cell.words}."))
                continue
            try:
                values[column.field] = column.cell.parse(text)
            except (ValueError, KeyError):
                faults.append(row.fault(name, f"{text!r} is not {column.cell.words}",
                                        f"Give {column.cell.words}."))
        rows.append(replace(row, complete=len(faults) == before))
    return rows


def write_table(folder: Path, table: Table, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows, replacing the file.

    An optional table without rows is not written, and its old file is removed: it would
    otherwise be read back as part of the feeder.

    Parameters
    ----------
    folder : Path
        Of the feeder.
    table : Table
        Its file and columns.
    rows : iterable of mapping
        By field; None or absent is an empty cell.
    """
    rows = list(rows)
    path = folder / table.file
    if table.optional and not rows:
        path.unlink(missing_ok=True)
        return
    columns = [column for column in table.columns if not column.rare or any(
        row.get(column.field, column.default) != column.default for row in rows)]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(column.name for column in columns)
        for row in rows:
            values = [(column, row.get(column.field)) for column in columns]
            writer.writerow("" if v is None or (column.rare and v == column.default)
                            else column.cell.format(v) for column, v in values)
