"""Recordings of BIOPAC's AcqKnowledge (``.acq``), decoded by bioread."""

from __future__ import annotations

import logging
import math
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..errors import RecordError
from ..extras import need
from .files import open_regular
from .opened import Column, Opened, Values
from .record import Annotations

__all__ = ["open_acq"]

# Bytes of a file, which is held in memory: a day of 16 channels at 250 Hz.
_LARGEST = 1 << 30

# Samples of all channels until their pattern repeats: rates that differ by powers of two make few.
_LONGEST_PATTERN = 1 << 20

# Marks where AcqKnowledge began to record, which it calls segments.
_SEGMENT, _SEGMENT_TEXT, _FIRST = "apnd", "Segment ", "Segment 1"


def open_acq(path: Path) -> Opened:
    """Open an AcqKnowledge file of version 3 to 5, compressed or not.

    Channels have their own names, units and rates; events become annotations of the symbol ``"``
    (a note) with their text. Segments that were recorded one after the other are read without the
    pauses between them, and a note says so.
    """
    bioread = need("bioread", "Reading AcqKnowledge files (bioread)", "biopac")
    with open_regular(path) as file, _quiet():
        size = file.seek(0, 2)
        if size > _LARGEST:
            raise RecordError(f"{path}: is larger than {_LARGEST >> 30} GB; cut it in parts")
        file.seek(0)
        head = bioread.read_headers(file)
        if head is None or not head.channels:
            raise RecordError(
                f"{path}: is no AcqKnowledge file that bioread knows, or ends within its header; "
                "export it from AcqKnowledge as text"
            )
        _check(path, head, file, size)
        file.seek(0)
        data = bioread.read(file)
    channels = list(data.channels)
    length = max(len(c.raw_data) * c.frequency_divider for c in channels)
    markers = sorted(data.event_markers or (), key=lambda marker: marker.sample_index)
    notes = []
    segments = [m for m in markers if _begins_segment(m)]
    first = next((m for m in segments if m.text == _FIRST), None)
    if any(not 0 <= m.sample_index <= length for m in markers):
        # bioread 2025.5.2: those of one compressed file of version 5 are all shifted.
        notes.append(f"its {len(markers)} events are not read: they lie outside the recording")
        markers, segments = [], []
    if any(m.sample_index > 0 for m in segments):
        begins = [m.sample_index / data.samples_per_second for m in segments if m.sample_index > 0]
        listed = ", ".join(f"{at:.2f} s" for at in begins[:4]) + ", ..." * (len(begins) > 4)
        notes.append(
            f"segments that were recorded one after the other begin at {listed}: the pauses before "
            "them are not in the signal, and an interval across one is no RR interval"
        )
    start = None if first is None else first.date_created_utc
    if start is not None:
        notes.append("times of day are UTC, as AcqKnowledge stores them")

    def read(begin: int, end: int, chosen: Sequence[int]) -> Values:
        out = np.empty((end - begin, len(chosen)), np.float64)
        for target, i in enumerate(chosen):
            channel = channels[i]
            raw = channel.raw_data[begin:end]
            out[:, target] = raw * channel.raw_scale_factor + channel.raw_offset
        return out

    def annotations(fs: float) -> Annotations | None:
        said = [m for m in markers if m not in segments]
        if not said:
            return None
        at = np.array([m.sample_index for m in said], np.float64)
        sample = np.rint(at * (fs / data.samples_per_second)).astype(np.int64)
        text = np.array([" ".join(str(m.text).split()) for m in said], np.str_)
        return Annotations(sample, np.full(len(said), '"'), text)

    return Opened(
        path=path,
        format="AcqKnowledge",
        columns=tuple(
            Column(c.name.strip(), c.units.strip(), float(c.samples_per_second), len(c.raw_data))
            for c in channels
        ),
        read=read,
        start=_without_zone(start),
        utc_offset=None if start is None else 0.0,
        annotations=annotations,
        notes=tuple(notes),
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep bioread, which prints what it stumbles over, from printing."""
    log = logging.getLogger("bioread")
    level = log.level
    log.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        log.setLevel(level)


def _check(path: Path, head: Any, file: BinaryIO, size: int) -> None:
    """Raise if the channels that the header promises cannot be in the file."""
    needed = 0
    for channel in head.channels:
        rate = float(channel.samples_per_second)
        if channel.point_count < 0 or channel.frequency_divider < 1 or not 0 < rate < math.inf:
            raise RecordError(
                f"{path}: its header is damaged: channel {channel.name!r} has "
                f"{channel.point_count} samples at {rate:g} Hz; export it again"
            )
        needed += channel.point_count * channel.sample_size
    pattern = math.lcm(*(c.frequency_divider for c in head.channels)) * len(head.channels)
    if pattern > _LONGEST_PATTERN:
        raise RecordError(
            f"{path}: its channels have rates that differ too much ({pattern} samples until they "
            "repeat); export it from AcqKnowledge as text"
        )
    if not head.is_compressed:
        if needed > size:
            raise RecordError(
                f"{path}: truncated: its channels need {needed} bytes and {size} are present; "
                "copy it again"
            )
        return
    if needed > _LARGEST:
        raise RecordError(f"{path}: unpacks to more than {_LARGEST >> 30} GB; cut it in parts")
    for channel, packed in zip(head.channels, head.channel_compression_headers or (), strict=True):
        file.seek(packed.compressed_data_offset)
        unpacked = zlib.decompressobj()
        promised = channel.point_count * channel.sample_size
        found = unpacked.decompress(file.read(packed.compressed_data_len), promised + 1)
        if len(found) != promised:
            raise RecordError(
                f"{path}: channel {channel.name!r} does not unpack to its {channel.point_count} "
                "samples; copy it again"
            )


def _begins_segment(marker: Any) -> bool:
    text = str(marker.text)
    named = text.startswith(_SEGMENT_TEXT) and text.removeprefix(_SEGMENT_TEXT).isdecimal()
    return named or marker.type_code == _SEGMENT


def _without_zone(start: datetime | None) -> datetime | None:
    return None if start is None else start.replace(tzinfo=None)
