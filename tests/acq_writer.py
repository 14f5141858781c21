"""AcqKnowledge files that tests write, with the layouts that bioread knows."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
from record_files import ecg

# Version 3.8.1: channels of several rates, compressed or not, and markers without a time.
REVISION, FS = 41, 1000
COUNTS = np.rint(10_000 * ecg(6000, 1, FS)[:, 0]).astype("<i2")
BREATH = np.rint(3000 * np.sin(np.arange(1500) / 80)).astype("<i2")


def packed(kind: str, trailing: bytes = b"", **values: Any) -> bytes:
    """A header of this name with some of its fields set, and what follows it."""
    from bioread import headers

    made = getattr(headers, kind).for_revision(REVISION, "<")._struct_class()
    for name, value in values.items():
        setattr(made, name, value)
    return bytes(made) + trailing


def write_acq(
    path: Path,
    *,
    markers: tuple[tuple[int, str], ...] = (),
    compressed: bool = False,
    unit: str = "mV",
) -> Path:
    """An ECG at 1000 Hz, a tenth of a microvolt a count, and a breath at a quarter of that."""
    channels = [("ECG 100C", unit, COUNTS, 1, 1e-4), ("RSP 100C", "Volts", BREATH, 4, 1e-3)]
    size = len(packed("GraphHeader"))
    parts = [
        packed(
            "GraphHeader",
            lVersion=REVISION,
            lExtItemHeaderLen=size,
            nChannels=len(channels),
            dSampleTime=1000 / FS,
            bCompressed=int(compressed),
        )
    ]
    size = len(packed("ChannelHeader"))
    for i, (name, of, counts, every, scale) in enumerate(channels):
        parts.append(
            packed(
                "ChannelHeader",
                lChanHeaderLen=size,
                szCommentText=name.encode(),
                szUnitsText=of.encode(),
                lBufLength=len(counts),
                dAmplScale=scale,
                dAmplOffset=0.5 if of == "Volts" else 0.0,
                nChanOrder=i,
                nVarSampleDivider=every,
            )
        )
    parts.append(packed("ForeignHeader", nLength=4))
    parts += [packed("ChannelDTypeHeader", nSize=2, nType=2) for _ in channels]
    if not compressed:
        # 0 1 0 0 0, 0 1 0 0 0, ...: the slow channel has every fourth sample.
        table = np.insert(COUNTS.reshape(-1, 4), 1, BREATH, axis=1)
        parts.append(table.tobytes())
    parts.append(packed("MarkerHeader", lMarkers=len(markers)))
    parts += [
        packed("MarkerItemHeader", text.encode() + b"\0", lSample=at, nTextLength=len(text))
        for at, text in markers
    ]
    journal = b"a quiet room".ljust(100, b"\0")
    parts.append(packed("JournalHeader", journal, tag=(0x44, 0x33, 0x22, 0x11), lJournalLen=100))
    if compressed:
        parts.append(packed("MainCompressionHeader"))
        for _, _, counts, _, _ in channels:
            data = zlib.compress(counts.tobytes())
            parts.append(packed("ChannelCompressionHeader", data, lCompressedLen=len(data)))
    path.write_bytes(b"".join(parts))
    return path
