"""Data of a block that is composed by hand are checked as those of a `Network` are.

A block knows one element and the bus blocks that it is given; whether names repeat, or the feeder
is a tree, only a `Network` can tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from pyomo_dlmp.errors import ModelError, NetworkError
from pyomo_dlmp.network.faults.all import element_faults
from pyomo_dlmp.network.kinds import label

_SOUND: ContextVar[frozenset[int]] = ContextVar("_SOUND", default=frozenset())


@contextmanager
def sound(elements: Iterable[Any]) -> Iterator[None]:
    """While blocks are built of a `Network`, which has judged its elements.

    Parameters
    ----------
    elements : iterable of Element
        Those that are not judged by themselves again.
    """
    token = _SOUND.set(frozenset(map(id, elements)))
    try:
        yield
    finally:
        _SOUND.reset(token)


def drop_limits(bus: Any) -> None:
    """Delete the voltage limits that a bus block has, so that others can be given.

    Parameters
    ----------
    bus : BusBlock or AcBusBlock
    """
    for name in ("v_low", "v_high", "cost", "under", "over", "v_min", "v_max", "penalty"):
        if bus.component(name) is not None:
            bus.del_component(name)


def by_hand() -> bool:
    """Whether blocks are composed by hand now, not built of a `Network`."""
    return not _SOUND.get()


def check_data(element: Any, **buses: Any) -> None:
    """Refuse an element that is wrong by itself, or is built at another bus than its data name.

    Parameters
    ----------
    element : element of a network
        The data.
    **buses : BusBlock
        By field of the element: ``bus``, or ``from_bus`` and ``to_bus``.

    Raises
    ------
    NetworkError
        If a field is not of its type or range, or fields contradict each other; lists all faults.
    ModelError
        If a bus block is that of another bus.
    """
    if id(element) not in _SOUND.get() and (faults := element_faults(element)):
        raise NetworkError(faults)
    for field, block in buses.items():
        named, built = getattr(element, field), getattr(block, "bus_name", None)
        if built is not None and named != built:
            raise ModelError.at(
                label(element), f"has {field} {named!r} and is built at bus {built!r}",
                f"Give `build` the block of bus {named!r}, or correct the data.")
