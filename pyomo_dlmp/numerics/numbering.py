"""Positions of objects in a list, by identity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class Numbering:
    """``numbering[item]``: the place of an object in a list, found by identity in constant time.

    The table is made at first use, and made again in a clone or after unpickling, where the objects
    are others.

    Parameters
    ----------
    items
        The list, which must not change afterwards.
    """

    def __init__(self, items: Sequence[Any]):
        self._items = items
        self._place: dict[int, int] | None = None

    def _table(self) -> dict[int, int]:
        if self._place is None:
            self._place = {id(item): i for i, item in enumerate(self._items)}
        return self._place

    def __getitem__(self, item: Any) -> int:
        return self._table()[id(item)]

    def __contains__(self, item: Any) -> bool:
        return id(item) in self._table()

    def get(self, item: Any) -> int | None:
        """The place of an object, None where it is not in the list."""
        return self._table().get(id(item))

    def by_id(self) -> dict[int, int]:
        """{id of an object: its place}, for expressions that name their Vars by id."""
        return self._table()

    def __getstate__(self) -> dict:
        return {"_items": self._items, "_place": None}
