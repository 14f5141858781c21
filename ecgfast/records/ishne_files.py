"""ISHNE Holter recordings, from Badilini's description of the format (A.N.E. 1998;3:263-266)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..errors import RecordError
from .byte_order import LOOKED, swapped_note
from .files import open_regular
from .opened import Column, Opened, Values

__all__ = ["open_ishne"]

_HEADER = 522  # bytes before the variable block: magic, checksum, fixed block
_MOST_LEADS = 12

# Table of lead codes.
_LEADS = (
    "unknown", "bipolar", "X", "Y", "Z", "I", "II", "III", "aVR", "aVL", "aVF",
    "V1", "V2", "V3", "V4", "V5", "V6", "ES", "AS", "AI",
)  # fmt: skip


def open_ishne(path: Path) -> Opened:
    """Open an ISHNE Holter file; blocks are read as they are asked for."""
    with open_regular(path) as file:
        head = file.read(_HEADER)
        size = file.seek(0, 2)
    if len(head) < _HEADER:
        raise RecordError(f"{path}: ends within its ISHNE header; export or fetch it again")
    variable, per_lead, _, at = struct.unpack_from("<4i", head, 10)
    start = _moment(head)
    (n_leads,) = struct.unpack_from("<h", head, 156)
    codes = struct.unpack_from("<12h", head, 158)
    resolution = struct.unpack_from("<12h", head, 206)
    (fs,) = struct.unpack_from("<h", head, 272)
    if not 1 <= n_leads <= _MOST_LEADS or fs <= 0 or at < _HEADER or variable < 0:
        raise RecordError(
            f"{path}: the ISHNE header is damaged ({n_leads} leads at {fs} Hz, samples from byte "
            f"{at}); export or fetch it again"
        )
    present = max(0, size - at) // (2 * n_leads)
    # The count is of samples a lead; some recorders write that of all leads together.
    promised = per_lead // n_leads if per_lead == present * n_leads else per_lead
    if promised > present:
        raise RecordError(
            f"{path}: truncated: the header promises {promised} samples a lead and {present} are "
            "present; export or fetch it again"
        )
    over = size - at - 2 * n_leads * promised if promised > 0 else 0
    notes = [
        f"only the {promised} samples a lead that the header counts are read: the file holds "
        f"{over} bytes more, as after a transfer that changes ends of lines"
    ] * (over > 0)
    # Nanovolts a count; a file without them says nothing of its unit.
    known = [r > 0 for r in resolution[:n_leads]]
    scale = np.array([r if ok else 1 for r, ok in zip(resolution, known, strict=False)], np.float64)
    names = [_LEADS[c] if 0 < c < len(_LEADS) else "" for c in codes[:n_leads]]
    n_samples = promised if promised > 0 else present

    def counts(start: int, stop: int) -> npt.NDArray[np.int16]:
        with open_regular(path) as file:
            file.seek(at + 2 * n_leads * start)
            data = file.read(2 * n_leads * (stop - start))
        table = np.frombuffer(data, "<i2", len(data) // (2 * n_leads) * n_leads)
        return table.reshape(-1, n_leads)

    def read(start: int, stop: int, columns: Sequence[int]) -> Values:
        picked = list(columns)
        return counts(start, stop)[:, picked] * scale[picked]

    begin = max(0, n_samples - LOOKED) // 2
    notes += swapped_note(zip(names, counts(begin, begin + LOOKED).T, strict=True), 2)

    return Opened(
        path=path,
        format="ISHNE",
        columns=tuple(
            Column(name, "nV" if ok else "", float(fs), n_samples, "ecg")
            for name, ok in zip(names, known, strict=True)
        ),
        read=read,
        start=start,
        notes=tuple(notes),
    )


def _moment(head: bytes) -> datetime | None:
    """Return when the recording began; None where the header does not say."""
    day, month, year = struct.unpack_from("<3h", head, 138)
    hour, minute, second = struct.unpack_from("<3h", head, 150)
    try:
        return datetime(year, month, day, hour, minute, second)
    except ValueError:
        return None
