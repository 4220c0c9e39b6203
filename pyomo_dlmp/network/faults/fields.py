"""Checks of one element by itself: types, phases, numbers, line codes."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyomo_dlmp.errors import Fault, shown
from pyomo_dlmp.network.elements import Bus, Line, LineCode
from pyomo_dlmp.network.fields import field_specs, number_findings, type_finding
from pyomo_dlmp.network.kinds import Element
from pyomo_dlmp.network.phases import NEUTRALS, PHASES, SPLIT
from pyomo_dlmp.tolerances import PRINTED


def type_faults(element: Element | LineCode, where: str) -> list[Fault]:
    """Fields whose value is not of the annotated type.

    Parameters
    ----------
    element : Element or LineCode
        An element or a line code.
    where : str
        Its name in messages.

    Returns
    -------
    list of Fault
        One for each field.
    """
    found = [Fault(where, *finding) for spec in field_specs(type(element))
             if (finding := type_finding(spec, getattr(element, spec.name)))]
    if isinstance(element, Line) and isinstance(element.code, LineCode):
        found += type_faults(element.code, f"{where}, code {shown(element.code.name)}")
    return found


def name_faults(element: Any, where: str) -> list[Fault]:
    """Names that are empty, unprintable or have spaces around: they appear in files and messages.

    Parameters
    ----------
    element : Element or Profile
        Anything with a name.
    where : str
        Its name in messages.

    Returns
    -------
    list of Fault
    """
    names = [element.name] + ([element.code.name] if isinstance(element, Line) else [])
    return [
        Fault(where, f"the name {name!r} is empty or has spaces around or unprintable characters",
              "Give a plain name.")
        for name in names
        if not name or not name.isprintable() or name != name.strip()
    ]


def number_faults(element: Element, where: str) -> list[Fault]:
    """Numbers that are not finite, or out of the range of their field.

    Parameters
    ----------
    element : Element
        Well typed.
    where : str
        Its name in messages.

    Returns
    -------
    list of Fault
    """
    return [Fault(where, *finding) for spec in field_specs(type(element))
            for finding in number_findings(spec, getattr(element, spec.name))]


def phase_faults(element: Element, where: str) -> list[Fault]:
    """Phases that are not some of a, b, c, each once, nor the split-phase legs "12".

    Parameters
    ----------
    element : Element
        Well typed.
    where : str
        Its name in messages.

    Returns
    -------
    list of Fault
    """
    phases = getattr(element, "phases", "a")
    if isinstance(element, Bus) and element.neutrals and not phases:
        return []  # other circuits' conductors alone
    further = set(NEUTRALS) if isinstance(element, Line) else set()
    known = any(set(phases) <= set(kind) | further for kind in (PHASES, SPLIT))
    if phases and known and len(set(phases)) == len(phases):
        return []
    return [Fault(where, f"phases is {phases!r}", "Give some of a, b, c, each once, e.g. 'abc'; "
                  "or '12' behind a centre-tapped transformer.")]


def code_faults(code: LineCode) -> list[Fault]:
    """Matrices that are not finite or not symmetric.

    Negative resistances are for whoever costs losses to refuse, r = x = 0 is an ideal joint.

    Parameters
    ----------
    code : LineCode
        With square matrices; tolerances are relative to the largest entry, since codes are printed
        with few digits.

    Returns
    -------
    list of Fault
    """
    where = f"line code {code.name!r}"
    found = []
    for key in ("r", "x", "b"):
        matrix = np.array(getattr(code, key) or [[0.0]], dtype=float)
        worst = float(np.abs(matrix).max())
        if not np.isfinite(matrix).all():
            found.append(Fault(where, f"{key} holds {worst}", "Give finite numbers."))
        elif (skew := float(np.abs(matrix - matrix.T).max())) > PRINTED * worst:
            i, j = np.unravel_index(np.abs(matrix - matrix.T).argmax(), matrix.shape)
            found.append(Fault(
                where, f"{key} is not symmetric: [{i}][{j}] and [{j}][{i}] differ by {skew:g}",
                "Give a symmetric matrix."))
    return found
