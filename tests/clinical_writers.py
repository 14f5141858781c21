"""Writers of clinical formats, from their published layouts: what the decoders read is known."""

from __future__ import annotations

import base64
import binascii
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

LEADS = ("I", "II", "V1")


def counts(n: int = 5000, fs: float = 500.0, n_leads: int = 3) -> np.ndarray:
    """An ECG in whole counts of 5 uV, (n, n_leads)."""
    from ecgfast.records import synthetic_ecg

    x = synthetic_ecg(n / fs + 1, fs, seed=3).signal[:n, 0].astype(np.float64)
    noise = np.random.default_rng(0).normal(0, 2, (n, n_leads))
    return np.rint(x[:, np.newaxis] * np.linspace(1.0, -0.5, n_leads) * 200 + noise).astype(
        np.int64
    )


# ---------------------------------------------------------------- SCP-ECG, EN 1064


def _huffman(values: np.ndarray) -> bytes:
    """Encode with the standard's default table: 0; n ones, 0, sign; ten bits and the value."""
    bits = []
    for v in values.tolist():
        if v == 0:
            bits.append("0")
        elif abs(v) <= 8:
            bits.append("1" * abs(v) + "0" + ("0" if v > 0 else "1"))
        elif -128 <= v < 128:
            bits.append("1111111110" + format(v & 0xFF, "08b"))
        else:
            bits.append("1111111111" + format(v & 0xFFFF, "016b"))
    text = "".join(bits)
    text += "0" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big")


def _differences(x: np.ndarray, order: int) -> np.ndarray:
    if order == 1:
        return np.concatenate([x[:1], np.diff(x)])
    if order == 2:
        return np.concatenate([x[:2], x[2:] - 2 * x[1:-1] + x[:-2]])
    return x


def scp_file(
    path: Path,
    signal: np.ndarray,
    *,
    fs: float = 500.0,
    nanovolt: int = 5000,
    huffman: bool = False,
    order: int = 0,
    beats: tuple[np.ndarray, list[int]] | None = None,
    starts: tuple[int, ...] = (),
    codes: tuple[int, ...] = (1, 2, 3),
) -> Path:
    """Write an SCP-ECG file.

    `beats`: a reference beat (n, n_leads) and the samples (from 0) at which it lies in the signal;
    it is subtracted there.
    """
    n, n_leads = signal.shape
    interval = round(1e6 / fs)
    signal = signal.copy()
    bodies: dict[int, bytes] = {}
    date = b"\x19\x04\x00" + struct.pack("<HBB", 2020, 3, 4)
    clock = b"\x1a\x03\x00" + bytes([10, 11, 12])
    bodies[1] = b"\x02\x03\x00ID\x00" + date + clock + b"\xff\x00\x00"
    if huffman:
        bodies[2] = struct.pack("<H", 19999)
    flags = 4 | n_leads << 3 | (1 if beats else 0)
    begins = starts or (0,) * n_leads
    bodies[3] = bytes([n_leads, flags]) + b"".join(
        struct.pack("<IIB", b + 1, b + n, c) for b, c in zip(begins, codes, strict=True)
    )
    pack = _huffman if huffman else (lambda v: v.astype("<i2").tobytes())
    if beats:
        beat, places = beats
        size, fiducial = len(beat), len(beat) // 2
        zones = b""
        for at in places:
            signal[at : at + size] -= beat
            zones += struct.pack("<HIII", 0, at + 1, at + fiducial, at + size)
        zones += b"".join(struct.pack("<II", at + 1, at + size) for at in places)
        bodies[4] = (
            struct.pack("<HHH", round(size * interval / 1000), fiducial, len(places)) + zones
        )
        parts = [pack(_differences(beat[:, i], order)) for i in range(n_leads)]
        bodies[5] = _waves(nanovolt, interval, order, parts)
    parts = [pack(_differences(signal[:, i], order)) for i in range(n_leads)]
    bodies[6] = _waves(nanovolt, interval, order, parts)
    sections = {}
    for number, body in bodies.items():
        body += b"\0" * (len(body) % 2)
        sections[number] = _section(number, body)
    table = 16 + 10 * 12
    at, pointers = 6 + table, b""
    for number in range(12):
        size = table if number == 0 else len(sections.get(number, b""))
        index = 7 if number == 0 else at + 1 if size else 0
        pointers += struct.pack("<HII", number, size, index)
        at += size if number else 0
    whole = _section(0, pointers, b"SCPECG") + b"".join(sections[k] for k in sorted(sections))
    rest = struct.pack("<I", len(whole) + 6) + whole
    path.write_bytes(struct.pack("<H", binascii.crc_hqx(rest, 0xFFFF)) + rest)
    return path


def _waves(nanovolt: int, interval: int, order: int, parts: list[bytes]) -> bytes:
    parts = [p + b"\0" * (len(p) % 2) for p in parts]
    head = struct.pack("<HHBB", nanovolt, interval, order, 0)
    return head + b"".join(struct.pack("<H", len(p)) for p in parts) + b"".join(parts)


def _section(number: int, body: bytes, reserved: bytes = bytes(6)) -> bytes:
    head = struct.pack("<HIBB", number, 16 + len(body), 20, 20) + reserved
    return struct.pack("<H", binascii.crc_hqx(head + body, 0xFFFF)) + head + body


# ---------------------------------------------------------------- XML


def muse_file(
    path: Path,
    signal: np.ndarray,
    *,
    unit: str = "MICROVOLTS",
    per_bit: str = "5",
    more: str = "",
    checksum: Callable[[str, str, bytes], int] = lambda kind, lead, data: zlib.crc32(data),
) -> Path:
    """Write a GE MUSE file with a median beat before its rhythm, as MUSE does."""

    def waveform(kind: str, x: np.ndarray) -> str:
        data = [x[:, i].astype("<i2").tobytes() for i in range(len(LEADS))]
        leads = "".join(
            f"<LeadData><LeadByteCountTotal>{2 * len(x)}</LeadByteCountTotal>"
            f"<LeadAmplitudeUnitsPerBit>{per_bit}</LeadAmplitudeUnitsPerBit>"
            f"<LeadAmplitudeUnits>{unit}</LeadAmplitudeUnits><LeadID>{name}</LeadID>"
            "<LeadSampleSize>2</LeadSampleSize>"
            f"<LeadDataCRC32>{checksum(kind, name, data[i])}</LeadDataCRC32>"
            f"<WaveFormData>{base64.b64encode(data[i]).decode()}</WaveFormData></LeadData>"
            for i, name in enumerate(LEADS)
        )
        return (
            f"<Waveform><WaveformType>{kind}</WaveformType><NumberofLeads>3</NumberofLeads>"
            "<SampleBase>500</SampleBase><SampleExponent>0</SampleExponent>"
            f"<HighPassFilter>16</HighPassFilter><LowPassFilter>150</LowPassFilter>{leads}"
            "</Waveform>"
        )

    path.write_text(
        '<?xml version="1.0" encoding="ISO-8859-1"?><!DOCTYPE RestingECG SYSTEM "restecg.dtd">'
        "<RestingECG><TestDemographics><AcquisitionTime>10:11:12</AcquisitionTime>"
        "<AcquisitionDate>03-04-2020</AcquisitionDate></TestDemographics>"
        f"{waveform('Median', signal[:600] * 0 + 7)}{waveform('Rhythm', signal)}{more}</RestingECG>"
    )
    return path


def cardiosoft_file(
    path: Path,
    signal: np.ndarray,
    *,
    strip: bool = True,
    units: str = "uVperLsb",
    promised: int | None = None,
) -> Path:
    """Write a GE CardioSoft file with a median beat before its strip and a full disclosure."""

    def waves(x: np.ndarray) -> str:
        head = (
            f'<NumberOfLeads>{len(LEADS)}</NumberOfLeads><SampleRate units="Hz">500</SampleRate>'
            f"<ChannelSampleCountTotal>{promised or len(x)}</ChannelSampleCountTotal>"
            f'<Resolution units="{units}">5</Resolution>'
        )
        leads = "".join(
            f'<WaveformData lead="{name}">\n\t\t{",".join(map(str, x[:, i]))},\n</WaveformData>'
            for i, name in enumerate(LEADS)
        )
        return head + leads

    fields = {"Hour": 10, "Minute": 11, "Second": 12, "Day": 4, "Month": 3, "Year": 2020}
    path.write_text(
        '<?xml version="1.0" encoding="ISO-8859-1" ?><CardiologyXML><ObservationDateTime>'
        + "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())
        + '</ObservationDateTime><FilterSetting><LowPass units="Hz">100</LowPass>'
        + '<HighPass units="Hz">0.01</HighPass></FilterSetting><RestingECGMeasurements>'
        + f"<MedianSamples>{waves(signal[:600] * 0 + 7)}</MedianSamples></RestingECGMeasurements>"
        + (f"<StripData>{waves(signal)}</StripData>" if strip else "")
        + "<FullDisclosure><FullDisclosureData>1,2,3</FullDisclosureData></FullDisclosure>"
        + "</CardiologyXML>"
    )
    return path


def aecg_file(path: Path, signal: np.ndarray, *, increment: str = "0.002", more: str = "") -> Path:
    """Write an HL7 annotated ECG with a representative beat."""

    def sequences(x: np.ndarray, time: str) -> str:
        leads = "".join(
            f'<component><sequence><code code="MDC_ECG_LEAD_{name}"/>'
            '<value xsi:type="SLIST_PQ"><origin value="10" unit="uV"/>'
            f'<scale value="5" unit="uV"/><digits>{" ".join(map(str, x[:, i]))}</digits></value>'
            "</sequence></component>"
            for i, name in enumerate(LEADS)
        )
        return f"<component><sequenceSet>{time}{leads}</sequenceSet></component>"

    def clock(code: str, head: str) -> str:
        return (
            f'<component><sequence><code code="TIME_{code}"/><value xsi:type="GLIST_TS">{head}'
            f'<increment value="{increment}" unit="s"/></value></sequence></component>'
        )

    beat = sequences(signal[:600] * 0 + 7, clock("RELATIVE", '<head value="0" unit="s"/>'))
    rhythm = sequences(signal, clock("ABSOLUTE", '<head value="20200304101112.000"/>'))
    path.write_text(
        '<?xml version="1.0" encoding="UTF-8"?><AnnotatedECG xmlns="urn:hl7-org:v3" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><id root="1"/>'
        '<effectiveTime><low value="20200304101112.000"/></effectiveTime>'
        '<component><series><code code="RHYTHM"/>'
        f'<effectiveTime><low value="20200304101112.000"/></effectiveTime>{rhythm}'
        '<derivation><derivedSeries><code code="REPRESENTATIVE_BEAT"/>'
        f"{beat}</derivedSeries></derivation></series></component>{more}</AnnotatedECG>"
    )
    return path


def philips_file(path: Path, signal: np.ndarray, *, xli: bool = True, data: bytes = b"") -> Path:
    """Write a Philips (Sierra 1.04) file of twelve leads, or of what `data` holds."""
    names = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
    n = len(signal)
    if not data:
        data = b"".join(
            _xli(signal[:, i]) if xli else signal[:, i].astype("<i2").tobytes() for i in range(12)
        )
    flags = 'compressflag="True" compressmethod="XLI"' if xli else 'compressflag="False"'
    path.write_text(
        '<?xml version="1.0" encoding="UTF-8"?><restingecgdata '
        'xmlns="http://www3.medical.philips.com"><documentinfo><documenttype>SierraECG'
        "</documenttype><documentversion>1.04</documentversion></documentinfo>"
        '<dataacquisition date="2020-03-04" time="10:11:12"><signalcharacteristics>'
        "<samplingrate>500</samplingrate><resolution>5</resolution>"
        "<numberchannelsvalid>12</numberchannelsvalid><numberchannelsallocated>12"
        "</numberchannelsallocated></signalcharacteristics></dataacquisition><waveforms>"
        f'<parsedwaveforms dataencoding="Base64" {flags} numberofleads="12" '
        f'leadlabels="{" ".join(names)}" durationperchannel="{2 * n}" samplespersecond="500" '
        f'resolution="5">{base64.b64encode(data).decode()}</parsedwaveforms></waveforms>'
        "</restingecgdata>"
    )
    return path


def residuals(signal: np.ndarray) -> np.ndarray:
    """What XLI stores of twelve leads: four limb leads as what the first two do not tell."""
    out = signal.copy()
    one, two, three = signal[:, 0], signal[:, 1], signal[:, 2]
    out[:, 2] = two - one - three
    out[:, 3] = -signal[:, 3] - (one + two) // 2
    out[:, 4] = (one - three) // 2 - signal[:, 4]
    out[:, 5] = (two + three) // 2 - signal[:, 5]
    return out


def _xli(x: np.ndarray) -> bytes:
    """Compress one lead: second differences, high bytes before low ones, LZW of ten bits."""
    bend = 2 * x[1:-1] - x[:-2] - x[2:]
    words = np.concatenate([x[:2], bend[1:] + 64, [64]]).astype(np.int16).view(np.uint16)
    plain = (words >> 8).astype(np.uint8).tobytes() + (words & 0xFF).astype(np.uint8).tobytes()
    packed = lzw(plain)
    return struct.pack("<iHh", len(packed), 0, int(bend[0])) + packed


def lzw(data: bytes) -> bytes:
    """Compress with codes of ten bits; the dictionary stops growing when they are used up."""
    table = {bytes([i]): i for i in range(256)}
    codes, have = [], b""
    for i in range(len(data)):
        longer = have + data[i : i + 1]
        if longer in table:
            have = longer
            continue
        codes.append(table[have])
        if len(table) < 1023:
            table[longer] = len(table)
        have = data[i : i + 1]
    codes.append(table[have])
    text = "".join(format(code, "010b") for code in [*codes, 1023])
    text += "0" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big")


# ---------------------------------------------------------------- DICOM


def dicom_file(path: Path, signal: np.ndarray, *, groups: int = 1, **changes: object) -> Path:
    """Write a 12-lead ECG object with `groups` rhythms one after the other and a median beat."""
    from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    def coded(value: str, scheme: str, meaning: str) -> Dataset:
        code = Dataset()
        code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
        return code

    def group(label: str, x: np.ndarray, late: float) -> Dataset:
        item = Dataset()
        item.MultiplexGroupLabel = label
        item.MultiplexGroupTimeOffset = late
        item.WaveformOriginality = "DERIVED" if "BEAT" in label else "ORIGINAL"
        item.NumberOfWaveformChannels, item.NumberOfWaveformSamples = x.shape[1], x.shape[0]
        item.SamplingFrequency = 500
        item.WaveformBitsAllocated, item.WaveformSampleInterpretation = 16, "SS"
        item.WaveformPaddingValue = b"\x00\x80"
        item.WaveformData = x.astype("<i2").tobytes()
        channels = []
        for code, name in zip(("2:1", "2:2", "2:3"), LEADS, strict=True):
            channel = Dataset()
            channel.ChannelSourceSequence = [coded(code, "MDC", f"Lead {name}")]
            channel.ChannelSensitivity, channel.ChannelBaseline = 5, 0
            channel.ChannelSensitivityCorrectionFactor = 1
            channel.ChannelSensitivityUnitsSequence = [coded("uV", "UCUM", "microvolt")]
            channel.ChannelSampleSkew, channel.WaveformBitsStored = 0, 16
            channel.FilterLowFrequency, channel.FilterHighFrequency = 0.05, 150
            channels.append(channel)
        item.ChannelDefinitionSequence = channels
        for key, value in changes.items():
            setattr(item, key, value)
        return item

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.9.1.1"
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=bytes(128))
    dataset.SOPClassUID = meta.MediaStorageSOPClassUID
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.AcquisitionDateTime = "20200304101112.5"
    dataset.WaveformSequence = [
        *(group("RHYTHM", signal, 1000.0 * k) for k in range(groups)),
        group("MEDIAN BEAT", signal[:600] * 0 + 7, 0.0),
    ]
    dataset.save_as(path, enforce_file_format=True)
    return path
