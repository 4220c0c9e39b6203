"""What a mistyped name may have meant, and how lists of names read in messages."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def listed(names: Iterable[object], most: int = 12) -> str:
    """Names quoted and joined by commas; after `most` of them only a count."""
    quoted = [repr(n) for n in names]
    rest = len(quoted) - most
    return ", ".join(quoted[:most]) + (f" and {rest} more" if rest > 0 else "")


def nearest(wanted: str, known: Iterable[str]) -> str:
    """A cure for an unknown name: the nearest of the known ones, else all of them.

    Ignores case; returns a sentence, or "" if nothing is known.
    """
    known = sorted(set(known))
    by_lower = {name.lower(): name for name in known}
    close = difflib.get_close_matches(str(wanted).lower(), by_lower, n=3, cutoff=0.6)
    if close:
        return f"Did you mean {' or '.join(repr(by_lower[name]) for name in close)}?"
    return f"Known are {listed(known)}." if known else ""
