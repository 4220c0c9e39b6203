"""The engine's own lists of commands, options, classes and properties.

``python -m tests.opendss.engine_lists`` writes them into the package as its table.
"""

import textwrap
from contextlib import suppress
from pathlib import Path

import pyomo_dlmp

TABLE = Path(pyomo_dlmp.__file__).parent / "io" / "opendss" / "engine_lists.py"
NEEDS = {"gicsource": "new line.zz bus1=a bus2=b"}  # it is named after a line


def engine_lists():
    """(commands, options, {class: properties}) of the installed engine, in its order."""
    from dss import DSS
    engine = DSS.NewContext()
    engine.AllowForms = engine.AllowEditor = engine.AllowDOScmd = False
    engine.Text.Command = "new circuit.c"
    executive = engine.Executive
    commands = [executive.Command(i) for i in range(1, executive.NumCommands + 1)]
    options = [executive.Option(i) for i in range(1, executive.NumOptions + 1)]
    properties = {}
    for kind in engine.Classes:
        made = DSS.NewContext()
        made.AllowForms = False
        made.Text.Command = "new circuit.c"
        for command in (NEEDS.get(kind.lower(), ""), f"new {kind}.zz", f"select {kind}.zz"):
            with suppress(Exception):  # some want what they control; they are made all the same
                made.Text.Command = command
        assert made.ActiveCircuit.ActiveDSSElement.Name.lower() == f"{kind}.zz".lower(), kind
        properties[kind] = list(made.ActiveCircuit.ActiveDSSElement.AllPropertyNames)
    return commands, options, properties


def _written(words):
    text = textwrap.fill(" ".join(words), 92, break_long_words=False, break_on_hyphens=False)
    return "\n".join("    " + line for line in text.splitlines())


def main():
    """Write the table."""
    commands, options, properties = engine_lists()
    lines = [
        '"""The engine\'s lists in their order: abbreviations and values by position go by it.',
        "", "Made by tests/opendss/engine_lists.py from dss_python_backend 0.14.5.", '"""', "",
        '_COMMANDS = """', _written(commands), '"""', '_OPTIONS = """', _written(options), '"""',
        '_PROPERTIES = """']
    for kind, names in properties.items():
        lines += [f"{kind}:", _written(names)]
    lines += ['"""', "", "", "def _tables() -> dict[str, tuple[str, ...]]:",
              "    found: dict[str, list[str]] = {}", "    for word in _PROPERTIES.split():",
              '        if word.endswith(":"):', "            names = found[word[:-1].lower()] = []",
              "        else:", "            names.append(word)",
              "    return {kind: tuple(names) for kind, names in found.items()}", "", "",
              "COMMANDS: tuple[str, ...] = tuple(_COMMANDS.split())",
              "OPTIONS: tuple[str, ...] = tuple(_OPTIONS.split())",
              "PROPERTIES: dict[str, tuple[str, ...]] = _tables()"]
    TABLE.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
