"""How elements are named in messages."""

from __future__ import annotations

from pyomo_dlmp.errors import listed as listed
from pyomo_dlmp.errors import nearest as nearest
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
