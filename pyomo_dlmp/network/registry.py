"""The kinds of devices that a feeder may hold: those that come with the package, and others.

`register` is the data half of `dlmp.extend.register_device`, which people call.
"""

from __future__ import annotations

from dataclasses import is_dataclass

from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.network.device import Device
from pyomo_dlmp.network.devices import SHIPPED
from pyomo_dlmp.network.fields import field_specs

# attributes of a Network and files of a feeder that hold no devices
RESERVED = frozenset((
    "name", "description", "source", "elements", "buses", "substations", "lines", "line_codes",
    "regulators", "transformers", "center_tapped", "admittances", "shunts", "open_lines",
    "profiles", "frequency", "branches", "devices", "devices_of", "substation", "graph",
    "with_devices", "without", "replacing", "total_kw", "total_kvar", "kv_ln", "distance_km"))
_classes: dict[str, type[Device]] = {cls.word: cls for cls in SHIPPED}


def device_classes() -> tuple[type[Device], ...]:
    """All kinds of devices, in the order in which they were registered.

    Returns
    -------
    tuple of type of Device
    """
    return tuple(_classes.values())


def device_class(word: str) -> type[Device] | None:
    """The class of a kind of devices.

    Parameters
    ----------
    word : str
        Its `word`, such as ``"load"``.

    Returns
    -------
    type of Device or None
        None if no kind of that word is registered.
    """
    return _classes.get(word)


def register(cls: type[Device]) -> None:
    """Let feeders hold devices of a class, in place of an earlier one of the same word.

    Parameters
    ----------
    cls : type of Device
        A frozen, keyword-only dataclass with class attributes `word` and `plural`.

    Raises
    ------
    ModelError
        If it is not a dataclass made from `Device`, has no word, plural or legs, or its word or
        plural is taken.
    """
    where = f"device class {getattr(cls, '__name__', cls)!r}"
    if not (isinstance(cls, type) and issubclass(cls, Device) and is_dataclass(cls)):
        raise ModelError.at(where, "is not a dataclass made from Device",
                            "Write @dataclass(frozen=True, kw_only=True) class ...(Device).")
    for key in ("word", "plural"):
        text = getattr(cls, key, None)
        if not (isinstance(text, str) and text.isidentifier()):
            raise ModelError.at(where, f"has {key} {text!r}",
                                "Give the class an identifier, such as word = 'heat_pump'.")
    if not hasattr(cls, "legs") and "legs" not in {spec.name for spec in field_specs(cls)}:
        raise ModelError.at(where, "has no legs",
                            "Derive it from MultiphaseDevice, or give it a property legs.")
    if cls.plural in RESERVED:
        raise ModelError.at(where, f"takes the plural {cls.plural!r}", "Choose another.")
    taken = [*SHIPPED, *(other for word, other in _classes.items() if word != cls.word)]
    for other in taken:
        if cls.word == other.word or cls.plural == other.plural:
            raise ModelError.at(where, f"takes the word {cls.word!r} or plural {cls.plural!r} of "
                                f"{other.__name__}", "Choose others.")
    _classes[cls.word] = cls


def unregister(word: str) -> bool:
    """Forget a kind of devices.

    Parameters
    ----------
    word : str
        Its `word`, such as ``"heat_pump"``.

    Returns
    -------
    bool
        False for the kinds of the package, which stay, and for unknown ones.
    """
    if word in {cls.word for cls in SHIPPED}:
        return False
    return _classes.pop(word, None) is not None
