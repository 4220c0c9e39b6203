"""What a study's results depend on: versions of what computed them, and a hash of the input."""

from __future__ import annotations

import hashlib
import platform
from importlib.metadata import PackageNotFoundError, version

from pyomo_dlmp.solvers import SOLVERS
from pyomo_dlmp.study.data import Study

_COMPUTES = ("pyomo-dlmp", "pyomo", "numpy", "scipy", "highspy", "clarabel")
_OPENDSS = ("dss-python", "dss-python-backend")


def provenance_of(study: Study) -> dict[str, str]:
    """Keys of ``study.csv`` that say with what the study was solved.

    Parameters
    ----------
    study : Study
        As `read_study` gives it.

    Returns
    -------
    dict of str to str
        ``python_version``; ``<package>_version`` of this package, of the libraries that compute,
        of the study's solver and, where it is installed, of the OpenDSS engine; ``input_sha256``.
    """
    solver = SOLVERS[study.solver].package if study.solver in SOLVERS else study.solver
    packages = dict.fromkeys((*_COMPUTES, solver, *_OPENDSS))
    found = {name: _version(name) for name in packages}
    return {
        "python_version": platform.python_version(),
        **{f"{name.replace('-', '_')}_version": v for name, v in found.items() if v},
        "input_sha256": input_hash(study),
    }


def input_hash(study: Study) -> str:
    """SHA-256 of the study file's text, of the CSV files that it names and of its feeder's data.

    The feeder counts by its elements, not by the files that it was read from: the same feeder
    from another folder has the same hash.

    Parameters
    ----------
    study : Study
        As `read_study` gives it.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    data = [study.text, *map(str, study.inputs.items()), *map(repr, study.base.elements),
            repr(sorted(study.base.profiles.items()))]
    return hashlib.sha256("\n".join(data).encode("utf-8")).hexdigest()


def study_key(study: Study) -> dict[str, str]:
    """What the results of two runs of a program must share to stand in one folder.

    Parameters
    ----------
    study : Study
        As `read_study` gives it.

    Returns
    -------
    dict of str to str
        Keys of `provenance_of`.
    """
    return {"input_sha256": input_hash(study), "pyomo_dlmp_version": _version("pyomo-dlmp")}


def _version(package: str) -> str:
    """Of an installed package; empty where there is none (a solver that is a program)."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
