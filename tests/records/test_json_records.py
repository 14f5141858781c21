"""JSON in the shapes in which programs write recordings."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from record_files import ecg

from ecgfast.errors import InputError, RecordError
from ecgfast.records import Record, read_record

FS, N = 250, 3000
LEADS = np.round(ecg(N, 2, FS), 4)
ONE, TWO = LEADS[:, 0].tolist(), LEADS[:, 1].tolist()
SECONDS = [i / FS for i in range(N)]
WAVE = np.sin(np.arange(2 * N) / 80).tolist()
STAMPS = [f"2024-05-06T07:08:{9 + i // FS:02d}.{1000 * (i % FS) // FS:03d}+02:00" for i in range(N)]


def read(folder: Path, content: Any, fs: float | None = None) -> Record:
    path = folder / "a.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return read_record(path, fs=fs)


def packets(size: int, **more: Any) -> list[dict[str, Any]]:
    return [{"ts": 4 * i, "samples": ONE[i : i + size], **more} for i in range(0, N, size)]


SHAPES: dict[str, tuple[Any, tuple[str, ...]]] = {
    "arrays by name": ({"fs": FS, "leads": {"I": ONE, "II": TWO}}, ("I", "II")),
    "leads by samples": ({"fs": FS, "leads": ["I", "II"], "signal": [ONE, TWO]}, ("I", "II")),
    "samples by leads": (
        {"fs": FS, "columns": ["I", "II"], "signal": LEADS.tolist()}, ("I", "II")
    ),
    "objects with names": (
        {"samplingRate": "250 Hz",
         "leads": [{"name": "I", "samples": ONE}, {"name": "II", "samples": TWO}]},
        ("I", "II"),
    ),
    "channels of several rates": (
        {"channels": [{"name": "PPG", "fs": 500, "data": WAVE},
                      {"name": "ECG", "fs": FS, "data": ONE}]},
        ("ECG",),
    ),
    "an array in an object of its name": (
        {"ppg": {"fs": 500, "data": WAVE}, "ecg": {"fs": FS, "data": ONE}}, ("ecg",)
    ),
    "a rate elsewhere": ({"device": {"sampling_frequency": FS}, "data": {"ecg": ONE}}, ("ecg",)),
    "pairs of time and value": ([[t, x] for t, x in zip(SECONDS, ONE, strict=True)], ("ECG1",)),
    "an object a sample": (
        [{"time": t, "ecg": x, "hr": 72, "tags": []} for t, x in zip(SECONDS, ONE, strict=True)],
        ("ecg",),
    ),
    "an object a sample of each signal": (
        [{"time": t, "type": kind, "value": x}
         for t, a, b in zip(SECONDS, ONE, WAVE, strict=False)
         for kind, x in (("ecg", a), ("ppg", b))],
        ("ecg",),
    ),
    "an object a sample of each sensor": (
        [x for i in range(0, N, 50)
         for x in (*({"time": SECONDS[k], "ecg": ONE[k]} for k in range(i, i + 50)),
                   *({"time": SECONDS[i + k], "acc": WAVE[i + k]} for k in range(10)))],
        ("ecg",),
    ),
    "times of text": ({"time": STAMPS, "ecg": ONE}, ("ecg",)),
    "numbers as text": ({"fs": FS, "ecg": [str(x) for x in ONE]}, ("ecg",)),
    "one long text": ({"fs": FS, "ecg": " ".join(map(str, ONE))}, ("ecg",)),
    "packets of two sensors": (
        [p for a in packets(50, type="ecg")
         for p in (a, {"ts": a["ts"], "type": "ppg", "samples": WAVE[:10]})],
        ("ecg",),
    ),
    "packets of uneven sizes": (packets(64), ("samples",)),
    "packets in another order": (
        [*packets(50)[:9], packets(50)[10], packets(50)[9], *packets(50)[11:]], ("samples",)
    ),
    "an object a line": ("\n".join(json.dumps(p) for p in packets(50)), ("samples",)),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes(tmp_path: Path, shape: str) -> None:
    content, leads = SHAPES[shape]
    record = read(tmp_path, content)
    assert record.leads == leads
    assert record.fs == pytest.approx(FS)
    np.testing.assert_allclose(record.signal, LEADS[:, : len(leads)], atol=1e-5)
    if shape == "times of text":
        assert record.start == datetime(2024, 5, 6, 7, 8, 9)
        assert record.origin is not None
        assert record.origin.utc_offset == 7200


def test_missing_samples_and_packets(tmp_path: Path) -> None:
    cut: list[float | None] = [*ONE]
    cut[100] = None
    record = read(tmp_path, {"fs": FS, "ecg": cut})
    assert np.flatnonzero(np.isnan(record.signal[:, 0])).tolist() == [100]
    parts = packets(50)
    parts[3]["samples"] = [None, *parts[3]["samples"][1:]]
    record = read(tmp_path, parts[:20] + parts[30:])
    missing = np.flatnonzero(np.isnan(record.signal[:, 0]))
    assert missing.tolist() == [150, *range(1000, 1500)]
    np.testing.assert_allclose(record.signal[1500:, 0], LEADS[1500:, 0], atol=1e-5)


def test_units_and_fhir(tmp_path: Path) -> None:
    record = read(tmp_path, {"fs": FS, "unit": "uV", "ecg": [1000 * x for x in ONE]})
    assert record.units == ("mV",)
    np.testing.assert_allclose(record.signal[:, 0], LEADS[:, 0], atol=1e-5)
    counts = [str(round(x / 0.005) + 2048) for x in ONE]
    counts[7] = "E"
    sampled = {
        "origin": {"value": -10.24, "unit": "mV"}, "period": 4, "factor": 0.005,
        "dimensions": 1, "data": " ".join(counts),
    }  # fmt: skip
    record = read(tmp_path, {"resourceType": "Observation", "component": [{
        "code": {"text": "ECG lead I"}, "valueSampledData": sampled}]})  # fmt: skip
    assert (record.fs, record.units) == (FS, ("mV",))
    assert np.isnan(record.signal[7, 0])
    np.testing.assert_allclose(record.signal[8:, 0], LEADS[8:, 0], atol=0.003)


def sampled(values: Any, **more: Any) -> dict[str, Any]:
    """FHIR's SampledData of values in mV."""
    counts = " ".join(str(round(x / 0.005)) for x in values)
    return {"origin": {"value": 0, "unit": "mV"}, "factor": 0.005, "data": counts} | more


@pytest.mark.parametrize(
    "rate", [{"period": 4}, {"interval": 4, "intervalUnit": "ms"}], ids=["release 4", "release 5"]
)
@pytest.mark.parametrize(
    ("codes", "leads"),
    [
        ([{"text": "Lead I"}, {"text": "Lead II"}], ("Lead I", "Lead II")),
        (
            [{"coding": [{"code": "131329", "display": "MDC_ECG_ELEC_POTL_I"}]},
             {"coding": [{"code": "131389", "display": "MDC_ECG_ELEC_POTL_III"}]}],
            ("I", "III"),
        ),
        ([{"coding": [{"code": "131330"}]}, {"coding": [{"code": "131333"}]}], ("II", "V3")),
    ],
)  # fmt: skip
def test_components_of_an_observation_are_leads(
    tmp_path: Path, codes: list[Any], leads: tuple[str, ...], rate: dict[str, Any]
) -> None:
    """They had been joined one after the other, as one lead."""
    two = [-x for x in ONE]
    record = read(tmp_path, {
        "resourceType": "Observation",
        "effectiveDateTime": "2026-02-19T09:30:35+01:00",
        "component": [
            {"code": code, "valueSampledData": sampled(values, dimensions=1, **rate)}
            for code, values in zip(codes, (ONE, two), strict=True)
        ],
    })  # fmt: skip
    assert (record.fs, record.leads, record.units) == (FS, leads, ("mV", "mV"))
    assert record.start == datetime(2026, 2, 19, 9, 30, 35)
    np.testing.assert_allclose(record.signal, np.column_stack([ONE, two]), atol=0.003)


def test_arrays_of_one_time_without_names_are_refused(tmp_path: Path) -> None:
    component = {"code": {"text": "ECG"}, "valueSampledData": sampled(ONE, period=4)}
    content = {"effectiveDateTime": "2026-02-19T09:30:35Z", "component": [component, component]}
    with pytest.raises(RecordError, match="2 arrays 'ECG' of one time, which may be leads; name"):
        read(tmp_path, content)


def test_samples_of_several_leads_by_turns(tmp_path: Path) -> None:
    both = np.column_stack([ONE, [-x for x in ONE]])
    content = {"code": {"text": "ECG"}, "valueSampledData": sampled(
        both.ravel(), period=4, dimensions=2)}  # fmt: skip
    record = read(tmp_path, content)
    assert record.fs == FS
    np.testing.assert_allclose(record.signal, both, atol=0.003)
    content["valueSampledData"]["dimensions"] = 7
    with pytest.raises(RecordError, match="values in 7 dimensions"):
        read(tmp_path, content)


def test_strips_some_time_apart(tmp_path: Path) -> None:
    strips = [
        {"resource": {
            "effectivePeriod": {"start": f"2026-02-19T09:{30 + k}:00Z"},
            "code": {"text": "ECG"}, "valueSampledData": sampled(ONE, period=4)}}
        for k in range(3)
    ]  # fmt: skip
    record = read(tmp_path, {"resourceType": "Bundle", "entry": strips})
    assert record.fs == FS
    assert record.start == datetime(2026, 2, 19, 9, 30)
    for k in range(3):
        begin = k * 60 * FS
        np.testing.assert_allclose(record.signal[begin : begin + len(ONE), 0], ONE, atol=0.003)
    assert np.isnan(record.signal[len(ONE) : 60 * FS]).all()


def test_signals_of_one_name_may_be_of_several_people(tmp_path: Path) -> None:
    """They had been leads of one recording."""
    content = {name: {"fs": FS, "ecg": ecg} for name, ecg in (("a", ONE), ("b", TWO))}
    with pytest.raises(RecordError, match=r"'a.ecg' is one of 2 recordings of 'ecg'; 'b.ecg' is"):
        read(tmp_path, content)
    record = read_record(tmp_path / "a.json", leads=["b.ecg"])
    np.testing.assert_allclose(record.signal[:, 0], TWO, atol=1e-5)


@pytest.mark.parametrize(
    "content",
    [
        {"ecgReadings": [{"startTime": "2022-09-28T17:12:30.222", "averageHeartRate": 70,
                          "samplingFrequencyHz": "250", "waveformSamples": ONE}]},
        {"status": 0, "body": {"sampling_frequency": 250, "signal": ONE}},
        {"ecgReadings": {"sampleRate": 250, "lead": "LEAD_I", "values": ONE}},
    ],
    ids=["fitbit", "withings", "garmin"],
)  # fmt: skip
def test_what_services_of_watches_answer(tmp_path: Path, content: Any) -> None:
    record = read(tmp_path, content)
    assert record.fs == FS
    np.testing.assert_allclose(record.signal[:, 0], ONE, atol=1e-5)


def test_a_slow_signal_beside_the_ecg_guesses_no_other_unit(tmp_path: Path) -> None:
    packets = [
        {"time": 1_700_000_000_000 + 1000 * k, "ecg": ONE[k * FS : (k + 1) * FS], "rri": [800]}
        for k in range(len(ONE) // FS)
    ]
    record = read(tmp_path, packets)
    assert record.fs == FS
    assert "milliseconds" in record.origin.text()
    assert "microseconds" not in record.origin.text()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (
            [{"fs": FS, "ecg": ONE[:900]}, {"fs": FS, "ecg": ONE[900:]}],
            "holds 2 recordings of 'ecg'",
        ),
        ({"fs": FS, "ecg": np.reshape(ONE, (60, 50)).tolist()}, "60 rows of 50 numbers"),
        (
            {"fs": FS, "time": [2 * t for t in SECONDS], "ecg": ONE},
            "250 Hz and the clock 'time' 125",
        ),
        ({"fs": FS, "hr": 72}, "no array of samples"),
        ({"fs": FS, "lead_off": [True, False] * 50}, "no array of samples"),
        ({"fs": FS, "ppg": WAVE}, "a photoplethysmogram by its name"),
        ('{"fs": 250, "ecg": [0.1, 0.2', "no intact JSON file"),
        ("[" * 400 + "1" + "]" * 400, "no array of samples"),
    ],
)
def test_what_is_not_one_recording_is_refused(tmp_path: Path, content: Any, says: str) -> None:
    with pytest.raises(RecordError, match=says):
        read(tmp_path, content)


def test_a_heart_rate_is_no_sampling_rate(tmp_path: Path) -> None:
    for content in ({"rate": 72, "ecg": ONE}, {"heart": {"frequency": 72}, "ecg": ONE}):
        with pytest.raises(InputError, match="no sampling rate"):
            read(tmp_path, content)
