"""Lab Streaming Layer: a real outlet of this machine, read by a real inlet."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecgfast import stream_classify
from ecgfast.errors import InputError, MissingExtraError
from ecgfast.records import synthetic_ecg
from ecgfast.sources import LslSamples


@pytest.fixture(scope="module")
def lsl() -> Any:
    try:
        import pylsl
    except (ImportError, RuntimeError) as error:
        pytest.skip(f"pylsl does not work here: {error}")
    name = uuid.uuid4().hex
    outlet = pylsl.StreamOutlet(pylsl.StreamInfo(name, "ECG", 1, 250.0, "float32", name))
    if not pylsl.resolve_byprop("name", name, 1, 5.0):
        pytest.skip("streams of this machine are not found on it: no multicast")
    del outlet
    return pylsl


class Outlet:
    """A stream of this test alone, by its name."""

    def __init__(
        self,
        lsl: Any,
        labels: tuple[str, ...] = ("ECG",),
        units: tuple[str, ...] = ("microvolts",),
        *,
        rate: float = 250.0,
        kind: str = "ECG",
        name: str = "",
        source: str = "",
        kept_as: str = "float32",
    ) -> None:
        self._lsl = lsl
        self.name = name or f"test {uuid.uuid4().hex}"
        source = source or self.name
        info = lsl.StreamInfo(self.name, kind, len(labels), rate, kept_as, source)
        if any(labels):
            info.set_channel_labels(list(labels))
            info.set_channel_units(list(units))
        self._outlet = lsl.StreamOutlet(info)
        self._begin = lsl.local_clock() - 100.0
        self._rate = rate

    def send(self, first: int, rows: Any) -> None:
        """Samples `first`, `first` + 1, ... at their own times."""
        assert self._outlet.wait_for_consumers(10)
        for i, row in enumerate(rows):
            self._outlet.push_sample(list(row), self._begin + (first + i) / self._rate)

    def offer(self, rows: Any) -> None:
        """Samples of now, to whoever listens."""
        for i, row in enumerate(rows):
            at = self._lsl.local_clock() + (i - len(rows)) / self._rate
            self._outlet.push_sample(list(row), at)

    def end(self) -> None:
        del self._outlet


def taken(chunks: Iterator[Any], until: Callable[[int], bool]) -> np.ndarray:
    found: list[np.ndarray] = []
    for chunk in chunks:
        found.append(chunk)
        if until(sum(map(len, found))):
            break
    return np.concatenate(found)


def started(source: LslSamples) -> Iterator[Any]:
    """The source's chunks, once it listens: what was sent before is not for it."""
    source._inlet.open_stream(10.0)
    return iter(source)


def test_beats_of_a_stream_are_those_of_the_same_samples(lsl: Any) -> None:
    record = synthetic_ecg(30.0, 250.0, ventricular=0.1, seed=4)
    microvolts = np.rint(record.signal[:, :1] * 1000).astype("f4")
    outlet = Outlet(lsl)
    source = LslSamples(outlet.name)
    assert (source.fs, source.names, source.units) == (250.0, ("ECG",), ("mV",))
    chunks = started(source)
    outlet.send(0, microvolts)
    samples = taken(chunks, lambda n: n >= len(microvolts))
    np.testing.assert_array_equal(samples, microvolts * np.float32(1e-3))
    found = [repr(beat) for beat in stream_classify(samples, source.fs)]
    assert len(found) > 20
    assert source.troubles() == ()


def test_leads_are_chosen_by_label_and_unit(lsl: Any) -> None:
    outlet = Outlet(
        lsl, ("Fp1", "ECG", "Resp", "V5"), ("microvolts", "mV", "", "volts"), kind="EEG"
    )
    source = LslSamples(outlet.name)
    assert source.names == ("ECG", "V5")
    assert [name for name, _ in source.left_out] == ["Fp1", "Resp"]
    chunks = started(source)
    outlet.send(0, [[1, 2, 3, 4]])
    np.testing.assert_array_equal(taken(chunks, lambda n: n == 1), [[2, 4000]])


def test_all_channels_are_there_for_a_caller_who_picks_some(lsl: Any) -> None:
    outlet = Outlet(lsl, ("Fp1", "Fp2"), ("microvolts",) * 2, kind="EEG")
    assert LslSamples(outlet.name, every=True).names == ("Fp1", "Fp2")
    with pytest.raises(InputError, match=r"not clear which channel is an ECG: .*Fp1 \(an EEG"):
        LslSamples(outlet.name)


def test_a_stream_that_states_nothing_but_its_type_is_all_leads(lsl: Any) -> None:
    outlet = Outlet(lsl, ("", ""))
    source = LslSamples(outlet.name)
    assert source.names == ("channel 0", "channel 1")
    assert source.units == ("unknown", "unknown")


def test_lost_samples_are_a_gap_by_the_stamps(lsl: Any, caplog: pytest.LogCaptureFixture) -> None:
    outlet = Outlet(lsl)
    source = LslSamples(outlet.name)
    chunks = started(source)
    outlet.send(0, [[1000]] * 10)
    outlet.send(510, [[2000]] * 10)
    found = taken(chunks, lambda n: n >= 520)[:, 0]
    np.testing.assert_array_equal(found, [1.0] * 10 + [np.nan] * 500 + [2.0] * 10)
    assert (source.lost, source.gaps) == (500, 1)
    assert "2.00 s lost on the way" in caplog.text


def test_stamps_that_leap_ahead_of_the_time_are_of_a_clock_that_was_set(
    lsl: Any, caplog: pytest.LogCaptureFixture
) -> None:
    outlet = Outlet(lsl)
    source = LslSamples(outlet.name)
    chunks = started(source)
    outlet.send(0, [[1000]] * 10)
    outlet.send(30 * 250, [[2000]] * 10)
    found = taken(chunks, lambda n: n >= 20)[:, 0]
    np.testing.assert_array_equal(found, [1.0] * 10 + [2.0] * 10)
    assert (source.lost, source.gaps) == (0, 0)
    assert "its clock leaps by 30 s in less time" in caplog.text


def test_samples_that_wait_for_a_slow_reader_are_no_gap(
    lsl: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecgfast.sources.lsl._MOST", 100)
    now = [0.0]
    outlet = Outlet(lsl)
    source = LslSamples(outlet.name, clock=lambda: now[0])
    chunks = started(source)
    outlet.send(0, [[1000]])
    taken(chunks, lambda n: n == 1)
    now[0] += 4.0
    outlet.send(1, [[2000]] * 1000)
    begin = time.monotonic()
    while source._inlet.samples_available() < 1000:
        assert time.monotonic() - begin < 30
    np.testing.assert_array_equal(taken(chunks, lambda n: n >= 1000), np.full((1000, 1), 2.0))
    assert source.lost == 0


def test_a_stream_that_ends_is_found_again(lsl: Any, caplog: pytest.LogCaptureFixture) -> None:
    begin = time.monotonic()
    outlet = Outlet(lsl)
    source = LslSamples(outlet.name)
    chunks = started(source)
    outlet.send(0, [[1000]] * 10)
    found = [taken(chunks, lambda n: n >= 10)]
    name = outlet.name
    outlet.end()

    def until(done: Callable[[], bool]) -> None:
        while not done():
            found.append(next(chunks))
            assert time.monotonic() - begin < 120  # it hangs

    until(lambda: "went away" in caplog.text)
    another = Outlet(lsl, name=name, kind="EEG")
    again = Outlet(lsl, name=name)
    until(lambda: "is there again" in caplog.text)

    def arrived() -> bool:
        # Sent until it has come: a machine that is busy may drop the link once more.
        again.offer([[2000]] * 5)
        return bool((found[-1] == 2.0).any())

    until(arrived)
    assert another.name == again.name
    samples = np.concatenate(found)[:, 0]
    there = samples[np.isfinite(samples)]
    assert set(there[:10]) == {1.0}
    assert set(there[10:]) == {2.0}
    assert source.gaps >= 1
    assert source.lost == len(samples) - len(there)
    assert 0 < source.lost < 250 * (time.monotonic() - begin)


@pytest.mark.parametrize(
    "changed", [{"rate": 500.0}, {"labels": ("V1",)}, {"units": ("millivolts",)}]
)
def test_a_stream_that_comes_back_otherwise_is_refused(
    lsl: Any, changed: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    outlet = Outlet(lsl)
    source = LslSamples(outlet.name)
    chunks = started(source)
    outlet.send(0, [[1000]] * 10)
    taken(chunks, lambda n: n == 10)
    outlet.end()
    begin = time.monotonic()
    while "went away" not in caplog.text:
        next(chunks)
        assert time.monotonic() - begin < 120  # it hangs
    again = Outlet(lsl, name=outlet.name, **changed)
    with pytest.raises(InputError, match="came back with other channels or at another rate"):
        taken(chunks, lambda _: time.monotonic() - begin > 120)
    assert again.name == outlet.name


def test_of_several_streams_none_is_guessed(lsl: Any) -> None:
    first = Outlet(lsl, source="a")
    second = Outlet(lsl, name=first.name, source="b")
    with pytest.raises(InputError, match=r"several streams would do: .*give them different names"):
        LslSamples(first.name)
    with pytest.raises(InputError, match=r"several streams would do: .*name one, such as lsl:NAME"):
        LslSamples()
    assert first.name == second.name


def test_the_one_stream_of_its_type_is_taken_and_named(
    lsl: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    outlet = Outlet(lsl)

    def only(_: object, key: str, value: str, *more: float) -> list[Any]:
        assert (key, value) == ("type", "ECG")
        return list(lsl.resolve_byprop("name", outlet.name, 1, 5.0))

    monkeypatch.setattr(LslSamples, "_resolve", only)
    assert LslSamples().name == f"lsl:{outlet.name}"
    assert f"lsl: takes {outlet.name!r} of " in caplog.text


def test_a_stream_of_text_is_refused(lsl: Any) -> None:
    outlet = Outlet(lsl, kept_as="string")
    with pytest.raises(InputError, match="is a stream of text"):
        LslSamples(outlet.name)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_beats_and_events_go_out_as_markers(lsl: Any, tmp_path: Path) -> None:
    record = synthetic_ecg(30.0, 250.0, ventricular=0.2, seed=4)
    lines = [f"{value:.5f}\n" for value in record.signal[:, 0]]
    name = f"markers {uuid.uuid4().hex}"
    command = ["stream", "-", "--fs", "250", "--json", "--lsl", name]
    markers: list[tuple[Any, float]] = []
    with (
        (tmp_path / "out").open("w") as out,
        subprocess.Popen(
            [sys.executable, "-m", "ecgfast", *command],
            stdin=subprocess.PIPE,
            stdout=out,
            text=True,
        ) as process,
    ):
        assert process.stdin is not None
        process.stdin.write("".join(lines))  # the stream of markers begins with the first samples
        process.stdin.flush()
        (found,) = lsl.resolve_byprop("name", name, 1, 60.0)
        inlet = lsl.StreamInlet(found)
        inlet.open_stream(60.0)
        # Until they come: how soon the other side knows of the inlet depends on the machine.
        for begin in itertools.cycle(range(0, len(lines), 500)):
            process.stdin.write("".join(lines[begin : begin + 500]))
            process.stdin.flush()
            samples, stamps = inlet.pull_chunk(timeout=0.2)
            markers += [(json.loads(s[0]), at) for s, at in zip(samples, stamps, strict=True)]
            if len(markers) > 30:
                break
        process.stdin.close()
        assert process.wait(300) == 0
    rows = [json.loads(line) for line in (tmp_path / "out").read_text().splitlines()]
    printed = [(row["sample"], row["label"]) for row in rows if "label" in row]
    beats = [(marker["sample"], marker["label"]) for marker, _ in markers if "label" in marker]
    assert len(beats) > 5
    first = printed.index(beats[0])
    assert beats == printed[first : first + len(beats)]  # none is lost
    assert any(marker["type"] == "event" for marker, _ in markers)
    # Stamps are those of the R peaks, not of their reports: beats of one chunk are not at one time.
    at = [(marker["time"], stamp) for marker, stamp in markers if "label" in marker]
    apart = [
        (later - sooner, later_at - sooner_at)
        for (sooner, sooner_at), (later, later_at) in itertools.pairwise(at)
    ]
    assert any(stamps == pytest.approx(seconds, abs=1e-3) for seconds, stamps in apart)


def test_no_stream_is_one_line(lsl: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ecgfast.sources.lsl._SEARCH_S", 0.2)
    with pytest.raises(InputError, match=r"lsl:it's none: no stream named .* within") as caught:
        LslSamples("it's none")
    assert "\n" not in str(caught.value)


def test_a_stream_of_markers_is_refused(lsl: Any) -> None:
    outlet = Outlet(lsl, ("ECG",), rate=0.0)
    with pytest.raises(InputError, match="no regular sampling rate"):
        LslSamples(outlet.name)


def test_without_pylsl_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pylsl", None)
    with pytest.raises(MissingExtraError, match=r"ecgfast\[lsl\]"):
        LslSamples("x")
