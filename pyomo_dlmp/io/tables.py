"""Our feeder format: a folder with ``feeder.toml`` and CSV tables, readable and diffable.

The columns are in `pyomo_dlmp.io.layout`. ``feeder.toml`` holds

    format_version = 2
    name = "ieee37"
    description = "..."     # optional, as are source and licence
    source = "..."
    licence = "..."
    frequency = 60.0        # optional, Hz

    [substation]
    name = "substation"     # optional
    bus = "799"
    v_pu = [1.0, 1.0, 1.0]  # optional: voltage per phase of that bus
    angle = 0.0             # optional: of phase a, degrees
    angles = [0.0, ...]     # optional: of each phase, where they are not balanced
    r_ohm = [[...], ...]    # optional, with x_ohm: the source's own impedance
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

from pyomo_dlmp.errors import (
    Fault,
    FeederFileError,
    all_at_once,
    listed,
    nearest,
    require_kind,
    shown,
)
from pyomo_dlmp.io import layout, line_tables
from pyomo_dlmp.io.admittance_table import ADMITTANCES, admittance_rows, read_admittances
from pyomo_dlmp.io.csv_table import read_table, write_table
from pyomo_dlmp.io.device_tables import device_rows, device_table, read_devices
from pyomo_dlmp.network import Device, Network, Profile, Substation
from pyomo_dlmp.network.kinds import Element
from pyomo_dlmp.network.registry import device_classes
from pyomo_dlmp.network.series import is_number

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FORMAT_VERSION = 2
READS = (1, 2)  # version 1 lacks what its columns lack; nothing changed its meaning
HEADER = "feeder.toml"
_KEYS = ("format_version", "name", "description", "source", "licence", "frequency", "substation")
_SUBSTATION_KEYS = ("name", "bus", "v_pu", "angle", "angles", "r_ohm", "x_ohm")


def read_tables(folder: str | Path) -> Network:
    """The network in a folder of the feeder format.

    Parameters
    ----------
    folder : str or Path
        With ``feeder.toml`` and the tables.

    Returns
    -------
    Network

    Raises
    ------
    FeederFileError
        If anything cannot be read; it lists file, row and column of everything.
    NetworkError
        If the data are wrong; it lists all faults.
    """
    folder = _folder(folder, "read_tables")
    header, faults = _read_header(folder)
    rows = {table.file: read_table(folder, table, faults) for table in layout.all_tables()}
    faults += layout.stray_files(path.name for path in folder.glob("*.csv"))
    faults += layout.stray_devices(folder)

    code_rows = rows[layout.LINE_CODES.file]
    codes = line_tables.read_codes(code_rows, faults)
    unreadable = not code_rows and any(f.where.startswith(layout.LINE_CODES.file) for f in faults)
    known = None if unreadable else {row.values.get("name", "") for row in code_rows}
    lines = list(line_tables.read_lines(rows[layout.LINES.file], codes, known, faults))
    admittances = list(read_admittances(rows[ADMITTANCES.file], faults))
    devices: list[Device] = []
    for cls in device_classes():
        devices += read_devices(cls, rows[device_table(cls).file], faults)
    if faults:
        raise FeederFileError(faults)

    place = {"name": "substation", **header["substation"]}
    for key, unit in (("r_ohm", "r"), ("x_ohm", "x")):
        if key in place:
            place[unit] = place.pop(key)
    place = {key: _tuples(value) for key, value in place.items()}
    elements: list[Element] = [Substation(**place)]
    for plain, table in layout.PLAIN.items():
        elements += [plain(**row.values) for row in rows[table.file]]
    elements += [*lines, *admittances, *devices]
    profiles = [Profile(**row.values) for row in rows[layout.PROFILES.file]]
    controls = [cls(**row.values) for cls, table in layout.CONTROLS.items()
                for row in rows[table.file]]
    return Network(
        header["name"], elements, header.get("description", ""), header.get("source", ""),
        profiles, header.get("frequency", 60.0), controls)


def _tuples(value: Any) -> Any:
    """TOML's lists as tuples, at every depth."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def read_licence(folder: str | Path) -> str:
    """The licence named in a folder's ``feeder.toml``.

    Parameters
    ----------
    folder : str or Path
        Of a feeder.

    Returns
    -------
    str
        "" if it names none.

    Raises
    ------
    FeederFileError
        If ``feeder.toml`` cannot be read.
    """
    header, faults = _read_header(Path(folder))
    if faults:
        raise FeederFileError(faults)
    return str(header.get("licence", ""))


def write_tables(
    network: Network,
    folder: str | Path,
    *,
    licence: str = "",
    length_unit: str = "km",
    code_unit: str = "km",
) -> Path:
    """Write a network in the feeder format; `read_tables` gives back an equal network.

    Only the lower triangles of symmetric matrices are written. Tables of the format that the
    network does not need are removed from the folder.

    Parameters
    ----------
    network : Network
        The feeder.
    folder : str or Path
        Created if it does not exist.
    licence : str
        Of the data.
    length_unit, code_unit : str
        Unit of lengths, and of length in impedances: km, m, mi, ft or kft. Numbers are written with
        the fewest digits that read back exactly; a row with a number that has none stays in km.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    FeederFileError
        If a unit is unknown or the folder cannot be made.
    ModelError
        If `network` is not one.
    """
    all_at_once(partial(require_kind, network, Network, "write_tables"),
                partial(_folder, folder, "write_tables"),
                partial(_check_texts, licence, length_unit, code_unit))
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FeederFileError.at(str(folder), f"it cannot be made a folder ({error.strerror})",
                                 "Name another folder.") from None
    (folder / HEADER).write_text(_header_text(network, licence), encoding="utf-8", newline="\n")
    for plain, table in layout.PLAIN.items():
        found = [e for e in network.elements if isinstance(e, plain)]
        write_table(folder, table, (layout.plain_row(e, table) for e in found))
    codes = {line.code.name: line.code for line in network.lines.values()}
    write_table(folder, layout.LINE_CODES,
                (line_tables.code_row(code, code_unit) for code in codes.values()))
    write_table(folder, layout.LINES,
                (line_tables.line_row(line, length_unit) for line in network.lines.values()))
    write_table(folder, ADMITTANCES, (
        row for element in network.admittances.values() for row in admittance_rows(element)))
    for cls in device_classes():
        write_table(folder, device_table(cls),
                    device_rows(network.devices_of(cls.word).values(), cls))
    write_table(folder, layout.PROFILES, (
        {"name": p.name, "minutes": p.minutes, "values": p.values, "q_values": p.q_values}
        for p in network.profiles.values()))
    for cls, table in layout.CONTROLS.items():
        write_table(folder, table, (
            layout.plain_row(c, table) for c in network.controls if isinstance(c, cls)))
    return folder


def _check_texts(licence: Any, length_unit: Any, code_unit: Any) -> None:
    faults = [Fault(f"write_tables, {key}", f"{shown(unit)} is not a unit",
                    nearest(unit, line_tables.KM_PER))
              for key, unit in (("length_unit", length_unit), ("code_unit", code_unit))
              if not (isinstance(unit, str) and unit in line_tables.KM_PER)]
    if not isinstance(licence, str):
        faults.append(Fault("write_tables, licence", f"is {shown(licence)}", "Give a text."))
    if faults:
        raise FeederFileError(faults)


def _folder(given: Any, function: str) -> Path:
    if not isinstance(given, str | PathLike) or "\0" in str(given):
        raise FeederFileError.at(f"{function}, folder", f"is {shown(given)}",
                                 "Give the path of a folder.")
    try:
        Path(given).is_dir()
    except OSError as error:  # a name that no file can have
        raise FeederFileError.at(f"{function}, folder", f"is {shown(given)} ({error.strerror})",
                                 "Give the path of a folder.") from None
    return Path(given)


# ------------------------------------------------------------------------------ feeder.toml


def _read_header(folder: Path) -> tuple[dict[str, Any], list[Fault]]:
    """The content of feeder.toml, complete and of this version unless there are faults."""
    if not folder.is_dir():
        raise FeederFileError.at(str(folder), "it is not a folder",
                                 f"Give a folder with {HEADER} and the feeder's tables.")
    try:
        header = tomllib.loads((folder / HEADER).read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        _refuse_opendss(folder)
        return {}, [Fault(HEADER, f"the file is missing in {str(folder)!r}",
                          "Write it: format_version, name and a [substation] with its bus.")]
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        return {}, [Fault(HEADER, f"it cannot be read: {error}", "Correct its TOML syntax.")]
    return header, list(_header_faults(header))


def _refuse_opendss(folder: Path) -> None:
    """Name the master among the OpenDSS files of a folder, if there are any."""
    scripts = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".dss")
    if scripts:
        master = next((p for p in scripts if "master" in p.stem.lower()), scripts[0])
        raise FeederFileError.at(
            str(folder), f"it holds {len(scripts)} OpenDSS file(s), and no {HEADER}",
            f"Give the master file, such as {str(master)!r}: read_opendss reads it.")


def _header_faults(header: dict[str, Any]) -> Iterator[Fault]:
    version = header.get("format_version")
    if version not in READS or isinstance(version, bool):
        yield Fault(HEADER, f"format_version is {version!r}",
                    f"This version of pyomo_dlmp reads format_version = {FORMAT_VERSION}.")
    frequency = header.get("frequency", 60.0)
    if not (is_number(frequency) and 0 < frequency < 1000):
        yield Fault(HEADER, f"frequency is {frequency!r}", "Give it in Hz, 50 or 60.")
    substation = header.get("substation")
    if not isinstance(substation, dict):
        yield Fault(HEADER, "it has no table [substation]", "Add one with: bus = ...")
        substation = {"bus": ""}
    for where, table, keys, needed in (
        (HEADER, header, _KEYS, "name"),
        (f"{HEADER}, [substation]", substation, _SUBSTATION_KEYS, "bus"),
    ):
        for key in table.keys() - set(keys):
            yield Fault(where, f"the key {key!r} is not known",
                        nearest(key, set(keys) - table.keys()) or f"Keys are {listed(keys)}.")
        if needed not in table:
            yield Fault(where, f"the key {needed!r} is missing", f"Add: {needed} = ...")


def _header_text(network: Network, licence: str) -> str:
    substation = network.substation
    lines = [
        f"format_version = {FORMAT_VERSION}",
        f"name = {_quoted(network.name)}",
        f"description = {_quoted(network.description)}",
        f"source = {_quoted(network.source)}",
        f"licence = {_quoted(licence)}",
        *([f"frequency = {float(network.frequency)!r}"] if network.frequency != 60.0 else []),
        "",
        "# Units stand in the column names. kv_ll is nominal, line to line; kw and kvar of loads",
        "# are per leg at nominal voltage. Line codes: lower triangles of symmetric matrices, r",
        "# and x in ohm, b in microsiemens, per length_unit; x and y are for drawing only.",
        "",
        "[substation]",
        f"name = {_quoted(substation.name)}",
        f"bus = {_quoted(substation.bus)}",
        f"v_pu = [{', '.join(repr(float(v)) for v in substation.v_pu)}]",
        *([f"angle = {float(substation.angle)!r}"] if substation.angle else []),
        *([f"angles = {[float(angle) for angle in substation.angles]}"]
          if substation.angles is not None else []),
        *(f"{key}_ohm = [{', '.join(map(str, ([float(v) for v in row] for row in matrix)))}]"
          for key, matrix in (("r", substation.r), ("x", substation.x)) if matrix is not None),
    ]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """A TOML basic string: JSON's rules, but DEL must be escaped too."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
