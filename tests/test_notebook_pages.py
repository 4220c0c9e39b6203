"""Notebooks become pages of the site: with outputs where those of the same cells are kept."""

import importlib.util
import json

import pytest

from tests.test_docs import DOCS

nbformat = pytest.importorskip("nbformat")
pytest.importorskip("nbconvert")
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>'
TABLE = ('<div>\n<style scoped>\n  td {color: red}\n</style>\n<table border="1" class="dataframe">'
         '<tr style="text-align: right;"><td>7</td></tr></table>\n</div>')


@pytest.fixture
def pages(tmp_path, monkeypatch):
    """docs/notebooks.py, with a folder of its own for what is kept."""
    spec = importlib.util.spec_from_file_location("notebooks", DOCS / "notebooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "KEPT", tmp_path)
    return module


def keep(pages, path, source):
    notebook = nbformat.read(path, as_version=4)
    cell = next(cell for cell in notebook.cells if cell.cell_type == "code")
    cell.outputs = [nbformat.v4.new_output("display_data", {"image/svg+xml": SVG}),
                    nbformat.v4.new_output("display_data", {"text/html": TABLE}),
                    nbformat.v4.new_output("stream", name="stderr", text=(
                        "/tmp/ipykernel_1/2.py:3: UserWarning: a limit\n  prices()\n"))]
    notebook.metadata.update({pages.SOURCE: source, pages.TOOK: 12.3})
    nbformat.write(notebook, pages.KEPT / path.name)


def test_a_page_shows_what_the_cells_gave(pages):
    path = pages.notebooks()[0]
    keep(pages, path, pages._hash([path]))
    text, pictures = pages.page(path)
    ((name, data),) = pictures.items()
    assert SVG.encode() in data and f"]({name})" in text
    assert "<td>7</td>" in text and "style" not in text
    assert "UserWarning: a limit" in text and "ipykernel" not in text and "prices()" not in text
    assert text.startswith("# 01") and "12 s" in text


def test_outputs_of_other_cells_are_not_shown(pages):
    path = pages.notebooks()[0]
    keep(pages, path, "of an earlier notebook")
    text, pictures = pages.page(path)
    assert not pictures and "make docs" in text and "UserWarning" not in text


def test_each_notebook_is_in_the_navigation_and_has_no_outputs_in_the_repository(pages):
    nav = (DOCS.parent / "mkdocs.yml").read_text(encoding="utf-8")
    assert len(pages.notebooks()) >= 10
    for path in pages.notebooks():
        assert f"notebooks/{path.stem}.md" in nav
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        assert not any(cell.get("outputs") for cell in cells)
