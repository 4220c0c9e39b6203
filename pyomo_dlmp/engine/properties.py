"""Properties of elements as a script gives them, written anew one by one for the engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from pyomo_dlmp.engine import allowed
from pyomo_dlmp.engine.allowed import CLASSES, lower
from pyomo_dlmp.engine.files import FileFault, Numbers, binary, column, numbers
from pyomo_dlmp.engine.tokens import Line, Variables, quoted
from pyomo_dlmp.errors import nearest

POINTS = {  # class: its number of points, and what the columns of its file are
    "loadshape": ("npts", "hour", "mult"), "tshape": ("npts", "hour", "temp"),
    "priceshape": ("npts", "hour", "price"), "growthshape": ("npts", "year", "mult"),
    "xycurve": ("npts", "xarray", "yarray"), "spectrum": ("numharm", "harmonic", "%mag", "angle"),
}
TIMED = frozenset(("loadshape", "tshape", "priceshape"))  # hours only where the interval is 0
SIZING = frozenset(("mult", "pmult", "temp", "price", "xarray", "yarray"))  # fewer: fewer points
LISTS = frozenset(("zonelist", "option", "wires", "cncables", "tscables", "genlist", "elementlist",
                   "derlist", "pvsystemlist", "storagelist", "localcontrollist", "upfclist"))


class Refused(Exception):
    """Something that a script must not or cannot say.

    Parameters
    ----------
    what, cure : str
        As of a `Fault`.
    """

    def __init__(self, what: str, cure: str = ""):
        super().__init__(what)
        self.what, self.cure = what, cure


class Properties:
    """Reads properties; remembers how many points a shape has.

    Parameters
    ----------
    variables : Variables
        Of the script.
    find : callable
        A file by its name.
    note : callable
        Told what is left out, and a cure.
    """

    def __init__(self, variables: Variables, find: Callable[[str], Path],
                 note: Callable[[str, str], None]):
        self._variables, self._find, self._note = variables, find, note
        self._points: dict[str, dict[str, float]] = {}
        self._dynamic: set[str] = set()  # elements with equations, whose variables are values too

    def new(self, about: str) -> None:
        """An element is made.

        Parameters
        ----------
        about : str
            Its class and name.
        """
        self._points.setdefault(about, {})

    def read(self, kind: str, about: str, pairs: Iterable[tuple[str, str]], first: int = 0,
             ) -> tuple[list[str], list[Refused]]:
        """Properties for the engine.

        Parameters
        ----------
        kind : str
            The class, in lower case.
        about : str
            Class and name; "" for several elements.
        pairs : iterable of (str, str)
            Names and values as written; "" for a value by position.
        first : int
            Properties that come before the first position.

        Returns
        -------
        (list of str, list of Refused)
            ``property=value`` each; and what must not be.
        """
        names, at = CLASSES[kind], first
        words: list[str] = []
        faults: list[Refused] = []
        for name, value in pairs:
            known: str | None
            if name:
                known = allowed.element_property(kind, name)
                at = names.index(known) + 1 if known else 0
            else:
                at += 1
                known = names[at - 1] if at <= len(names) else None
            try:
                if known == "dynamiceq":
                    self._dynamic.add(about)
                if known is None and about in self._dynamic:
                    self._note(f"{about}: {name} is left out", "Dynamics are not read.")
                    continue
                if known is None:
                    raise Refused(f"OpenDSS knows no property {name!r} of {kind}"
                                  if name else f"it has more values than {kind} has properties",
                                  nearest(name, names) if name else "Name the properties.")
                words += self._one(kind, about, known, self._variables.inside(value))
            except Refused as error:
                faults.append(error)
            except FileFault as error:
                faults.append(Refused(error.what, error.cure))
        return words, faults

    def _one(self, kind: str, about: str, name: str, value: str) -> list[str]:
        if name in allowed.REFUSED_PROPERTIES:
            raise Refused(f"its {name} would load a library or be told to one",
                          "A feeder file may only describe a circuit: remove it.")
        if name in allowed.LEFT_OUT_PROPERTIES:
            if name == "debugtrace" and lower(value)[:1] in ("y", "t"):
                self._note(f"{about or kind}: {name} is left out", "It would write a file.")
            return []
        if name == "action":
            act = allowed.action(kind, value)
            if act is None:
                self._note(f"{about or kind}: action={value[:20]} is left out",
                           "The circuit is read without it.")
                return []
            value = act
        elif name in allowed.FILE_PROPERTIES:
            return self._columns(kind, about, name, value)
        elif "=" in value and (how := _array_file(value)) is not None:
            return self._array(kind, about, name, *how)
        self._remember(kind, about, name, value)
        return [_word(name, value)]

    def _remember(self, kind: str, about: str, name: str, value: str) -> None:
        """How many points a shape has, and its interval."""
        if kind not in POINTS:
            return
        points = self._points.setdefault(about, {})
        if name == "like":
            points.update(self._points.get(f"{kind}.{lower(value)}", {}))
        elif name == "hour":
            points["interval"] = 0.0
        elif name == POINTS[kind][0] or name.endswith("interval"):
            try:
                points["npts" if name == POINTS[kind][0] else "interval"] = float(value)
            except ValueError:
                points.pop("npts", None)

    def _size(self, kind: str, about: str, name: str) -> int:
        """How many numbers the engine would read."""
        count = self._points.get(about, {}).get("npts")
        if count is None:
            self._note(f"{about or kind}: {name} is left out, as the number of points is not known",
                       f"Give {POINTS[kind][0]} before it.")
            return 0
        return max(int(count), 0)

    def _columns(self, kind: str, about: str, name: str, value: str) -> list[str]:
        """A file property: its columns as arrays."""
        size = self._size(kind, about, name)
        path = self._find(value)
        targets = list(POINTS[kind][1:])
        if kind in TIMED and self._points.get(about, {}).get("interval", 1.0) != 0.0:
            targets = targets[1:]
        if name == "pqcsvfile":
            targets.append("qmult")
        if not size:
            return []
        if name in ("sngfile", "dblfile"):
            flat = [repr(x) for x in binary(path, 4 if name == "sngfile" else 8)]
            n = len(targets)
            read = [flat[i:n * size:n] for i in range(n)]
        else:
            read = [numbers(path, Numbers(column=i + 1), size) for i in range(len(targets))]
        count = min(map(len, read))
        words = []
        if count < size:
            words.append(f"{POINTS[kind][0]}={count}")
            self._points[about]["npts"] = count
        for target, values in zip(targets, read, strict=True):
            words.append(f"{target}=[{' '.join(values[:count])}]")
        return words

    def _array(self, kind: str, about: str, name: str, file: str, how: Numbers) -> list[str]:
        """An array that a file holds."""
        path = self._find(file)
        if kind in POINTS:
            size = self._size(kind, about, name)
            if not size:
                return []
            values = numbers(path, how, size)
            words = []
            if len(values) < size and name in SIZING:
                words.append(f"{POINTS[kind][0]}={len(values)}")
                self._points[about]["npts"] = len(values)
            self._remember(kind, about, name, "")
            return [*words, f"{name}=[{' '.join(values)}]"]
        if name in LISTS:
            values = [quoted(value) or "" for value in column(path, how) if value]
            return [_word(name, " ".join(filter(None, values)))]
        return [f"{name}=[{' '.join(numbers(path, how))}]"]


def _word(name: str, value: str) -> str:
    text = quoted(value)
    if text is None:
        raise Refused(f"its {name} has all kinds of quotes", "Leave some out.")
    return f"{name}={text}"


def _same(name: str, known: str) -> bool:
    """As the engine compares: over the length of the shorter one."""
    return known.startswith(name) or name.startswith(known)


def _array_file(value: str) -> tuple[str, Numbers] | None:
    """File and options, where an array is given as ``(file=NAME column=2 header=yes)``."""
    line = Line(value, Variables())
    key, file = line.pair()
    key = lower(key)
    kind = "file" if key == "file" else next(
        (k for k in ("dblfile", "sngfile") if key and _same(key, k)), None)
    if kind is None:
        if "file" in key:
            raise Refused(f"its array begins with {key!r}", "Write file=, dblfile= or sngfile=.")
        return None
    at, header = 1, False
    for name, text in line.pairs():
        if _same(lower(name), "column"):
            if not text.isdigit() or not 0 < int(text[:9]) < 10_000:
                raise Refused(f"the column {text[:20]!r} of its file is none", "Count from 1.")
            at = int(text)
        if _same(lower(name), "header"):
            header = lower(text)[:1] in ("y", "t")
    return file, Numbers(kind, at, header)
