"""An atlas as a file: numpy's .npz, without pickled objects, written whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pyomo_dlmp.errors import DlmpError, ModelError
from pyomo_dlmp.parametric.chapters import Chapter

_KIND = "pyomo_dlmp atlas 1"
_FIELDS = ("kind", "keys", "pairs", "states", "lengths", "codes", "entries", "of", "titles")


def write_chapters(path: str | Path, chapters: Mapping[bytes, Chapter]) -> None:
    """Write the states of all structures.

    Parameters
    ----------
    path
        Of the file, which is replaced in one step.
    chapters
        {key of a structure: its states}.

    Raises
    ------
    ModelError
        It cannot be written.
    """
    path = Path(path)
    used = {key: chapter for key, chapter in chapters.items() if len(chapter)}
    stacked = [chapter.stacked() for chapter in used.values()]
    titles = [(k, entries, title) for k, chapter in enumerate(used.values())
              for entries, title in chapter.titles.items()]
    data = {
        "kind": np.array(_KIND), "keys": _bytes(list(used)),
        "pairs": np.array([chapter.pairs for chapter in used.values()], dtype=np.int64),
        "states": np.array([len(chapter) for chapter in used.values()], dtype=np.int64),
        "lengths": np.concatenate([np.empty(0, np.int64), *(s[1] for s in stacked)]),
        "codes": np.concatenate([np.empty(0, np.int32), *(s[0] for s in stacked)]),
        "entries": _bytes([entries for _, entries, _ in titles]),
        "of": np.array([k for k, *_ in titles], dtype=np.int64),
        "titles": np.array([title for *_, title in titles], dtype=str)}
    data["sum"] = _sum(data)
    name = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.",
                                         delete=False) as file:
            name = file.name
            np.savez_compressed(file, allow_pickle=False, **data)
        os.replace(name, path)
    except OSError as err:
        if name is not None:
            with contextlib.suppress(OSError):
                os.unlink(name)
        raise ModelError.at(f"atlas '{path}'", f"cannot be written: {err.strerror or err}",
                            "Give a path in a folder that exists and can be written to.") from err


def read_chapters(path: str | Path) -> dict[bytes, Chapter]:
    """The states of a file that `write_chapters` wrote.

    Parameters
    ----------
    path
        Of the file.

    Returns
    -------
    dict
        {key of a structure: its states}.

    Raises
    ------
    ModelError
        There is no such file, or it is damaged or of another kind.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            data = {name: file[name] for name in (*_FIELDS, "sum")}
    except FileNotFoundError as err:
        raise ModelError.at(f"atlas '{path}'", "is not there",
                            "Save one with Atlas.save(path).") from err
    except (OSError, ValueError, KeyError, EOFError, TypeError, AttributeError,
            zipfile.BadZipFile, NotImplementedError) as err:
        raise _damaged(path) from err
    except Exception as err:  # zlib's own error has no public base
        raise _damaged(path) from err
    if str(data["kind"]) != _KIND or not np.array_equal(data["sum"], _sum(data)):
        raise _damaged(path)
    chapters, states, codes = [], 0, 0
    for pairs, count in zip(data["pairs"].tolist(), data["states"].tolist(), strict=True):
        lengths = data["lengths"][states:states + count]
        total = int(lengths.sum())
        chapter = Chapter(pairs)
        chapter.take(np.split(data["codes"][codes:codes + total], np.cumsum(lengths)[:-1]))
        chapters.append(chapter)
        states, codes = states + count, codes + total
    for k, entries, title in zip(data["of"].tolist(), data["entries"], data["titles"].tolist(),
                                 strict=True):
        chapters[k].titles[entries.tobytes()] = title
    return {key.tobytes(): chapter for key, chapter in zip(data["keys"], chapters, strict=True)}


def _damaged(path: str | Path) -> DlmpError:
    return ModelError.at(f"atlas '{path}'", "is damaged, or no file of an atlas",
                         "Delete it, begin with dlmp.Atlas() and save that.")


def _bytes(digests: list[bytes]) -> np.ndarray:
    return np.frombuffer(b"".join(digests), dtype=np.uint8).reshape(len(digests), 32).copy()


def _sum(data: Mapping[str, np.ndarray]) -> np.ndarray:
    """Fingerprint of all fields."""
    text = hashlib.sha256()
    for name in _FIELDS:
        array = np.ascontiguousarray(data[name])
        text.update(f"{name}{array.dtype.str}{array.shape}".encode())
        text.update(array.tobytes())
    return np.frombuffer(text.digest(), dtype=np.uint8).copy()
