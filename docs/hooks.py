"""mkdocs hook: the table of top-level names, from `pyomo_dlmp.__all__`."""

from __future__ import annotations

import inspect
import re
import sys
from collections import defaultdict

PLACE = "<!-- names -->"


def on_page_markdown(markdown: str, **_) -> str:
    """Put the table in its place; other pages stay as they are."""
    return markdown.replace(PLACE, names_table()) if PLACE in markdown else markdown


def names_table() -> str:
    """One table for each room: linked name, first sentence of its docstring."""
    import pyomo_dlmp

    rooms: dict[str, list[str]] = defaultdict(list)
    for name in sorted(pyomo_dlmp.__all__, key=str.lower):
        target = getattr(pyomo_dlmp, name)
        path, documented = where(name, target)
        text = first_sentence(documented)
        rooms[path.split(".")[1]].append(f"| [`{name}`][{path}] | {text} |")
    lines = []
    for room in sorted(rooms):
        lines += [f"## {room}", "", "| name | |", "|---|---|", *rooms[room], ""]
    return "\n".join(lines)


def where(name: str, target: object) -> tuple[str, object]:
    """Path of what the reference documents: of a custom Pyomo block, its data class."""
    if inspect.ismodule(target):
        return target.__name__, target
    data = getattr(target, "_ComponentDataClass", None)
    if inspect.isclass(target) and inspect.isclass(data):
        return f"{data.__module__}.{data.__name__}", data
    return f"{target.__module__}.{name}", target


def first_sentence(target: object) -> str:
    text = inspect.getdoc(target) or inspect.getdoc(sys.modules[target.__module__]) or ""
    sentence = re.split(r"(?<=[.;:])\s", " ".join(text.split()), maxsplit=1)[0]
    return sentence.rstrip(".;:").replace("|", "\\|")
