"""Older names of arguments, taken for one more release with a DeprecationWarning."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar
from warnings import warn

F = TypeVar("F", bound=Callable[..., Any])
_PACKAGE = str(Path(__file__).parent)


def warn_renamed(text: str) -> None:
    """A DeprecationWarning that points at the user's line: Python hides those of a package.

    Parameters
    ----------
    text
        What has which name now.
    """
    level, frame = 1, sys._getframe()
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        level, frame = level + 1, frame.f_back  # type: ignore[assignment]
    warn(text, DeprecationWarning, stacklevel=level)


def renamed_arguments(**names: str) -> Callable[[F], F]:
    """A function that also takes older names of its keywords.

    Parameters
    ----------
    **names
        ``old="new"``; a call that gives both is a TypeError.
    """
    def decorate(function: F) -> F:
        @wraps(function)
        def call(*args: Any, **given: Any) -> Any:
            for old, new in names.items():
                if old not in given:
                    continue
                said = f"the argument `{old}` of {function.__qualname__} is now called `{new}`"
                if new in given:
                    raise TypeError(f"{said}: give `{new}` alone")
                warn_renamed(said)
                given[new] = given.pop(old)
            return function(*args, **given)
        return call  # type: ignore[return-value]
    return decorate
