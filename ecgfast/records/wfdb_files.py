"""WFDB records, from the descriptions in the WFDB Applications Guide, header(5) and signal(5).

Every format but the compressed ones (508, 516 and 524, which the wfdb package decodes) is decoded
here with numpy: several segments, rates and skew too. Sizes are computed from the signal files
before anything is allocated; files outside the record's folder are refused unless the caller
trusts the header.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import RecordError
from ..extras import need
from ..printable import counted
from ._samples import look_up
from .byte_order import LOOKED, swapped_note
from .files import damaged, named_file, open_regular
from .opened import Column, Opened, Values
from .record import Annotations
from .units import to_millivolt
from .wfdb_annotations import read_annotations
from .wfdb_headers import Header, Signal, read_header
from .wfdb_layouts import COMPRESSED, LAYOUTS, IntArray

__all__ = ["MAY_GROW", "open_wfdb"]

#: Comment of a header whose last segment holds as many samples as its file: it is being written, or
#: the program that wrote it was killed.
MAY_GROW = "the last segment may have grown since"

# Samples that a header may say are missing at the start or between segments, for each that is
# there: a header of a few bytes must not make days of nothing.
_MISSING_PER_PRESENT = 1000

# Samples of a file up to which its checksums are looked at: three hours of two leads at 360 Hz.
_CHECKED = 1 << 23

# Formats that store each sample in bytes of its own: their number.
_PLAIN = {16: 2, 61: 2, 24: 3, 32: 4}

# Types of numbers in MATLAB files of version 4, and those of some formats.
_MATLAB_4 = {
    0: "64-bit floating-point", 1: "32-bit floating-point", 2: "32-bit", 3: "16-bit",
    4: "unsigned 16-bit", 5: "8-bit",
}  # fmt: skip
_PLAIN_MATLAB = {16: "16-bit", 32: "32-bit", 80: "8-bit"}

# Tables of the values of all 65,536 digits that are kept, 256 KB each: signals of one gain share
# one, and so do the recordings of an archive.
_TABLED = 64


def open_wfdb(path: Path, *, fs: float | None = None, follow: bool = False) -> Opened:
    """Open the WFDB record whose header is `path`; `fs` and `follow` are as in `open_record`."""
    header = read_header(path)
    part = (
        _open_segments(path, header, follow) if header.segments else _open_one(path, header, follow)
    )
    if fs is not None and not header.states_rate:
        # What is given stands in place of the 250 Hz that WFDB assumes; it counts samples.
        most = max(signal.per_frame for signal in part.signals)
        header = replace(header, fs=fs / most, states_rate=True)

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
        marks_missing=True,
        fs_from="the file's header" if header.states_rate else "the default of WFDB",
        start_time=header.start_time,
        annotations=annotations,
        annotation_fs=header.fs,
        comments=header.comments,
        notes=(*_assumed(header, part.signals), *part.notes),
    )


def _assumed(header: Header, signals: tuple[Signal, ...]) -> list[str]:
    """What the header leaves open, and the WFDB format says of it."""
    notes = []
    if not header.states_rate:
        notes.append(f"no sampling rate is stated: {header.fs:g} Hz is assumed, as WFDB does")
    names = [signal.label for signal in signals if not signal.states_gain]
    if names:
        shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        notes.append(f"no gain is stated for {shown}: 200 per mV is assumed, as WFDB does")
    return notes


# ---------------------------------------------------------------- signal files


@dataclass(frozen=True, eq=False)
class _Part:
    """An opened record of one segment, or what several make together."""

    signals: tuple[Signal, ...]
    n_frames: int
    read: Callable[[int, int, Sequence[int]], Values]
    notes: tuple[str, ...] = ()


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


def _open_one(path: Path, header: Header, follow: bool) -> _Part:
    """Open a record of one segment."""
    grouped: dict[str, list[int]] = {}
    for i, signal in enumerate(header.signals):
        grouped.setdefault(signal.file, []).append(i)
    files: dict[int, _SignalFile] = {}
    held: list[int] = []
    notes = []
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
        most = max(header.signals[i].skew for i in members)
        beyond = file.n_frames - header.n_samples - most
        if header.n_samples and beyond > header.fs:
            notes.append(
                f"only the {header.n_samples} samples that the header counts are read: "
                f"{file.path.name} holds {beyond / header.fs:.1f} s more"
            )
        for i in members:
            if header.signals[i].skew > file.n_frames:
                raise RecordError(
                    f"{path}: shifts signal {i} by {header.signals[i].skew} samples and "
                    f"{file.n_frames} are present; correct the header"
                )
        _refuse_undescribed(path, header, file)
        notes += _damage(header, file, members) or _byte_order(header, file, members)
    if not held and header.n_samples > _MISSING_PER_PRESENT * header.fs:
        raise RecordError(
            f"{path}: says that {header.n_samples} samples are missing and has none; correct the "
            "header"
        )
    n_frames = header.n_samples or min(held, default=0)
    signals = header.signals

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
                values = _values(signal.gain, signal.baseline, file.missing)
                if per == 1:
                    look_up(digits, values, out[:, target])
                    continue
                value = np.empty(digits.size, np.float32)
                look_up(digits, values, value)
            else:
                value = _physical(digits.reshape(-1), signal.gain, signal.baseline, file.missing)
                if missing:
                    value = np.concatenate([value, np.full(missing, np.nan)])
            out[:, target] = value[start - first * per : stop - first * per]
        return out

    return _Part(signals, n_frames, read, tuple(notes))


@lru_cache(maxsize=_TABLED)
def _values(gain: float, baseline: int, missing: int | None) -> npt.NDArray[np.float32]:
    """Return the value of every digit of 16 bits, from -32768 on."""
    every = np.arange(-32768, 32768, dtype=np.int16)
    values = _physical(every, gain, baseline, missing).astype(np.float32)
    values.flags.writeable = False
    return values


def _physical(
    digits: IntArray, gain: float, baseline: int, missing: int | None
) -> npt.NDArray[np.floating[Any]]:
    """Return the values of stored samples."""
    # Double precision, as the wfdb package computes it: the same bits come out.
    value = (digits.astype(np.float64) - baseline) / gain
    if missing is not None:
        value[digits == missing] = np.nan
    return value


def _signal_file(
    header: Path, parsed: Header, name: str, members: list[int], follow: bool
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
            head = file.read(128)
            size = file.seek(0, 2) - first.offset
    except FileNotFoundError:
        raise RecordError(
            f"{dat}: missing, though {header.name} names it; put both files in one folder"
        ) from None
    _refuse_other_matlab(header, dat, head, first)
    if first.format in COMPRESSED:
        return _compressed_file(header, dat, first, begins, width, parsed.n_samples)
    layout = LAYOUTS[first.format]
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


def _refuse_other_matlab(header: Path, dat: Path, head: bytes, first: Signal) -> None:
    """Raise if a MATLAB file cannot hold such samples at the byte that the header names.

    Headers name byte 24 of files of version 4, where an array of integers begins.
    """
    said = ""
    if head.startswith(b"MATLAB") and first.offset < len(head):
        said = "of a later version"
    elif dat.suffix.lower() == ".mat" and len(head) >= 24:
        kind, rows, columns, imaginary, length = np.frombuffer(head, "<i4", 5).tolist()
        is_version_4 = 0 <= kind < 60 and min(rows, columns, length) > 0 and imaginary == 0
        held = _MATLAB_4.get(kind // 10 % 10, "")
        if is_version_4 and first.offset == 20 + length and held != _PLAIN_MATLAB.get(
            first.format, held
        ):  # fmt: skip
            said = f"of {held} numbers"
    if said:
        raise RecordError(
            f"{dat}: is a MATLAB file {said}, which does not hold the samples at byte "
            f"{first.offset} as {header.name} says; save it with version 4 (-v4, format='4') and "
            "integers of 16 bits, or read it without that header"
        )


def _refuse_undescribed(path: Path, header: Header, file: _SignalFile) -> None:
    """Raise if a file holds exactly the samples of more signals than the header describes.

    The samples of those left out would be read as samples of the others. In a file of less than a
    second the number may agree by chance.
    """
    if header.n_samples < header.fs:
        return
    held, described = file.n_frames * file.width, file.width
    fitting = round(held / header.n_samples)
    # Up to a frame is cut off at the end, and formats of packed samples are filled up to two.
    if fitting > described and -described < held - fitting * header.n_samples <= 2:
        raise RecordError(
            f"{path}: describes {counted(described, 'signal')} of {header.n_samples} samples in "
            f"{file.path.name}, which holds as many samples as {fitting} signals; give each signal "
            "a line in the header, or correct its number of samples"
        )


def _damage(header: Header, file: _SignalFile, members: list[int]) -> list[str]:
    """Return a note where the samples of a file are not those that its checksums are of.

    Not checked are long files, which are read block by block, and those whose signals have
    several rates or a skew.
    """
    signals = [header.signals[i] for i in members]
    plain = file.width == len(members) and not any(signal.skew for signal in signals)
    if not plain or not header.n_samples or header.n_samples * file.width > _CHECKED:
        return []
    if signals[0].format in COMPRESSED:  # FLAC has checksums of its own
        return []
    frames = file.frames(0, header.n_samples)
    wrong = [
        signal.label
        for i, signal in enumerate(signals)
        if signal.checksum and int(frames[:, i].sum(dtype=np.int64)) & 0xFFFF != signal.checksum
    ]
    if not wrong:
        return []
    shown = ", ".join(wrong[:3]) + (f" and {len(wrong) - 3} more" if len(wrong) > 3 else "")
    return [
        f"{file.path.name} may be damaged: its samples do not have the checksum that the header "
        f"states for {shown}; fetch it again"
    ]


def _byte_order(header: Header, file: _SignalFile, members: list[int]) -> list[str]:
    """Return a note where formats such as 16 and 61 seem to be mistaken for each other."""
    width = _PLAIN.get(header.signals[members[0]].format, 0)
    count = min(LOOKED, file.n_frames)
    if not width or not count:
        return []
    begin = (file.n_frames - count) // 2
    frames = file.frames(begin, begin + count)
    leads = ((header.signals[i].label, frames[:, file.begins[i]]) for i in members)
    return swapped_note(leads, width)


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
    header: Path, dat: Path, first: Signal, begins: dict[int, int], width: int, n_samples: int
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
    shift = 32 - COMPRESSED[first.format]

    def samples(start: int, number: int) -> IntArray:
        with damaged(dat, "an intact FLAC file", "fetch it again"):
            part = soundfile.read(
                str(dat), number // width, start // width, dtype="int32", always_2d=True
            )[0]
        return np.asarray(part, np.int32).reshape(-1) >> shift

    # Without a length of its own the header's counts; samples that are not there are missed later.
    frames = info.frames if 0 < info.frames < 1 << 40 else n_samples
    return _SignalFile(dat, -(1 << (COMPRESSED[first.format] - 1)), begins, width, frames, samples)


# ---------------------------------------------------------------- several segments


def _open_segments(path: Path, header: Header, follow: bool) -> _Part:
    """Open a record of several segments, of one layout or of a variable one."""
    parts: dict[str, _Part] = {}

    def part(name: str) -> _Part:
        if name not in parts:
            file = named_file(path, f"{name}.hea", follow=follow)
            try:
                inner = read_header(file)
            except FileNotFoundError:
                raise RecordError(
                    f"{file}: missing, though {path.name} names it; put both files in one folder"
                ) from None
            if inner.segments:
                raise RecordError(f"{file}: is a segment that has segments; fetch it again")
            if inner.states_rate and inner.fs != header.fs:
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


def _keys(signals: tuple[Signal, ...]) -> list[tuple[str, int]]:
    """Return each signal's label and how many before it have the same."""
    seen: dict[str, int] = {}
    keys = []
    for signal in signals:
        keys.append((signal.label, seen.get(signal.label, 0)))
        seen[signal.label] = keys[-1][1] + 1
    return keys


def _between(inner: Signal, outer: Signal, path: Path) -> float:
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
