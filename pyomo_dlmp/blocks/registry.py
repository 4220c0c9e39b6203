"""Which block models which kind of devices: one row each, for those of the package and others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import pyomo.environ as pyo

from pyomo_dlmp.blocks.capacitor import CapacitorBlock
from pyomo_dlmp.blocks.datacenter import DatacenterBlock
from pyomo_dlmp.blocks.device import DeviceBlockData
from pyomo_dlmp.blocks.generator import GeneratorBlock
from pyomo_dlmp.blocks.load import LoadBlock
from pyomo_dlmp.blocks.storage import StorageBlock
from pyomo_dlmp.blocks.svg import SvgBlock
from pyomo_dlmp.errors import ModelError
from pyomo_dlmp.network import Device
from pyomo_dlmp.network.registry import device_classes, register, unregister

# names of other components of a model, of elements, and of tables of a study file
_RESERVED = frozenset((
    "bus", "substation", "line", "regulator", "transformer", "center_tapped", "admittance",
    "parallel", "shunt", "periods", "cost",
    "demand", "dual", "taker", "title", "feeder", "results", "case", "price_taker", "time", "dso",
    "unbalance", "aggregator", "market", "sweep", "check", "solver", "servers", "interactive",
    "job", "ups", "llm", "training", "smoothing"))


class DeviceModel(NamedTuple):
    """The model of a kind of devices.

    Attributes
    ----------
    block : type
        Block class.
    component : str
        Name of its component in a model.
    """

    block: Any
    component: str


_MODELS: dict[str, DeviceModel] = {
    "load": DeviceModel(LoadBlock, "demand"),  # Pyomo's blocks have a method `load`
    "generator": DeviceModel(GeneratorBlock, "generator"),
    "storage": DeviceModel(StorageBlock, "storage"),
    "capacitor": DeviceModel(CapacitorBlock, "capacitor"),
    "datacenter": DeviceModel(DatacenterBlock, "datacenter"),
    "svg": DeviceModel(SvgBlock, "svg"),
}


def device_models() -> Iterator[tuple[type[Device], DeviceModel]]:
    """All kinds of devices and their models, in the order in which models hold them.

    Yields
    ------
    (type of Device, DeviceModel)
    """
    for cls in device_classes():
        yield cls, _MODELS[cls.word]


def device_components(model: Any) -> Iterator[tuple[type[Device], Any]]:
    """The indexed blocks of devices in a model.

    Parameters
    ----------
    model : Block
        Filled by `build_opf`.

    Yields
    ------
    (type of Device, indexed Block)
    """
    for cls, row in device_models():
        component = model.component(row.component)
        if component is not None:
            yield cls, component


def device_blocks(model: Any) -> Iterator[tuple[str, Any]]:
    """Every device of a model.

    Parameters
    ----------
    model : Block
        Filled by `build_opf`.

    Yields
    ------
    (str, DeviceBlockData)
        Name and block.
    """
    for _, component in device_components(model):
        yield from component.items()


def register_device(cls: type[Device], block: Any) -> None:
    """Let feeders, models, tables and studies hold a new kind of devices.

    From then on its table ``<plural>.csv`` is read and written with a feeder, ``[[word]]`` in a
    study file makes one, a `Network` checks it and has it in ``devices_of(word)``, `build_opf`
    builds its block as component ``word``, and dispatch tables and AC power flows hold it.
    Registering a word again replaces the earlier class, except for the package's own.

    Parameters
    ----------
    cls : type of Device
        The data: a frozen, keyword-only dataclass made from `network.Device` or
        `network.MultiphaseDevice`, with class attributes `word` and `plural`.
    block : block class
        Its model, as made by ``declare_custom_block`` from a subclass of `blocks.DeviceBlockData`.

    Raises
    ------
    ModelError
        If one of them is not such a class, or the word is taken.
    """
    where = f"device class {getattr(cls, '__name__', cls)!r}"
    data = getattr(block, "_ComponentDataClass", None)
    if not (isinstance(data, type) and issubclass(data, DeviceBlockData)):
        raise ModelError.at(where, f"has the block {block!r}",
                            "Give the class that declare_custom_block makes of a DeviceBlockData.")
    word = getattr(cls, "word", "")
    if word in _RESERVED or (isinstance(word, str) and hasattr(pyo.ConcreteModel(), word)):
        raise ModelError.at(where, f"takes the word {word!r}, which a model needs",
                            "Choose another.")
    register(cls)
    _MODELS[word] = DeviceModel(block, word)


def unregister_device(word: str) -> None:
    """Forget a kind of devices; nothing happens for an unknown one or one of the package.

    Parameters
    ----------
    word : str
        Its `word`, as registered.
    """
    if unregister(word):
        del _MODELS[word]
