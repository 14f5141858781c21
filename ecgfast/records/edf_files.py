"""EDF, EDF+, BDF and BDF+ recordings, from the specifications of Kemp et al. (1992, 2003).

Read with numpy, record by record as they are asked for. Gaps of discontinuous files (EDF+D) become
missing samples, so that times stay true.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..errors import RecordError
from .byte_order import LOOKED, swapped_note
from .files import open_regular
from .opened import Column, Opened, Values
from .record import Annotations

__all__ = ["open_edf"]

_MOST_SIGNALS = 4096
_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_ANNOTATIONS = ("EDF Annotations", "BDF Annotations")

# Seconds of missing samples for each that is there: a damaged onset must not make days of nothing.
_MISSING_PER_PRESENT = 1000.0

# Share of a data record by which times may be off: they are rounded.
_LEEWAY = 0.01

# Bytes that are read at a time: of annotations, and of the samples that show their byte order.
_AT_ONCE = 1 << 22


@dataclass(frozen=True)
class _Signal:
    """One signal's fields of a header."""

    label: str
    unit: str
    physical: tuple[float, float]
    digital: tuple[float, float]
    samples: int  # in a data record
    at: int  # bytes before it in a data record

    @property
    def scaled(self) -> bool:
        """Whether the header gives a scale: two limits of each kind that differ."""
        limits = (*self.physical, *self.digital)
        return all(map(math.isfinite, limits)) and limits[0] != limits[1] and limits[2] != limits[3]

    @property
    def scale(self) -> tuple[float, float]:
        """Return gain and offset from digital to physical values."""
        if not self.scaled:
            return 1.0, 0.0
        low, high = self.digital
        gain = (self.physical[1] - self.physical[0]) / (high - low)
        return gain, self.physical[0] - gain * low

    def codes(self, width: int) -> tuple[float, ...]:
        """Return the value of the lowest integer, where the header says that no sample has it."""
        lowest = -(1 << 8 * width - 1)
        gain, offset = self.scale
        return (lowest * gain + offset,) if self.scaled and self.digital[0] > lowest else ()


@dataclass(frozen=True)
class _Layout:
    """The data records of a file: where they are, and which signals they hold."""

    path: Path
    head: bytes  # its first 256 bytes
    width: int  # bytes of a sample
    signals: list[_Signal]
    duration: float  # of a data record, s
    n_records: int

    @property
    def begin(self) -> int:
        """Bytes before the first data record."""
        return 256 * (len(self.signals) + 1)

    @property
    def per_record(self) -> int:
        """Bytes of a data record."""
        return sum(s.samples for s in self.signals) * self.width

    @property
    def reserved(self) -> str:
        """What the header says of its variant: EDF+C, EDF+D, 24BIT, or nothing."""
        return self.head[192:236].decode("latin-1")

    def records(self, first: int, last: int) -> npt.NDArray[np.uint8]:
        """Read some data records, one in each row."""
        with open_regular(self.path) as file:
            file.seek(self.begin + first * self.per_record)
            raw = file.read((last - first) * self.per_record)
        if len(raw) != (last - first) * self.per_record:
            raise RecordError(
                f"{self.path}: became shorter while it was read; read it when it is complete"
            )
        return np.frombuffer(raw, np.uint8).reshape(last - first, self.per_record)


def open_edf(path: Path) -> Opened:
    """Open an EDF, EDF+, BDF or BDF+ file.

    EDF+ annotations become annotations of the symbol ``"`` (a note) with their text.
    """
    layout, said = _layout(path)
    data = [s for s in layout.signals if s.label not in _ANNOTATIONS]
    notes_in = [s for s in layout.signals if s.label in _ANNOTATIONS]
    onsets, notes = _annotations(layout, notes_in)
    origin = onsets[0] if len(onsets) and math.isfinite(onsets[0]) else 0.0
    begins, more = _begins(layout, onsets - origin)
    duration, n_records = layout.duration, layout.n_records
    length = float(begins[-1] + duration) if n_records else 0.0
    columns = []
    for s in data:
        fs = s.samples / duration if duration and s.samples else None
        total = s.samples * n_records if fs is None else round(length * fs)
        unit = s.unit if s.scaled else ""
        role = "" if s.samples else "without samples"
        columns.append(Column(s.label, unit, fs, total, role, s.codes(layout.width)))
    said += swapped_note(_middle(layout, data), layout.width)
    unscaled = [repr(s.label) for s in data if not s.scaled]
    if unscaled:
        said.append(f"the header gives no scale for {', '.join(unscaled)}: digital values are used")

    def read(start: int, stop: int, chosen: Sequence[int]) -> Values:
        return _read(layout, [data[i] for i in chosen], begins, start, stop)

    def annotations(fs: float) -> Annotations | None:
        if not notes:
            return None
        at, text = zip(*sorted(notes), strict=True)
        sample = np.rint((np.clip(at, -1e9, 1e9) - origin) * fs).astype(np.int64)
        return Annotations(sample, np.full(len(at), '"'), np.array(text, np.str_))

    start = _start(layout.head)
    if start is not None and 0.0 < origin < 1.0:  # of EDF+: the header has whole seconds
        start += timedelta(seconds=origin)
    is_plus = layout.reserved.startswith("EDF+")
    return Opened(
        path=path,
        format="BDF" if layout.width == 3 else "EDF+" if is_plus else "EDF",
        columns=tuple(columns),
        read=read,
        start=start,
        annotations=annotations,
        notes=(*said, *more),
    )


def _layout(path: Path) -> tuple[_Layout, list[str]]:
    """Return what the header says, checked against the file's size, and remarks on it."""
    with open_regular(path) as file:
        head = file.read(256)
        if head[:8] not in (b"0       ", b"\xffBIOSEMI") or len(head) < 256:
            raise RecordError(f"{path}: is no EDF or BDF file; check that it was exported as one")
        width = 3 if head[0] == 0xFF else 2
        try:
            n_records, n_signals = int(head[236:244]), int(head[252:256])
            duration = _number(head[244:252].decode("latin-1"))
            if not 0 <= n_signals <= _MOST_SIGNALS or not 0 <= duration < 1e6:
                raise ValueError
            fields = file.read(256 * n_signals).decode("latin-1")
            signals = _signals(fields, n_signals, width)
        except (ValueError, IndexError):
            raise RecordError(f"{path}: the EDF header is damaged; export the file again") from None
        size = file.seek(0, 2)
    layout = _Layout(path, head, width, signals, duration, n_records)
    present = (size - layout.begin) // max(1, layout.per_record)
    # A recorder that was cut off leaves -1: then what is there counts.
    if n_records > present:
        raise RecordError(
            f"{path}: truncated: the header promises {n_records} data records of "
            f"{layout.per_record // width} samples and {max(0, present)} are present; export or "
            "fetch the file again"
        )
    said = []
    if n_records == 0 < present:
        said.append(f"the header counts no data records: the {present} that are there are read")
        n_records = present
    if 0 <= n_records < present:
        said.append(
            f"only the {n_records} data records that the header counts are read: the file holds "
            f"{present}"
        )
    over = (size - layout.begin) % max(1, layout.per_record)
    if n_records >= 0 and over:
        said.append(
            f"may be damaged: the file holds {over} bytes that belong to no data record, as after "
            "a transfer that changes ends of lines; check the beats, or fetch it again"
        )
    return replace(layout, n_records=max(0, present if n_records < 0 else n_records)), said


def _begins(
    layout: _Layout, onsets: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], list[str]]:
    """Return where each data record begins, in seconds, and remarks on it.

    `onsets` are the times that the records state, from the first on; without them they follow each
    other without a gap.
    """
    n_records, duration = layout.n_records, layout.duration
    begins = np.arange(n_records, dtype=np.float64) * duration
    said: list[str] = []
    if "+D" in layout.reserved and len(onsets) == n_records and n_records:
        begins = _slots(layout.path, onsets, duration)
        steps = np.diff(begins)
        if over := _overlap(steps, begins, duration):
            said.append(over)
        lost = float((steps - duration).clip(min=0.0).sum())
        if lost > _LEEWAY * duration:
            said.append(f"gaps of {lost:.2f} s in all (EDF+D) filled with missing samples")
    elif "+D" in layout.reserved:
        said.append("calls itself discontinuous (EDF+D) and has no times: gaps are not known")
    elif n_records and len(onsets) == n_records:
        lost = float(onsets[-1]) - duration * (n_records - 1)
        if abs(lost) > max(1.0, duration):
            what = "leave gaps of" if lost > 0 else "overlap by"
            said.append(
                f"its times {what} {abs(lost):.2f} s in all, but it calls itself continuous "
                "(EDF+C): they are not used"
            )
    return begins, said


def _read(
    layout: _Layout,
    signals: list[_Signal],
    begins: npt.NDArray[np.float64],
    start: int,
    stop: int,
) -> npt.NDArray[np.float64]:
    """Return samples of signals of one rate, NaN in the gaps between data records."""
    per, width = signals[0].samples, layout.width
    if layout.duration:
        places = np.rint(begins * (per / layout.duration)).astype(np.int64)
    else:
        places = np.arange(layout.n_records, dtype=np.int64) * per
    first = max(0, int(np.searchsorted(places, start, "right")) - 1)
    last = int(np.searchsorted(places, stop, "left"))
    out = np.full((stop - start, len(signals)), np.nan, np.float64)
    if last <= first:
        return out
    raw = layout.records(first, last)
    at = places[first:last]
    for target, signal in enumerate(signals):
        gain, offset = signal.scale
        digits = _digits(raw[:, signal.at : signal.at + per * width], width).reshape(-1, per)
        values = digits * gain + offset
        # Runs of records without a gap between them are copied together.
        breaks = np.flatnonzero(np.diff(at) != per) + 1
        for run, where in zip(np.split(values, breaks), np.split(at, breaks), strict=True):
            flat, position = run.reshape(-1), int(where[0])
            a, b = max(start, position), min(stop, position + len(flat))
            if b > a:
                out[a - start : b - start, target] = flat[a - position : b - position]
    return out


def _middle(
    layout: _Layout, signals: list[_Signal]
) -> Iterator[tuple[str, npt.NDArray[np.signedinteger[npt.NBitBase]]]]:
    """Yield the label of each signal and digital values of it from the middle of the file."""
    most = max((s.samples for s in signals), default=0)
    if not most or not layout.n_records:
        return
    count = min(layout.n_records, -(-LOOKED // most), max(1, _AT_ONCE // layout.per_record))
    begin = (layout.n_records - count) // 2
    raw = layout.records(begin, begin + count)
    for s in signals:
        yield s.label, _digits(raw[:, s.at : s.at + s.samples * layout.width], layout.width)


# Some recorders fill the fields of a header with zero bytes.
_PAD = "\0 \t\r\n"


def _signals(fields: str, n: int, width: int) -> list[_Signal]:
    """Parse the header's block of signals: each field of all signals, then the next field."""
    widths = (16, 80, 8, 8, 8, 8, 8, 80, 8, 32)
    columns, at = [], 0
    for size in widths:
        columns.append([fields[at + i * size : at + (i + 1) * size].strip(_PAD) for i in range(n)])
        at += n * size
    if len(fields) < at:
        raise ValueError
    signals, position = [], 0
    for i in range(n):
        samples = int(columns[8][i])
        if not 0 <= samples < 1 << 26:
            raise ValueError
        numbers = [_number(columns[c][i]) for c in (3, 4, 5, 6)]
        signals.append(
            _Signal(
                columns[0][i],
                columns[2][i],
                (numbers[0], numbers[1]),
                (numbers[2], numbers[3]),
                samples,
                position,
            )
        )
        position += samples * width
    return signals


def _number(text: str) -> float:
    """Return a number of a header; NaN where an annotation signal gives none."""
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return math.nan


def _digits(raw: npt.NDArray[np.uint8], width: int) -> npt.NDArray[np.signedinteger[npt.NBitBase]]:
    """Return little-endian samples of two or three bytes as integers."""
    flat = np.ascontiguousarray(raw).reshape(-1)
    if width == 2:
        return flat.view("<i2")
    wide = np.zeros((len(flat) // 3, 4), np.uint8)
    wide[:, 1:] = flat.reshape(-1, 3)
    return wide.view("<i4")[:, 0] >> 8


def _annotations(
    layout: _Layout, signals: list[_Signal]
) -> tuple[npt.NDArray[np.float64], list[tuple[float, str]]]:
    """Return each data record's onset in seconds, and the notes with theirs."""
    onsets = np.full(layout.n_records if signals else 0, np.nan)
    notes: list[tuple[float, str]] = []
    step = max(1, _AT_ONCE // max(1, layout.per_record))
    for first in range(0, len(onsets), step):
        raw = layout.records(first, min(first + step, layout.n_records))
        for row in range(len(raw)):
            for k, signal in enumerate(signals):
                part = raw[row, signal.at : signal.at + signal.samples * layout.width].tobytes()
                for number, (onset, texts) in enumerate(_lists(part)):
                    if k == 0 and number == 0:
                        onsets[first + row] = onset
                    notes.extend((onset, text) for text in texts if text)
    return onsets, notes


_ONSET = re.compile(rb"([+-]\d{1,12}(?:\.\d{1,30})?)(?:\x15\d{0,12}(?:\.\d{0,30})?)?\x14")


def _lists(part: bytes) -> list[tuple[float, list[str]]]:
    """Return the time-stamped annotation lists of one data record."""
    found = []
    for piece in part.split(b"\0"):
        match = _ONSET.match(piece)
        if match:
            texts = piece[match.end() :].decode("utf-8", "replace").split("\x14")
            found.append((float(match[1]), [text.strip() for text in texts]))
    return found


def _slots(path: Path, onsets: npt.NDArray[np.float64], duration: float) -> npt.NDArray[np.float64]:
    """Return the beginning of each data record of a discontinuous file, in seconds."""
    if not np.isfinite(onsets).all():
        raise RecordError(
            f"{path}: some of its data records (EDF+D) have no time; export it as EDF+C"
        )
    early = np.flatnonzero(np.diff(onsets) < 0.5 * duration)
    if len(early):
        k = int(early[0])
        raise RecordError(
            f"{path}: its data records (EDF+D) overlap: number {k + 2} begins at "
            f"{onsets[k + 1]:.2f} s, the one before, of {duration:g} s, at {onsets[k]:.2f} s "
            f"({len(early)} such in all); correct the times, or export it as EDF+C"
        )
    if onsets[-1] > _MISSING_PER_PRESENT * duration * len(onsets):
        raise RecordError(
            f"{path}: its data records (EDF+D) lie {onsets[-1] / 3600:.0f} hours apart; split it "
            "at the gaps"
        )
    # A record begins where the one before ends, but for gaps of more than a hundredth of one.
    drift = onsets - np.arange(len(onsets)) * duration
    steps = np.abs(np.diff(drift)).max(initial=0.0)
    return onsets if steps > _LEEWAY * duration else onsets - drift


def _overlap(
    steps: npt.NDArray[np.float64], slots: npt.NDArray[np.float64], duration: float
) -> str:
    """What to say of data records that begin before the one before has ended."""
    early = np.flatnonzero(steps < (1.0 - _LEEWAY) * duration)
    if not len(early):
        return ""
    by = duration - steps[early]
    return (
        f"{len(early)} data records (EDF+D) begin before the one before has ended, the first at "
        f"{slots[early[0] + 1]:.2f} s, {by[0]:.2f} s too early: the samples of "
        f"{by.sum():.2f} s in all that they repeat are read from the later record"
    )


def _start(head: bytes) -> datetime | None:
    """Return the recording's start; None where an anonymised file hides it."""
    stated = head[88:168].decode("latin-1").split()
    try:
        day, month, year = (int(head[168 + i : 170 + i]) for i in (0, 3, 6))
        hour, minute, second = (int(head[176 + i : 178 + i]) for i in (0, 3, 6))
        if stated[:1] == ["Startdate"] and len(stated) > 1:
            a, b, c = stated[1].split("-")
            day, month, year = int(a), _MONTHS.index(b.upper()) + 1, int(c)
        else:
            year += 1900 if year >= 85 else 2000
        return datetime(year, month, day, hour, minute, second)
    except (ValueError, IndexError):
        return None
