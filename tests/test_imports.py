"""The folder tree is the architecture: imports run one way."""

import ast
from pathlib import Path

import pyomo_dlmp

ROOT = Path(pyomo_dlmp.__file__).parent
MAY_IMPORT = {
    "errors": set(), "memory": set(), "highs": {"errors", "memory"}, "clarabel_qp": set(),
    "network": {"errors"},
    "io": {"errors", "network"},
    "blocks": {"errors", "network"}, "opf": {"errors", "network", "blocks"},
    "bilevel": {"errors"}, "transform": {"errors", "bilevel", "highs"},
    "condense": {"errors", "memory", "bilevel", "transform", "highs", "clarabel_qp"},
    "solve": {"errors", "memory", "bilevel", "transform", "condense", "highs", "clarabel_qp"},
    "market": {"errors", "network", "blocks", "opf", "bilevel", "solve"},
    "results": {"errors", "network", "blocks", "opf", "market", "bilevel", "solve", "transform"},
    "validation": {"errors", "network", "io", "blocks", "opf", "solve", "results"},
    "plotting": {"errors", "results"},
    "study": {"errors", "network", "io", "opf", "market", "solve", "results", "validation",
              "plotting"},
    "cli": {"errors", "io", "study", "plotting", "solve", "validation"},
}


def rooms(file: Path) -> set[str]:
    """Rooms of the package that a file imports, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or ""]
        found |= {n.split(".")[1] for n in names if n.startswith("pyomo_dlmp.")}
    return found


def test_imports_run_one_way():
    wrong = []
    for file in sorted(ROOT.rglob("*.py")):
        room = file.relative_to(ROOT).parts[0].removesuffix(".py")
        if room != "__init__":
            wrong += [f"{file.relative_to(ROOT)} imports {other}"
                      for other in rooms(file) - MAY_IMPORT[room] - {room}]
    assert not wrong, "\n".join(wrong)


def test_files_hold_one_thought():
    long = [str(f.relative_to(ROOT)) for f in ROOT.rglob("*.py")
            if len(f.read_text(encoding="utf-8").splitlines()) > 400]
    assert not long
