"""Every example of the docs runs and prints what stands below it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.feeders import engine

DOCS = Path(__file__).parent.parent / "docs"
PAGES = sorted(p for p in DOCS.rglob("*.md") if "```python" in p.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_the_example_prints_what_the_page_says(page, capsys):
    text = page.read_text(encoding="utf-8")
    if "ac_power_flow(" in text or "solve_corrected_opf(" in text:
        engine()
    examples = re.findall(r"```python\n(.*?)```\n+```text\n(.*?)```", text, re.S)
    assert len(examples) == text.count("```python")
    for code, printed in examples:
        exec(compile(code, str(page), "exec"), {})
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
