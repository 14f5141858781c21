"""WFDB records: the common kinds decoded with numpy, every other kind through the wfdb package.

The common kinds (one segment, one rate, no skew, formats 16, 24, 32, 61, 80, 160 and 212) are
nearly all of PhysioNet's ECG archives. They are read here, from the descriptions in the WFDB
Applications Guide, header(5) and signal(5), since importing wfdb takes longer than the work.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import RecordError
from .leads import Leads, choose_leads, to_millivolt
from .mit import read_annotations
from .record import Annotations, FloatArray, RecordSource, check_fs

__all__ = ["open_wfdb"]

IntArray = npt.NDArray[np.signedinteger[Any]]

# Bytes taken by two samples, and the value that stands for a missing sample.
_FORMATS: dict[int, tuple[int, int]] = {
    16: (4, -(1 << 15)),
    24: (6, -(1 << 23)),
    32: (8, -(1 << 31)),
    61: (4, -(1 << 15)),
    80: (2, -(1 << 7)),
    160: (4, -(1 << 15)),
    212: (3, -(1 << 11)),
}

_FORMAT_FIELD = re.compile(r"(\d+)(?:x(\d+))?(?::(\d+))?(?:\+(\d+))?")
_GAIN_FIELD = re.compile(r"([-+.\deE]+)?(?:\((-?\d+)\))?(?:/(\S+))?")


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
    label: str


@dataclass(frozen=True)
class _Header:
    """A header of a single-segment record; `n_samples` is 0 where the header leaves it open."""

    fs: float
    n_samples: int
    start: datetime | None
    signals: tuple[_Signal, ...]
    comments: tuple[str, ...]

    @property
    def common(self) -> bool:
        """Whether the signals are of the kinds decoded here."""
        by_file: dict[str, tuple[int, int]] = {}
        for s in self.signals:
            if s.format not in _FORMATS or s.per_frame != 1 or s.skew or s.file in ("~", "-"):
                return False
            if by_file.setdefault(s.file, (s.format, s.offset)) != (s.format, s.offset):
                return False
        return True


def open_wfdb(path: Path, leads: Leads) -> RecordSource:
    """Open the WFDB record whose header is `path`.

    Parameters
    ----------
    path : Path
        The ``.hea`` file.
    leads : str, int, sequence of these, or None
        Signals to read, as in `read_record`.

    Returns
    -------
    RecordSource

    Raises
    ------
    RecordError
        If the header is none, or a signal file is missing or shorter than promised.
    """
    header = _read_header(path)
    if header is not None and header.common:
        return _open_common(path, header, leads)
    return _open_through_wfdb(path, leads)


def _read_header(path: Path) -> _Header | None:
    """Parse a header; None for one of several segments."""
    text = path.read_bytes().decode("utf-8", "replace")
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
    try:
        n_signals = int(fields[1])
        # A rate may be followed by a counter frequency, which the signals do not need.
        fs = float(re.split(r"[/(]", fields[2])[0]) if len(fields) > 2 else 250.0
        n_samples = int(fields[3]) if len(fields) > 3 else 0
        if n_signals < 0 or n_samples < 0:
            raise ValueError
    except (IndexError, ValueError):
        raise RecordError(
            f"{path}: line {number} is no WFDB record line (name, signals, rate, samples): "
            f"{line[:60]!r}"
        ) from None
    if "/" in fields[0]:
        return None
    if n_signals == 0:
        raise RecordError(f"{path}: the header names no signals; give a record with at least one")
    if len(lines) <= n_signals:
        raise RecordError(
            f"{path}: the header promises {n_signals} signals and describes {len(lines) - 1}; "
            "fetch it again"
        )
    signals = tuple(
        _parse_signal(path, number, line, i)
        for i, (number, line) in enumerate(lines[1 : n_signals + 1])
    )
    return _Header(fs, n_samples, _parse_start(fields[4:6]), signals, tuple(filter(None, comments)))


def _parse_signal(path: Path, number: int, line: str, index: int) -> _Signal:
    """Parse a signal line: file, format, gain, bits, zero, first value, checksum, block, label."""
    fields = line.split(None, 8)
    form = _FORMAT_FIELD.fullmatch(fields[1]) if len(fields) > 1 else None
    gain = _GAIN_FIELD.fullmatch(fields[2] if len(fields) > 2 else "200")
    try:
        if form is None or gain is None:
            raise ValueError
        zero = int(fields[4]) if len(fields) > 4 else 0
        return _Signal(
            file=fields[0],
            format=int(form[1]),
            per_frame=int(form[2] or 1),
            skew=int(form[3] or 0),
            offset=int(form[4] or 0),
            gain=float(gain[1] or 0) or 200.0,
            baseline=int(gain[2]) if gain[2] else zero,
            units=gain[3] or "mV",
            label=fields[8] if len(fields) > 8 else f"signal {index}",
        )
    except ValueError:
        raise RecordError(
            f"{path}: line {number} is no WFDB signal line (file, format, gain, ...): {line[:60]!r}"
        ) from None


def _parse_start(fields: list[str]) -> datetime | None:
    """Return time and date of a record line; None unless both are there and make sense."""
    if len(fields) < 2:
        return None
    try:
        clock = [float(part) for part in fields[0].split(":")]
        seconds = sum(part * 60**i for i, part in enumerate(reversed(clock)))
        day, month, year = (int(part) for part in fields[1].split("/"))
        whole, fraction = divmod(round(seconds * 1e6), 1_000_000)
        at = time(whole // 3600, whole // 60 % 60, whole % 60, fraction)
        return datetime.combine(date(year, month, day), at)
    except ValueError:
        return None


def _open_common(path: Path, header: _Header, leads: Leads) -> RecordSource:
    """Open a record of the kinds decoded here."""
    fs = check_fs(header.fs, str(path))
    signals = header.signals
    chosen = choose_leads([s.label for s in signals], [s.units for s in signals], leads, str(path))

    # Columns of one file are stored interleaved, so each file is read once for all its leads.
    files: dict[str, list[int]] = {}
    for i, signal in enumerate(signals):
        files.setdefault(signal.file, []).append(i)
    readers: list[tuple[Path, _Signal, int, list[tuple[int, int]]]] = []
    n_samples = header.n_samples
    for name, columns in files.items():
        wanted = [(out, columns.index(i)) for out, i in enumerate(chosen) if i in columns]
        if not wanted:
            continue
        first = signals[columns[0]]
        dat = path.parent / name
        held = _frames_held(dat, path, first, len(columns))
        if header.n_samples > held:
            raise RecordError(
                f"{dat}: truncated: the header promises {header.n_samples} samples a lead and "
                f"{held} are present; fetch the file again, or correct the header"
            )
        if not header.n_samples:
            n_samples = min(n_samples, held) if readers else held
        readers.append((dat, first, len(columns), wanted))

    scales = [
        (signals[i].gain, signals[i].baseline, to_millivolt(signals[i].units)) for i in chosen
    ]

    def fetch(start: int, stop: int) -> FloatArray:
        out = np.empty((stop - start, len(chosen)), np.float32)
        for dat, first, n_columns, wanted in readers:
            raw = _decode(dat, first, start * n_columns, (stop - start) * n_columns)
            table = raw.reshape(-1, n_columns)
            for target, column in wanted:
                gain, baseline, unit = scales[target]
                digits = table[:, column]
                # Double precision, as the wfdb package computes it: the same bits come out.
                value = (digits.astype(np.float64) - baseline) / gain
                if unit not in (None, 1.0):
                    value *= unit
                out[:, target] = value
                out[digits == _FORMATS[first.format][1], target] = np.nan
        return out

    return RecordSource(
        fs=fs,
        leads=tuple(signals[i].label for i in chosen),
        n_samples=n_samples,
        fetch=fetch,
        start=header.start,
        annotations=_reference(path, fs),
        name=path.stem,
        units=tuple(_shown_unit(signals[i].units) for i in chosen),
        comments=header.comments,
    )


def _shown_unit(units: str) -> str:
    """Return ``mV`` for voltages, which are converted, and the file's own unit for the rest."""
    return units if to_millivolt(units) is None else "mV"


def _reference(path: Path, fs: float, per_frame: int = 1) -> Annotations | None:
    """Read the reference annotations beside a header, if there are any."""
    atr = path.with_name(f"{path.stem}.atr")
    if not atr.is_file():
        return None
    marks = read_annotations(atr, fs=fs / per_frame)
    if per_frame == 1:
        return marks
    # An annotation file counts in frames, the signal here in samples.
    return Annotations(marks.sample * per_frame, marks.symbol, marks.aux)


def _frames_held(dat: Path, header: Path, signal: _Signal, n_columns: int) -> int:
    """Return how many samples a lead a signal file holds."""
    try:
        size = dat.stat().st_size - signal.offset
    except FileNotFoundError:
        raise RecordError(
            f"{dat}: missing, though {header.name} names it; put both files in one folder"
        ) from None
    per_pair = _FORMATS[signal.format][0]
    # A lone last sample of format 212 takes two of the pair's three bytes.
    lone = 1 if size % per_pair >= (per_pair + 1) // 2 else 0
    return max(0, size // per_pair * 2 + lone) // n_columns


def _decode(dat: Path, signal: _Signal, first: int, count: int) -> IntArray:
    """Read `count` samples of a signal file, from sample `first` of all its leads together."""
    per_pair = _FORMATS[signal.format][0]
    odd = first % 2
    begin = signal.offset + first // 2 * per_pair
    with dat.open("rb") as file:
        file.seek(begin)
        data = file.read((count + odd + 1) // 2 * per_pair)
    return _DECODERS[signal.format](data)[odd : odd + count]


def _decode_24(data: bytes) -> IntArray:
    """Decode 24-bit little-endian samples."""
    triples = np.frombuffer(data, np.uint8, len(data) // 3 * 3).reshape(-1, 3)
    wide = np.zeros((len(triples), 4), np.uint8)
    # Into the high bytes, then shifted down: the shift extends the sign.
    wide[:, 1:] = triples
    return wide.view("<i4")[:, 0] >> 8


def _decode_212(data: bytes) -> IntArray:
    """Decode pairs of 12-bit samples packed in three bytes."""
    if len(data) % 3:
        data += bytes(3 - len(data) % 3)
    triples = np.frombuffer(data, np.uint8).reshape(-1, 3)
    middle = triples[:, 1].astype(np.int16)
    out = np.empty((len(triples), 2), np.int16)
    # Built in the high twelve bits, then shifted down: the shift extends the sign.
    out[:, 0] = (middle << 12) | (triples[:, 0].astype(np.int16) << 4)
    out[:, 1] = ((middle & 0xF0) << 8) | (triples[:, 2].astype(np.int16) << 4)
    out >>= 4
    return out.reshape(-1)


def _decode_words(dtype: str, zero: int = 0) -> Callable[[bytes], IntArray]:
    """Return a decoder of plain integers, offset by `zero`."""
    kind = np.dtype(dtype)

    def decode(data: bytes) -> IntArray:
        plain = np.frombuffer(data, kind, len(data) // kind.itemsize)
        return plain.astype(np.int32) - zero if zero else plain

    return decode


_DECODERS: dict[int, Callable[[bytes], IntArray]] = {
    16: _decode_words("<i2"),
    24: _decode_24,
    32: _decode_words("<i4"),
    61: _decode_words(">i2"),
    80: _decode_words("u1", 1 << 7),
    160: _decode_words("<u2", 1 << 15),
    212: _decode_212,
}


def _open_through_wfdb(path: Path, leads: Leads) -> RecordSource:
    """Open any other record: several segments or rates, skew, compressed formats."""
    import wfdb

    name = str(path.with_suffix(""))
    try:
        header = wfdb.rdheader(name, rd_segments=True)
        if isinstance(header, wfdb.MultiRecord):
            labels = list(header.get_sig_name())
            whole = wfdb.rdrecord(name, sampto=1, smooth_frames=False)
            units, per_frame = list(whole.units), list(whole.samps_per_frame)
        else:
            labels = list(header.sig_name)
            units, per_frame = list(header.units), list(header.samps_per_frame)
        length = header.sig_len
        if length is None:
            length = wfdb.rdrecord(name).sig_len
    except Exception as error:  # whatever it raises, the record is at fault
        raise RecordError(f"{path}: the wfdb package cannot read it ({error})") from None

    labels = [label or f"signal {i}" for i, label in enumerate(labels)]
    chosen = choose_leads(labels, units, leads, str(path))
    rates = {per_frame[i] for i in chosen}
    if len(rates) > 1:
        listed = ", ".join(f"{labels[i]} {header.fs * per_frame[i]:g} Hz" for i in chosen)
        raise RecordError(
            f"{path}: the chosen leads differ in rate ({listed}); pick some of one rate with leads="
        )
    per = rates.pop()
    factors = [to_millivolt(units[i]) for i in chosen]

    def fetch(start: int, stop: int) -> FloatArray:
        frame = start // per
        try:
            part = wfdb.rdrecord(
                name,
                sampfrom=frame,
                sampto=-(-stop // per),
                channels=chosen,
                smooth_frames=False,
            )
            columns = part.e_p_signal
            out = np.empty((stop - start, len(chosen)), np.float32)
            for i, factor in enumerate(factors):
                column = columns[i][start - frame * per : stop - frame * per]
                out[:, i] = column if factor is None else column * factor
        except Exception as error:  # whatever it raises, the record is at fault
            raise RecordError(
                f"{path}: samples {start} to {stop} cannot be read ({error}); fetch it again"
            ) from None
        return out

    fs = check_fs(header.fs * per, str(path))
    return RecordSource(
        fs=fs,
        leads=tuple(labels[i] for i in chosen),
        n_samples=length * per,
        fetch=fetch,
        start=header.base_datetime,
        annotations=_reference(path, fs, per),
        name=path.stem,
        units=tuple(_shown_unit(units[i]) for i in chosen),
        comments=tuple(header.comments or ()),
    )
