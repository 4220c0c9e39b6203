"""The text of a study file, and that as data."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from pyomo_dlmp.errors import DlmpError, StudyFileError, shown
from pyomo_dlmp.study.shipped import find_study

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def read_toml(given: str | os.PathLike) -> tuple[Path, str, dict[str, Any]]:
    """A study file as data.

    Parameters
    ----------
    given : path
        Of the file, or a shipped study's name.

    Returns
    -------
    (Path, str, dict)
        The file, its text, and the text as data.

    Raises
    ------
    StudyFileError
        It is not there, cannot be read, or is no TOML.
    """
    try:
        path = find_study(given)  # type: ignore[arg-type]
        text = path.read_text(encoding="utf-8-sig")
        return path, text, tomllib.loads(text)
    except FileNotFoundError:
        raise StudyFileError.at(str(given), "there is no such file",
                                "Copy examples/studies/ieee37.toml and edit it.") from None
    except DlmpError:
        raise
    except OSError as err:
        raise StudyFileError.at(shown(str(given)), f"cannot be read ({err.strerror or err})",
                                "Give the path of a study file.") from None
    except (ValueError, RecursionError) as err:  # TOML, UTF-8, a path with NUL, endless brackets
        said = "brackets within brackets" if isinstance(err, RecursionError) else err
        raise StudyFileError.at(
            str(given), f"is not valid TOML ({said})",
            "Correct that line (numbers start with a digit: 0.5, not .5).") from None
