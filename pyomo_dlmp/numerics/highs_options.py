"""Options of HiGHS: their names, and whether it takes a value."""

from __future__ import annotations

import highspy

from pyomo_dlmp.numerics.highs import new_highs


def option_names() -> list[str]:
    """Names of all options that HiGHS has."""
    return [name for name in dir(new_highs().getOptions()) if not name.startswith("_")]


def refused_option(options: dict) -> str | None:
    """Name of the first option that HiGHS does not know or whose value it does not take."""
    h = new_highs()
    for key, value in options.items():
        try:
            if h.setOptionValue(key, value) != highspy.HighsStatus.kOk:
                return key
        except TypeError:
            return key
    return None
