"""mkdocs hook: the table of top-level names, from `pyomo_dlmp.__all__`, and the changelog."""

from __future__ import annotations

import inspect
import re
import sys
from collections import defaultdict
from pathlib import Path

NAMES, CHANGES = "<!-- names -->", "<!-- changelog -->"


def on_page_markdown(markdown: str, **_) -> str:
    """Put table and changelog in their places; other pages stay as they are."""
    if NAMES in markdown:
        markdown = markdown.replace(NAMES, names_table())
    if CHANGES in markdown:
        text = (Path(__file__).parents[1] / "CHANGELOG.md").read_text(encoding="utf-8")
        markdown = markdown.replace(CHANGES, text.replace("](docs/", "]("))
    return markdown


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
        lines += [f"## {room}", "", "| name | description |", "|---|---|", *rooms[room], ""]
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
