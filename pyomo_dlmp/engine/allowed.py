"""What a script may do: every command, option, class and property that reaches the engine.

Names are resolved as the engine does it: upper and lower case are one (in ASCII alone), and an
abbreviation means the first name in the engine's own list that begins with it. What is not listed
here does not reach the engine.
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Mapping

from pyomo_dlmp.engine.engine_lists import COMMANDS, OPTIONS, PROPERTIES

_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)

# Commands, by what becomes of them.
INCLUDE = frozenset(("redirect", "compile"))
COORDINATES = frozenset(("buscoords", "latlongcoords"))
ON_ELEMENTS = frozenset(("new", "edit", "more", "m", "~", "select", "batchedit"))
AS_THEY_ARE = frozenset((  # without arguments
    "clear", "clearall", "calcvoltagebases", "makebuslist", "buildy", "allocateloads",
    "reprocessbuses", "init", "setloadandgenkv", "_initsnap", "_solvenocontrol", "_samplecontrols",
    "_docontrolactions", "_solvepflow",
))
SWITCHES = frozenset(("open", "close", "enable", "disable"))
ON_BUSES = frozenset(("setkvbase", "interpolate", "setbusxy"))
OURS = frozenset(("set", "solve", "var", "//"))
CIRCUIT = INCLUDE | COORDINATES | ON_ELEMENTS | AS_THEY_ARE | SWITCHES | ON_BUSES | OURS
REPORTS = frozenset((  # they tell, draw or write, and leave the circuit as it is
    "save", "show", "plot", "dump", "help", "quit", "?", "panel", "sample", "about", "get",
    "export", "fileedit", "voltages", "currents", "powers", "seqvoltages", "seqcurrents",
    "seqpowers", "losses", "phaselosses", "cktlosses", "formedit", "totals", "capacity", "classes",
    "userclasses", "zsc", "zsc10", "zscrefresh", "ysc", "puvoltages", "varvalues", "varnames",
    "alignfile", "top", "rotate", "vdiff", "summary", "di_plot", "comparecases", "yearlycurves",
    "visualize", "closedi", "_showcontrolqueue", "addbusmarker", "uuids", "cvrtloadshapes",
    "nodediff", "obfuscate", "pstcalc", "variable", "clearbusmarkers", "relcalc", "nodelist",
    "calcincmatrix", "calcincmatrix_o", "refine_buslevels", "calclaplacian", "exportoverloads",
    "exportvviolations", "zsc012", "allpceatbus", "allpdeatbus", "totalpowers", "giscoords",
    "comhelp", "reset",
))
OVER_TIME = frozenset(("next", "cleanup", "finishtimestep", "updatestorage"))
LEFT_OUT = frozenset((  # they would change the circuit, or how it is run
    "makeposseq", "reduce", "distribute", "cd", "estimate", "reconductor", "_solvedirect",
    "rephase", "remove", "newactor", "wait", "solveall", "abort", "clone", "connect", "disconnect",
))
REFUSED = frozenset(("doscmd",))

# Options of `set` and `solve`.
PASSED_OPTIONS = frozenset((
    "year", "frequency", "tolerance", "maxiterations", "loadmodel", "loadmult", "normvminpu",
    "normvmaxpu", "emergvminpu", "emergvmaxpu", "%growth", "allowduplicates", "voltagebases",
    "algorithm", "trapezoidal", "controlmode", "genmult", "defaultdaily", "defaultyearly",
    "allocationfactors", "cktmodel", "basefrequency", "maxcontroliter", "%normal", "cfactors",
    "numallociterations", "defaultbasefrequency", "earthmodel", "neglectloady", "miniterations",
    "longlinecorrection", "loadshapeclass", "zonelock",
))
COUNTS = frozenset(("maxiterations", "maxcontroliter", "numallociterations", "miniterations"))

# Properties, whatever their class.
REFUSED_PROPERTIES = frozenset((  # a library that the engine would load, and what it is told
    "usermodel", "userdata", "shaftmodel", "shaftdata", "dynadll", "dynadata",
))
LEFT_OUT_PROPERTIES = frozenset(("debugtrace", "memorymapping"))  # files; the first one it writes
FILE_PROPERTIES = frozenset(("csvfile", "sngfile", "dblfile", "pqcsvfile"))  # we read them
ACTIONS = {  # class: what it may do at once; everything else writes or resets
    "loadshape": ("normalize",), "tshape": (), "priceshape": (), "monitor": (), "energymeter": (),
    "relay": ("open", "close", "trip"), "recloser": ("open", "close", "trip"),
    "fuse": ("open", "close", "trip"), "swtcontrol": ("open", "close", "trip"),
}


def lower(text: str) -> str:
    """In lower case, letters of ASCII alone, as the engine compares.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
    """
    return text.translate(_LOWER)


def _abbreviations(names: Iterable[str]) -> dict[str, str]:
    names = [lower(name) for name in names]
    known = {name: name for name in reversed(names)}
    for name in names:
        for length in range(1, len(name)):
            known.setdefault(name[:length], name)
    return known


_COMMAND = _abbreviations(COMMANDS)
_OPTION = _abbreviations(OPTIONS)
_PROPERTY: dict[str, dict[str, str]] = {}
CLASSES: Mapping[str, tuple[str, ...]] = {
    kind: tuple(map(lower, names)) for kind, names in PROPERTIES.items()}


def command(word: str) -> str | None:
    """The command that a word means.

    Parameters
    ----------
    word : str

    Returns
    -------
    str or None
        In lower case; None if the engine knows none.
    """
    return _COMMAND.get(lower(word))


def option(word: str) -> str | None:
    """The option of ``set`` that a word means.

    Parameters
    ----------
    word : str

    Returns
    -------
    str or None
        In lower case; None if the engine knows none.
    """
    return _OPTION.get(lower(word))


def element_property(kind: str, word: str) -> str | None:
    """The property of a class that a word means.

    Parameters
    ----------
    kind : str
        A class in lower case, one of `CLASSES`.
    word : str

    Returns
    -------
    str or None
        In lower case; None if the class has none.
    """
    if kind not in _PROPERTY:
        _PROPERTY[kind] = _abbreviations(CLASSES[kind])
    return _PROPERTY[kind].get(lower(word))


def action(kind: str, value: str) -> str | None:
    """The action that a value of the property ``action`` means.

    Parameters
    ----------
    kind : str
        A class in lower case.
    value : str

    Returns
    -------
    str or None
        None if it is not allowed.
    """
    value = lower(value.strip())
    return next((known for known in ACTIONS.get(kind, ())
                 if value and (known.startswith(value) or value.startswith(known))), None)
