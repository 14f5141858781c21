"""DICOM waveforms (PS3.3 C.10.9): ECGs and hemodynamic recordings, parsed by pydicom."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import RecordError
from ..extras import need
from .files import open_regular
from .opened import Column, Opened, Values, filter_notes

__all__ = ["open_dicom"]

# Bytes of a file, which is held in memory: a day of twelve leads at 500 Hz.
_LARGEST = 1 << 30
_MOST_CHANNELS = 256
# Seconds east of Greenwich, at most, and milliseconds by which a group may begin late: a week.
_FARTHEST_ZONE_S = 14 * 3600.0
_LATEST_MS = 7 * 86400e3
_DEFLATED = "1.2.840.10008.1.2.1.99"
_BIG_ENDIAN = "1.2.840.10008.1.2.2"

_DTYPES = {
    "SB": "i1", "UB": "u1", "SS": "i2", "US": "u2", "SL": "i4", "UL": "u4", "SV": "i8", "UV": "u8",
}  # fmt: skip

# Leads by their number in the vocabularies of ISO 11073 (2:1) and SCP-ECG (5.6.3-9-1).
_LEADS = {
    1: "I", 2: "II", 3: "V1", 4: "V2", 5: "V3", 6: "V4", 7: "V5", 8: "V6", 9: "V7", 11: "V3R",
    12: "V4R", 13: "V5R", 14: "V6R", 15: "V7R", 16: "X", 17: "Y", 18: "Z", 61: "III", 62: "aVR",
    63: "aVL", 64: "aVF", 66: "V8", 67: "V9",
}  # fmt: skip
_LEAD_CODE = re.compile(r"(?:2:|5\.6\.3-9-)(\d{1,3})")

# Waveforms that are computed from the recording.
_DERIVED = re.compile(r"median|template|average|mean|represent|beat", re.IGNORECASE)


def open_dicom(path: Path) -> Opened:
    """Open a DICOM file with waveforms.

    The longest waveform group that is no median beat is read; groups of the same rate, length and
    beginning are read together with it. Others are named in the notes. Compressed samples are
    refused.
    """
    pydicom = need("pydicom", "Reading DICOM waveforms (pydicom)", "formats")
    with open_regular(path) as file:
        if file.seek(0, 2) > _LARGEST:
            raise RecordError(f"{path}: is larger than {_LARGEST >> 30} GB; cut it in parts")
        try:
            # A deflated file may unpack to anything: it is refused before it is unpacked.
            meta = pydicom.filereader.read_file_meta_info(path)
            syntax = str(meta.get("TransferSyntaxUID", ""))
            if syntax == _DEFLATED:
                raise RecordError(f"{path}: is deflated; write it anew with dcmtk's dcmconv +te")
            file.seek(0)
            dataset = pydicom.dcmread(file)
            sequence = dataset.get("WaveformSequence", None) or []
        except (EOFError, OSError, struct.error) as error:
            if getattr(error, "strerror", None):  # the system's
                raise
            raise RecordError(  # pydicom names places in the file
                f"{path}: is a DICOM file that ends within an element, as after a broken transfer; "
                "export or fetch it again"
            ) from None
    if not len(sequence):
        raise RecordError(
            f"{path}: is a DICOM file without waveforms, or cut short before them; export it "
            "again, or ask for the recording"
        )
    order = ">" if syntax == _BIG_ENDIAN else "<"
    try:
        groups = [_Group(path, n, item, order) for n, item in enumerate(sequence)]
    except AttributeError as error:  # how pydicom reports an element that is not there
        raise RecordError(
            f"{path}: a waveform group lacks its {error.name}; export it again"
        ) from None
    own = [group for group in groups if not group.derived]
    if not own:
        raise RecordError(
            f"{path}: holds median beats and no recording; ask for the rhythm waveforms"
        )
    longest = max(own, key=lambda group: group.duration)
    used = [group for group in own if group.matches(longest)]
    notes = [
        f"the waveform group {group.label!r} ({group.duration:.1f} s of {len(group.columns)} "
        f"channels at {group.fs:g} Hz) is not read"
        for group in groups
        if group not in used
    ]
    places = [(group, i) for group in used for i in range(len(group.columns))]
    for group in used:
        notes += [note for note in group.notes if note not in notes]

    def read(start: int, stop: int, columns: Sequence[int]) -> Values:
        out = np.empty((stop - start, len(columns)), np.float64)
        for target, i in enumerate(columns):
            group, channel = places[i]
            out[:, target] = group.values(start, stop, channel)
        return out

    start, zone = _start(dataset)
    if start is not None and abs(longest.begin) < _LATEST_MS:
        start += timedelta(milliseconds=longest.begin)
    return Opened(
        path=path,
        format="DICOM",
        columns=tuple(group.columns[i] for group, i in places),
        read=read,
        declared=True,
        start=start,
        utc_offset=zone,
        notes=tuple(notes),
    )


class _Group:
    """One multiplex group: channels that were sampled together."""

    def __init__(self, path: Path, number: int, item: Any, order: str) -> None:
        self.label = str(item.get("MultiplexGroupLabel", "") or f"number {number + 1}")[:40]
        self.fs = float(item.SamplingFrequency)
        count, n = int(item.NumberOfWaveformChannels), int(item.NumberOfWaveformSamples)
        kind, bits = str(item.WaveformSampleInterpretation), int(item.WaveformBitsAllocated)
        where = f"{path}: waveform group {self.label!r}"
        if kind in ("MB", "AB"):
            raise RecordError(f"{where} is compressed (u-law or A-law); export it as SS")
        code = _DTYPES.get(kind)
        if code is None or np.dtype(code).itemsize * 8 != bits:
            raise RecordError(f"{where} has {bits} bits of {kind!r}; export it again")
        if not 1 <= count <= _MOST_CHANNELS or n < 1 or not 0 < self.fs < math.inf:
            raise RecordError(
                f"{where} has {count} channels of {n} samples at {self.fs:g} Hz; export it again"
            )
        dtype = np.dtype(order + code)
        data = bytes(item.WaveformData or b"")
        if len(data) < count * n * dtype.itemsize:
            raise RecordError(
                f"{where} is truncated: {count} channels of {n} samples are promised and "
                f"{len(data) // (count * dtype.itemsize)} samples are present; export it again"
            )
        definitions = list(item.get("ChannelDefinitionSequence", None) or [])
        if len(definitions) != count:
            raise RecordError(
                f"{where} describes {len(definitions)} channels and has {count}; export it again"
            )
        self._table = np.frombuffer(data, dtype, count * n).reshape(n, count)
        padding = item.get("WaveformPaddingValue", None)
        self._padding = None
        if isinstance(padding, bytes) and len(padding) >= dtype.itemsize:
            self._padding = np.frombuffer(padding, dtype, 1)[0]
        self._scales = [_scale(definition) for definition in definitions]
        self.begin = float(item.get("MultiplexGroupTimeOffset", None) or 0.0)
        # A rhythm that was computed from other leads is marked as derived too: its label decides.
        self.derived = bool(_DERIVED.search(self.label)) or (
            str(item.get("WaveformOriginality", "")) == "DERIVED"
            and "RHYTHM" not in self.label.upper()
        )
        self.columns = [
            Column(_name(definition), unit, self.fs, n)
            for definition, (_, _, unit) in zip(definitions, self._scales, strict=True)
        ]
        self.duration = n / self.fs
        self.notes = filter_notes(
            _common(definitions, "FilterLowFrequency"), _common(definitions, "FilterHighFrequency")
        )
        skew = max((_number(d, "ChannelSampleSkew") for d in definitions), default=0.0)
        if skew >= 1:
            self.notes.append(f"channels are shifted by up to {skew:g} samples; this is not undone")

    def matches(self, other: _Group) -> bool:
        """Whether the samples of both belong to the same moments."""
        return (self.fs, len(self._table), self.begin) == (
            other.fs,
            len(other._table),
            other.begin,
        )

    def values(self, start: int, stop: int, channel: int) -> Values:
        """Return samples of one channel in its unit, NaN where they are padding."""
        raw = self._table[start:stop, channel]
        gain, baseline, _ = self._scales[channel]
        values = raw * gain + baseline
        if self._padding is not None:
            values[raw == self._padding] = np.nan
        return values


def _number(definition: Any, key: str, default: float = 0.0) -> float:
    value = definition.get(key, None)
    return default if value is None or value == "" else float(value)


def _scale(definition: Any) -> tuple[float, float, str]:
    """Return gain, baseline and unit of a channel; no unit where it is not calibrated."""
    gain = _number(definition, "ChannelSensitivity", math.nan)
    units = definition.get("ChannelSensitivityUnitsSequence", None) or []
    unit = str(units[0].get("CodeValue", "")) if len(units) else ""
    if not math.isfinite(gain) or gain == 0:
        return 1.0, 0.0, ""
    gain *= _number(definition, "ChannelSensitivityCorrectionFactor", 1.0)
    return gain, _number(definition, "ChannelBaseline"), unit


def _name(definition: Any) -> str:
    """Return the name of a channel's lead."""
    sources = definition.get("ChannelSourceSequence", None) or []
    label = str(definition.get("ChannelLabel", "") or "")
    if not len(sources):
        return label
    code = _LEAD_CODE.fullmatch(str(sources[0].get("CodeValue", "")))
    if code and int(code[1]) in _LEADS:
        return _LEADS[int(code[1])]
    meaning = str(sources[0].get("CodeMeaning", "") or "")
    # "Lead I (Einthoven)"
    plain = re.sub(r"\(.*?\)", "", meaning).strip()
    return re.sub(r"^(?:ecg )?lead +", "", plain, flags=re.IGNORECASE) or label


def _common(definitions: list[Any], key: str) -> float | None:
    """Return the positive value that all channels which state one agree on, else None."""
    values = {v for v in (_number(d, key, math.nan) for d in definitions) if v > 0}
    return values.pop() if len(values) == 1 else None


def _start(dataset: Any) -> tuple[datetime | None, float | None]:
    """Return when the acquisition began, by the device's clock, and its zone in s east of UTC."""
    text = str(dataset.get("AcquisitionDateTime", "") or "")
    if not text:
        text = str(dataset.get("AcquisitionDate", "") or "")
        text += str(dataset.get("AcquisitionTime", "") or "") if text else ""
    found = re.match(r"(\d{12})(\d\d)?(?:\.(\d{1,6}))?\s*([+-]\d{4})?", text)
    if not found:
        return None, None
    try:
        at = datetime.strptime(found[1] + (found[2] or "00"), "%Y%m%d%H%M%S")
    except ValueError:
        return None, None
    zone = found[4] or str(dataset.get("TimezoneOffsetFromUTC", "") or "")
    return at.replace(microsecond=int((found[3] or "0").ljust(6, "0"))), _zone(zone)


def _zone(text: str) -> float | None:
    """Return the seconds of an offset such as ``-0330``; None of what is none."""
    found = re.fullmatch(r"([+-])(\d\d)([0-5]\d)", text.strip())
    seconds = 0.0 if not found else 3600.0 * int(found[2]) + 60.0 * int(found[3])
    if not found or seconds > _FARTHEST_ZONE_S:
        return None
    return -seconds if found[1] == "-" else seconds
