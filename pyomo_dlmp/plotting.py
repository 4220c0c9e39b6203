"""Older name of `pyomo_dlmp.report`: it stays for one more release."""

from typing import Any
from warnings import warn

import pyomo_dlmp.report as report

__all__ = report.__all__


def __getattr__(name: str) -> Any:
    found = getattr(report, name)
    warn("pyomo_dlmp.plotting is now pyomo_dlmp.report", DeprecationWarning, stacklevel=2)
    return found
