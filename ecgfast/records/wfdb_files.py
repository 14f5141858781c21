"""WFDB records, from the descriptions in the WFDB Applications Guide, header(5) and signal(5).

Every format but the compressed ones (508, 516 and 524, which the wfdb package decodes) is decoded
here with numpy: several segments, rates and skew too. Sizes are computed from the signal files
before anything is allocated; files outside the record's folder are refused unless the caller
trusts the header.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import RecordError
from ..extras import need
from ._samples import look_up, unpack_212
from .files import damaged, named_file, open_regular, read_regular
from .opened import Column, Opened, Values
from .record import Annotations
from .units import to_millivolt
from .wfdb_annotations import read_annotations

__all__ = ["MAY_GROW", "open_wfdb"]

#: Comment of a header whose last segment holds as many samples as its file: it is being written, or
#: the program that wrote it was killed.
MAY_GROW = "the last segment may have grown since"

IntArray = npt.NDArray[np.signedinteger[Any]]

# Signals and segments of one record, and bytes of a header: more than any recording has.
_MOST_SIGNALS, _MOST_SEGMENTS, _MOST_BYTES = 4096, 65536, 1 << 24

# Samples that a header may say are missing at the start or between segments, for each that is
# there: a header of a few bytes must not make days of nothing.
_MISSING_PER_PRESENT = 1000

# At most this many signals get a table of the values of all 65,536 digits: each takes 256 KB.
_TABLED = 64

_FORMAT_FIELD = re.compile(r"(\d{1,4})(?:x(\d{1,9}))?(?::(\d{1,18}))?(?:\+(\d{1,18}))?", re.ASCII)
_GAIN_FIELD = re.compile(r"([-+.\deE]+)?(?:\((-?\d{1,18})\))?(?:/(\S+))?", re.ASCII)
# Compressed formats with their bits a sample.
_COMPRESSED = {508: 8, 516: 16, 524: 24}


@dataclass(frozen=True)
class _Signal:
    """One signal line of a header."""

    file: str
    format: int
    per_frame: int
    skew: int
    offset: int
    gain: float
    baseline: int
    units: str
    initial: int
    label: str


@dataclass(frozen=True)
class _Header:
    """A header; `n_samples` is 0 where it leaves the length open, `segments` where it has some."""

    fs: float
    n_samples: int
    start: datetime | None
    start_time: time | None
    signals: tuple[_Signal, ...]
    segments: tuple[tuple[str, int], ...]
    comments: tuple[str, ...]


def open_wfdb(path: Path, *, follow: bool = False) -> Opened:
    """Open the WFDB record whose header is `path`; `follow` is as in `open_record`."""
    header = _read_header(path)
    part = (
        _open_segments(path, header, follow) if header.segments else _open_one(path, header, follow)
    )

    def annotations(fs: float) -> Annotations | None:
        """Read the reference annotations beside the header, counted in samples at `fs`."""
        atr = path.with_name(f"{path.stem}.atr")
        if not atr.exists():
            return None
        # An annotation file counts in frames, the signal in samples.
        file = named_file(path, atr.name, follow=follow)
        return read_annotations(file, fs=fs, stored_fs=header.fs)

    return Opened(
        path=path,
        format="WFDB",
        columns=tuple(
            Column(s.label, s.units, header.fs * s.per_frame, part.n_frames * s.per_frame)
            for s in part.signals
        ),
        read=part.read,
        declared=True,
        start=header.start,
        start_time=header.start_time,
        annotations=annotations,
        annotation_fs=header.fs,
        comments=header.comments,
    )


# ---------------------------------------------------------------- headers


def _read_header(path: Path) -> _Header:
    """Parse a header."""
    text = read_regular(path, _MOST_BYTES).decode("utf-8", "replace")
    if "\0" in text:
        raise RecordError(f"{path}: holds binary data and is no WFDB header; fetch it again")
    lines, comments = [], []
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if line.startswith("#"):
            comments.append(line[1:].strip())
        elif line:
            lines.append((number, line))
    if not lines:
        raise RecordError(f"{path}: is empty and no WFDB header; fetch the record again")

    number, line = lines[0]
    fields = line.split()
    _, _, parts = fields[0].partition("/")
    try:
        n_signals = int(fields[1])
        # A rate may be followed by a counter frequency, which the signals do not need.
        fs = float(re.split(r"[/(]", fields[2])[0]) if len(fields) > 2 else 250.0
        n_samples = int(fields[3]) if len(fields) > 3 else 0
        n_segments = int(parts) if parts else 0
        if min(n_signals, n_samples, n_segments) < 0 or not 0 < fs < math.inf:
            raise ValueError
    except (IndexError, ValueError):
        raise RecordError(
            f"{path}: line {number} is no WFDB record line (name, signals, rate, samples): "
            f"{line[:60]!r}"
        ) from None
    for what, count, most in (
        ("signals", n_signals, _MOST_SIGNALS),
        ("segments", n_segments, _MOST_SEGMENTS),
    ):
        if count > most:
            raise RecordError(
                f"{path}: the header promises {count} {what}, and no recording has more than "
                f"{most}; fetch it again"
            )
    if n_signals == 0:
        raise RecordError(f"{path}: the header names no signals; give a record with at least one")
    what, count = ("segments", n_segments) if n_segments else ("signals", n_signals)
    if len(lines) <= count:
        raise RecordError(
            f"{path}: the header promises {count} {what} and describes {len(lines) - 1}; "
            "fetch it again"
        )
    signals, segments = [], []
    for i, (number, line) in enumerate(lines[1 : count + 1]):
        if n_segments:
            segments.append(_parse_segment(path, number, line))
        else:
            signals.append(_parse_signal(path, number, line, i))
    return _Header(
        fs,
        n_samples,
        *_parse_start(fields[4:6]),
        tuple(signals),
        tuple(segments),
        tuple(filter(None, comments)),
    )


def _parse_signal(path: Path, number: int, line: str, index: int) -> _Signal:
    """Parse a signal line: file, format, gain, bits, zero, first value, checksum, block, label."""
    fields = line.split(None, 8)
    form = _FORMAT_FIELD.fullmatch(fields[1]) if len(fields) > 1 else None
    gain = _GAIN_FIELD.fullmatch(fields[2] if len(fields) > 2 else "200")
    try:
        if form is None or gain is None:
            raise ValueError
        zero = int(fields[4][:20]) if len(fields) > 4 else 0
        signal = _Signal(
            file=fields[0],
            format=int(form[1]),
            per_frame=int(form[2] or 1) or 1,
            skew=int(form[3] or 0),
            offset=int(form[4] or 0),
            gain=float(gain[1] or 0) or 200.0,
            baseline=int(gain[2]) if gain[2] else zero,
            units=gain[3] or "mV",
            initial=int(fields[5][:20]) if len(fields) > 5 else 0,
            label=fields[8] if len(fields) > 8 else f"signal {index}",
        )
        if not math.isfinite(signal.gain):
            raise ValueError
    except ValueError:
        raise RecordError(
            f"{path}: line {number} is no WFDB signal line (file, format, gain, ...): {line[:60]!r}"
        ) from None
    if signal.format not in _FORMATS and signal.format not in _COMPRESSED:
        raise RecordError(
            f"{path}: line {number} names the signal format {signal.format}, which WFDB does not "
            "have; fetch it again"
        )
    return signal


def _parse_segment(path: Path, number: int, line: str) -> tuple[str, int]:
    """Parse a segment line: the record's name, its samples."""
    fields = line.split()
    try:
        length = int(fields[1])
        if length < 0:
            raise ValueError
    except (IndexError, ValueError):
        raise RecordError(
            f"{path}: line {number} is no WFDB segment line (record, samples): {line[:60]!r}"
        ) from None
    return fields[0], length


def _parse_start(fields: list[str]) -> tuple[datetime | None, time | None]:
    """Return when a record line says it starts, and the time of day alone; None of what is not."""
    try:
        clock = [float(part) for part in fields[0].split(":")]
        seconds = sum(part * 60**i for i, part in enumerate(reversed(clock)))
        whole, fraction = divmod(round(seconds * 1e6), 1_000_000)
        at = time(whole // 3600, whole // 60 % 60, whole % 60, fraction)
    except (IndexError, ValueError, OverflowError):
        return None, None
    try:
        day, month, year = (int(part) for part in fields[1].split("/"))
        return datetime.combine(date(year, month, day), at), at
    except (IndexError, ValueError, OverflowError):
        return None, at


# ---------------------------------------------------------------- signal files


@dataclass(frozen=True, eq=False)
class _Part:
    """An opened record of one segment, or what several make together."""

    signals: tuple[_Signal, ...]
    n_frames: int
    read: Callable[[int, int, Sequence[int]], Values]


@dataclass(frozen=True, eq=False)
class _SignalFile:
    """A signal file with its signals: where each begins in a frame."""

    path: Path
    missing: int | None
    begins: dict[int, int]
    width: int
    n_frames: int
    samples: Callable[[int, int], IntArray]

    def frames(self, start: int, stop: int) -> IntArray:
        """Return frames `start` to `stop`, (stop - start, width), as they are stored."""
        raw = self.samples(start * self.width, (stop - start) * self.width)
        if len(raw) != (stop - start) * self.width:
            raise RecordError(
                f"{self.path}: became shorter while it was read; read it when it is complete"
            )
        return raw.reshape(-1, self.width)


def _open_one(path: Path, header: _Header, follow: bool) -> _Part:
    """Open a record of one segment."""
    grouped: dict[str, list[int]] = {}
    for i, signal in enumerate(header.signals):
        grouped.setdefault(signal.file, []).append(i)
    files: dict[int, _SignalFile] = {}
    held: list[int] = []
    for name, members in grouped.items():
        if name in ("~", "-") or header.signals[members[0]].format == 0:
            continue
        file = _signal_file(path, header, name, members, follow)
        held.append(file.n_frames)
        files.update(dict.fromkeys(members, file))
        if header.n_samples > file.n_frames:
            raise RecordError(
                f"{file.path}: truncated: the header promises {header.n_samples} samples a lead "
                f"and {file.n_frames} are present; fetch the file again, or correct the header"
            )
        for i in members:
            if header.signals[i].skew > file.n_frames:
                raise RecordError(
                    f"{path}: shifts signal {i} by {header.signals[i].skew} samples and "
                    f"{file.n_frames} are present; correct the header"
                )
    if not held and header.n_samples > _MISSING_PER_PRESENT * header.fs:
        raise RecordError(
            f"{path}: says that {header.n_samples} samples are missing and has none; correct the "
            "header"
        )
    n_frames = header.n_samples or min(held, default=0)
    signals = header.signals
    values_of: dict[int, npt.NDArray[np.float32]] = {}

    def read(start: int, stop: int, columns: Sequence[int]) -> Values:
        per = signals[columns[0]].per_frame
        first, last = start // per, -(-stop // per)
        out = np.empty((stop - start, len(columns)), np.float32)
        value: npt.NDArray[np.floating[Any]]
        tables: dict[tuple[int, int], IntArray] = {}
        for target, i in enumerate(columns):
            signal = signals[i]
            file = files.get(i)
            if file is None:
                out[:, target] = np.nan
                continue
            # Columns of one file are stored interleaved: each file is read once for all its leads.
            begin = min(first + signal.skew, file.n_frames)
            end = min(last + signal.skew, file.n_frames)
            key = (id(file), signal.skew)
            if key not in tables:
                tables[key] = file.frames(begin, end)
            at = file.begins[i]
            digits = tables[key][:, at : at + per]
            missing = (last - first - (end - begin)) * per
            if digits.dtype == np.int16 and not missing and len(columns) <= _TABLED:
                if i not in values_of:
                    every = np.arange(-32768, 32768, dtype=np.int16)
                    values_of[i] = _physical(every, signal, file.missing).astype(np.float32)
                if per == 1:
                    look_up(digits, values_of[i], out[:, target])
                    continue
                value = np.empty(digits.size, np.float32)
                look_up(digits, values_of[i], value)
            else:
                value = _physical(digits.reshape(-1), signal, file.missing)
                if missing:
                    value = np.concatenate([value, np.full(missing, np.nan)])
            out[:, target] = value[start - first * per : stop - first * per]
        return out

    return _Part(signals, n_frames, read)


def _physical(
    digits: IntArray, signal: _Signal, missing: int | None
) -> npt.NDArray[np.floating[Any]]:
    """Return the values of stored samples."""
    # Double precision, as the wfdb package computes it: the same bits come out.
    value = (digits.astype(np.float64) - signal.baseline) / signal.gain
    if missing is not None:
        value[digits == missing] = np.nan
    return value


def _signal_file(
    header: Path, parsed: _Header, name: str, members: list[int], follow: bool
) -> _SignalFile:
    """Open the signal file that holds the signals `members`."""
    dat = named_file(header, name, follow=follow)
    signals = [parsed.signals[i] for i in members]
    first = signals[0]
    if any((s.format, s.offset) != (first.format, first.offset) for s in signals):
        raise RecordError(
            f"{header}: gives the signals of {name} different formats or offsets; fetch it again"
        )
    begins, width = {}, 0
    for i, signal in zip(members, signals, strict=True):
        begins[i] = width
        width += signal.per_frame
    try:
        with open_regular(dat) as file:
            size = file.seek(0, 2) - first.offset
    except FileNotFoundError:
        raise RecordError(
            f"{dat}: missing, though {header.name} names it; put both files in one folder"
        ) from None
    if first.format in _COMPRESSED:
        return _compressed_file(header, dat, first, begins, width, parsed.n_samples)
    layout = _FORMATS[first.format]
    count = max(0, layout.count(size))
    if first.format == 8:
        samples = _differences(dat, first.offset, [s.initial for s in signals], width, count)
    else:

        def samples(start: int, number: int) -> IntArray:
            lead = start % layout.samples
            begin = first.offset + start // layout.samples * layout.size
            with open_regular(dat) as file:
                file.seek(begin)
                data = file.read(-(-(number + lead) // layout.samples) * layout.size)
            return layout.decode(data)[lead : lead + number]

    return _SignalFile(dat, layout.missing, begins, width, count // width, samples)


def _differences(
    dat: Path, offset: int, initial: list[int], width: int, count: int
) -> Callable[[int, int], IntArray]:
    """Return the reader of a file of first differences; it is summed up once and kept."""
    if width != len(initial):
        raise RecordError(f"{dat}: holds differences of several rates, which WFDB does not have")
    kept: list[IntArray] = []

    def samples(start: int, number: int) -> IntArray:
        if not kept:
            with open_regular(dat) as file:
                file.seek(offset)
                steps = np.frombuffer(file.read(count), np.int8)
            steps = steps[: len(steps) // width * width].reshape(-1, width)
            kept.append((np.cumsum(steps, axis=0, dtype=np.int64) + np.array(initial)).reshape(-1))
        return kept[0][start : start + number]

    return samples


def _compressed_file(
    header: Path, dat: Path, first: _Signal, begins: dict[int, int], width: int, n_samples: int
) -> _SignalFile:
    """Open a FLAC signal file; the soundfile package decodes it."""
    if width != len(begins):
        raise RecordError(
            f"{header}: holds compressed signals of several rates, which ecgfast does not read; "
            "convert it with WFDB's xform"
        )
    soundfile = need("soundfile", f"{dat}: a signal file compressed with FLAC", "formats")
    with damaged(dat, "an intact FLAC file", "fetch it again"):
        info = soundfile.info(str(dat))
    if info.format != "FLAC" or info.channels != width or first.offset:
        raise RecordError(
            f"{dat}: holds {info.channels} channels of {info.format} where the header names "
            f"{width} of FLAC; fetch it again"
        )
    shift = 32 - _COMPRESSED[first.format]

    def samples(start: int, number: int) -> IntArray:
        with damaged(dat, "an intact FLAC file", "fetch it again"):
            part = soundfile.read(
                str(dat), number // width, start // width, dtype="int32", always_2d=True
            )[0]
        return np.asarray(part, np.int32).reshape(-1) >> shift

    # Without a length of its own the header's counts; samples that are not there are missed later.
    frames = info.frames if 0 < info.frames < 1 << 40 else n_samples
    return _SignalFile(dat, -(1 << (_COMPRESSED[first.format] - 1)), begins, width, frames, samples)


@dataclass(frozen=True)
class _Layout:
    """How a format stores samples: so many in `size` bytes, and the value of a missing one."""

    samples: int
    size: int
    missing: int | None
    decode: Callable[[bytes], IntArray]

    def count(self, size: int) -> int:
        """Return how many samples `size` bytes hold."""
        whole, rest = divmod(size, self.size)
        if (
            self.samples == 2
        ):  # a lone last sample of format 212 takes two of the pair's three bytes
            return whole * 2 + (1 if rest >= 2 else 0)
        return whole * self.samples


def _decode_24(data: bytes) -> IntArray:
    """Decode 24-bit little-endian samples."""
    triples = np.frombuffer(data, np.uint8, len(data) // 3 * 3).reshape(-1, 3)
    wide = np.zeros((len(triples), 4), np.uint8)
    # Into the high bytes, then shifted down: the shift extends the sign.
    wide[:, 1:] = triples
    return wide.view("<i4")[:, 0] >> 8


def _decode_212(data: bytes) -> IntArray:
    """Decode pairs of 12-bit samples packed in three bytes."""
    # A lone last sample takes two of the pair's bytes.
    out = np.empty(len(data) // 3 * 2 + len(data) % 3 // 2, np.int16)
    unpack_212(data, out)
    return out


def _decode_310(data: bytes) -> IntArray:
    """Decode triples of 10-bit samples: two 11-bit fields, the third from the high bits of both."""
    words = np.frombuffer(data, "<u2", len(data) // 4 * 2).reshape(-1, 2).astype(np.int32)
    third = (words[:, 0] >> 11) | (words[:, 1] >> 11) << 5
    return _ten_bits([words[:, 0] >> 1, words[:, 1] >> 1, third])


def _decode_311(data: bytes) -> IntArray:
    """Decode triples of 10-bit samples, one after the other in 32 bits."""
    words = np.frombuffer(data, "<u4", len(data) // 4).astype(np.int64)
    return _ten_bits([words, words >> 10, words >> 20])


def _ten_bits(columns: list[IntArray]) -> IntArray:
    """Return the low ten bits of the columns, with their sign, interleaved."""
    digits = np.stack(columns, axis=1).astype(np.int32) & 0x3FF
    return (digits - ((digits & 0x200) << 1)).reshape(-1)


def _decode_words(dtype: str, zero: int = 0) -> Callable[[bytes], IntArray]:
    """Return a decoder of plain integers, offset by `zero`."""
    kind = np.dtype(dtype)

    def decode(data: bytes) -> IntArray:
        plain = np.frombuffer(data, kind, len(data) // kind.itemsize)
        return plain.astype(np.int32) - zero if zero else plain

    return decode


_FORMATS: dict[int, _Layout] = {
    0: _Layout(1, 1, None, _decode_words("i1")),
    8: _Layout(1, 1, None, _decode_words("i1")),
    16: _Layout(1, 2, -(1 << 15), _decode_words("<i2")),
    24: _Layout(1, 3, -(1 << 23), _decode_24),
    32: _Layout(1, 4, -(1 << 31), _decode_words("<i4")),
    61: _Layout(1, 2, -(1 << 15), _decode_words(">i2")),
    80: _Layout(1, 1, -(1 << 7), _decode_words("u1", 1 << 7)),
    160: _Layout(1, 2, -(1 << 15), _decode_words("<u2", 1 << 15)),
    212: _Layout(2, 3, -(1 << 11), _decode_212),
    310: _Layout(3, 4, -(1 << 9), _decode_310),
    311: _Layout(3, 4, -(1 << 9), _decode_311),
}


# ---------------------------------------------------------------- several segments


def _open_segments(path: Path, header: _Header, follow: bool) -> _Part:
    """Open a record of several segments, of one layout or of a variable one."""
    parts: dict[str, _Part] = {}

    def part(name: str) -> _Part:
        if name not in parts:
            file = named_file(path, f"{name}.hea", follow=follow)
            try:
                inner = _read_header(file)
            except FileNotFoundError:
                raise RecordError(
                    f"{file}: missing, though {path.name} names it; put both files in one folder"
                ) from None
            if inner.segments:
                raise RecordError(f"{file}: is a segment that has segments; fetch it again")
            if inner.fs != header.fs:
                raise RecordError(
                    f"{file}: is sampled at {inner.fs:g} Hz in a record of {header.fs:g} Hz; "
                    "fetch it again"
                )
            parts[name] = _open_one(file, inner, follow)
        return parts[name]

    segments = list(header.segments)
    if segments[0][1] == 0 and segments[0][0] != "~":
        signals = part(segments.pop(0)[0]).signals
    else:
        named = next((name for name, _ in segments if name != "~"), None)
        if named is None:
            raise RecordError(f"{path}: has no segment with samples; fetch it again")
        signals = part(named).signals
    if MAY_GROW in header.comments and segments[-1][0] != "~":
        segments[-1] = (segments[-1][0], part(segments[-1][0]).n_frames)
    keys = _keys(signals)
    places: list[tuple[int, int, _Part | None, dict[int, tuple[int, float]]]] = []
    position = present = 0
    for name, length in segments:
        inner = None if name == "~" else part(name)
        columns: dict[int, tuple[int, float]] = {}
        if inner is not None:
            if length > inner.n_frames:
                raise RecordError(
                    f"{path}: truncated: the segment {name} is promised with {length} samples and "
                    f"has {inner.n_frames}; fetch it again"
                )
            own = {key: i for i, key in enumerate(_keys(inner.signals))}
            for i, key in enumerate(keys):
                if key in own:
                    columns[i] = (own[key], _between(inner.signals[own[key]], signals[i], path))
            present += length
        places.append((position, position + length, inner, columns))
        position += length
    missing = position - present
    if header.n_samples not in (0, position):
        raise RecordError(
            f"{path}: promises {header.n_samples} samples and its segments have {position}; "
            "fetch it again"
        )
    if missing > _MISSING_PER_PRESENT * max(present, round(header.fs)):
        raise RecordError(
            f"{path}: says that {missing} samples are missing and has {present}; correct the header"
        )
    starts = np.array([begin for begin, *_ in places])

    def read(start: int, stop: int, columns: Sequence[int]) -> Values:
        per = signals[columns[0]].per_frame
        out = np.full((stop - start, len(columns)), np.nan, np.float32)
        index = max(0, int(np.searchsorted(starts, start // per, "right")) - 1)
        for begin, end, inner, where in places[index:]:
            if begin * per >= stop:
                break
            a, b = max(start, begin * per), min(stop, end * per)
            picked = [(t, *where[i]) for t, i in enumerate(columns) if i in where]
            if inner is None or a >= b or not picked:
                continue
            values = inner.read(a - begin * per, b - begin * per, [i for _, i, _ in picked])
            for source, (target, _, factor) in enumerate(picked):
                out[a - start : b - start, target] = values[:, source] * np.float32(factor)
        return out

    return _Part(signals, position, read)


def _keys(signals: tuple[_Signal, ...]) -> list[tuple[str, int]]:
    """Return each signal's label and how many before it have the same."""
    seen: dict[str, int] = {}
    keys = []
    for signal in signals:
        keys.append((signal.label, seen.get(signal.label, 0)))
        seen[signal.label] = keys[-1][1] + 1
    return keys


def _between(inner: _Signal, outer: _Signal, path: Path) -> float:
    """Return the factor from a segment's unit to the layout's."""
    if inner.per_frame != outer.per_frame:
        raise RecordError(
            f"{path}: signal {outer.label!r} changes its rate between segments; split it there"
        )
    if inner.units == outer.units:
        return 1.0
    a, b = to_millivolt(inner.units), to_millivolt(outer.units)
    if a is None or b is None:
        raise RecordError(
            f"{path}: signal {outer.label!r} changes its unit from {outer.units} to {inner.units} "
            "between segments; split it there"
        )
    return a / b
