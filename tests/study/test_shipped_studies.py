"""Shipped studies are found by name, in a checkout and where only the wheel is installed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pyomo_dlmp.errors import StudyFileError
from pyomo_dlmp.study import find_study, list_studies, read_study

ROOT = Path(__file__).parents[2]
NAMES = ["ieee123", "ieee37", "ieee37_heavy", "ieee37_markets", "ieee37_owners", "ieee37_per_phase",
         "ieee37_svg", "ieee37_unbalance", "ieee37_uncertain"]


def test_all_studies_are_found():
    assert sorted(list_studies()) == NAMES
    assert find_study("ieee37") == ROOT / "examples" / "studies" / "ieee37.toml"


def test_results_stay_in_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert read_study("ieee37").results == Path("results/ieee37")


def test_a_path_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in ("missing.toml", "folder/ieee37"):
        assert find_study(path) == Path(path)
    Path("ieee37").write_text("", encoding="utf-8")
    assert find_study("ieee37") == Path("ieee37")  # the user's own file comes first


@pytest.mark.parametrize(("wrong", "hint"), [
    ("iee37", "Did you mean 'ieee37'"), ("ieee37_market", "'ieee37_markets'"), ("x", "Known are")])
def test_an_unknown_name_lists_what_there_is(wrong, hint):
    with pytest.raises(StudyFileError) as err:
        read_study(wrong)
    assert hint in str(err.value) and all(repr(name) in str(err.value) for name in NAMES)


@pytest.mark.slow
def test_a_wheel_holds_them(tmp_path):
    """Builds the wheel (which fetches hatchling), and reads a study from it alone."""
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", tmp_path, ROOT], check=True)
    site = tmp_path / "site"
    (wheel,) = tmp_path.glob("*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", site, wheel], check=True)
    code = ("import pyomo_dlmp; from pyomo_dlmp.study import list_studies, read_study; "
            "study = read_study('ieee37'); "
            "print(pyomo_dlmp.__file__, study.path, *list_studies(), sep='\\n')")
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True,
                          text=True, check=True, env={**os.environ, "PYTHONPATH": str(site)})
    package, study, *names = done.stdout.split()
    assert Path(package) == site / "pyomo_dlmp" / "__init__.py"
    assert Path(study) == site / "pyomo_dlmp" / "studies" / "ieee37.toml"
    assert names == NAMES
