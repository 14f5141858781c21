"""JSON as databases, data frames and logs write it: keyed objects, lines, and lost packets."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecgfast import RecordError, read_record

FS = 250
N = 2500
X = [round(float(x), 4) for x in np.random.default_rng(7).normal(size=N)]
SECONDS = [i / FS for i in range(N)]
EPOCH_MS = [1714979289120 + 4 * i for i in range(N)]
ISO = [
    (datetime(2024, 5, 6, 7, 8, 9) + timedelta(milliseconds=4 * i)).isoformat() + "Z"
    for i in range(N)
]


def read(folder: Path, content: Any, name: str = "a.json") -> Any:
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / name).write_text(text)
    return read_record(folder / name)


def rows(key: str = "t", times: list[Any] = SECONDS) -> list[dict[str, Any]]:
    return [{key: t, "ecg": x} for t, x in zip(times, X, strict=True)]


def lines(objects: list[Any]) -> str:
    return "\n".join(map(json.dumps, objects))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param({str(i): row for i, row in enumerate(rows())}, id="pandas by row"),
        pytest.param(
            {
                "time": {str(i): t for i, t in enumerate(SECONDS)},
                "ecg": {str(i): x for i, x in enumerate(X)},
            },
            id="pandas by column",
        ),
        pytest.param(
            {str(t): {"ecg": x} for t, x in zip(SECONDS, X, strict=True)}, id="times of rows"
        ),
        pytest.param(
            {"ecg": {str(t): x for t, x in zip(EPOCH_MS, X, strict=True)}}, id="times of samples"
        ),
        pytest.param({"ecg": dict(zip(ISO, X, strict=True))}, id="times as text"),
        pytest.param(
            {"columns": ["ecg"], "index": SECONDS, "data": [[x] for x in X]}, id="pandas split"
        ),
        pytest.param(
            {"ecg": {f"-Nab{i:06}": row for i, row in enumerate(rows("t", EPOCH_MS))}},
            id="Firebase",
        ),
        pytest.param(
            lines(
                [
                    {"_id": {"$oid": f"{i:024x}"}, "ts": {"$date": t},
                     "ecg": {"$numberDouble": str(x)}}
                    for i, (t, x) in enumerate(zip(ISO, X, strict=True))
                ]
            ),
            id="MongoDB",
        ),
        pytest.param("".join(map(json.dumps, rows())), id="one after the other"),
        pytest.param(",\n".join(map(json.dumps, rows())), id="commas behind lines"),
    ],
)  # fmt: skip
def test_a_sample_in_each_member(tmp_path: Path, content: Any) -> None:
    record = read(tmp_path, content)
    assert record.fs == FS
    np.testing.assert_allclose(record.signal[:, 0], X, atol=1e-6)


def test_lines_of_json_have_extensions_of_their_own(tmp_path: Path) -> None:
    for name in ("a.jsonl", "a.ndjson"):
        assert read(tmp_path, lines(rows()), name).fs == FS


def test_a_log_that_was_cut_off_is_read_up_to_there(tmp_path: Path) -> None:
    record = read(tmp_path, lines(rows())[:-9])
    assert len(record.signal) == N - 1
    assert f"line {N}, the last one, was cut off" in record.origin.text()


def test_a_damaged_line_is_a_missing_sample(tmp_path: Path) -> None:
    log = lines(rows()).split("\n")
    log[500] = log[500][:9]
    record = read(tmp_path, "\n".join(log))
    assert np.flatnonzero(np.isnan(record.signal[:, 0])).tolist() == [500]
    assert "no intact JSON" in record.origin.text()


def test_a_file_with_many_damaged_lines_is_refused(tmp_path: Path) -> None:
    log = [line[: 9 if i % 10 == 3 else None] for i, line in enumerate(lines(rows()).split("\n"))]
    with pytest.raises(RecordError, match="no intact JSON"):
        read(tmp_path, "\n".join(log))


def test_a_pretty_printed_file_that_was_cut_is_no_list_of_numbers(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="no intact JSON"):
        read(tmp_path, json.dumps({"fs": FS, "ecg": X}, indent=1)[:-40])


def packets(left_out: range = range(0), wraps_at: int = 256) -> list[dict[str, Any]]:
    return [
        {"seq": i % wraps_at, "ecg": X[25 * i : 25 * i + 25]}
        for i in range(N // 25)
        if i not in left_out
    ]


def test_packets_that_are_lost_by_their_counter_are_missing(tmp_path: Path) -> None:
    record = read(tmp_path, lines([{"fs": FS}, *packets(range(40, 44))]))
    missing = np.isnan(record.signal[:, 0])
    assert np.flatnonzero(missing).tolist() == list(range(1000, 1100))
    np.testing.assert_allclose(record.signal[~missing, 0], X[:1000] + X[1100:], atol=1e-6)
    assert "4 packets of 25 samples are missing by their counter 'seq'" in record.origin.text()


def test_a_counter_that_wraps_loses_nothing(tmp_path: Path) -> None:
    record = read(tmp_path, lines([{"fs": FS}, *packets(wraps_at=64)]))
    np.testing.assert_allclose(record.signal[:, 0], X, atol=1e-6)
    assert "missing" not in record.origin.text()


def test_packets_that_came_twice_are_left_out(tmp_path: Path) -> None:
    """Without it, the rate was 254 Hz, and all later beats late."""
    twice = [{"ts": EPOCH_MS[25 * i], "samples": X[25 * i : 25 * i + 25]} for i in range(N // 25)]
    record = read(tmp_path, lines(sorted([*twice, *twice[40:44]], key=lambda p: p["ts"])))
    assert record.fs == FS
    np.testing.assert_allclose(record.signal[:, 0], X, atol=1e-6)


@pytest.mark.parametrize(
    "said",
    [
        {"sampling_interval_ms": 4},
        {"sample_interval_us": 4000},
        {"sampling_rate_khz": 0.25},
        {"fs_ecg": 250},
        {"ECGSampleRate": 250},
    ],
    ids=str,
)
def test_names_of_a_rate(tmp_path: Path, said: dict[str, float]) -> None:
    assert read(tmp_path, {**said, "ecg": X}).fs == FS


def test_two_rates_that_contradict_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="'fs' says 500 Hz and 'samplingRate' 250 Hz"):
        read(tmp_path, {"fs": 500, "samplingRate": 250, "ecg": X})


def test_names_of_leads(tmp_path: Path) -> None:
    record = read(tmp_path, {"fs": FS, "leadNames": ["I", "II"], "data": [X, X[::-1]]})
    assert record.leads == ("I", "II")
