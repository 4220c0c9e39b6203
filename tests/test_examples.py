"""The notebooks in `examples/` are those of their scripts, run, and assert their key numbers."""

from pathlib import Path

import pytest

from tests.feeders import engine

EXAMPLES = Path(__file__).parent.parent / "examples"
SCRIPTS = sorted(EXAMPLES.glob("[0-9]*.py"))
jupytext = pytest.importorskip("jupytext")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")


def cells(notebook):
    return [(cell.cell_type, cell.source) for cell in notebook.cells]


def test_all_are_there():
    numbers = [script.stem[:2] for script in SCRIPTS]
    assert len(set(numbers)) == len(numbers) >= 10
    assert {p.stem for p in EXAMPLES.glob("[0-9]*.ipynb")} == {script.stem for script in SCRIPTS}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.stem)
def test_the_notebook_is_its_script_without_outputs(script):
    notebook = jupytext.read(script.with_suffix(".ipynb"))
    assert cells(notebook) == cells(jupytext.read(script)), "run `make notebooks`"
    assert not any(cell.get("outputs") for cell in notebook.cells)


LARGE = ("03", "04")  # over 20 seconds


@pytest.mark.slow
@pytest.mark.parametrize("script", [
    pytest.param(s, marks=pytest.mark.large if s.stem[:2] in LARGE else ()) for s in SCRIPTS],
    ids=lambda p: p.stem)
def test_the_notebook_runs(script, tmp_path):
    if "opendss" in script.stem:
        engine()
    folder = tmp_path / "examples"
    folder.mkdir()
    notebook = jupytext.read(script.with_suffix(".ipynb"))
    client = nbclient.NotebookClient(
        notebook, timeout=None, kernel_name="python3",
        resources={"metadata": {"path": str(folder)}})
    client.execute()
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", [])]
    pictures = sum("image/svg+xml" in out.get("data", {}) for out in outputs)
    assert pictures == {"04": 2, "07": 1, "08": 2}.get(script.stem[:2], 0)
