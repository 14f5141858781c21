"""Data sets as one ``.npz`` file each: named arrays, and how they were made."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from ..._files import whole_file
from ...errors import RecordError

__all__ = ["read_set", "write_set"]


def write_set(
    path: str | os.PathLike[str], about: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]
) -> None:
    """Write a set, whole or not at all; the same bytes for the same set.

    Parameters
    ----------
    path : path
    about : mapping
        How it was made, as plain JSON.
    arrays : mapping of str to ndarray
        No one is called "about".

    Raises
    ------
    RecordError
        If it cannot be written.
    """
    named: dict[str, Any] = dict(arrays)
    with whole_file(path, RecordError) as file:
        np.savez(file, about=np.array(json.dumps(about, sort_keys=True)), **named)


def read_set(
    path: str | os.PathLike[str], version: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    """Read a set that `write_set` wrote.

    Parameters
    ----------
    path : path
    version : mapping
        What the set must say about itself.

    Returns
    -------
    about : dict
    arrays : dict of str to ndarray

    Raises
    ------
    RecordError
        If the file is missing, damaged or of another version.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            about = json.loads(str(file["about"]))
            arrays = {name: file[name] for name in file.files if name != "about"}
    except FileNotFoundError:
        raise RecordError(
            f"{path}: no such data set; `ecgfast prepare` and `ecgfast review --export` make some"
        ) from None
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise RecordError(f"{path}: not a data set of `ecgfast prepare` ({error})") from None
    if any(about.get(name) != value for name, value in version.items()):
        raise RecordError(f"{path}: made by another version; run `ecgfast prepare` again")
    return about, arrays
