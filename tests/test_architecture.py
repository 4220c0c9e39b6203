"""docs/architecture.md and its pictures show the package as it is."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.benchmarks import _architecture_pictures as pictures
from tests.test_imports import MAY_IMPORT

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_the_picture_shows_the_rooms_and_their_imports():
    svg = (pictures.PICTURES / "rooms.svg").read_text(encoding="utf-8")
    assert pictures.description() in svg, "run `python -m tests.benchmarks._architecture_pictures`"


def test_every_room_is_named_with_its_purpose():
    rows = re.findall(r"^\| `(\w+)` \|", PAGE, re.M)
    assert sorted(rows) == sorted(MAY_IMPORT)
    assert set(pictures.PURPOSE) == set(MAY_IMPORT)


def test_files_that_are_named_are_there():
    named = re.findall(r"`((?:[a-z_]+/)+(?:[a-z_]+\.py)?)`", PAGE)
    named += [path for title, _ in pictures.WAY
              for path in re.findall(r"[a-z_/]+/(?:\w+\.py)?", title)]
    assert len(named) > 40
    missing = [name for name in named
               if not (ROOT / name).exists() and not (ROOT / "pyomo_dlmp" / name).exists()]
    assert not missing


def test_the_top_level_is_as_designed():
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout
    assert {name.split("/")[0] for name in tracked.split()} == {
        ".ci", ".gitignore", "CHANGELOG.md", "CITATION.cff", "LICENSE", "Makefile", "README.md",
        "docs", "examples", "feeders", "mkdocs.yml", "pyomo_dlmp", "pyproject.toml", "tests"}
