"""Older names of arguments, taken for one more release with a DeprecationWarning."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar
from warnings import warn

F = TypeVar("F", bound=Callable[..., Any])


def renamed_arguments(**names: str) -> Callable[[F], F]:
    """A function that also takes older names of its keywords.

    Parameters
    ----------
    **names
        ``old="new"``.
    """
    def decorate(function: F) -> F:
        @wraps(function)
        def call(*args: Any, **given: Any) -> Any:
            for old, new in names.items():
                if old in given and new not in given:
                    warn(f"the argument `{old}` of {function.__qualname__} is now called `{new}`",
                         DeprecationWarning, stacklevel=2)
                    given[new] = given.pop(old)
            return function(*args, **given)
        return call  # type: ignore[return-value]
    return decorate
