"""A folder in which one process works at a time, on any system and however that process ends."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from ._files import check_writable
from .errors import InputError, StateError, system_reason

__all__ = ["take_folder"]


def take_folder(
    folder: Path, name: str, what: str = "run", option: str = "output="
) -> sqlite3.Connection:
    """Take a folder for this process; it is made if it is not there.

    Parameters
    ----------
    folder : Path
    name : str
        Of the file that stands for it: SQLite knows how to lock one on every system.
    what : str
        What works there, for the message.
    option : str
        What names the folder, for the message.

    Returns
    -------
    sqlite3.Connection
        Until it is closed, or the process ends, no other one takes the folder.

    Raises
    ------
    InputError
        If the folder cannot be made or written to.
    StateError
        If another process has it.
    """
    path = folder / name
    check_writable(path, option)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = sqlite3.connect(path, timeout=0.2, isolation_level=None, check_same_thread=False)
    except OSError as error:
        reason = system_reason(error)
        raise InputError(f"{folder}: cannot be made ({reason}); check {option}") from None
    except sqlite3.Error as error:
        reason = str(error) if os.access(folder, os.W_OK) else "the folder is read-only"
        raise InputError(f"{path}: cannot be made ({reason}); check {option}") from None
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.Error as error:
        lock.close()
        if "locked" in str(error):
            raise StateError(
                f"{folder}: another {what} is at work on it; wait until it has ended, or give "
                f"another {option}"
            ) from None
        raise InputError(f"{path}: cannot be used ({error}); check {option}") from None
    return lock
