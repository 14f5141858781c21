"""WAV and FLAC files, as some recorders and phones write an ECG: read block by block."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import RecordError
from ..extras import need
from .files import damaged, open_regular
from .opened import Column, Opened, Values

__all__ = ["open_sound"]

_MOST_CHANNELS = 64

# Bits of integer samples; 0 of floating-point ones.
_BITS = {
    "PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32, "FLOAT": 0, "DOUBLE": 0,
}  # fmt: skip

# What a program writes that does not know the length yet; of 64 bits, whatever no file has.
_OPEN_ENDS, _LARGEST = (0, 0xFFFFFFFF, 0x7FFFFFFF), 1 << 62


def open_sound(path: Path) -> Opened:
    """Open a WAV or FLAC file of PCM samples or floating point; libsndfile decodes it.

    Such a file states no unit: integers are read as counts, floating-point samples as they are.
    Compression with loss is refused.
    """
    soundfile = need("soundfile", "Reading WAV and FLAC files (soundfile)", "formats")
    with open_regular(path) as file:
        head = file.read(28)
        size = file.seek(0, 2)
    promised = _promised(head)
    if size < promised < _LARGEST:
        raise RecordError(
            f"{path}: truncated: {promised} bytes are promised and {size} are present; fetch it "
            "again"
        )
    info = soundfile.info(str(path))
    bits = _BITS.get(info.subtype)
    if info.format not in ("WAV", "WAVEX", "RF64", "W64", "FLAC") or bits is None:
        raise RecordError(
            f"{path}: holds {info.format} {info.subtype}, which keeps no exact samples; save it as "
            "16-bit PCM"
        )
    if not 1 <= info.channels <= _MOST_CHANNELS or not 0 < info.frames < 1 << 40:
        raise RecordError(
            f"{path}: has {info.frames} samples of {info.channels} channels; save it again"
        )

    def read(start: int, stop: int, columns: Sequence[int]) -> Values:
        kind = f"an intact {info.format} file"
        with damaged(path, kind, "fetch it again"), soundfile.SoundFile(str(path)) as file:
            file.seek(start)
            table = file.read(stop - start, "int32" if bits else "float64", always_2d=True)
        picked = table[:, list(columns)]
        return np.asarray(picked >> (32 - bits) if bits else picked, np.float64)

    return Opened(
        path=path,
        format=info.format,
        columns=tuple(
            Column("", "", float(info.samplerate), info.frames) for _ in range(info.channels)
        ),
        read=read,
    )


def _promised(head: bytes) -> int:
    """Return the length in bytes that a header states; 0 where it states none, as that of FLAC.

    libsndfile takes a file that was cut short for a shorter one.
    """
    if head[:4] == b"RIFF":
        size = int.from_bytes(head[4:8], "little")
        return 0 if size in _OPEN_ENDS else size + 8
    if head[:4] == b"RF64" and head[12:16] == b"ds64":
        return int.from_bytes(head[20:28], "little") + 8
    if head[:4] == b"riff":  # Wave64
        return int.from_bytes(head[16:24], "little")
    return 0
