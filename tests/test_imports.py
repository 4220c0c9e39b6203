"""The folder tree is the architecture: rooms and files import one way."""

import ast
from functools import cache
from pathlib import Path

import networkx as nx

import pyomo_dlmp

ROOT = Path(pyomo_dlmp.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
_BASE = {"errors", "status", "tolerances", "deprecation"}
_LOWER = {*_BASE, "numerics", "bilevel", "lower"}
_SINGLE = {*_LOWER, "bounds", "transform"}
_JUDGED = {*_SINGLE, "auditing", "solvers"}
_SOLVE = {*_JUDGED, "search", "parametric", "branching", "solve"}
_GRID = {*_BASE, "network", "ac", "blocks", "opf"}
_AC = {"power_flow", "ac_opf"}
MAY_IMPORT = {
    # arrays and data: neither Pyomo nor each other
    "errors": set(), "status": set(), "tolerances": set(), "deprecation": set(),
    "numerics": _BASE, "network": _BASE, "ac": {*_BASE, "numerics", "network"},
    "expressions": set(),  # Pyomo, but neither power nor levels
    # bilevel models: nothing here knows about power
    "bilevel": {*_BASE, "expressions"},
    "lower": {*_BASE, "expressions", "numerics", "bilevel"},
    "bounds": _LOWER,
    "transform": {*_LOWER, "bounds"},
    "auditing": _SINGLE, "solvers": _SINGLE,
    "search": _JUDGED, "parametric": {*_JUDGED, "search"},
    "branching": {*_JUDGED, "search"},
    "solve": {*_JUDGED, "search", "parametric", "branching"},
    # the grid
    "engine": _BASE, "opendss": {*_BASE, "network", "engine"},
    "io": {*_BASE, "network", "opendss"},
    "blocks": {*_BASE, "expressions", "network"}, "opf": {*_BASE, "network", "ac", "blocks"},
    "power_flow": {*_GRID, "engine", "opendss"},
    # what stands on both
    "ac_opf": {*_GRID, "power_flow", "numerics", "bilevel", "lower", "auditing", "solve"},
    "market": {*_GRID, *_AC, "bilevel", "lower", "auditing", "parametric", "solve"},
    "results": {*_GRID, *_AC, "market", "bilevel", "lower", "transform", "auditing", "parametric",
                "solve"},
    "validation": {*_GRID, *_AC, "auditing", "solve", "market", "results"},
    "series": {*_GRID, "parametric", "auditing", "market", "solve", "results"},
    "uncertainty": {*_GRID, *_AC, "numerics", "bilevel", "lower", "parametric", "auditing",
                    "market", "solve", "results", "series"},
    "report": {*_BASE, "results"},
    "connection": {*_GRID, *_AC, "io", "series", "results", "report"},
    "records": {*_BASE, "network", "io", "market", "results", "report"},
    "study": {*_GRID, *_AC, "numerics", "io", "auditing", "solvers", "parametric", "market",
              "solve", "results", "validation", "series", "uncertainty", "report"},
    "testing": {*_SOLVE, "opf"},  # for users' own tests; no room imports it
    "plotting": {"report"},  # its older name
    "extend": {"blocks", "transform", "solvers", "solve", "market"},  # for users' own rows
    "mpi": {"uncertainty", "cli"},
    "cli": {*_BASE, "io", "study", "connection", "report", "results", "solve", "solvers",
            "validation", "records"},
}


def name_of(file: Path) -> str:
    """pyomo_dlmp.room.file of a file."""
    parts = file.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


@cache
def parsed(file: Path) -> ast.Module:
    """A file as a tree, read once for all tests."""
    return ast.parse(file.read_text(encoding="utf-8"))


@cache
def imported(file: Path) -> list[tuple[str, str]]:
    """(module, name) of everything of the package that a file imports, also inside functions."""
    found = []
    for node in ast.walk(parsed(file)):
        if isinstance(node, ast.Import):
            found += [(alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found += [(node.module or "", alias.name) for alias in node.names]
    return found


def own(file: Path) -> list[tuple[str, str]]:
    return [(module, name) for module, name in imported(file)
            if module == "pyomo_dlmp" or module.startswith("pyomo_dlmp.")]


def room_of(module: str) -> str:
    return [*module.split("."), ""][1]


def test_rooms_import_one_way():
    wrong = []
    for file in FILES:
        room = room_of(name_of(file))
        if room:
            wrong += [f"{file.relative_to(ROOT)} imports {module}" for module, _ in own(file)
                      if room_of(module) not in MAY_IMPORT[room] | {room}]
    assert not wrong, "\n".join(wrong)


def test_the_order_of_rooms_has_no_circle():
    graph = nx.DiGraph((room, other) for room, others in MAY_IMPORT.items() for other in others)
    assert nx.is_directed_acyclic_graph(graph)


def test_files_import_one_way():
    modules = {name_of(file) for file in FILES}
    graph = nx.DiGraph()
    for file in FILES:
        if file.name == "__init__.py":
            continue
        for module, name in own(file):
            target = f"{module}.{name}" if f"{module}.{name}" in modules else module
            if target in modules:
                graph.add_edge(name_of(file), target)
    # a room's __init__ only gathers its files: who imports it imports them
    for file in FILES:
        if file.name == "__init__.py" and name_of(file) != "pyomo_dlmp":
            for module, _ in own(file):
                graph.add_edge(name_of(file), module)
    circles = [" > ".join(circle) for circle in nx.simple_cycles(graph)]
    assert not circles, "\n".join(circles)


def test_nothing_private_is_imported():
    wrong = [f"{file.relative_to(ROOT)} imports {name} of {module}"
             for file in FILES for module, name in own(file) if name.startswith("_")]
    assert not wrong, "\n".join(wrong)


def test_no_name_is_its_modules():
    """`from package import name` would give the module or what is in it, by order of imports."""
    wrong = []
    for file in FILES:
        tree = parsed(file)
        names = {node.name for node in tree.body
                 if isinstance(node, ast.FunctionDef | ast.ClassDef)}
        wrong += [name_of(file)] if file.stem in names else []
    for file in FILES:
        if file.name == "__init__.py":
            beside = {f.stem for f in file.parent.glob("*.py")} | {
                f.name for f in file.parent.iterdir() if (f / "__init__.py").exists()}
            wrong += [f"{name_of(file)}: {name}" for module, name in own(file)
                      if name in beside and f"{module}.{name}" != f"{name_of(file)}.{name}"]
    assert not wrong, "\n".join(wrong)


def test_outside_libraries_stay_in_their_rooms():
    """Arrays know no Pyomo, and HiGHS is reached through its wrapper only."""
    wrong = []
    for file in FILES:
        tops = {module.split(".")[0] for module, _ in imported(file)}
        if room_of(name_of(file)) in ("numerics", "network", "ac", "report") and "pyomo" in tops:
            wrong.append(f"{file.relative_to(ROOT)} imports pyomo")
        if "highspy" in tops and not name_of(file).startswith(
                "pyomo_dlmp.numerics.highs"):
            wrong.append(f"{file.relative_to(ROOT)} imports highspy")
        if name_of(file) != "pyomo_dlmp.numerics.highs" and ".h." in file.read_text("utf-8"):
            wrong.append(f"{file.relative_to(ROOT)} reaches into the HiGHS object")
    assert not wrong, "\n".join(wrong)


def test_files_hold_one_thought():
    lines = {file: len(file.read_text(encoding="utf-8").splitlines()) for file in FILES}
    long = [str(file.relative_to(ROOT)) for file, count in lines.items() if count > 400]
    assert not long
    rooms: dict[str, int] = {}
    for file, count in lines.items():
        rooms[room_of(name_of(file))] = rooms.get(room_of(name_of(file)), 0) + count
    total = sum(rooms.values())
    assert not {room: count for room, count in rooms.items() if count > 0.14 * total}
    assert rooms["solve"] <= 800


def test_every_room_is_placed():
    there = {room_of(name_of(file)) for file in FILES} - {""}
    assert there == set(MAY_IMPORT)
