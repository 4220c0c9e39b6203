"""Load shapes of a circuit as profiles."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from math import gcd

import numpy as np

from pyomo_dlmp.network import Generator, Load, Profile
from pyomo_dlmp.opendss.reading.circuit import Draft, tidy
from pyomo_dlmp.tolerances import PRINTED, ROUNDING

HOUR = 60  # min
MOST = 100_000  # values of a profile that is made here


def attach(draft: Draft) -> list[Profile]:
    """Give loads and generators their daily shape, else the yearly one, and collect the profiles.

    Parameters
    ----------
    draft : Draft
        Its loads and generators (PV systems among them) get the name of their profile; storages
        get a note that they do not follow theirs.

    Returns
    -------
    list of Profile
        Those that are followed. A shape in kW becomes one for each load or generator; a shape of
        uneven steps is interpolated, as the engine does.
    """
    by_name: dict[str, Profile | None] = {}
    wanted = _followed(draft)
    profiles: dict[str, Profile] = {}
    for i, element in enumerate(draft.elements):
        if not isinstance(element, Load | Generator) or element.name not in wanted:
            continue
        shape, full = wanted[element.name]
        if shape not in by_name:
            by_name[shape] = _profile(draft, shape)
        profile = by_name[shape]
        if profile is None:
            continue
        # a PV system takes a shape in kW for its irradiance all the same
        if draft.snapshot.shapes[shape].get("useactual") and not full.startswith("pvsystem."):
            kw, kvar = _power_at_one(draft, full)
            profile = _for_one(profile, element.name, kw, kvar)
            if profile.q_values is not None and any(profile.q_values) and not kvar:
                draft.note(draft.snapshot.elements[full].full, "its shape has kvar, but its "
                           "nominal kvar is 0 in OpenDSS: it has none")
        if full.startswith("pvsystem."):
            profile = _clipped(draft, profile, element.name, full)
        profiles[profile.name] = profile
        draft.elements[i] = replace(element, profile=profile.name)
    return list(profiles.values())


def _followed(draft: Draft) -> dict[str, tuple[str, str]]:
    """[load or generator]: the shape that it follows, and its OpenDSS name."""
    wanted: dict[str, tuple[str, str]] = {}
    for full, own in draft.made.items():
        element = draft.snapshot.elements[full]
        record = element.record
        shape = str(record.get("daily") or record.get("yearly") or "").lower()
        fixed = str(record.get("status", "")).lower().startswith("f")
        if shape not in draft.snapshot.shapes or not own:
            continue
        if element.kind in ("load", "generator", "pvsystem") and not fixed:
            wanted.update(dict.fromkeys(own, (shape, full)))
        if element.kind == "storage":
            draft.note(element.full, f"its shape {shape!r} is not followed: an OPF chooses its "
                       "power")
        if element.kind == "pvsystem" and (record.get("tdaily") or record.get("tyearly")):
            draft.note(element.full, "its shape of the temperature is not followed: it has the "
                       "temperature of the snapshot")
    return wanted


def _power_at_one(draft: Draft, full: str) -> tuple[float, float]:
    """Nominal power (kW, kvar), which a multiplier of a shape multiplies."""
    element = draft.snapshot.elements[full]
    if element.kind != "load":
        total = -complex(element.kva.sum())
        return total.real, total.imag
    loads = [e for e in draft.elements if isinstance(e, Load) and e.name in draft.made[full]]
    return sum(sum(e.kw) for e in loads), sum(sum(e.kvar) for e in loads)


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


def _for_one(profile: Profile, name: str, kw: float, kvar: float) -> Profile:
    """A shape in kW and kvar as multipliers of one device's nominal power.

    The nominal power has the factors of its year and of the circuit, the engine gives none of them
    to a shape in kW. Without kvar it keeps its power factor.
    """
    q = profile.q_values
    return Profile(
        name=f"{profile.name}_{name}", minutes=profile.minutes,
        values=tuple(v / kw if kw else 0.0 for v in profile.values),
        q_values=None if q is None else tuple(v / kvar if kvar else v for v in q))


def _clipped(draft: Draft, profile: Profile, name: str, full: str) -> Profile:
    """The shape of a PV system's power where its inverter is at its rating at a multiplier of 1."""
    element = draft.snapshot.elements[full]
    record, made = element.record, -complex(element.kva.sum())
    if abs(made) < float(record["kva"]) * (1.0 - PRINTED):
        return profile
    if record.get("ptcurve") or record.get("effcurve"):
        draft.note(element.full, "it is at its kVA, and its power is taken to follow its shape "
                   "from there")
        return profile
    sun = float(record["pmpp"]) * float(record["irradiance"]) * float(record["pctpmpp"]) / 100.0
    return replace(profile, name=f"{profile.name}_{name}", q_values=profile.values, values=tuple(
        min(v * sun / made.real, 1.0) for v in profile.values))


def at_hour(draft: Draft, profiles: list[Profile], hour: int) -> None:
    """Make the powers of one hour of the shapes the nominal ones.

    Parameters
    ----------
    draft : Draft
        Its loads and generators change, and no longer have a profile.
    profiles : list of Profile
        Of `attach`.
    hour : int
        From 1 on, as the engine counts: the value with which that hour ends (hour 1 of an hourly
        shape: its first).
    """
    # like the engine's daily mode: the value with which the hour ends
    found = {p.name: (_at_end(p, hour), _at_end(p.reactive(), hour)) for p in profiles}
    for i, element in enumerate(draft.elements):
        if not isinstance(element, Load | Generator) or element.profile is None:
            continue
        p, q = found[element.profile]
        if isinstance(element, Generator):
            kw, most = tidy(element.kw * p, 12), tidy(max(element.kw_max * p, 0.0), 12)
            draft.elements[i] = replace(
                element, profile=None, kw=kw, kvar=tidy(element.kvar * q, 12), kw_max=most,
                kw_min=min(element.kw_min, most))
        else:
            draft.elements[i] = replace(
                element, profile=None, kw=tuple(tidy(kw * p, 12) for kw in element.kw),
                kvar=tuple(tidy(kvar * q, 12) for kvar in element.kvar))


def _at_end(profile: Profile, hour: int) -> float:
    return profile.values[(round(hour * HOUR / profile.minutes) - 1) % len(profile.values)]
