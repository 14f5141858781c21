"""Long tables: time stamps held in few bytes, and memory that does not grow beyond the samples."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from limited import run_limited
from thorough import thorough_cases

from ecgfast.records import read_record
from ecgfast.records.clocks import read_clock
from ecgfast.records.time_stamps import Stamps

RNG = np.random.default_rng(5)
CLOCKS = {
    "even": np.arange(300_000) / 250,
    "rounded": np.round(np.arange(300_000) / 360, 3),
    "milliseconds": np.arange(300_000) * 4.0,
    "epoch": 1.7e9 + np.round(np.arange(300_000) / 512, 6),
    "jitter": np.arange(300_000) / 250 + RNG.normal(0, 2e-4, 300_000),
    "packets": np.repeat(np.arange(20_000) * 0.064, 16)[:300_000],
    "gap": np.concatenate([np.arange(200_000), np.arange(100_000) + 205_000]) / 250,
    "missing": np.where(np.arange(300_000) % 1000 == 7, np.nan, np.arange(300_000) / 250),
    "huge": np.arange(300_000) * 1e15,
    "noise": RNG.normal(0, 1e9, 300_000),
}


@pytest.mark.parametrize("kind", CLOCKS)
def test_stamps_come_back_exactly(kind: str) -> None:
    stamps = CLOCKS[kind]
    held = Stamps(stamps)
    assert len(held) == len(stamps)
    np.testing.assert_array_equal(held.part(0, len(stamps)), stamps)
    np.testing.assert_array_equal(np.concatenate(list(held.blocks())), stamps)
    for begin, end in ((0, 5), (131_000, 131_200), (299_990, 400_000), (262_144, 262_145)):
        np.testing.assert_array_equal(held.part(begin, end), stamps[begin:end])


@pytest.mark.parametrize("kind", ["even", "rounded", "milliseconds", "epoch", "jitter", "gap"])
def test_packed_stamps_tell_the_same_clock(kind: str) -> None:
    stamps = CLOCKS[kind]
    count = None if kind == "milliseconds" else 1.0
    plain, start, unit = read_clock(stamps, count, "a", "time")
    packed, packed_start, packed_unit = read_clock(Stamps(stamps), count, "a", "time")
    assert plain is not None
    assert packed is not None
    assert (packed_start, packed_unit) == (start, unit)
    assert packed.fs == pytest.approx(plain.fs, rel=1e-9)
    assert (packed.n_samples, packed.spans, packed.notes) == (
        plain.n_samples,
        plain.spans,
        plain.notes,
    )


@pytest.mark.parametrize("jitter", [0.0, 2e-4])
def test_gaps_of_a_long_recording_are_found_where_they_are(jitter: float) -> None:
    n, fs = 400_000, 360.0
    rng = np.random.default_rng(7)
    begins = np.sort(rng.choice(n // 1000, 40, replace=False))[1:] * 1000 + 500
    missing = rng.integers(2, 5000, len(begins))
    place = np.arange(n)
    for begin, lost in zip(begins, missing, strict=True):
        place[begin:] += lost
    stamps = np.round(place / fs + rng.normal(0, jitter, n) if jitter else place / fs, 3)
    expected = [(0, 0), *((int(b), int(place[b])) for b in begins)]
    for kind in (Stamps(stamps), stamps):
        clock, _, _ = read_clock(kind, 1.0, "a", "time")
        assert clock is not None
        assert clock.fs == 360.0
        assert clock.spans == expected
        assert clock.n_samples == place[-1] + 1
    # A packet that arrived twice, in a clock with gaps.
    twice = np.concatenate([stamps[:250_000], stamps[249_900:]])
    clock, _, _ = read_clock(Stamps(twice), 1.0, "a", "time")
    if not jitter:
        assert clock is not None
        assert clock.n_samples == place[-1] + 1
        assert clock.rows is not None
        assert not np.isin(np.arange(250_000, 250_100), clock.rows).any()


def test_a_gap_of_a_sample_has_a_length() -> None:
    place = np.arange(2000) + np.where(np.arange(2000) > 900, 2, 0)
    clock, _, _ = read_clock(place / 250, 1.0, "a", "time")
    assert clock is not None
    assert clock.notes == ("1 gap of 8.0 ms in all filled with missing samples",)


def test_a_missing_stamp_hides_no_gap() -> None:
    """One stamp without a value had let gaps pass, or had taken the rate from a file."""
    place = np.arange(20_000) + np.where(np.arange(20_000) > 12_000, 3600, 0)
    for missing in ([5000], [5000, 5001, 9000], list(range(3000, 3050)), [0], [19_000]):
        stamps = np.round(place / 360, 5)
        stamps[missing] = np.nan
        clock, _, _ = read_clock(Stamps(stamps), 1.0, "a", "time")
        assert clock is not None
        assert clock.fs == 360.0
        assert clock.spans == [(0, 0), (12_001, 15_601)]


def test_a_damaged_line_is_a_missing_sample_and_a_remark_is_none(tmp_path: Path) -> None:
    lines = [f"{i / 250:.3f},{np.sin(i / 9):.3f}" for i in range(10_000)]
    damaged = [*lines[:4000], "?+", "?+", *lines[4002:]]
    remark = [*lines[:4000], "start of exercise", *lines[4000:]]
    for name, rows, missing in (("a", damaged, 2), ("b", remark, 0)):
        (tmp_path / f"{name}.csv").write_text("time (s),II\n" + "\n".join(rows))
        record = read_record(tmp_path / f"{name}.csv")
        assert (record.fs, len(record.signal)) == (250.0, 10_000)
        assert np.isnan(record.signal).sum() == missing
        assert "gap" not in record.origin.text()


def test_a_counter_is_no_clock() -> None:
    assert read_clock(Stamps(np.arange(300_000.0)), None, "a", "n")[0] is None


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform != "linux", reason="memory is measured as Linux has it")
@pytest.mark.parametrize("gap", [5000, *thorough_cases(0)])
def test_text_takes_the_memory_of_its_samples(tmp_path: Path, gap: int) -> None:
    n = 800_000
    values = (np.round(np.sin(np.arange(n) / 40), 3) + (np.arange(n) % 200 == 0)).tolist()
    rows = (f"{(k + gap * (k > 9999)) * 4},{v:.3f},{-v:.3f}" for k, v in enumerate(values))
    (tmp_path / "a.csv").write_text("time (ms),I,II\n" + "\n".join(rows))
    done = run_limited(
        "from ecgfast.records import open_record, read_record\n"
        "before = peak_mb()\n"
        "source = open_record(sys.argv[1]); total = sum(len(b) for b in source.blocks(60.0))\n"
        "print(total, source.fs, peak_mb() - before)",
        tmp_path / "a.csv",
        seconds=60,
    )
    assert done.returncode == 0, done.stderr
    total, fs, grown = done.stdout.split()
    assert (int(total), float(fs)) == (n + gap, 250.0)
    samples = n * 2 * 4 / 2**20
    # Beside the samples: pieces of the text and of its numbers, whatever the length.
    assert float(grown) < samples + 40
