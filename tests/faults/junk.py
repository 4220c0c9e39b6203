"""Values that users, spreadsheets and slips of the keyboard put where they do not belong."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pyomo_dlmp.errors import DlmpError


class Odd:
    """An object of the user's, whose repr fails, too."""

    def __repr__(self) -> str:
        raise RuntimeError("no repr")


@dataclass(frozen=True)
class Foreign:
    """A dataclass that is no element."""

    name: object = "foreign"


def junk() -> list:
    """Fresh values each time: some are used up by reading."""
    return [
        None, True, False, 0, 1, -1, 2.5, -0.0, 1e-320, -1e9, 1e308, 10**400, -10**5000, math.nan,
        math.inf, -math.inf, "", " ", "a", "x" * 5000, "7\x00", "nan", "1.0", "abc", "wye", b"ab",
        (), [], {}, set(), [1.0], [1.0, math.nan], (1, "x"), [[1, 2], [3]], [[]], [None],
        ["a", "b"], {"a": 1}, {1: "a"}, {None: None}, {1, 2}, frozenset({"a"}), object(), Odd(),
        [Odd()], Foreign(), Foreign, int, len, lambda: 1, iter([1, 2]), (x for x in ("a", 1)),
        range(3), 1 + 2j, np.float64(1.5), np.float32(2), np.int64(3), np.bool_(True),
        np.nan, np.array(2.0), np.array([1.0, 2.0]), np.array([[1.0, 0.0], [0.0, 1.0]]),
        np.array(["a"]), np.array([], dtype=float), pd.Series([1.0, 2.0]), pd.DataFrame({"a": [1]}),
        pd.NA, pd.NaT, NotImplemented, Ellipsis,
    ]


NOWHERE_RIGHT = (type(Ellipsis), Odd, complex)  # refused by every argument


def check_error(error: DlmpError) -> None:
    """An error says for each fault where, what and how to cure it, in a readable length."""
    assert error.faults
    for fault in error.faults:
        assert fault.where and fault.what and fault.cure, repr(fault)
        assert len(str(fault)) < 13000, str(fault)[:300]
