"""Keywords of a search by themselves: numbers, switches, paths. All that are wrong at once."""

from __future__ import annotations

from functools import partial
from math import inf
from numbers import Integral, Real
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from pyomo_dlmp.errors import ModelError, all_at_once, shown

_MOST_THREADS = 1024


def check_numbers(**given: Any) -> None:
    """Check keywords that take a finite number >= 0, or None where it may be.

    Parameters
    ----------
    **given
        {keyword: value}.

    Raises
    ------
    ModelError
        A value is something else.
    """
    all_at_once(*(partial(_check_number, key, value) for key, value in given.items()))


def _check_number(key: str, value: Any) -> None:
    if value is None and key != "gap":
        return
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= _plain(value) < inf:
        raise wrong_keyword(key, value, "Give a number >= 0" + (
            "." if key == "gap" else ", or None for no limit."))


def _plain(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:  # a whole number beyond all floats
        return inf


def check_words(periods: Any, threads: Any, progress: Any, **switches: Any) -> None:
    """Check keywords that take other than any number.

    Raises
    ------
    ModelError
        `periods` is not True, False or None; `threads` no whole number; `progress` cannot be
        called; another is not True or False.
    """
    found: list[ModelError] = [
        wrong_keyword(key, value, "Give True or False.")
        for key, value in switches.items() if not isinstance(value, bool | np.bool_)]
    if not (progress is None or callable(progress)):
        found.append(wrong_keyword(
            "progress", progress, "Give a function (stage, incumbent, bound)."))
    if isinstance(threads, bool) or not isinstance(threads, Integral) or not (
            0 <= int(threads) <= _MOST_THREADS):
        found.append(wrong_keyword(
            "threads", threads,
            f"Give a whole number up to {_MOST_THREADS}; 0: HiGHS's own choice."))
    if not (periods is None or isinstance(periods, bool)):
        found.append(wrong_keyword(
            "periods", periods, "Give True (decompose at once), False (never) or None (where "
            "branch and bound does not end soon)."))
    if found:
        raise ModelError([fault for error in found for fault in error.faults])


def check_path(checkpoint: Any) -> None:
    """Check the keyword `checkpoint`.

    Raises
    ------
    ModelError
        It is not the path of a file.
    """
    if checkpoint is not None and not (
            isinstance(checkpoint, str | PathLike) and Path(checkpoint).name):
        raise wrong_keyword("checkpoint", checkpoint, "Give the path of a file.")


def wrong_keyword(key: str, value: Any, cure: str) -> ModelError:
    """The error of a keyword that does not take its value; to be raised by the caller."""
    error = ModelError.at("solve_bilevel", f"does not take {key}={shown(value)}", cure)
    assert isinstance(error, ModelError)
    return error
