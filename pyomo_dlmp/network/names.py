"""How elements are named in messages, and what a mistyped name may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from pyomo_dlmp.network.devices import (
    Capacitor,
    Datacenter,
    Generator,
    Load,
    StaticVarGenerator,
    Storage,
)
from pyomo_dlmp.network.elements import Bus, Line, Regulator, Substation
from pyomo_dlmp.network.transformers import CenterTappedTransformer, Transformer

Branch = Line | Regulator | Transformer | CenterTappedTransformer
Device = Load | Generator | Storage | Capacitor | Datacenter | StaticVarGenerator
Element = Bus | Substation | Branch | Device

KINDS = {
    Bus: "bus",
    Substation: "substation",
    Line: "line",
    Regulator: "regulator",
    Transformer: "transformer",
    CenterTappedTransformer: "center_tapped",
    Load: "load",
    Generator: "generator",
    Storage: "storage",
    Capacitor: "capacitor",
    Datacenter: "datacenter",
    StaticVarGenerator: "svg",
}
BRANCHES = (Line, Regulator, Transformer, CenterTappedTransformer)
DEVICES = (Load, Generator, Storage, Capacitor, Datacenter, StaticVarGenerator)


def kind(element: object) -> str | None:
    """The kind of an element in one word (``"line"``, ``"svg"`` ...), None for anything else."""
    return next((word for cls, word in KINDS.items() if isinstance(element, cls)), None)


def label(element: object) -> str:
    """An element as messages call it: ``line 'L35'``."""
    return f"{kind(element)} {getattr(element, 'name', '?')!r}"


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
