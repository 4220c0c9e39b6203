"""Lines, their codes, joints, and the grounding of neutrals as OpenDSS commands."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from pyomo_dlmp.network import Line, LineCode
from pyomo_dlmp.opendss.writing.wording import Wording, figure, matrix
from pyomo_dlmp.tolerances import SINGULAR


def lines(words: Wording) -> Iterator[str]:
    """All lines that are closed, their codes before them.

    A line that joins two buses, or one whose impedance is singular, has an ideal resistance for
    each conductor.

    Parameters
    ----------
    words : Wording
        Of the network.

    Yields
    ------
    str
    """
    network = words.network
    codes: dict[str, str] = {}
    for code in {line.code.name: line.code for line in network.lines.values()}.values():
        if not _is_singular(code):
            codes[code.name] = words.names.element("linecode", "line_code", code.name)
            yield (f"new linecode.{codes[code.name]} nphases={len(code.r)} units=km "
                   f"basefreq={figure(network.frequency)} {_matrices(words, code)}")
    for line in network.branches.values():
        if not isinstance(line, Line):
            continue
        if line.code.name in codes:
            what = f"linecode={codes[line.code.name]} length={figure(line.length)} units=km"
        else:
            what = f"{_matrices(words, line.code, line)} length=1"
        yield (f"{words.new('line', line)} phases={len(line.phases)} "
               f"bus1={words.at(line.from_bus, line.from_phases)} "
               f"bus2={words.at(line.to_bus, line.to_phases)} {what}{_amps(words, line)}")


def grounding(words: Wording) -> Iterator[str]:
    """A reactor for each neutral that has an impedance to ground; solid ones are at node 0.

    Parameters
    ----------
    words : Wording
        Of the network.

    Yields
    ------
    str
    """
    for bus in words.network.buses.values():
        if "n" in bus.neutrals and bus.ground_z:
            yield (f"{words.named('reactor', 'ground', bus.name)} phases=1 "
                   f"bus1={words.at(bus.name, 'n')} r={figure(bus.ground_z.real)} "
                   f"x={figure(bus.ground_z.imag)}")


def _amps(words: Wording, line: Line) -> str:
    """Its rating; nothing is known of a greater one in an emergency."""
    if line.rating_kva is None:
        return ""
    amps = figure(line.rating_kva / words.network.buses[line.from_bus].kv_ln)
    return f" normamps={amps} emergamps={amps}"


def _is_singular(code: LineCode) -> bool:
    size = np.linalg.svd(np.array(code.r) + 1j * np.array(code.x), compute_uv=False)
    return bool(size[-1] <= SINGULAR * size[0])


def _matrices(words: Wording, code: LineCode, line: Line | None = None) -> str:
    """Of a code per km; of a line with a singular code in all, made regular."""
    n = len(code.r)
    length = 1.0 if line is None else line.length
    r = np.array(code.r) * length
    if line is not None:
        r = r + words.ideal_ohm(line.from_bus) * np.eye(n)
    b = np.zeros((n, n)) if code.b is None else np.array(code.b) * length
    farads = b / (2e-3 * math.pi * words.network.frequency)  # microsiemens to nanofarad
    return (f"rmatrix={matrix(r)} xmatrix={matrix(np.array(code.x) * length)} "
            f"cmatrix={matrix(farads)}")
