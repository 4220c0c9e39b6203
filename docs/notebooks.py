"""The notebooks of `examples/` as pages with their outputs.

    python docs/notebooks.py [--all]

executes those that have changed since (all of them after a change of the package) and keeps them in
`.cache/notebooks`; `make docs` runs it. The hook renders what is kept there; a notebook that is
not is rendered without outputs. What is committed has no outputs.
"""

from __future__ import annotations

import hashlib
import os
import re
import resource
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
KEPT = ROOT / ".cache" / "notebooks"
SOURCE, ALL, TOOK = "source_hash", "package_hash", "processor_seconds"


def notebooks() -> list[Path]:
    """The committed notebooks, in their order."""
    return sorted(EXAMPLES.glob("[0-9]*.ipynb"))


def kept(path: Path):
    """The executed notebook of `path` if its cells are the committed ones, else None."""
    import nbformat

    file = KEPT / path.name
    if not file.exists():
        return None
    found = nbformat.read(file, as_version=4)
    return found if found.metadata.get(SOURCE) == _hash([path]) else None


def execute(path: Path, package: str) -> tuple[float, float]:
    """Run a notebook in an empty folder and keep it; seconds of processor and of the clock."""
    import nbclient
    import nbformat

    notebook = nbformat.read(path, as_version=4)
    cpu, began = _cpu(), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        nbclient.NotebookClient(notebook, timeout=None, kernel_name="python3",
                                extra_arguments=["--log-level=ERROR"],
                                resources={"metadata": {"path": folder}}).execute()
    took, used = time.perf_counter() - began, _cpu() - cpu
    notebook.metadata.update({SOURCE: _hash([path]), ALL: package, TOOK: used})
    KEPT.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, KEPT / path.name)
    return used, took


def page(path: Path) -> tuple[str, dict[str, bytes]]:
    """Markdown of a notebook's page, and its pictures by name."""
    import nbformat
    from nbconvert import MarkdownExporter

    notebook = kept(path) or nbformat.read(path, as_version=4)
    text, resources = MarkdownExporter().from_notebook_node(
        notebook, resources={"unique_key": path.stem, "output_files_dir": "."})
    title, _, rest = text.strip().partition("\n")
    took = notebook.metadata.get(TOOK)
    note = (f"Run as a notebook: {took:.0f} s of one core." if took else
            "Without outputs here: `make docs` executes the notebooks.")
    note += f" Source: `examples/{path.name}`."
    text = f"{title}\n\n*{note}*\n{_readable(rest)}"
    return text, {Path(name).name: data for name, data in resources["outputs"].items()}


def _readable(text: str) -> str:
    """Pandas' tables without their own style, warnings without the kernel's file."""
    text = re.sub(r"^    \S*ipykernel_\d+/\d+\.py:\d+: (.*)\n      .*\n", r"    \1\n", text,
                  flags=re.M)
    text = re.sub(r"<style scoped>.*?</style>\n?", "", text, flags=re.S)
    text = text.replace('<table border="1" class="dataframe">', '<table class="docutils">')
    text = text.replace(' style="text-align: right;"', "")
    return re.sub(r"!\[svg\]\(\.?/?", "![picture of the cell above](", text)


def _hash(files: list[Path]) -> str:
    total = hashlib.sha256()
    for file in files:
        total.update(str(file.relative_to(ROOT)).encode())
        total.update(file.read_bytes())
    return total.hexdigest()


def _package() -> str:
    """A hash of all that an output may depend on."""
    folders = (ROOT / "pyomo_dlmp", ROOT / "feeders", EXAMPLES / "studies")
    return _hash([file for folder in folders for file in sorted(folder.rglob("*"))
                  if file.is_file() and file.suffix != ".pyc"])


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    # the kernels import this checkout's package, wherever they run
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    package = _package()
    names = [name for name in sys.argv[1:] if not name.startswith("-")]
    for path in notebooks():
        if names and path.stem[:2] not in names:
            continue
        found = kept(path)
        if "--all" not in sys.argv and found and found.metadata.get(ALL) == package:
            print(f"{path.stem}: unchanged")
            continue
        print(f"{path.stem}: running", end="", flush=True)
        cpu, took = execute(path, package)
        print(f"\r{path.stem}: {took:.0f} s ({cpu:.0f} s of processor)", flush=True)


if __name__ == "__main__":
    main()
