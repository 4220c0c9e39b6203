"""What docs/opendss.md says of reading is what the code does."""

from pathlib import Path

from pyomo_dlmp.opendss.reading.table import ROWS, documentation

PAGE = Path(__file__).parents[2] / "docs" / "opendss.md"


def test_the_page_has_the_tables_of_the_code():
    assert documentation() in PAGE.read_text(encoding="utf-8")


def test_every_class_that_is_read_is_in_the_tables():
    text = documentation().lower()
    assert all(kind in text for kind in ROWS)
