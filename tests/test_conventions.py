"""The tables of docs/conventions.md are those of the code.

    python -m tests.test_conventions      writes the tables of tolerances again
"""

import re
from pathlib import Path

import pytest

import pyomo_dlmp
from pyomo_dlmp import tolerances

PAGE = Path(__file__).parent.parent / "docs" / "conventions.md"
ROOT = Path(pyomo_dlmp.__file__).parent


def tolerance_lines() -> list[str]:
    """The table of tolerances, from the file's headings, assignments and their texts."""
    text = Path(tolerances.__file__).read_text(encoding="utf-8")
    lines = ["| name | value | question that it answers |", "|---|---|---|"]
    for group, name, value, reason in re.findall(
            r'^# -{3,} ([^\n]+)$|^([A-Z_]+) = ([\d(][^\n]*)\n"""(.*?)"""', text, re.M | re.S):
        cells = f"**{group}**", "", ""
        if name:
            cells = f"`{name}`", value, " ".join(reason.split()).replace("|", "\\|")
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def relation_lines() -> list[str]:
    return [f"- {relation}" for relation in tolerances.RELATIONS]


TABLES = {"tolerances": tolerance_lines, "relations": relation_lines}


def written(text: str, name: str) -> re.Match:
    found = re.search(rf"<!-- {name} -->\n(.*?)<!-- end -->", text, re.S)
    assert found, f"docs/conventions.md has no place for {name}"
    return found


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_that_of_the_code(name):
    lines = written(PAGE.read_text(encoding="utf-8"), name)[1].strip().splitlines()
    assert lines == TABLES[name](), "run `python -m tests.test_conventions`"


def test_values_of_the_table_are_those_in_use():
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \|", "\n".join(tolerance_lines()), re.M)
    assert len(rows) > 20
    for name, value in rows:
        assert str(getattr(tolerances, name)) == str(eval(value))


def sign_rows(text: str) -> list[tuple[str, ...]]:
    """(sense, row, sign) of a table of signs, without its padding."""
    found = re.findall(r"^\| (min|max|both) *\| (\S.*?) *\| (\S.*?) *\|$", text, re.M)
    return [row for row in found if "body" in row[1]]


def test_signs_of_duals_are_those_of_the_code():
    tables = {file: sign_rows(file.read_text(encoding="utf-8")) for file in ROOT.rglob("*.py")}
    (code,) = (rows for rows in tables.values() if rows)  # stands once in the package
    assert sign_rows(PAGE.read_text(encoding="utf-8")) == code and len(code) == 7


def main() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for name, lines in TABLES.items():
        old = written(text, name)[0]
        text = text.replace(old, "\n".join([f"<!-- {name} -->", *lines(), "<!-- end -->"]))
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
