"""Opening files that somebody else made: regular ones only, and none that a header smuggles in."""

from __future__ import annotations

import os
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import BinaryIO

import numpy as np

from ..errors import EcgfastError, InputError, NotBuiltError, RecordError, is_not_built

__all__ = [
    "check_regular",
    "damaged",
    "named_file",
    "no_file",
    "open_regular",
    "path_of",
    "read_regular",
    "true_format",
]

# How files begin that people give another extension, and what to do.
_BEGINS = (
    (b"0       ", "an EDF file; rename it to .edf"),
    (b"\xffBIOSEMI", "a BDF file; rename it to .bdf"),
    (b"PK\x03\x04", "a zip archive or a workbook; unpack it, or save the sheet as CSV"),
    (b"\x1f\x8b", "a file of gzip; unpack it with gunzip"),
    (b"\x89HDF", "an HDF5 file; rename it to .h5"),
    (b"PAR1", "a Parquet file; rename it to .parquet"),
    (b"\x93NUMPY", "a NumPy file; rename it to .npy"),
    (b"MATLAB 5.0", "a MATLAB file; rename it to .mat"),
    (b"RIFF", "a WAV file; rename it to .wav"),
    (b"%PDF", "a PDF file, which holds no samples; ask for the recording itself"),
    (b"\xd0\xcf\x11\xe0", "an old workbook; save the sheet as CSV"),
)

# Bytes at the begin of a zip archive in which the name of its first file ends, if it is short.
_ZIP_NAME = 64

# Bytes of a file that is read as a whole: a header, an annotation file.
_WHOLE = 1 << 28


def path_of(name: str | os.PathLike[str]) -> Path:
    """Return the path that a user named, with ``~`` replaced by the home folder.

    Parameters
    ----------
    name : str or path
        It need not exist.

    Returns
    -------
    Path

    Raises
    ------
    RecordError
        If no file can have that name.
    InputError
        If it is no name at all, but samples or an object of another library.
    """
    if not isinstance(name, (str, os.PathLike)):
        raise InputError(
            f"the path of a recording is needed, got {type(name).__name__}: samples in the memory "
            "are a Record(signal, fs=...)"
        )
    if isinstance(name, str) and not name.strip():  # Path would take it for the current folder
        raise RecordError("an empty name was given for a recording; name a file")
    try:
        path = Path(name).expanduser()
        path.exists()
    except (ValueError, RuntimeError, OSError) as error:  # a NUL, no such user, a name too long
        raise RecordError(f"{name}: is no name of a file ({error}); correct it") from None
    return path


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading.

    A pipe or a device would wait for ever, or never end; it is refused without waiting.

    Parameters
    ----------
    path : Path
        The file; symbolic links are followed.

    Returns
    -------
    binary file
        Buffered.

    Raises
    ------
    RecordError
        If it is a pipe, a device, a socket or a folder.
    OSError
        If it is missing or may not be read.
    """
    try:
        number = os.open(
            path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        )
    except ValueError:  # a NUL in the name
        raise RecordError(f"{path}: is no name of a file; correct it") from None
    except OSError:
        _refuse_special(path, path.stat().st_mode)  # a socket cannot be opened
        raise
    try:
        _refuse_special(path, os.fstat(number).st_mode)
        return os.fdopen(number, "rb")
    except BaseException:
        os.close(number)
        raise


def _refuse_special(path: Path, mode: int) -> None:
    if stat.S_ISREG(mode):
        return
    if stat.S_ISDIR(mode):
        raise RecordError(f"{path}: is a folder; name one recording in it")
    raise no_file(path, "is a pipe or a device and no file")


def no_file(path: Path, why: str) -> RecordError:
    """Return the error of what cannot be read from any place, as a recording must be."""
    return RecordError(
        f"{path}: {why}; save the recording as a file first, or send its samples to "
        "`ecgfast stream -`"
    )


def check_regular(path: Path) -> None:
    """Raise as `open_regular` does, for libraries that open a path themselves."""
    open_regular(path).close()


def read_regular(path: Path, limit: int = _WHOLE) -> bytes:
    """Return the content of a regular file.

    Raises
    ------
    RecordError
        As `open_regular`, and if the file holds more than `limit` bytes.
    """
    with open_regular(path) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise RecordError(
            f"{path}: holds more than {limit:,} bytes, too many for a file of its kind"
        )
    return data


def named_file(header: Path, name: str, *, follow: bool) -> Path:
    """Return the path of a file that a header names.

    Parameters
    ----------
    header : Path
        The file that the user named.
    name : str
        What it says, relative to its own folder.
    follow : bool
        Whether a file outside that folder may be read.

    Returns
    -------
    Path

    Raises
    ------
    RecordError
        If the name is none, or leads out of the folder and `follow` is false.
    """
    if "\0" in name or not name.strip():
        raise RecordError(f"{header}: names a file {name!r}, which is no name; fetch it again")
    path = _as_written(header.parent, name)
    if follow:
        return path
    absolute = PurePosixPath(name).is_absolute() or PureWindowsPath(name).drive
    # Where the header itself is a link, its files may lie where it points to.
    homes = {header.parent.resolve(), header.resolve().parent}
    real = path.resolve()
    if absolute or not any(home in real.parents for home in homes):
        raise RecordError(
            f"{header}: names the file {name!r} outside its own folder; if you trust it, read it "
            "with follow=True"
        )
    return path


def _as_written(folder: Path, name: str) -> Path:
    """Return the path of a file; one that Windows takes for the same, if there is only that."""
    path = folder / name
    if path.exists():
        return path
    path = folder / name.replace("\\", "/")
    if path.exists() or not path.parent.is_dir():
        return path
    same = [each for each in path.parent.iterdir() if each.name.lower() == path.name.lower()]
    return same[0] if len(same) == 1 else path


@contextmanager
def damaged(path: Path, kind: str, advice: str = "export or fetch it again") -> Iterator[None]:
    """Turn whatever a reader stumbles over into one line that names the file.

    Parameters
    ----------
    path : Path
        The file.
    kind : str
        What it was read as, with its article.
    advice : str
        What to do.

    Raises
    ------
    RecordError
        In place of any exception but this package's own.
    NotBuiltError
        If a compiled module of this package is missing, which is no fault of the file.
    """
    try:
        # What numpy would warn of is found in the values, or is an error.
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except EcgfastError:
        raise
    except MemoryError:
        raise RecordError(f"{path}: {kind} that does not fit in memory; {advice}") from None
    except OSError as error:
        if error.strerror is None:  # a library's own
            raise RecordError(f"{path}: cannot be read as {kind} ({error}); {advice}") from None
        raise RecordError(f"{path}: cannot be read ({error.strerror}); check the file") from None
    except Exception as error:
        if is_not_built(error):
            raise NotBuiltError from None
        text = " ".join(str(error).split())[:200] or type(error).__name__
        raise RecordError(f"{path}: cannot be read as {kind} ({text}); {advice}") from None


def true_format(head: bytes) -> str:
    """Return what to say of a file whose extension is wrong or unknown.

    Parameters
    ----------
    head : bytes
        Its beginning.

    Returns
    -------
    str
        What it begins like and what to do; to be put behind a message.
    """
    if head.startswith(b"PK\x03\x04") and b".npy" in head[:_ZIP_NAME]:
        return ", and begins like a file of NumPy arrays; rename it to .npz"
    for begin, what in _BEGINS:
        if head.startswith(begin):
            return f", and begins like {what}"
    if head and not any(c < 9 or 13 < c < 32 for c in head):
        return ", and begins like text; rename it to .txt"
    return "; rename it after its true format, or convert it to EDF or CSV"
