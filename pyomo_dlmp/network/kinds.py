"""The kinds of elements, and how messages call an element."""

from __future__ import annotations

from typing import Any

from pyomo_dlmp.errors import shown
from pyomo_dlmp.network.admittance import NodalAdmittance
from pyomo_dlmp.network.device import Device
from pyomo_dlmp.network.elements import Bus, Line, Regulator, Substation
from pyomo_dlmp.network.registry import device_class, device_classes
from pyomo_dlmp.network.transformers import CenterTappedTransformer, Transformer

Branch = Line | Regulator | Transformer | CenterTappedTransformer | NodalAdmittance
Element = Bus | Substation | Branch | Device

BRANCHES = (Line, Regulator, Transformer, CenterTappedTransformer, NodalAdmittance)
_WORDS: dict[type, str] = {
    Bus: "bus", Substation: "substation", Line: "line", Regulator: "regulator",
    Transformer: "transformer", CenterTappedTransformer: "center_tapped",
    NodalAdmittance: "admittance",
}


def buses_of(branch: Any) -> tuple[str, ...]:
    """The buses that a branch joins.

    Parameters
    ----------
    branch : Branch
        Any branch.

    Returns
    -------
    tuple of str
        Two; of a `NodalAdmittance` any number, one of a shunt.
    """
    if isinstance(branch, NodalAdmittance):
        return branch.buses
    return branch.from_bus, branch.to_bus


def carries(element: Any) -> bool:
    """Whether an element is a branch that joins buses now.

    Parameters
    ----------
    element : object
        Any element of a network.

    Returns
    -------
    bool
        False for open switches and shunts.
    """
    return (isinstance(element, BRANCHES) and getattr(element, "closed", True)
            and len(buses_of(element)) > 1)


def element_classes() -> tuple[type, ...]:
    """Classes of everything that a network may hold.

    Returns
    -------
    tuple of type
        Those of the package, then the devices in the order in which they were registered.
    """
    return (*_WORDS, *device_classes())


def kind(element: Any) -> str | None:
    """The kind of an element in one word.

    Parameters
    ----------
    element : object
        Any object.

    Returns
    -------
    str or None
        Such as ``"line"`` or ``"svg"``; None if it is not an element.
    """
    if type(element) in _WORDS:
        return _WORDS[type(element)]
    if isinstance(element, Device):
        word = getattr(element, "word", "")
        cls = device_class(word)
        return word if cls is not None and isinstance(element, cls) else None
    return next((word for cls, word in _WORDS.items() if isinstance(element, cls)), None)


def label(element: object) -> str:
    """The name of an element in messages.

    Parameters
    ----------
    element : object
        An element of a network.

    Returns
    -------
    str
        Such as ``line 'L35'``.
    """
    word = kind(element) or getattr(element, "word", type(element).__name__)
    return f"{word} {shown(getattr(element, 'name', '?'))}"
