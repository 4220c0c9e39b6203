"""Every example of the docs runs and prints what stands below it."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from pyomo_dlmp.cli import main
from tests.feeders import engine

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(p for p in (ROOT / "README.md", *DOCS.rglob("*.md"))
               if "```py" in p.read_text(encoding="utf-8"))


def examples_of(page: Path):
    """(compiled code, what is printed) of each fenced Python block and the text block below it."""
    text = page.read_text(encoding="utf-8")
    found = re.findall(r"^```python\n(.*?)^```\n+```text\n(.*?)^```$", text, re.S | re.M)
    fences = re.findall(r"^ *```+ *py", text, re.M)
    assert len(found) == len(fences), f"{page}: a Python block without a text block below it"
    return [(compile(code, str(page), "exec"), printed) for code, printed in found]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_the_example_prints_what_the_page_says(page, capsys, registries):
    text = page.read_text(encoding="utf-8")
    if "ac_power_flow(" in text or "solve_ac_opf(" in text:
        engine()
    names: dict = {}
    for code, printed in examples_of(page):
        names = names if page.stem.startswith("tutorial") else {}  # a tutorial goes on
        exec(code, names)
        assert capsys.readouterr().out.rstrip() == printed.rstrip()


def test_links_lead_somewhere():
    for page in DOCS.rglob("*.md"):
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page}: {target}"


def test_the_site_builds_without_warnings(tmp_path):
    pytest.importorskip("mkdocs")
    pytest.importorskip("mkdocstrings_handlers.python")
    run = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")],
        cwd=DOCS.parent, capture_output=True, text=True)
    assert run.returncode == 0 and "WARNING" not in run.stderr, run.stderr
    nav = (DOCS.parent / "mkdocs.yml").read_text(encoding="utf-8")
    assert all(str(page.relative_to(DOCS)) in nav for page in DOCS.rglob("*.md"))


TUTORIALS = sorted(p for p in (ROOT / "README.md", *DOCS.rglob("*.md"))
                   if "```console" in p.read_text(encoding="utf-8"))
PROGRESS = re.compile(r"^ *\d+\.\d s  .*\n?", re.M)


def commands_of(text: str):
    """(arguments, what is shown below) of each command of a page, in their order."""
    for block in re.findall(r"^```console\n(.*?)^```$", text, re.S | re.M):
        for command in re.split(r"^\$ pyomo-dlmp ", block, flags=re.M)[1:]:
            arguments, _, shown = command.partition("\n")
            yield shlex.split(arguments), shown


@pytest.mark.slow
@pytest.mark.parametrize("page", [
    pytest.param(p, marks=pytest.mark.large if p.parent == DOCS else ()) for p in TUTORIALS],
    ids=lambda p: p.stem)
def test_the_commands_print_what_the_page_says(page, capsys, tmp_path, monkeypatch):
    """Files that the page shows under their names are there; `...` stands for anything."""
    engine()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    text = page.read_text(encoding="utf-8")
    for name, content in re.findall(r'^```\w+ title="([^"]+)"\n(.*?)^```$', text, re.S | re.M):
        (tmp_path / name).write_text(content, encoding="utf-8")
    commands = list(commands_of(text))
    assert commands
    for arguments, shown in commands:
        assert main(arguments) == 0, arguments
        printed = PROGRESS.sub("", capsys.readouterr().out)
        parts = re.split(r" *\.\.\. *", " ".join(shown.split()))
        pattern = ".*?".join(map(re.escape, parts))
        assert re.fullmatch(pattern, " ".join(printed.split())), f"{arguments} printed\n{printed}"
