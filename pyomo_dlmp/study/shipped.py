"""The studies that come with the package, by name."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from pyomo_dlmp.errors import StudyFileError, listed, nearest


def list_studies() -> dict[str, Path]:
    """Study files that come with the package.

    In a wheel they lie inside the package; in a checkout (editable installs too) in
    ``examples/studies``.

    Returns
    -------
    dict of str to Path
        File of each study by its name (the file's name without ``.toml``), sorted.
    """
    package = Path(str(files("pyomo_dlmp")))
    for folder in (package / "studies", package.parent / "examples" / "studies"):
        found = {path.stem: path for path in sorted(folder.glob("*.toml"))}
        if found:
            return found
    return {}


def find_study(what: str | Path) -> Path:
    """The file that a path or a shipped study's name stands for.

    Parameters
    ----------
    what : str or Path
        A path (which may not exist yet: that is the reader's to say), or one word without a
        suffix: the name of a shipped study, such as ``"ieee37"``.

    Returns
    -------
    Path
        A file of the user's comes first, so that a name never hides it.

    Raises
    ------
    StudyFileError
        For a word that is neither a file nor a shipped study; it lists them with the nearest name.
    """
    path = Path(what)
    if path.is_file() or path.suffix or len(path.parts) != 1:
        return path
    shipped = list_studies()
    if path.name in shipped:
        return shipped[path.name]
    cure = nearest(path.name, shipped)
    if not cure.startswith("Known"):
        cure = f"{cure} Known are {listed(shipped)}."
    raise StudyFileError.at(
        f"study {path.name!r}", "is neither a file nor the name of a shipped study", cure)
