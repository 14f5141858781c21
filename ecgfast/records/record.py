"""A recording in memory, and an open one that is read block by block."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import numpy.typing as npt

from ..errors import InputError, RecordError
from ..inputs import (
    check_offset,
    looks_transposed,
    real_array,
    real_number,
    single_precision,
    table_names,
)
from ..printable import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "FS_MAX",
    "FS_MIN",
    "Annotations",
    "FloatArray",
    "Origin",
    "Record",
    "RecordSource",
    "check_annotations",
    "check_fs",
    "find_lead",
    "find_leads",
    "listed_leads",
]

FloatArray = npt.NDArray[np.float32]

# 100 to 2000 Hz, and devices whose clock is off by half a percent; those of the C core.
FS_MIN = 99.5
FS_MAX = 2010.0

# Frames fetched at a time when a whole recording is read: the temporaries stay small.
_CHUNK = 1 << 17

# Values that a recording in memory may have (8 GB), and columns left out that a summary lists.
_MOST_VALUES = 1 << 31
_LISTED = 8


def check_fs(fs: float, name: str = "") -> float:
    """Return `fs` as a float, or say why it cannot be used.

    Parameters
    ----------
    fs : float
        Sampling rate in Hz.
    name : str
        What it belongs to, for the message.

    Returns
    -------
    float
        The sampling rate in Hz.

    Raises
    ------
    InputError
        If it is not a number from 99.5 to 2010 Hz.

    Examples
    --------
    >>> check_fs(360)
    360.0
    """
    where = f"{name}: " if name else ""
    try:
        value = real_number(fs, "fs")
    except InputError:
        raise InputError(f"{where}fs is {fs!r}: give the sampling rate in Hz as a number") from None
    if not FS_MIN <= value <= FS_MAX:
        raise InputError(
            f"{where}fs is {value:g} Hz: ecgfast works from {FS_MIN:g} to {FS_MAX:g} Hz; "
            "check the rate, or resample the signal"
        )
    return value


@dataclass(frozen=True, eq=False)
class Annotations:
    """Marks on a recording, ordered as in their file.

    Attributes
    ----------
    sample : ndarray of int64, shape (n,)
        Sample index, counted from the recording's first sample.
    symbol : ndarray of str, shape (n,)
        PhysioNet's one-character code (``N``, ``V``, ``A``, ``+``, ...).
    aux : ndarray of str, shape (n,)
        Free text that goes with the mark, mostly empty.

    Raises
    ------
    InputError
        If the three differ in length, or samples are no whole numbers.

    Examples
    --------
    >>> from ecgfast import Annotations
    >>> marks = Annotations(sample=[100, 390], symbol=["N", "V"])
    >>> marks.sample[marks.symbol == "V"].tolist()
    [390]
    """

    sample: npt.NDArray[np.int64]
    symbol: npt.NDArray[np.str_]
    aux: npt.NDArray[np.str_] = field(default_factory=lambda: np.empty(0, np.str_))

    def __post_init__(self) -> None:
        sample = _sample_numbers(self.sample)
        symbol = np.asarray(self.symbol, np.str_).reshape(-1)
        aux = np.asarray(self.aux, np.str_).reshape(-1)
        if not len(aux):
            aux = np.full(len(sample), "", np.str_)
        if not len(sample) == len(symbol) == len(aux):
            raise InputError(
                f"annotations have {len(sample)} samples, {len(symbol)} symbols and "
                f"{len(aux)} texts: give one of each a mark"
            )
        object.__setattr__(self, "sample", sample)
        object.__setattr__(self, "symbol", symbol)
        object.__setattr__(self, "aux", aux)

    def __len__(self) -> int:
        return len(self.sample)

    def __repr__(self) -> str:
        return f"Annotations({len(self)} marks)"


def _sample_numbers(values: Any) -> npt.NDArray[np.int64]:
    """Sample indices as int64; InputError for seconds, a mask, or what is no number."""
    try:
        given = np.asarray(values)
        with np.errstate(invalid="ignore"):
            found = given.astype(np.int64).reshape(-1)
    except (TypeError, ValueError):
        given, found = np.empty(0, object), np.empty(0, np.int64)
    # An empty list is one of floats; float indices are those of pandas.
    whole = given.dtype.kind in "iu" or (
        given.dtype.kind == "f" and bool((given.reshape(-1) == found).all())
    )
    if not whole:
        raise InputError(
            f"the samples of annotations are {reprlib.repr(values)}: give sample indices, whole "
            "numbers such as np.round(seconds * fs).astype(int)"
        )
    return found


@dataclass(frozen=True)
class Origin:
    """Where a recording's samples come from, and what was chosen in reading it.

    Attributes
    ----------
    file : str
        The file.
    format : str
        What it was read as.
    leads, units : tuple of str
        The columns that are read, and their units as the file states them.
    left_out : tuple of (str, str)
        Each other column, and why it is not read.
    fs : float
        Sampling rate in Hz before any resampling.
    fs_from : str
        Where the sampling rate comes from.
    notes : tuple of str
        What was done to the samples, and what the user should check.
    utc_offset : float or None
        Seconds that the clock of the recording's start is ahead of UTC; None where the file does
        not say.
    """

    file: str
    format: str
    leads: tuple[str, ...]
    units: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...] = ()
    fs: float = float("nan")
    fs_from: str = ""
    notes: tuple[str, ...] = ()
    utc_offset: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return everything as a dict, for JSON."""
        return {
            "file": self.file,
            "format": self.format,
            "columns": list(self.leads),
            "units": list(self.units),
            "left_out": dict(self.left_out),
            "fs": self.fs,
            "fs_from": self.fs_from,
            "notes": list(self.notes),
            "utc_offset": self.utc_offset,
        }

    def text(self) -> str:
        """Return lines for a summary, each under a heading of twelve columns."""
        pairs = zip(self.leads, self.units, strict=True)
        used = ", ".join(f"{lead} ({unit})" for lead, unit in pairs)
        lines = [f"read        {used} of {self.format}; {self.fs:g} Hz from {self.fs_from}"]
        if self.left_out:
            told = [f"{name} ({why})" for name, why in self.left_out[:_LISTED]]
            more = len(self.left_out) - len(told)
            lines.append(f"left out    {', '.join(told)}{f' and {more} more' if more else ''}")
        lines += [f"note        {note}" for note in self.notes]
        return "\n".join(lines)


@dataclass(frozen=True, eq=False)
class Record:
    """A recording in memory.

    Attributes
    ----------
    signal : ndarray of float32, shape (n, n_leads)
        Samples in mV, C-contiguous; NaN where a sample is missing. Anything numeric of shape
        (n,) or (n, n_leads) is accepted and converted.
    fs : float
        Sampling rate in Hz, 99.5 to 2010.
    leads : tuple of str
        One name a lead; those of a DataFrame's columns, or ``ECG1``, ``ECG2``, ..., where none are
        given.
    start : datetime or None
        When the first sample was taken, by the clock that wrote the file and without its zone; UTC
        where times count from 1970 (`origin` says so).
    start_time : time or None
        Time of day of the first sample; some files state it without a date.
    annotations : Annotations or None
        Reference marks that came with the recording.
    name : str
        Short name, such as ``208``.
    units : tuple of str
        Unit of each lead: ``mV``, ``unknown`` where the file does not say what its numbers mean,
        or the file's own where a signal of another kind was asked for by name.
    comments : tuple of str
        What the file says about the recording.
    origin : Origin or None
        The file that it was read from, and what was chosen of it.

    Raises
    ------
    InputError
        If the signal is not numeric, has another shape or fewer than two samples, `fs` is out of
        range, the names do not match the leads, or `annotations` is something else.

    Examples
    --------
    >>> import numpy as np
    >>> from ecgfast import Record
    >>> record = Record(np.zeros((2500, 2)), fs=250.0, leads=("I", "II"), name="p07")
    >>> record.signal.shape, record.duration
    ((2500, 2), 10.0)
    """

    signal: FloatArray
    fs: float
    leads: tuple[str, ...] = ()
    start: datetime | None = None
    annotations: Annotations | None = None
    name: str = ""
    units: tuple[str, ...] = ()
    comments: tuple[str, ...] = ()
    origin: Origin | None = None
    start_time: time | None = None

    if TYPE_CHECKING:  # what it takes and converts, beyond the types of what it holds

        def __init__(
            self,
            signal: Any,
            fs: float,
            leads: Sequence[str] = (),
            start: datetime | None = None,
            annotations: Annotations | None = None,
            name: str = "",
            units: Sequence[str] = (),
            comments: Sequence[str] = (),
            origin: Origin | None = None,
            start_time: time | None = None,
        ) -> None: ...

    def __post_init__(self) -> None:
        where = f"{self.name}: " if self.name else ""
        named = table_names(self.signal)
        raw = real_array(self.signal, self.name)
        if raw.ndim == 1:
            raw = raw[:, np.newaxis]
        if raw.ndim != 2 or raw.shape[1] == 0:
            raise InputError(
                f"{where}the signal has shape {raw.shape}: expected (samples,) or (samples, leads)"
            )
        n, n_leads = raw.shape
        if n < 2:
            raise InputError(f"{where}the signal holds {n} sample(s): give at least two")
        if looks_transposed(raw.shape):
            raise InputError(
                f"{where}the signal has shape {raw.shape}, fewer samples than leads: "
                "it looks transposed, pass signal.T"
            )
        for what, given in (("leads", self.leads), ("units", self.units)):
            if given is None or isinstance(given, str):
                raise InputError(
                    f"{where}{what} is {given!r}: give a sequence, one for each lead, such as "
                    f"{what}=[{given or 'II'!r}]"
                )
        leads = tuple(self.leads) or named or tuple(f"ECG{i + 1}" for i in range(n_leads))
        units = tuple(self.units) or ("mV",) * n_leads
        if len(leads) != n_leads or len(units) != n_leads:
            raise InputError(
                f"{where}{len(leads)} lead names and {len(units)} units for {n_leads} columns: "
                "give one of each a column"
            )
        check_annotations(self.annotations, where)
        # A missing pandas timestamp is a datetime, too, but not itself.
        if self.start is not None and (
            not isinstance(self.start, datetime) or self.start != self.start
        ):
            raise InputError(
                f"{where}start is {self.start!r}: give a datetime, such as "
                "datetime.fromisoformat('2026-03-01 23:59:30')"
            )
        check_offset(raw)
        object.__setattr__(self, "signal", single_precision(raw))
        object.__setattr__(self, "fs", check_fs(self.fs, self.name))
        object.__setattr__(self, "leads", tuple(printable(str(lead)) for lead in leads))
        object.__setattr__(self, "units", units)
        if self.start_time is None and self.start is not None:
            object.__setattr__(self, "start_time", self.start.time())

    @property
    def n_samples(self) -> int:
        """Samples a lead."""
        return len(self.signal)

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return len(self.signal) / self.fs

    def lead(self, which: str | int) -> FloatArray:
        """Return one lead.

        Parameters
        ----------
        which : str or int
            Its name (case is ignored unless it decides) or its column.

        Returns
        -------
        ndarray of float32, shape (n,)
            A view of the signal, in mV.

        Raises
        ------
        InputError
            If there is no such lead.
        """
        return self.signal[:, find_lead(which, self.leads, self.name)]

    def plot(
        self,
        beats: Any = None,
        events: Any = None,
        *,
        start: float = 0.0,
        duration: float | None = None,
        leads: str | int | Sequence[str | int] | None = None,
    ) -> Figure:
        """Draw the leads one below the other, with beats marked and events shaded.

        Parameters
        ----------
        beats : iterable of Beat, Annotations, BeatBatch or indices of samples, optional
            Marked on each lead, with their labels; by default the recording's annotations.
        events : iterable of Event, optional
            Shaded on each lead, in the colour of their severity, and named.
        start, duration : float
            The stretch, in seconds; ten seconds by default.
        leads : str, int or sequence of them, optional
            Which leads to draw, by name or column; all by default.

        Returns
        -------
        matplotlib.figure.Figure
            Without a window or global state. A notebook shows it; ``figure.savefig(path)`` writes
            it.

        Raises
        ------
        InputError
            If there is no such lead or stretch, or `beats` or `events` are none of the accepted
            types.
        MissingExtraError
            If matplotlib is not installed: ``pip install 'ecgfast[plot]'``.

        Examples
        --------
        >>> from ecgfast import events, read_record, stream_classify
        >>> record = read_record("mitdb/208")                         # doctest: +SKIP
        >>> beats = list(stream_classify(record))                     # doctest: +SKIP
        >>> record.plot(beats, events(record), start=60)              # doctest: +SKIP
        """
        from .plotting import plot_leads

        columns = (
            list(range(len(self.leads)))
            if leads is None
            else find_leads(leads, self.leads, self.name)
        )
        if not columns:
            raise InputError("no lead was chosen: give at least one, or None for all")
        return plot_leads(
            self.signal[:, columns],
            self.fs,
            [f"{self.leads[i]} ({self.units[i]})" for i in columns],
            beats=self.annotations if beats is None else beats,
            events=events,
            start=start,
            duration=duration,
            title=self.name,
        )

    def __repr__(self) -> str:
        return _described("Record", self)


def check_annotations(annotations: object, where: str = "") -> None:
    """Refuse what else may be meant by annotations."""
    if annotations is None or isinstance(annotations, Annotations):
        return
    raise InputError(
        f"{where}annotations is of {type(annotations).__name__}: give ecgfast.Annotations(sample, "
        "symbol), of wfdb's Annotations(a.sample, a.symbol, a.aux_note), of detected beats "
        "Annotations(peaks, ['N'] * len(peaks))"
    )


def _described(kind: str, record: Record | RecordSource) -> str:
    """A recording in one line."""
    marks = "" if record.annotations is None else f", {len(record.annotations)} annotations"
    shown = ", ".join(record.leads[:_LISTED])
    if len(record.leads) > _LISTED:
        shown += f" and {len(record.leads) - _LISTED} more"
    units = sorted(set(record.units))
    return (
        f"{kind}({record.name!r}, {record.duration:.1f} s at {record.fs:g} Hz, "
        f"lead{'s' * (len(record.leads) > 1)} {shown} in {' and '.join(units)}{marks})"
    )


def listed_leads(leads: Any) -> list[Any]:
    """Return leads that were asked for as a list; InputError if that is neither one nor several."""
    if isinstance(leads, (str, int, np.integer)):
        return [leads]
    try:
        return list(leads)
    except TypeError:
        raise InputError(
            f"leads is {leads!r}: give the name or the column of a lead, or a list of them"
        ) from None


def find_lead(which: str | int, leads: Sequence[str], name: str = "") -> int:
    """Return the column of lead `which` among `leads`; InputError lists them if it is not there."""
    if isinstance(which, str):
        if which in leads:
            return list(leads).index(which)
        folded = [lead.casefold() for lead in leads]
        if which.casefold() in folded:
            return folded.index(which.casefold())
    elif isinstance(which, (bool, np.bool_)):
        raise InputError(
            f"a lead is {which}: give names or columns, of a mask such as np.flatnonzero(mask)"
        )
    elif isinstance(which, (int, np.integer)) and -len(leads) <= which < len(leads):
        return int(which) % len(leads)
    where = f"{name}: " if name else ""
    raise InputError(f"{where}no lead {which!r}; there are {', '.join(map(repr, leads))}")


def find_leads(asked: Any, leads: Sequence[str], name: str = "") -> list[int]:
    """Return the columns of leads that were asked for, as `find_lead`; none of them twice."""
    found: dict[int, str | int] = {}
    for which in listed_leads(asked):
        column = find_lead(which, leads, name)
        if column in found:
            raise InputError(_twice(found[column], which, leads, column, name))
        found[column] = which
    return list(found)


def _twice(first: str | int, again: str | int, leads: Sequence[str], column: int, name: str) -> str:
    """Say that two of the leads that were asked for are one."""
    where = f"{name}: " if name else ""
    same = (
        f"lead {again!r} is listed twice"
        if first == again
        else f"{first!r} and {again!r} are the same lead"
    )
    several = list(leads).count(leads[column]) > 1
    hint = "; leads that share a name are chosen by column, from 0" if several else ""
    return f"{where}{same}: give each lead once{hint}"


@dataclass(frozen=True, eq=False, repr=False)
class RecordSource:
    """An open recording: what its header says, and its samples on request.

    Nothing is held open between reads, so there is nothing to close.

    Attributes
    ----------
    fs, leads, start, start_time, annotations, name, units, comments, origin
        As in `Record`.
    n_samples : int
        Samples a lead.
    fetch : callable
        ``fetch(start, stop)`` returns float32 samples of shape (stop - start, leads) in mV.

    Examples
    --------
    >>> from ecgfast.records import open_record
    >>> source = open_record("mitdb/208")                          # doctest: +SKIP
    >>> for block in source.blocks(60.0):                          # doctest: +SKIP
    ...     print(block.shape)
    """

    fs: float
    leads: tuple[str, ...]
    n_samples: int
    fetch: Callable[[int, int], FloatArray] = field(repr=False)
    start: datetime | None = None
    annotations: Annotations | None = None
    name: str = ""
    units: tuple[str, ...] = ()
    comments: tuple[str, ...] = ()
    origin: Origin | None = None
    start_time: time | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "fs", check_fs(self.fs, self.name))
        object.__setattr__(self, "leads", tuple(printable(str(lead)) for lead in self.leads))
        if not self.units:
            object.__setattr__(self, "units", ("mV",) * len(self.leads))
        if self.start_time is None and self.start is not None:
            object.__setattr__(self, "start_time", self.start.time())
        if self.n_samples < 2:
            raise RecordError(
                f"{self.name}: holds {self.n_samples} sample(s) a lead; nothing can be read from it"
            )

    def __repr__(self) -> str:
        return _described("RecordSource", self)

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a RecordSource reads from its file and cannot be pickled: give each process the path, "
            "for open_record(path), or pickle the Record of read()"
        )

    def __deepcopy__(self, memo: dict[int, Any]) -> RecordSource:
        return self  # nothing of it changes

    def __copy__(self) -> RecordSource:
        return self

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.n_samples / self.fs

    def blocks(self, seconds: float = 10.0) -> Iterator[FloatArray]:
        """Yield the signal in order, in blocks.

        Parameters
        ----------
        seconds : float
            Length of a block in seconds, at least one sample; the last block may be shorter.

        Yields
        ------
        ndarray of float32, shape (k, n_leads)
            Samples in mV.

        Raises
        ------
        InputError
            If `seconds` is not positive.
        """
        if not 0 < real_number(seconds, "seconds") < float("inf"):
            raise InputError(f"blocks of {seconds} s: give a positive length in seconds")
        step = max(1, round(seconds * self.fs))
        for begin in range(0, self.n_samples, step):
            yield self.fetch(begin, min(begin + step, self.n_samples))

    def read(self) -> Record:
        """Return the whole recording.

        Returns
        -------
        Record
        """
        if self.n_samples * len(self.leads) > _MOST_VALUES:
            raise RecordError(
                f"{self.name}: holds {self.n_samples} samples of {len(self.leads)} leads, too many "
                "for the memory; read it piece by piece with open_record(path).blocks()"
            )
        signal = np.empty((self.n_samples, len(self.leads)), np.float32)
        for begin in range(0, self.n_samples, _CHUNK):
            end = min(begin + _CHUNK, self.n_samples)
            signal[begin:end] = self.fetch(begin, end)
        return Record(
            signal,
            self.fs,
            self.leads,
            self.start,
            self.annotations,
            self.name,
            self.units,
            self.comments,
            self.origin,
            self.start_time,
        )
