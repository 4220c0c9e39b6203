"""A solver's own options as the user gives them, checked before the solve."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from pyomo_dlmp.errors import SolverError, nearest
from pyomo_dlmp.numerics.highs_options import option_names, refused_option
from pyomo_dlmp.solvers.interfaces import SolverInterface, first_line, quietly
from pyomo_dlmp.solvers.probes import PROBES, Wrong


def check_mip_options(mip_options: Any, interface: SolverInterface) -> dict:
    """The further options of a solver.

    Parameters
    ----------
    mip_options
        As given by the user.
    interface
        The solver.

    Returns
    -------
    dict
        {name: value}.

    Raises
    ------
    SolverError
        They are no dict, or the solver does not take one.
    """
    where = f"solver '{interface.name}'"
    if mip_options is not None and not isinstance(mip_options, dict):
        raise SolverError.at(where, f"does not take mip_options={mip_options!r}",
                             "Give {name of an option: value}.")
    options = dict(mip_options or {})
    for key, value in options.items():
        if not isinstance(key, str) or (isinstance(value, float) and math.isnan(value)):
            raise SolverError.at(where, f"does not take {key}={value!r}",
                                 "Give {name of an option: value}, without NaN.")
    if options:
        (_check_highs if interface.embedded else _check_by_probe)(options, interface, where)
    return options


def _check_highs(options: dict, interface: SolverInterface, where: str) -> None:
    refused = refused_option(options)
    if refused is None:
        return
    known = option_names()
    cure = (f"See HiGHS's documentation for what {refused!r} may be." if refused in known
            else nearest(refused, known))
    raise SolverError.at(where, f"does not take {refused}={options[refused]!r}", cure)


def _check_by_probe(options: dict, interface: SolverInterface, where: str) -> None:
    """Solve a model of two Vars with the options; whatever its result, it must not fail."""
    try:
        with quietly():
            PROBES["lp"](replace(interface, options={**interface.options, **options}))
    except Wrong:  # an option such as a time limit of zero
        return
    except Exception as err:
        said = ", ".join(f"{key}={value!r}" for key, value in options.items())
        raise SolverError.at(where, f"does not take {said} ({first_line(err)})",
                             "See the solver's documentation for its options.") from None
