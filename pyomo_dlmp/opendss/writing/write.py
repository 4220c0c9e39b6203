"""`write_opendss`: a Network as one OpenDSS script, controls off, everything at nominal.

Each element becomes the OpenDSS element of its kind; a Regulator becomes one single-phase
transformer for each of its units, a NodalAdmittance reactors. Comments keep the original names
(`pyomo_dlmp.opendss.names`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from pyomo_dlmp.errors import OpenDssError
from pyomo_dlmp.network import Network
from pyomo_dlmp.opendss.names import remark
from pyomo_dlmp.opendss.writing import devices as write_devices
from pyomo_dlmp.opendss.writing import line as write_lines
from pyomo_dlmp.opendss.writing import transformer as write_transformers
from pyomo_dlmp.opendss.writing.admittance import admittances
from pyomo_dlmp.opendss.writing.devices import Injections, default_injections
from pyomo_dlmp.opendss.writing.sources import source
from pyomo_dlmp.opendss.writing.wording import Wording, figure, row


def write_opendss(network: Network, path: str | Path) -> Path:
    """Write a network as an OpenDSS script that ends with ``solve``.

    Read back by `read_opendss` it has the same AC solution. Datacenters draw their capacity,
    SVGs nothing, generators and storages have their `kw` and `kvar`: all of them as constant
    powers. Profiles of loads become daily load shapes. Buses keep their names wherever OpenDSS can
    hold them; other names that it cannot hold are replaced, and comments in the file keep the
    original ones.

    Parameters
    ----------
    network : Network
        The feeder.
    path : str or Path
        Of the file.

    Returns
    -------
    Path

    Raises
    ------
    OpenDssError
        If OpenDSS cannot hold an element, or the file cannot be written.
    """
    path = Path(path)
    words = Wording(network)
    commands = list(script(words, default_injections(network, words.grounded), profiles=True))
    title = f"{network.name}: {network.description}" if network.description else network.name
    lines = [remark(title), *words.names.comments(), *commands,
             "solve", ""]
    try:
        path.write_text("\n".join(lines), encoding="utf-8", newline="\n")
    except OSError as error:
        raise OpenDssError.at(str(path), f"it cannot be written: {error}",
                              "Check the folder.") from None
    return path


def script(words: Wording, injections: Injections, profiles: bool = False) -> Iterator[str]:
    """The commands, line by line, up to the voltage bases.

    Parameters
    ----------
    words : Wording
        Of the network; its names are filled.
    injections : mapping
        [device]: (bus, legs, kW by leg, kvar by leg), generated; in place of the devices.
    profiles : bool
        Whether to write the profiles of loads, which do nothing in a snapshot.

    Yields
    ------
    str

    Raises
    ------
    OpenDssError
        If OpenDSS cannot hold an element.
    """
    network = words.network
    yield from ("clear", f"set defaultbasefrequency={figure(network.frequency)}")
    yield from source(words)
    yield from write_lines.lines(words)
    yield from write_transformers.transformers(words)
    yield from write_transformers.center_tapped(words)
    yield from write_transformers.regulators(words)
    yield from admittances(words)
    yield from write_lines.grounding(words)
    if profiles:
        yield from write_devices.shapes(words)
    yield from write_devices.loads(words)
    yield from write_devices.capacitors(words)
    yield from write_devices.injections(words, injections)
    bases = sorted({bus.kv_ln * math.sqrt(3.0) for bus in network.buses.values()}, reverse=True)
    yield f"set voltagebases={row(bases)}"
    yield "calcvoltagebases"
    yield "set controlmode=off maxiterations=200 tolerance=1e-8"
