"""mkdocs hooks: pages of the notebooks, the table of top-level names, the changelog."""

from __future__ import annotations

import inspect
import re
import sys
from collections import defaultdict
from pathlib import Path

import notebooks
from mkdocs.structure.files import File

NAMES, CHANGES = "<!-- names -->", "<!-- changelog -->"


def on_files(files, config, **_):
    """Add a page for each notebook, with the outputs that `notebooks.py` has kept."""
    for path in notebooks.notebooks():
        text, pictures = notebooks.page(path)
        files.append(File.generated(config, f"notebooks/{path.stem}.md", content=text))
        for name, data in pictures.items():
            files.append(File.generated(config, f"notebooks/{name}", content=data))
    return files


def on_page_markdown(markdown: str, **_) -> str:
    """Put table and changelog in their places, and lead to the notebooks' pages."""
    markdown = re.sub(r"\]\(\.\./examples/(\w+)\.ipynb\)", r"](notebooks/\1.md)", markdown)
    if NAMES in markdown:
        markdown = markdown.replace(NAMES, names_table())
    if CHANGES in markdown:
        text = (Path(__file__).parents[1] / "CHANGELOG.md").read_text(encoding="utf-8")
        markdown = markdown.replace(CHANGES, text.replace("](docs/", "]("))
    return markdown


def on_page_content(html: str, page, **_) -> str:
    """A click on a picture opens it alone, as large as the window; notebooks have their style."""
    html = re.sub(r'<img [^>]*src="([^"]+\.svg)"[^>]*>', r'<a href="\1">\g<0></a>', html)
    return f'<div class="notebook">{html}</div>' if page.url.startswith("notebooks/") else html


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
