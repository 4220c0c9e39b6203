"""Commands about buses, written anew: base voltages, coordinates one by one or from a file."""

from __future__ import annotations

from collections.abc import Iterable

from pyomo_dlmp.engine.allowed import lower
from pyomo_dlmp.engine.tokens import Line, Variables, quoted


def from_rows(rows: Iterable[str], swapped: bool) -> list[str]:
    """Coordinates of a file, one command for each bus.

    Parameters
    ----------
    rows : iterable of str
        Its lines: bus, x, y; others are passed over.
    swapped : bool
        Whether y comes before x.

    Returns
    -------
    list of str
    """
    none = Variables()
    commands = []
    for row in rows:
        line = Line(row, none)
        bus, x, y = (line.pair()[1] for _ in range(3))
        name = quoted(bus) if bus else None
        try:
            place = float(x or 0), float(y or 0)
        except ValueError:
            continue
        if name is not None:
            x, y = map(repr, place[::-1] if swapped else place)
            commands.append(f"setbusxy bus={name} x={x} y={y}")
    return commands


def of_one(verb: str, line: Line) -> str | None:
    """A command about one bus, or about a meter.

    Parameters
    ----------
    verb : "setkvbase", "setbusxy" or "interpolate"
    line : Line
        Behind the command.

    Returns
    -------
    str or None
        None if it cannot be read.
    """
    words: list[str | None] = []
    if verb == "setkvbase":
        bus, (key, value) = line.pair()[1], line.pair()
        words = [quoted(bus) if bus else None, _assigned(
            "kvln" if lower(key) == "kvln" else "kvll", value)]
    elif verb == "setbusxy":
        for i, (key, value) in enumerate(line.pairs()):
            names = [n for n in ("bus", "x", "y") if key and n.startswith(lower(key))]
            place = names[0] if names else ("bus", "x", "y")[i] if not key and i < 3 else ""
            words.append(_assigned(place, value) if place else None)
    else:
        value = line.pair()[1]
        words = [quoted(value)] if value else []
    return None if None in words else " ".join([verb, *map(str, words)])


def _assigned(key: str, value: str) -> str | None:
    text = quoted(value) if value else None
    return None if text is None else f"{key}={text}"
