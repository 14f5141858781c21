"""Everything that samples can come from, as one thing: chunks with a sampling rate."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime, time
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from ..inputs import (
    check_offset,
    foreign_hint,
    looks_transposed,
    real_array,
    real_number,
    single_precision,
    table_names,
)
from ..records import Origin, Record, RecordSource, check_fs, open_record
from ..records.missing_codes import cleaned
from ..records.record import find_leads, listed_leads
from .items import as_chunks, has_clock, shape_of, size_of
from .live_codes import CodeWatch, watched_for_codes
from .rate import RateWatch, watched
from .tables import all_columns, check_rows, some_columns

__all__ = [
    "CLOCK_IN_COLUMN",
    "ChunkSource",
    "Leads",
    "Source",
    "is_array",
    "lead_columns",
    "open_source",
]

Source: TypeAlias = "str | os.PathLike[str] | Record | RecordSource | npt.ArrayLike | Iterable[Any]"
Leads: TypeAlias = "str | int | Sequence[str | int]"

#: Why an array whose first column holds times is refused.
CLOCK_IN_COLUMN = (
    "column 0 of the signal rises steadily, like times or a counter: pass signal[:, 1:], or "
    "iterate over the rows to have gaps filled, such as iter(signal)"
)

# Items of a list that are looked at.
_LOOK = 4096

# Arrays of one length in a list may be the leads of a recording: so many at most, of so many
# seconds at least.
_MOST_LEADS, _LEAD_S = 16, 2.0

#: Seconds of a stored signal that go down the path at a time: so many that their beats fill a batch
#: of the model, so few that memory stays flat.
BLOCK_S = 120.0


@dataclass(frozen=True, eq=False)
class ChunkSource:
    """An opened source.

    Attributes
    ----------
    fs : float
        Sampling rate, Hz.
    leads : tuple of str
        Names of the leads in use; numbered where the source has no names.
    chunks : iterator of array_like
        Samples in order, each of shape (k, len(leads)) or, with one lead, (k,); a live source may
        give single numbers.
    n_samples : int or None
        Samples a lead, where that is known beforehand.
    name : str
        Short name of the source.
    origin : Origin or None
        The file that it is read from, and what was chosen of it.
    start : datetime or None
        When the first sample was taken, where that is known.
    start_time : time or None
        Its time of day; some files state it without a date.
    fetch : callable or None
        ``fetch(start, stop)`` gives samples of shape (stop - start, len(leads)) in any order; None
        of a live source.
    """

    fs: float
    leads: tuple[str, ...]
    chunks: Iterator[Any]
    n_samples: int | None = None
    name: str = ""
    origin: Origin | None = None
    start: datetime | None = None
    start_time: time | None = None
    fetch: Callable[[int, int], Any] | None = field(default=None, repr=False)


def open_source(
    source: Source,
    fs: float | None = None,
    leads: Leads | None = None,
    *,
    watch: bool = False,
    follow: bool = False,
) -> ChunkSource:
    """Open anything that samples can come from.

    Parameters
    ----------
    source : path, Record, RecordSource, array or iterable
        A recording's path; a recording; an array of shape (n,) or (n, n_leads) in mV; or an
        iterable (a live source) of single samples, of chunks (k,) of one lead or (k, n_leads), of
        one sample of each lead, or of (time, value) pairs; see `ecgfast.sources.items`.
    fs : float, optional
        Sampling rate in Hz, where the source does not carry it.
    leads : str, int or sequence of them, optional
        Which leads to use, by name or column; all by default.
    watch : bool, default False
        Warn where an iterable's samples do not come as `fs` says (see `RateWatch`); sequences, and
        sources that watch themselves, are left alone.
    follow : bool
        Whether files that a recording's header names may lie outside its folder.

    Returns
    -------
    ChunkSource

    Raises
    ------
    InputError
        If `fs` is missing or out of range, there is no such lead, or the source gives no samples.
    RecordError
        If a recording cannot be read.

    Warns
    -----
    MissingValuesWarning
        Where a value of an array, such as -9999, is taken for missing.

    Examples
    --------
    >>> import numpy as np
    >>> from ecgfast.sources import open_source
    >>> source = open_source(np.zeros((5000, 2)), fs=500.0)
    >>> source.leads, source.n_samples
    (('ECG1', 'ECG2'), 5000)
    """
    if leads is not None:
        leads = listed_leads(leads)
    if isinstance(source, (str, os.PathLike)):
        opened = open_record(source, fs=fs, leads=leads, follow=follow)
        return ChunkSource(
            opened.fs,
            opened.leads,
            opened.blocks(BLOCK_S),
            opened.n_samples,
            opened.name,
            opened.origin,
            opened.start,
            opened.start_time,
            opened.fetch,
        )
    if isinstance(source, (Record, RecordSource)):
        if fs is not None and real_number(fs, "fs") != source.fs:
            raise InputError(
                f"{source.name}: fs={fs:g} was given, but the recording says {source.fs:g} Hz: "
                "leave fs out"
            )
        if isinstance(source, Record):
            whole = source.signal
            if source.origin is None:  # readers of files have looked
                if 0 in _columns(source.leads, leads, source.name) and has_clock(whole):
                    raise InputError(CLOCK_IN_COLUMN)
                whole = cleaned(whole, source.fs, source.leads)
            blocks, fetch = _cut(whole, source.fs), _piece(whole)
        else:
            blocks, fetch = source.blocks(BLOCK_S), source.fetch
        columns = lead_columns(leads, source.leads, source.name)
        names = tuple(source.leads[column] for column in columns)
        return ChunkSource(
            source.fs,
            names,
            _chosen(blocks, columns, len(source.leads)),
            source.n_samples,
            source.name,
            source.origin,
            source.start,
            source.start_time,
            lambda start, stop: fetch(start, stop)[:, columns],
        )
    if hint := foreign_hint(source):
        raise InputError(f"cannot read samples from {type(source).__name__}: {hint}")
    if fs is None:
        raise InputError("fs is needed: the source carries no sampling rate (give it in Hz)")
    rate = check_fs(fs)
    if is_array(source):
        check_rows(source, rate)
        names = table_names(source)
        if names:
            columns = _columns(names, leads)
            names, source = tuple(names[i] for i in columns), some_columns(source, columns)
            leads = None
        signal = _as_signal(source)
        names = names or tuple(f"ECG{i + 1}" for i in range(signal.shape[1]))
        signal = cleaned(signal, rate, names)
        columns = lead_columns(leads, names)
        return ChunkSource(
            rate,
            tuple(names[column] for column in columns),
            _chosen(_cut(signal, rate), columns, len(names)),
            len(signal),
            fetch=lambda start, stop: signal[start:stop, columns],
        )
    return _open_iterable(source, rate, leads, watch=watch)


def _columns(names: tuple[str, ...], leads: Leads | None, title: str = "") -> list[int]:
    """Columns of a table to read: those asked for, or all if none is something else by its name."""
    if leads is None:
        return all_columns(names, title)
    return lead_columns(leads, names, title)


def _open_iterable(source: Any, fs: float, leads: Leads | None, *, watch: bool) -> ChunkSource:
    if isinstance(source, (bytes, bytearray)):
        raise InputError(
            f"cannot read samples from {type(source).__name__}: say what the bytes are, such as "
            "np.frombuffer(data, np.int16) for 16-bit samples"
        )
    if hasattr(source, "collect"):
        real_array(source)  # a lazy table: what to pass in its place
    if isinstance(source, (Mapping, Set)):
        raise InputError(
            f"cannot read samples from {type(source).__name__}: pass the signal alone, such as "
            "record['signal'] or np.column_stack(list(leads.values()))"
        )
    try:
        items = iter(source)
    except TypeError:
        raise InputError(
            f"cannot read samples from {type(source).__name__}: give a path, a Record, an array "
            "or an iterable of samples or chunks"
        ) from None
    if isinstance(source, (list, tuple)):
        _refuse_leads(source, fs)
    several = leads is not None and any(lead not in (0, "ECG1") for lead in listed_leads(leads))
    # Until it is known what an item is, one of a few numbers counts as one sample.
    rows = True
    if watch and not hasattr(source, "__len__") and not getattr(source, "watches_rate", False):
        watch_ = RateWatch("the source", fs)
        items = watched(items, watch_, lambda item: size_of(item, rows=rows))
    found = as_chunks(items, fs, rows=several)
    rows = found.rows
    names = tuple(f"ECG{i + 1}" for i in range(found.n_leads))
    columns = lead_columns(leads, names)
    chunks = watched_for_codes(found.chunks, CodeWatch("the source", fs, found.n_leads))
    return ChunkSource(
        fs, tuple(names[c] for c in columns), _chosen(chunks, columns, found.n_leads)
    )


def _refuse_leads(parts: Sequence[Any], fs: float) -> None:
    """Refuse a list of what may be leads, which would be read one after the other."""
    shapes = {np.shape(part) for part in parts[: _MOST_LEADS + 1]}
    if not 2 <= len(parts) <= _MOST_LEADS or len(shapes) > 1:
        return
    (shape,) = shapes
    if len(shape) == 1 and shape[0] >= _LEAD_S * fs:
        raise InputError(
            f"{len(parts)} arrays of {shape[0]} samples may be {len(parts)} leads, or chunks of "
            "one lead: pass np.column_stack(leads) in the first case, np.concatenate(chunks) in "
            "the second"
        )


def is_array(source: Any) -> bool:
    """Whether a source is an array, or one written out: a list of numbers or of rows of numbers.

    A list of (time, value) pairs is none: its items are read one by one.
    """
    if hasattr(source, "__array__") or isinstance(source, memoryview):
        return True
    if not isinstance(source, (list, tuple)):
        return False
    if not all(np.ndim(item) == 0 or isinstance(item, (list, tuple)) for item in source):
        return False
    rows = source[:_LOOK]
    if not rows or len({len(row) if isinstance(row, (list, tuple)) else 0 for row in rows}) > 1:
        return True
    try:
        return not has_clock(np.asarray(rows, np.float64))
    except (TypeError, ValueError):
        return True


def _as_signal(source: Any) -> npt.NDArray[np.float32]:
    signal = real_array(source)
    if signal.ndim == 1:
        signal = signal[:, np.newaxis]
    expected = f"the signal must have the shape (n,) or (n, n_leads), got {signal.shape}"
    if signal.ndim != 2 or signal.shape[1] == 0:
        raise InputError(expected)
    if looks_transposed(signal.shape) and not (len(signal) == 1 and signal.size <= _MOST_LEADS):
        raise InputError(f"{expected}: it looks transposed, pass signal.T")
    if len(signal) < 2:
        raise InputError(f"the signal holds {len(signal)} sample(s): give at least two")
    # Times of day are lost in single precision.
    if has_clock(signal):
        raise InputError(CLOCK_IN_COLUMN)
    check_offset(signal)
    return single_precision(signal)


def lead_columns(leads: Leads | None, names: tuple[str, ...], source: str = "") -> list[int]:
    """Columns of the leads that were asked for; all of them for None."""
    if leads is None:
        return list(range(len(names)))
    columns = find_leads(leads, names, source)
    if not columns:
        raise InputError("no lead was chosen: give at least one, or None for all")
    return columns


def _piece(signal: npt.NDArray[np.float32]) -> Callable[[int, int], npt.NDArray[np.float32]]:
    return lambda start, stop: signal[start:stop]


def _cut(signal: npt.NDArray[np.float32], fs: float) -> Iterator[npt.NDArray[np.float32]]:
    step = round(BLOCK_S * fs)
    for begin in range(0, len(signal), step):
        yield signal[begin : begin + step]


def _chosen(chunks: Iterable[Any], columns: list[int], width: int) -> Iterator[Any]:
    """Only the chosen columns, where that is not simply all of them."""
    for chunk in chunks:
        shape = shape_of(chunk)
        if (shape[1:] or (1,)) != (width,):
            raise InputError(
                f"a chunk has the shape {shape}: the chunks before it hold {width} lead(s)"
            )
        if columns != list(range(width)):
            chunk = np.asanyarray(chunk)[:, columns]
        yield chunk
