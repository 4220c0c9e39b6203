"""What is read as what: one row for each class of OpenDSS elements.

A new class is a function in a file of its own and a row here. The tables of docs/opendss.md are
made from these.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pyomo_dlmp.engine.snapshot import EngineElement
from pyomo_dlmp.opendss.reading.circuit import Draft
from pyomo_dlmp.opendss.reading.codes import Codes
from pyomo_dlmp.opendss.reading.generators import read_generator
from pyomo_dlmp.opendss.reading.lines import read_line, read_series_reactor
from pyomo_dlmp.opendss.reading.loads import read_load
from pyomo_dlmp.opendss.reading.shunts import (
    read_capacitor,
    read_linear,
    read_shunt_reactor,
    spans,
)
from pyomo_dlmp.opendss.reading.transformers import read_transformer


@dataclass
class Circuit:
    """What readers need besides the draft.

    Attributes
    ----------
    codes : Codes
        Line codes.
    regulated : set of str
        Names of transformers with a regulator control.
    """

    codes: Codes
    regulated: set[str]


Reader = Callable[[Draft, EngineElement, Circuit], list[Any]]


@dataclass(frozen=True)
class Row:
    """How a class is read.

    Attributes
    ----------
    read : callable
        Of draft, element and circuit; gives elements of ours.
    becomes : str
        In words, for the documentation.
    """

    read: Reader
    becomes: str


def _line(draft: Draft, element: EngineElement, circuit: Circuit) -> list[Any]:
    return read_line(draft, element, circuit.codes)


def _reactor(draft: Draft, element: EngineElement, circuit: Circuit) -> list[Any]:
    if spans(draft, element):
        return read_series_reactor(draft, element, circuit.codes)
    return read_shunt_reactor(draft, element)


def _transformer(draft: Draft, element: EngineElement, circuit: Circuit) -> list[Any]:
    return read_transformer(draft, element, element.name in circuit.regulated)


def _linear(draft: Draft, element: EngineElement, circuit: Circuit) -> list[Any]:
    return read_linear(draft, element)


def _capacitor(draft: Draft, element: EngineElement, circuit: Circuit) -> list[Any]:
    return read_capacitor(draft, element)


def _load(draft: Draft, element: EngineElement, circuit: Circuit) -> list[Any]:
    return read_load(draft, element)


def _generator(draft: Draft, element: EngineElement, circuit: Circuit) -> list[Any]:
    return read_generator(draft, element)


ROWS: dict[str, Row] = {
    "line": Row(_line, "`Line` with the full matrices and charging of the engine, neutral "
                "conductors among them; without impedance a joint; open: `closed=False`; opened in "
                "part, with unequal ends or not symmetric: `NodalAdmittance`"),
    "reactor": Row(_reactor, "between two buses a `Line` of 1 km; from a neutral to ground "
                   "`ground_r`, `ground_x` of its bus; lossless: `Capacitor` of negative kvar, "
                   "wye or delta; else `NodalAdmittance`"),
    "transformer": Row(_transformer, "`Transformer` (wye, delta, between phases, floating or "
                       "neutral star point, taps as solved); with a RegControl and whole taps "
                       "`Regulator`; centre-tapped `CenterTappedTransformer`; three windings "
                       "three `Transformer`s at a star bus; else `NodalAdmittance`"),
    "autotrans": Row(_linear, "`NodalAdmittance`"),
    "gictransformer": Row(_linear, "`NodalAdmittance`"),
    "fault": Row(_linear, "`NodalAdmittance`; one that is off is left out"),
    "capacitor": Row(_capacitor, "`Capacitor`, the steps that are on, given by kvar, cuf or "
                     "cmatrix; in series, with losses or at two buses `NodalAdmittance`"),
    "load": Row(_load, "`Load`, models 1 to 8: power, impedance, exponential, current, zip; "
                "mixed legs become two; power as the engine has it (loadmult, growth, status, "
                "allocation)"),
    "generator": Row(_generator, "`Generator` with its present output; unequal legs become one "
                     "each; `model=3`, which holds a voltage in OpenDSS, gives P and Q of the "
                     "solution, with a warning"),
    "pvsystem": Row(_generator, "`Generator` with `kva` and its present output"),
    "storage": Row(_generator, "`Storage` with its present output; its shape is not followed, with "
                   "a warning: an OPF chooses its power"),
}
FURTHER: tuple[tuple[str, str], ...] = (
    ("Vsource (that feeds the most)", "`Substation` with its impedance and angles; several at one "
     "bus become one"),
    ("further Vsources, Isource, VCCS, and any other element of one bus",
     "constant power at the solution: a `Load`, negative where it delivers; with a warning"),
    ("LoadShape", "`Profile` (with `q_values`); of loads, generators and PV systems; in kW: one "
     "for each; uneven hours: interpolated; the daily shape goes before the yearly one"),
    ("normamps (of a line or reactor, its code or its conductors)",
     "`Line.rating_kva`, per phase at nominal voltage, where the file states it: the 400 A that "
     "OpenDSS takes otherwise is no rating; emergamps is not read"),
    ("kVA of a transformer (of three windings: of each)", "`kva`, its nameplate; OpenDSS's "
     "normhkva, 1.1 times that by default, and emerghkva are not read"),
    ("coordinates", "`Bus.x`, `Bus.y`"),
    ("nodes 4, 5, 6 ...", "conductors n, d, e ... of the bus (behind a centre-tapped transformer "
     "from node 3 on)"),
)
WORDS = {"line": "Line, switch (code, geometry, spacing)", "autotrans": "AutoTrans",
         "gictransformer": "GICTransformer", "pvsystem": "PVSystem"}
LEFT_OUT: tuple[str, ...] = (
    "disabled elements",
    "elements that no source feeds (islands, sections behind an open switch, a mistyped bus): the "
    "warning gives the kW of their loads, names a bus where nothing else is, and the bus of the "
    "feeder that it may be",
    "elements opened by `open`; capacitors and lines that are off, where what they would be is not "
    "plain; faults that are off",
    "sources that feed nothing",
    "monitors, meters and sensors whose element does not exist",
)
REFUSED: tuple[str, ...] = (
    "sources between two phases or at a neutral",
    "elements between two buses that are neither linear nor in the table (UPFC, VSConverter)",
    "loads, generators and storages whose power at the solution is not the engine's",
    "buses of more than 26 conductors",
)


def documentation() -> str:
    """The tables of docs/opendss.md, in Markdown.

    Returns
    -------
    str
    """
    rows = [f"| {WORDS.get(kind, kind.capitalize())} | {row.becomes} |"
            for kind, row in ROWS.items()]
    rows += [f"| {what} | {becomes} |" for what, becomes in FURTHER]
    left = [f"- {what}" for what in LEFT_OUT]
    refused = [f"- {what}" for what in REFUSED]
    return "\n".join(["| OpenDSS | pyomo_dlmp |", "|---|---|", *rows, "",
                      "Left out with a warning that lists them, since they do nothing or no source "
                      "feeds them:", "", *left, "", "Refused by name:", "", *refused])
