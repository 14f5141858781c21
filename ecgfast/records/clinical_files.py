"""Files of electrocardiographs: SCP-ECG, HL7 aECG, XML of GE and of Philips.

The ecgdatakit package (extra ``formats``) decodes them. Each file is checked before it is decoded:
one that would unpack to more than its format allows, or has too many or too deep elements, is
refused.
"""

from __future__ import annotations

import base64
import binascii
import re
import struct
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.parsers import expat

import numpy as np

from ..errors import RecordError
from ..extras import need
from .cardiosoft_files import open_cardiosoft
from .files import read_regular
from .opened import Column, Opened, Values, filter_notes

__all__ = ["open_scp", "open_xml"]

# Bytes of a file: a quarter of an hour of twelve leads as XML; SCP-ECG has 64 KB a lead at most.
_LARGEST, _LARGEST_SCP = 1 << 25, 1 << 21
# Elements of a document, how deep they lie, and samples that a compressed lead unpacks to.
_MOST_ELEMENTS, _DEEPEST, _MOST_SAMPLES = 200_000, 64, 1 << 22
# Beats that SCP-ECG subtracts from a recording, and samples by which a lead begins late.
_MOST_BEATS, _LATEST = 1024, 1 << 17

# Root elements in small letters: the format, and the module and the class that decode it.
_XML = {
    "annotatedecg": ("HL7 aECG", "hl7_aecg", "HL7aECGParser"),
    "restingecg": ("GE MUSE XML", "ge_muse_xml", "GEMuseXMLParser"),
    "restingecgdata": ("Philips XML", "sierra_xml", "SierraXMLParser"),
}

# How the decoder reports a lead of a MUSE file without its checksum, and the checksum in the file.
_MISMATCH = re.compile(r"CRC32 mismatch in lead (.+) \((\w+)\)")
_CHECKSUM = re.compile(rb"<LeadDataCRC32>\s*(\d+)", re.IGNORECASE)

_CARDIOSOFT = "cardiologyxml"  # which needs no decoder

# Warnings of the decoder that become notes, at most.
_MOST_NOTES, _LONGEST_NOTE = 6, 200


def open_scp(path: Path) -> Opened:
    """Open an SCP-ECG file (EN 1064), with Huffman codes, differences or reference beats decoded.

    Bimodal compression is refused.
    """
    data = read_regular(path, _LARGEST_SCP)
    _check_beats(path, data)
    return _opened(path, "SCP-ECG", _decoded(path, "SCP-ECG", "scp_ecg", "SCPECGParser"))


def open_xml(path: Path) -> Opened:
    """Open an HL7 aECG, GE MUSE, GE CardioSoft or Philips XML file."""
    scan = _Scan(path)
    data = read_regular(path, _LARGEST)
    scan.take(data)
    if scan.root == _CARDIOSOFT:
        return open_cardiosoft(path, data)
    if scan.root not in _XML:
        known = ", ".join([*(name for name, _, _ in _XML.values()), "GE CardioSoft XML"])
        raise RecordError(
            f"{path}: is XML of another kind (<{scan.root[:40]}>); {known} are read; convert it "
            "with BioSig's save2gdf, or export the samples as CSV"
        )
    kind, module, parser = _XML[scan.root]
    if scan.compressed:
        _check_unpacked(path, "".join(scan.waveform))
    set_ = any(int(found) for found in _CHECKSUM.findall(data))  # zeros were never computed
    return _opened(path, kind, _decoded(path, kind, module, parser, checksums=set_))


class _Scan:
    """One pass over a document: finds its root and its waveform, and checks its limits."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._elements = self._depth = self._inside = 0
        self.root = ""
        self.compressed = False
        self.waveform: list[str] = []

    def take(self, data: bytes) -> None:
        """Parse the whole document."""
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.EntityDeclHandler = self._entity
        try:
            parser.Parse(data, True)
        except expat.ExpatError as error:
            raise RecordError(
                f"{self._path}: is no intact XML file ({error}); export it again"
            ) from None

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        self._depth += 1
        tag = name.rpartition(" ")[2].lower()
        self.root = self.root or tag
        if self._elements > _MOST_ELEMENTS or self._depth > _DEEPEST:
            raise RecordError(
                f"{self._path}: has more than {_MOST_ELEMENTS} elements, or nests them more than "
                f"{_DEEPEST} deep; this is no ECG"
            )
        if tag == "parsedwaveforms":
            self._inside = self._depth
            self.compressed |= "xli" in " ".join(attributes.values()).lower()

    def _end(self, _: str) -> None:
        if self._inside == self._depth:
            self._inside = 0
        self._depth -= 1

    def _text(self, text: str) -> None:
        if self._inside:
            self.waveform.append(text)

    def _entity(self, name: str, *_: object) -> None:
        raise RecordError(
            f"{self._path}: declares the entity {name[:40]!r}, which no ECG needs; export it again"
        )


def _check_unpacked(path: Path, text: str) -> None:
    """Raise if a lead in Philips' XLI compression unpacks to more than any recording has."""
    try:
        data = base64.b64decode("".join(text.split()))
    except (binascii.Error, ValueError):
        return  # the decoder reports what is wrong
    at = 0
    while len(data) - at >= 8:
        size = int.from_bytes(data[at : at + 4], "little")
        if _unpacked(data[at + 8 : at + 8 + size]) > 2 * _MOST_SAMPLES:
            raise RecordError(f"{path}: unpacks to more than {_MOST_SAMPLES} samples a lead")
        at += 8 + size


def _check_beats(path: Path, data: bytes) -> None:
    """Raise if SCP-ECG's section 4 names more beats than a recording of this format has."""
    for at in range(22, min(6 + int.from_bytes(data[10:14], "little"), len(data)) - 9, 10):
        number, _, index = struct.unpack_from("<HII", data, at)
        count = int.from_bytes(data[index - 1 + 20 : index - 1 + 22], "little") if index else 0
        if number == 4 and count > _MOST_BEATS:
            raise RecordError(
                f"{path}: names {count} beats, too many for its format; export it again"
            )


def _unpacked(chunk: bytes) -> int:
    """Return how many bytes LZW codes of ten bits stand for."""
    bits = np.unpackbits(np.frombuffer(chunk, np.uint8))
    codes = bits[: len(bits) // 10 * 10].reshape(-1, 10) @ (1 << np.arange(9, -1, -1))
    lengths = [1] * 256
    total = last = 0
    for code in codes.tolist():
        if code > 1022:
            break
        length = lengths[code] if code < len(lengths) else last + 1
        if last and len(lengths) < 1023:
            lengths.append(last + 1)
        total, last = total + length, length
    return total


def _decoded(
    path: Path, kind: str, module: str, parser: str, *, checksums: bool = True
) -> tuple[Any, list[str]]:
    """Decode the file with ecgdatakit; return its record and its warnings as notes."""
    decoder = need(
        f"ecgdatakit.parsing.parsers.{module}", f"Reading {kind} (ecgdatakit)", "formats"
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        record = getattr(decoder, parser)().parse(path)
    failed = [item for item in caught if item.category.__name__ == "ChecksumWarning"]
    others = [_note(str(item.message)) for item in caught if item not in failed]
    damage = _damage_notes([str(item.message) for item in failed]) if checksums else []
    return record, [*damage, *dict.fromkeys(others)]


def _damage_notes(warned: list[str]) -> list[str]:
    """Return a note for what the decoder found without its checksum; median beats are not read."""
    found = [(text, _MISMATCH.match(text)) for text in warned]
    leads = [each[1] for _, each in found if each and each[2] == "rhythm"]
    places = [f"without its checksum (CRC-32): lead{'s' * (len(leads) > 1)} {', '.join(leads)}"]
    places = places * bool(leads) + [text for text, each in found if not each]
    return [f"may be damaged: {what}; check the beats, or export it again" for what in places]


def _note(warning: str) -> str:
    """Return a warning of the decoder as a note of one short line."""
    if "FirstSampleBaseline" in warning or "LeadOffsetFirstSample" in warning:
        return (
            "the file states an offset of each lead (FirstSampleBaseline), which is not added: "
            "leads may lie too high or too low by a constant, which changes no beat"
        )
    words = " ".join(warning.split())
    return (
        words if len(words) <= _LONGEST_NOTE else words[:_LONGEST_NOTE].rpartition(" ")[0] + " ..."
    )


def _opened(path: Path, kind: str, decoded: tuple[Any, list[str]]) -> Opened:
    """Return the rhythm leads of a decoded record as columns."""
    record, warned = decoded
    meta = record.raw_metadata
    columns: list[Column] = []
    values: list[Values] = []
    notes = warned[:_MOST_NOTES]
    for lead in record.leads:
        unit = lead.resolution_unit if lead.resolution else ""
        gain = lead.resolution if unit and lead.is_raw else 1.0
        samples = np.asarray(lead.samples, np.float64) * gain + (lead.offset if unit else 0.0)
        samples = samples.astype(np.float32)
        # SCP-ECG: leads may begin one after the other.
        late = int(lead.annotations.get("start_sample", "1")) - 1
        if not 0 <= late <= _LATEST:
            raise RecordError(f"{path}: its lead {lead.label} begins at sample {late + 1}")
        values.append(
            np.concatenate([np.full(late, np.nan, np.float32), samples]) if late else samples
        )
        columns.append(Column(lead.label, unit, _rate(lead.sampling_rate, meta), 0))
    n = max(map(len, values), default=0)
    if any(len(v) != n for v in values):
        notes.append("leads differ in length; the shorter ones are filled with missing samples")
        values = [np.concatenate([v, np.full(n - len(v), np.nan, np.float32)]) for v in values]
    notes += _einthoven_notes(columns, values)
    if record.median_beats:
        notes.append("the median beats in it are not read")
    filters = record.recording.acquisition.filters
    notes += filter_notes(filters.highpass, filters.lowpass)
    start = record.recording.date
    offset = None if start is None else start.utcoffset()

    def read(begin: int, end: int, chosen: Sequence[int]) -> Values:
        return np.stack([values[i][begin:end] for i in chosen], axis=1)

    return Opened(
        path=path,
        format=kind,
        columns=tuple(Column(c.name, c.unit, c.fs, n) for c in columns),
        read=read,
        declared=True,
        start=None if start is None else start.replace(tzinfo=None),
        utc_offset=None if offset is None else offset.total_seconds(),
        notes=tuple(notes),
    )


def _einthoven_notes(columns: list[Column], values: list[Values]) -> list[str]:
    """Return a note where limb leads break Einthoven's law, as swapped leads do."""
    at = {column.name: i for i, column in enumerate(columns)}
    if not {"I", "II", "III"} <= set(at):
        return []
    limbs = np.stack([values[at[name]] for name in ("I", "II", "III")])
    # A calibration pulse is the same in all leads.
    one, two, three = limbs[:, (limbs != limbs[0]).any(axis=0)]
    if not len(one) or not np.nanstd(two - one - three) > 0.5 * np.nanstd(two - one):
        return []
    return ["lead III is not II - I, as it should be: check the leads"]


def _rate(rounded: float, meta: dict[str, Any]) -> float:
    """Return the sampling rate as the file states it; the decoder rounds it to whole Hz."""
    exact = meta.get("rhythm_time", {}).get("sampling_rate_exact")
    if exact is None and meta.get("rhythm_sample_interval_us"):
        exact = 1e6 / meta["rhythm_sample_interval_us"]
    return float(exact if exact is not None and abs(exact - rounded) <= 1 else rounded)
