"""Elements that controls and meters name: they must be there before, or the engine crashes."""

from __future__ import annotations

from collections.abc import Iterable

from pyomo_dlmp.engine.allowed import lower
from pyomo_dlmp.engine.tokens import QUOTES
from pyomo_dlmp.errors import Fault, nearest

WATCHES = frozenset(("monitor", "energymeter", "sensor"))  # a power flow does without them
_PROPERTIES = {  # with the class, where the value gives none
    "regcontrol": {"transformer": "transformer"},
    "capcontrol": {"capacitor": "capacitor", "element": ""},
    **{kind: {"monitoredobj": "", "switchedobj": ""} for kind in ("relay", "recloser", "fuse")},
    "swtcontrol": {"switchedobj": ""},
    **{kind: {"element": ""} for kind in ("gendispatcher", "storagecontroller", *WATCHES)},
}


class References:
    """What controls and meters name, and whether it is there at that line."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str], tuple[str, str, dict[str, str]]] = {}

    def note(self, kind: str, about: str, words: Iterable[str], where: str,
             places: dict[str, str]) -> None:
        """Note properties of an element.

        Parameters
        ----------
        kind, about : str
            Its class, and class and name; "" for several elements.
        words : iterable of str
            ``property=value`` each, as for the engine.
        where : str
            File and line.
        places : dict of str to str
            The elements made so far; further ones are added to the same dict.
        """
        known = _PROPERTIES.get(kind, {})
        for word in words if known and about else ():
            name, _, value = word.partition("=")
            if name not in known:
                continue
            if value and QUOTES.get(value[0]) == value[-1]:
                value = value[1:-1]
            full = lower(value.strip())
            if known[name]:
                full = f"{known[name]}.{full.removeprefix(known[name] + '.')}"
            self._open.pop((about, name), None)
            if full not in places and ("." in full or kind in WATCHES):
                self._open[about, name] = full, where, places

    def missing(self) -> tuple[list[Fault], list[Fault], set[str]]:
        """What is named and not there.

        Returns
        -------
        (list of Fault, list of Fault, set of str)
            Of controls; of meters, with the names of those.
        """
        faults, notes, watches = [], [], set()
        for (about, name), (full, where, places) in self._open.items():
            kind = full.partition(".")[0]
            alike = [each for each in places if each.startswith(f"{kind}.")] or places
            late = full in places
            state = "comes later" if late else "is not there"
            what = f"{about}: its {name} is {full!r}, which {state}"
            cure = nearest(full, alike)
            if late or not cure.startswith("Did"):
                cure = "Move it up." if late else "Correct the name."
            if about.partition(".")[0] in WATCHES:
                notes.append(Fault(where, f"{what}; it is left out, as it only watches", cure))
                watches.add(about)
            else:
                faults.append(Fault(where, what, cure))
        return faults, notes, watches
