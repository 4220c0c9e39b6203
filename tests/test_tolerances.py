"""One place for the numbers that decide what is zero, and the relations they keep."""

import io
import re
import tokenize
from pathlib import Path

import pytest

import pyomo_dlmp
from pyomo_dlmp import tolerances

ROOT = Path(pyomo_dlmp.__file__).parent
SMALL = re.compile(r"\d*\.?\d*e-\d+", re.IGNORECASE)
# probe models and options of solvers, which are those solvers' own; unit factors and the OpenDSS
# engine's own settings; what a user's own tests compare with
EXCEPTIONS = {
    "tolerances.py", "solvers/probes.py", "solvers/interfaces.py", "testing.py",
}
UNIT_FACTORS = {"2e-3", "2e-9", "2.54e-5", "1e-5", "1e-6", "1e-300"}  # in opendss


@pytest.mark.parametrize("relation", tolerances.RELATIONS)
def test_relation(relation):
    assert tolerances.RELATIONS[relation]


def small_numbers(file: Path) -> set[str]:
    """Literals such as 1e-9 in a file's code (not in its texts)."""
    tokens = tokenize.generate_tokens(io.StringIO(file.read_text(encoding="utf-8")).readline)
    return {t.string for t in tokens if t.type == tokenize.NUMBER and SMALL.fullmatch(t.string)}


def test_no_other_file_decides_what_is_zero():
    wrong = []
    for file in sorted(ROOT.rglob("*.py")):
        name = str(file.relative_to(ROOT))
        found = small_numbers(file)
        if name.startswith("opendss"):
            found -= UNIT_FACTORS
        elif name in EXCEPTIONS:
            continue
        wrong += [f"{name}: {number}" for number in sorted(found)]
    assert not wrong, "\n".join(wrong)


def test_each_tolerance_is_used_and_explained():
    text = Path(tolerances.__file__).read_text(encoding="utf-8")
    names = re.findall(r"^([A-Z_]+) = [\d(]", text, flags=re.MULTILINE)
    assert 20 <= len(names) <= 39
    rest = "\n".join(f.read_text(encoding="utf-8") for f in ROOT.rglob("*.py")
                     if f.name != "tolerances.py")
    for name in names:
        assert re.search(rf"^{name} = .*\n\"\"\"", text, flags=re.MULTILINE), f"{name}: no reason"
        assert re.search(rf"\b{name}\b", rest), f"{name} is used nowhere"
