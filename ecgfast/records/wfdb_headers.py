"""Headers of WFDB records: header(5) of the WFDB Applications Guide."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path

from ..errors import RecordError
from ..printable import counted
from .files import read_regular
from .wfdb_layouts import COMPRESSED, LAYOUTS

__all__ = ["Header", "Signal", "read_header"]

# Signals and segments of one record, and bytes of a header: more than any recording has.
_MOST_SIGNALS, _MOST_SEGMENTS, _MOST_BYTES = 4096, 65536, 1 << 24

_FORMAT_FIELD = re.compile(r"(\d{1,4})(?:x(\d{1,9}))?(?::(\d{1,18}))?(?:\+(\d{1,18}))?", re.ASCII)
_GAIN_FIELD = re.compile(r"([-+.\deE]+)?(?:\((-?\d{1,18})\))?(?:/(\S+))?", re.ASCII)


@dataclass(frozen=True)
class Signal:
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
    checksum: int  # of 16 bits; 0 where the header states none, or one that was never set
    label: str
    states_gain: bool = True


@dataclass(frozen=True)
class Header:
    """A header; `n_samples` is 0 where it leaves the length open, `segments` where it has some."""

    fs: float
    n_samples: int
    start: datetime | None
    start_time: time | None
    signals: tuple[Signal, ...]
    segments: tuple[tuple[str, int], ...]
    comments: tuple[str, ...]
    states_rate: bool = True


def read_header(path: Path) -> Header:
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
            f"{path}: line {number} is no WFDB record line (name without blanks, signals, rate, "
            f"samples): {line[:60]!r}; correct it"
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
    if not n_segments:
        _refuse_more_signals(path, n_signals, lines)
    signals, segments = [], []
    for i, (number, line) in enumerate(lines[1 : count + 1]):
        if n_segments:
            segments.append(_parse_segment(path, number, line))
        else:
            signals.append(_parse_signal(path, number, line, i))
    return Header(
        fs,
        n_samples,
        *_parse_start(fields[4:6]),
        tuple(signals),
        tuple(segments),
        tuple(filter(None, comments)),
        states_rate=len(fields) > 2,
    )


def _refuse_more_signals(path: Path, n_signals: int, lines: list[tuple[int, str]]) -> None:
    """Raise if lines of signals follow that the record line does not count.

    Their samples in the signal file would be read as those of the others.
    """
    files = {line.split()[0] for _, line in lines[1 : n_signals + 1]}
    others = [line.split() for _, line in lines[n_signals + 1 :]]
    more = sum(
        len(fields) > 1
        and (fields[0] in files or fields[0].lower().endswith(".dat"))
        and _FORMAT_FIELD.fullmatch(fields[1]) is not None
        for fields in others
    )
    if more:
        raise RecordError(
            f"{path}: line {lines[0][0]} counts {counted(n_signals, 'signal')}, and "
            f"{n_signals + more} are described; correct the number"
        )


def _parse_signal(path: Path, number: int, line: str, index: int) -> Signal:
    """Parse a signal line: file, format, gain, bits, zero, first value, checksum, block, label."""
    fields = line.split(None, 8)
    form = _FORMAT_FIELD.fullmatch(fields[1]) if len(fields) > 1 else None
    gain = _GAIN_FIELD.fullmatch(fields[2] if len(fields) > 2 else "200")
    try:
        if form is None or gain is None:
            raise ValueError
        zero = int(fields[4][:20]) if len(fields) > 4 else 0
        signal = Signal(
            file=fields[0],
            format=int(form[1]),
            per_frame=int(form[2] or 1) or 1,
            skew=int(form[3] or 0),
            offset=int(form[4] or 0),
            gain=float(gain[1] or 0) or 200.0,
            baseline=int(gain[2]) if gain[2] else zero,
            units=gain[3] or "mV",
            initial=int(fields[5][:20]) if len(fields) > 5 else 0,
            checksum=_checksum(fields[6]) if len(fields) > 6 else 0,
            label=fields[8] if len(fields) > 8 else f"signal {index}",
            states_gain=len(fields) > 2 and bool(float(gain[1] or 0)),
        )
        if not math.isfinite(signal.gain):
            raise ValueError
    except ValueError:
        raise RecordError(
            f"{path}: line {number} is no WFDB signal line (file, format, gain, ...): {line[:60]!r}"
        ) from None
    if signal.format not in LAYOUTS and signal.format not in COMPRESSED:
        raise RecordError(
            f"{path}: line {number} names the signal format {signal.format}, which WFDB does not "
            "have; fetch it again"
        )
    return signal


def _checksum(text: str) -> int:
    """Return a checksum, 0 for what is none."""
    try:
        return int(text[:20]) & 0xFFFF
    except ValueError:
        return 0


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
