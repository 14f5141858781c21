"""Open and read recordings of every format that ecgfast knows."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import RecordError
from .leads import Leads
from .record import Record, RecordSource, check_fs

__all__ = ["open_record", "read_record"]

_TEXT = (".csv", ".tsv", ".txt")
_ARRAY = (".npy", ".npz")
_EDF = (".edf", ".bdf")
_KNOWN = "WFDB (.hea), EDF or BDF (.edf, .bdf), text (.csv, .tsv, .txt), NumPy (.npy, .npz)"


def open_record(
    path: str | os.PathLike[str], *, fs: float | None = None, leads: Leads = None
) -> RecordSource:
    """Open a recording without reading its samples yet.

    Parameters
    ----------
    path : str or path
        A WFDB record (with or without ``.hea``), or an ``.edf``, ``.bdf``, ``.csv``, ``.tsv``,
        ``.txt``, ``.npy`` or ``.npz`` file.
    fs : float, optional
        Sampling rate in Hz; needed only where the file does not carry it.
    leads : str, int, or sequence of these, optional
        Names or columns of the signals to read, in this order. Without it every ECG lead is read:
        the signals measured in volts and, if some of these are named like ECG leads, only those.

    Returns
    -------
    RecordSource
        ``.fs``, ``.leads``, ``.n_samples``, ``.start``, ``.annotations``; ``.blocks(seconds)``
        yields the signal piece by piece, ``.read()`` returns a `Record`. WFDB, EDF and ``.npy``
        files are never held in memory as a whole.

    Raises
    ------
    RecordError
        If the recording is missing, damaged, truncated or of an unknown format.
    InputError
        If `fs` is needed, out of range or contradicts the file, or a lead is not there.
    MissingExtraError
        If the format needs a package that is not installed.
    """
    if fs is not None:
        check_fs(fs)
    where = Path(path).expanduser()
    try:
        return _open(where, fs, leads)
    except OSError as error:
        raise RecordError(f"{where}: cannot be read ({error.strerror}); check the file") from None


def read_record(
    path: str | os.PathLike[str], *, fs: float | None = None, leads: Leads = None
) -> Record:
    """Read a recording.

    Parameters
    ----------
    path, fs, leads
        As in `open_record`.

    Returns
    -------
    Record
        float32 samples in mV of shape (n, leads), NaN where a sample is missing; the marks of a
        WFDB record's ``.atr`` file, or of an EDF+ file, as its annotations.

    Raises
    ------
    RecordError, InputError, MissingExtraError
        As in `open_record`.

    Examples
    --------
    >>> record = read_record("mitdb/208")                      # doctest: +SKIP
    >>> record.signal.shape, record.fs, record.leads           # doctest: +SKIP
    ((650000, 2), 360.0, ('MLII', 'V1'))
    """
    try:
        return open_record(path, fs=fs, leads=leads).read()
    except OSError as error:
        raise RecordError(f"{path}: cannot be read ({error.strerror}); check the file") from None


def _open(path: Path, fs: float | None, leads: Leads) -> RecordSource:
    """Open `path` with the reader that its name calls for."""
    suffix = path.suffix.lower()
    header = _header_of(path)
    if header is not None:
        from .array_files import need_fs
        from .wfdb_files import open_wfdb

        source = open_wfdb(header, leads)
        need_fs(fs, source.fs, str(header))
        return source
    if path.is_dir():
        raise RecordError(f"{path}: is a folder; name one recording in it")
    if not path.exists():
        beside = sorted(path.parent.glob(f"{path.name}.*")) if path.name else []
        hint = f"did you mean {beside[0].name}?" if beside else "check the path"
        raise RecordError(f"{path}: no such recording; {hint}")
    if suffix in _TEXT:
        from .text_files import open_text

        return open_text(path, fs, leads)
    if suffix in _ARRAY:
        from .array_files import open_array

        return open_array(path, fs, leads)
    if suffix in _EDF:
        from .array_files import need_fs
        from .edf_files import open_edf

        source = open_edf(path, leads)
        need_fs(fs, source.fs, str(path))
        return source
    if suffix in (".dat", ".atr"):
        raise RecordError(f"{path}: its WFDB header {path.stem}.hea is missing; put it beside it")
    raise RecordError(f"{path}: of an unknown format; known are {_KNOWN}")


def _header_of(path: Path) -> Path | None:
    """Return the WFDB header that `path` stands for, if it exists."""
    if path.suffix.lower() == ".hea" and path.is_file():
        return path
    appended = path.with_name(f"{path.name}.hea") if path.name else path
    if appended.is_file():
        return appended
    replaced = path.with_suffix(".hea") if path.suffix.lower() in (".dat", ".atr") else path
    return replaced if replaced != path and replaced.is_file() else None
