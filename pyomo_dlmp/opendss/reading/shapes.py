"""Load shapes of a circuit as profiles."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from math import gcd
from typing import Any

import numpy as np

from pyomo_dlmp.network import Load, Profile
from pyomo_dlmp.opendss.reading.circuit import Draft, tidy
from pyomo_dlmp.tolerances import ROUNDING

HOUR = 60  # min
MOST = 100_000  # values of a profile that is made here


def attach(draft: Draft) -> list[Profile]:
    """Give loads their daily shape, else the yearly one, and collect the profiles.

    Parameters
    ----------
    draft : Draft
        Its loads get the name of their profile.

    Returns
    -------
    list of Profile
        Those that loads follow. A shape in kW becomes one for each of its loads; a shape of uneven
        steps is interpolated, as the engine does.
    """
    by_name: dict[str, Profile | None] = {}
    wanted: dict[str, tuple[str, dict[str, Any]]] = {}
    parts: dict[str, list[str]] = {}  # what each load was read as
    for full, own in draft.made.items():
        record = draft.snapshot.elements[full].record
        shape = str(record.get("daily") or record.get("yearly") or "").lower()
        fixed = str(record.get("status", "")).lower().startswith("f")
        if full.startswith("load.") and shape in draft.snapshot.shapes and not fixed:
            wanted.update(dict.fromkeys(own, (shape, record)))
            parts[record["name"]] = own
    profiles: dict[str, Profile] = {}
    for i, element in enumerate(draft.elements):
        if not isinstance(element, Load) or element.name not in wanted:
            continue
        shape, record = wanted[element.name]
        if shape not in by_name:
            by_name[shape] = _profile(draft, shape)
        profile = by_name[shape]
        if profile is None:
            continue
        if draft.snapshot.shapes[shape].get("useactual"):
            total = [sum(sum(getattr(e, key)) for e in draft.elements
                         if isinstance(e, Load) and e.name in parts[record["name"]])
                     for key in ("kw", "kvar")]
            profile = _for_one(profile, element.name, *total)
            if profile.q_values is not None and any(profile.q_values) and not total[1]:
                draft.note(f"Load.{record['name']}", "its shape has kvar, but its nominal kvar is "
                           "0 in OpenDSS: it has none")
        profiles[profile.name] = profile
        draft.elements[i] = replace(element, profile=profile.name)
    return list(profiles.values())


def _profile(draft: Draft, name: str) -> Profile | None:
    record = draft.snapshot.shapes[name]
    p = record.get("pmult") or record.get("mult")
    q = record.get("qmult")
    full = f"Loadshape.{name}"
    if not p or not np.isfinite(np.array(p, dtype=float)).all():
        draft.note(full, "it has no numbers, and is left out")
        return None
    p, q = list(map(float, p)), list(map(float, q)) if q and len(q) == len(p) else None
    minutes = float(record.get("interval") or 0.0) * HOUR
    if minutes <= 0:
        times = np.array(record.get("hour") or [], dtype=float) * HOUR
        if len(times) < len(p) or not (np.diff(times) > 0).all() or times[0] < 0:
            draft.note(full, "its hours are not increasing, and it is left out")
            return None
        step, ends = _even(times[:len(p)])
        draft.note(full, f"its uneven hours are interpolated every {step:g} min")
        p = np.interp(ends, [0.0, *times], [0.0, *p]).tolist() if times[0] > 0 else np.interp(
            ends, times, p).tolist()
        if q is not None:
            q = np.interp(ends, [0.0, *times], [0.0, *q]).tolist() if times[0] > 0 else np.interp(
                ends, times, q).tolist()
        minutes = step
    elif minutes > HOUR and abs(minutes / HOUR - round(minutes / HOUR)) < ROUNDING:
        hours = round(minutes / HOUR)  # a value holds for some hours
        p, q = [v for v in p for _ in range(hours)], q and [v for v in q for _ in range(hours)]
        minutes = float(HOUR)
    return Profile(name=name, values=tuple(p), minutes=tidy(minutes, 9),
                   q_values=None if q is None else tuple(q))


def _even(times: np.ndarray) -> tuple[float, np.ndarray]:
    """An even step (min) that meets all times, at most an hour, and the ends of the steps."""
    whole = [round(t) for t in times if t > 0]
    step = float(reduce(gcd, whole, HOUR)) or 1.0
    if times[-1] / step > MOST:
        step = float(HOUR)
    count = max(1, round(float(times[-1]) / step))
    return step, step * np.arange(1, count + 1)


def _for_one(profile: Profile, load: str, kw: float, kvar: float) -> Profile:
    """A shape in kW and kvar as multipliers of one load's nominal power.

    The nominal power has the factors of its year and of the circuit, the engine gives none of them
    to a shape in kW. Without kvar the load keeps its power factor.
    """
    q = profile.q_values
    return Profile(
        name=f"{profile.name}_{load}", minutes=profile.minutes,
        values=tuple(v / kw if kw else 0.0 for v in profile.values),
        q_values=None if q is None else tuple(v / kvar if kvar else v for v in q))


def at_hour(draft: Draft, profiles: list[Profile], hour: int) -> None:
    """Make the powers of one hour of the shapes the nominal ones.

    Parameters
    ----------
    draft : Draft
        Its loads change, and no longer have a profile.
    profiles : list of Profile
        Of `attach`.
    hour : int
        From 1 on: the first value of an hourly shape, as the engine counts.
    """
    # like the engine's daily mode: the value with which the hour ends
    found = {p.name: (_at_end(p, hour), _at_end(p.reactive(), hour)) for p in profiles}
    for i, element in enumerate(draft.elements):
        if isinstance(element, Load) and element.profile is not None:
            p, q = found[element.profile]
            draft.elements[i] = replace(
                element, profile=None, kw=tuple(tidy(kw * p, 12) for kw in element.kw),
                kvar=tuple(tidy(kvar * q, 12) for kvar in element.kvar))


def _at_end(profile: Profile, hour: int) -> float:
    return profile.values[(round(hour * HOUR / profile.minutes) - 1) % len(profile.values)]
