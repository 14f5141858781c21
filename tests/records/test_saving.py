"""A live recording in a folder: what a crash, a full disk and a restart leave of it."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecgfast import read_record
from ecgfast.errors import InputError
from ecgfast.records import read_annotations, synthetic_ecg
from ecgfast.records.finding import find_recordings
from ecgfast.records.saving import RecordingFolder
from ecgfast.rhythm import Event

FS = 250.0


class Clock:
    """The time of day, as the test says."""

    def __init__(self) -> None:
        self.at = 1_790_000_000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


def ecg(seconds: float, seed: int = 1) -> np.ndarray:
    return synthetic_ecg(seconds, FS, leads=("MLII", "V5"), seed=seed).signal


def saved(folder: Path, chunks: list[np.ndarray], **more: Any) -> RecordingFolder:
    made = RecordingFolder(folder, FS, ["II", "V5"], ["mV", "mV"], **more)
    for chunk in chunks:
        made.write(chunk)
    return made


def test_what_was_saved_is_read_back(tmp_path: Path, clock: Clock) -> None:
    signal_ = ecg(60.0)
    signal_[2000:2100] = np.nan
    with saved(tmp_path / "a", np.array_split(signal_, 77), now=clock) as made:
        made.mark(10, "N")
        made.mark(500, "V")
        made.event({"kind": "pause", "start": 10, "end": 500})
        made.note("lead\noff")
    record = read_record(tmp_path / "a" / "recording")
    assert record.leads == ("II", "V5")
    assert record.units == ("mV", "mV")
    assert record.start is not None
    assert record.start.timestamp() == pytest.approx(clock.at, abs=0.001)
    np.testing.assert_allclose(record.signal, signal_, atol=0.51e-4)
    assert np.isnan(record.signal[2000:2100]).all()
    marks = read_annotations(tmp_path / "a" / "recording.ecg")
    assert (marks.sample.tolist(), "".join(marks.symbol)) == ([10, 500], "NV")
    (event,) = (tmp_path / "a" / "recording.events").read_text().splitlines()
    assert json.loads(event)["kind"] == "pause"
    log = (tmp_path / "a" / "recording.journal").read_text().splitlines()
    assert log[1].endswith("lead off")
    # In a folder it is one recording, not one an hour.
    assert find_recordings([str(tmp_path)]).recordings == [tmp_path / "a" / "recording"]


def test_other_programs_read_it(tmp_path: Path, clock: Clock) -> None:
    wfdb = pytest.importorskip("wfdb")
    signal_ = ecg(20.0)
    saved(tmp_path / "a", [signal_], now=clock).close()
    record = wfdb.rdrecord(str(tmp_path / "a" / "recording"))
    assert record.sig_name == ["II", "V5"]
    np.testing.assert_allclose(record.p_signal, signal_, atol=0.51e-4)


def test_each_hour_is_a_file(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ecgfast.records.saving._FILE_S", 10.0)
    signal_ = ecg(35.0)
    saved(tmp_path / "a", np.array_split(signal_, 9), now=clock).close()
    files = sorted(path.name for path in (tmp_path / "a").glob("*.dat"))
    assert files == [f"recording_{i:04d}.dat" for i in range(4)]
    np.testing.assert_allclose(
        read_record(tmp_path / "a" / "recording").signal, signal_, atol=0.51e-4
    )


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_killed_at_any_moment_it_keeps_what_was_written(tmp_path: Path) -> None:
    code = """
import os, sys
import numpy as np
from ecgfast.records.saving import RecordingFolder
made = RecordingFolder(sys.argv[1], 250.0, ["II", "V5"], ["mV", "mV"])
for i in range(10**6):
    made.write(np.full((25, 2), i / 100, "f4"))
    made.mark(i * 25, "N")
    os.write(1, b".")
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "a")], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    counted = 0
    while counted < 40:
        counted += len(os.read(process.stdout.fileno(), 1))
    process.send_signal(signal.SIGKILL)
    counted += len(process.stdout.read())
    process.wait()
    record = read_record(tmp_path / "a" / "recording")
    assert len(record.signal) >= 25 * counted
    values = record.signal[::25, 0]
    np.testing.assert_allclose(values, np.arange(len(values)) / 100, atol=1e-4)
    assert len(read_annotations(tmp_path / "a" / "recording.ecg")) >= counted
    # Continued, with the time between as a gap.
    made = RecordingFolder(tmp_path / "a", 250.0, ["II", "V5"], ["mV", "mV"])
    assert made.offset >= len(record.signal)
    made.write(np.ones((50, 2), "f4"))
    made.mark(7, "V")
    made.close()
    whole = read_record(tmp_path / "a" / "recording").signal
    assert len(whole) == made.offset + 50
    np.testing.assert_array_equal(whole[: len(record.signal)], record.signal)
    assert np.isnan(whole[len(record.signal) : made.offset]).all()
    np.testing.assert_array_equal(whole[made.offset :], 1.0)
    marks = read_annotations(tmp_path / "a" / "recording.ecg")
    assert marks.sample[-1] == made.offset + 7


def test_events_of_a_part_that_follows_count_in_the_recording(tmp_path: Path, clock: Clock) -> None:
    """Their seconds and beats had counted in the part, their begin and end in the recording."""
    event = Event(
        "ventricular_couplet", 500, 700, 500 / FS, 700 / FS, "low", 0.9, n_beats=2, beats=(500, 700)
    )
    for _ in range(2):
        with saved(tmp_path / "a", [ecg(10.0)], now=clock) as made:
            made.event(event.to_dict())
        clock.at += 20.0
    rows = [json.loads(row) for row in (tmp_path / "a" / "recording.events").open()]
    assert made.offset > 0
    for row, offset in zip(rows, (0, made.offset), strict=True):
        assert (row["start"], row["end"]) == (offset + 500, offset + 700)
        assert row["start_time"] == pytest.approx(row["start"] / FS)
        assert row["end_time"] == pytest.approx(row["end"] / FS)
        assert row["beats"] == [row["start"], row["end"]]


def test_a_part_that_follows_keeps_the_time(tmp_path: Path, clock: Clock) -> None:
    for k in range(3):
        made = saved(tmp_path / "a", [ecg(10.0, seed=k)], now=clock)
        made.close()
        last = max((tmp_path / "a").glob("*.dat"))
        clock.at += 10.0
        os.utime(last, (clock.at, clock.at))
        clock.at += 20.0
    assert made.offset == 2 * 30 * FS
    whole = read_record(tmp_path / "a" / "recording").signal
    assert len(whole) == 70 * FS
    for k in range(3):
        begin = int(30 * FS * k)
        np.testing.assert_allclose(whole[begin : begin + 2500], ecg(10.0, seed=k), atol=0.51e-4)
    assert np.isnan(whole[2500:7500]).all()


def test_a_full_disk_is_a_gap_and_a_warning(
    tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    signal_ = ecg(60.0)
    made = saved(tmp_path / "a", [signal_[:2500]], now=clock)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as context:
        context.setattr("ecgfast.records.saving._SignalFile.write", full)
        for begin in range(2500, 7500, 250):
            made.write(signal_[begin : begin + 250])
    assert made.lost == 5000
    assert caplog.text.count("the signal is not saved: the disk is full; make room") == 1
    for begin in range(7500, 15000, 250):
        made.write(signal_[begin : begin + 250])
    made.close()
    assert made.missing == f"{made.lost:,} samples ({made.lost / FS:.1f} s)"
    assert f"not saved: {made.missing}" in (tmp_path / "a" / "recording.journal").read_text()
    assert "saved again; " in caplog.text
    whole = read_record(tmp_path / "a" / "recording").signal
    expected = signal_.copy()
    expected[2500 : 2500 + made.lost] = np.nan
    assert made.lost <= 5000 + 10 * FS
    np.testing.assert_allclose(whole, expected, atol=0.51e-4)


def test_each_second_of_signal_is_synchronised_with_the_disk(
    tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []

    def synced(number: int) -> None:
        sizes.append(os.fstat(number).st_size)

    made = saved(tmp_path / "a", [], now=clock)
    monkeypatch.setattr(os, "fdatasync", synced, raising=False)
    for chunk in np.array_split(ecg(5.0), 50):
        made.write(chunk)
    row = 4 * 2
    assert sizes == [row * round(FS) * second for second in range(1, 6)]

    def fails(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as context:
        context.setattr(os, "fdatasync", fails, raising=False)
        for chunk in np.split(ecg(2.0), 2):
            made.write(chunk)
    made.close()
    assert caplog.text.count("recording_0000.dat: may not be on the disk (") == 1
    assert len(read_record(tmp_path / "a" / "recording").signal) == 7 * FS


def test_counts_of_a_converter_are_kept_whole(tmp_path: Path, clock: Clock) -> None:
    counts = np.array([[0.0, 8_388_607.0], [4095.25, -8_388_608.0], [np.inf, 1.0]], "f4")
    with RecordingFolder(tmp_path / "a", FS, ["A", "B"], now=clock) as made:
        made.write(counts)
    record = read_record(tmp_path / "a" / "recording", leads=[0, 1])
    assert record.units == ("unknown", "unknown")
    np.testing.assert_array_equal(record.signal, [*counts[:2], [np.nan, 1.0]])


@pytest.mark.parametrize("what", ["other rate", "other leads", "other files", "damaged", "late"])
def test_another_recording_is_never_mixed_in(tmp_path: Path, clock: Clock, what: str) -> None:
    folder = tmp_path / "a"
    saved(folder, [ecg(5.0)], now=clock).close()
    for path in folder.iterdir():
        os.utime(path, (clock.at, clock.at))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    fs, leads = FS, ["II", "V5"]
    if what == "other rate":
        fs = 360.0
    elif what == "other leads":
        leads = ["I", "V5"]
    elif what == "late":
        clock.at += 30 * 86400
    elif what == "damaged":
        before["recording.info"] = b"{"
        (folder / "recording.info").write_bytes(b"{")
    else:
        folder = tmp_path / "b"
        folder.mkdir()
        (folder / "thesis.txt").write_text("text")
        before = {"thesis.txt": b"text"}
    with pytest.raises(InputError, match="name a new folder"):
        RecordingFolder(folder, fs, leads, ["mV"] * 2, now=clock)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_what_was_left_by_a_process_killed_at_the_start_is_in_nobodys_way(tmp_path: Path) -> None:
    """The same command had been refused until the user looked for a hidden file."""
    folder = tmp_path / "a"
    folder.mkdir()
    draft = folder / ".recording.info.0123456789abcdef.part"
    draft.write_text("{")
    saved(folder, [ecg(5.0)]).close()
    assert len(read_record(folder / "recording").signal) == 5 * FS


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a file")
    with pytest.raises(InputError, match=r"a: cannot be written \(") as caught:
        RecordingFolder(tmp_path / "a", FS, ["II"])
    assert "\n" not in str(caught.value)


def test_a_clock_that_is_behind_the_recording_is_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A board without a battery for its clock begins in the past after a power cut."""
    with RecordingFolder(tmp_path / "night", 250.0, ["II"]) as kept:
        kept.write(np.zeros(500))
    ended = (tmp_path / "night" / "recording_0000.dat").stat().st_mtime
    early = {"now": lambda: ended - 7200.0}
    with RecordingFolder(tmp_path / "night", 250.0, ["II"], **early) as kept:
        kept.write(np.zeros(500))
        assert kept.offset == 500
    assert "7200 s before the end of what was recorded" in caplog.text
    assert "7200 s before the end" in (tmp_path / "night" / "recording.journal").read_text()


def test_a_recording_continues_on_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A service that is started again goes on watching, and saves once there is room."""
    folder = tmp_path / "night"
    with RecordingFolder(folder, FS, ["II"]) as kept:
        kept.write(np.zeros(500))
        kept.mark(100, "N")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as context:
        context.setattr("ecgfast.records.saving.write_whole", full)
        context.setattr("ecgfast.records.annotation_file.write_whole", full)
        kept = RecordingFolder(folder, FS, ["II"])
        kept.write(np.zeros(500))
        kept.mark(100, "N")
        kept.mark(200, "N")
    assert "beats are not saved until it can be" in caplog.text
    assert "the signal is not saved: the disk is full" in caplog.text
    for _ in range(13):
        kept.write(np.zeros(250))
    kept.mark(3700, "V")
    kept.close()
    assert kept.missing.endswith(" s) and 2 annotations")
    marks = read_annotations(folder / "recording.ecg")
    assert (marks.sample - kept.offset).tolist() == [100 - kept.offset, 3700]
    assert "saved again" in caplog.text
    assert len(read_record(folder / "recording").signal) == kept.offset + 500 + 13 * 250
