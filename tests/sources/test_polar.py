"""A Polar strap, played by a stand-in for the Bluetooth library that sends frames as documented."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ecgfast import stream_classify
from ecgfast.errors import InputError, MissingExtraError
from ecgfast.records import synthetic_ecg
from ecgfast.sources import PolarSamples
from ecgfast.sources.polar import ECG_FS, decode_ecg

CONTROL = "fb005c81-02e7-f387-1cad-8acd2d8df0c8"
DATA = "fb005c82-02e7-f387-1cad-8acd2d8df0c8"
START = bytes.fromhex("02 00 00 01 82 00 01 01 0e 00")
ACCEPTED = bytes.fromhex("f0 02 00 00 00")
FRAME = 73


def frame(begin: int, microvolts: Any) -> bytes:
    """Samples `begin`, `begin` + 1, ... of a strap whose clock began at 1000 s."""
    stamp = 1000 * 10**9 + round((begin + len(microvolts) - 1) / ECG_FS * 1e9)
    samples = b"".join(int(value).to_bytes(3, "little", signed=True) for value in microvolts)
    return bytes([0]) + stamp.to_bytes(8, "little") + bytes([0]) + samples


class Strap:
    """What the stand-in talks to: frames go out once the ECG is asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.devices = [("AA:BB", "Polar H10 12345678"), ("CC:DD", "Polar OH1 1"), ("EE:FF", None)]
        self.answer = ACCEPTED
        self.connections: list[list[bytes]] = []  # frames of each connection, then it breaks
        self.connected: list[str] = []
        self.requests: list[bytes] = []
        self.played = threading.Event()
        bleak = ModuleType("bleak")
        bleak.BleakScanner = SimpleNamespace(find_device_by_filter=self._find)  # type: ignore[attr-defined]
        bleak.BleakClient = self._client  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "bleak", bleak)
        monkeypatch.setattr("ecgfast.sources.polar._SEARCH_S", 0.2)
        monkeypatch.setattr("ecgfast.sources.polar.RETRY_S", 0.01)

    async def _find(self, matches: Any, timeout: float) -> Any:
        for address, name in self.devices:
            device = SimpleNamespace(address=address, name=name)
            if matches(device, None):
                return device
        await asyncio.sleep(timeout)
        return None

    def _client(self, device: Any, disconnected_callback: Any, timeout: float) -> Any:
        assert timeout > 0
        return _Client(self, device, disconnected_callback)


class _Client:
    def __init__(self, strap: Strap, device: Any, gone: Any) -> None:
        self._strap, self._device, self._gone = strap, device, gone
        self._notify: dict[str, Any] = {}

    async def __aenter__(self) -> _Client:
        self._strap.connected.append(self._device.address)
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def start_notify(self, uuid: str, callback: Any) -> None:
        self._notify[uuid] = callback

    async def write_gatt_char(self, uuid: str, data: bytes, response: bool) -> None:
        assert (uuid, response) == (CONTROL, True)
        self._strap.requests.append(bytes(data))
        if data == START:
            self._notify[CONTROL](None, bytearray(self._strap.answer))
            asyncio.get_running_loop().create_task(self._play())

    async def _play(self) -> None:
        await asyncio.sleep(0.01)
        frames = self._strap.connections.pop(0) if self._strap.connections else []
        for data in frames:
            self._notify[DATA](None, bytearray(data))
        if self._strap.connections:
            self._gone(self)
        else:
            self._strap.played.set()


@pytest.fixture
def strap(monkeypatch: pytest.MonkeyPatch) -> Strap:
    return Strap(monkeypatch)


def all_of(source: PolarSamples, n: int) -> np.ndarray:
    """The first `n` samples or more, then the end."""
    found: list[np.ndarray] = []
    for chunk in source:
        found.append(chunk)
        if sum(map(len, found)) >= n:
            source.close()
    return np.concatenate(found)[:, 0]


def test_a_frame_is_decoded_as_documented() -> None:
    values = [0, 1, -1, 8_388_607, -8_388_608, -1500]
    found = decode_ecg(frame(130, values))
    assert found is not None
    assert found.stamp == pytest.approx(1001.0 + 5 / 130)
    np.testing.assert_array_equal(found.samples, (np.array(values) * 1e-3).astype("f4"))


@pytest.mark.parametrize(
    "data",
    [b"", bytes(10), bytes(12), bytes([2]) + bytes(12), bytes(9) + bytes([1]) + bytes(3)],
)
def test_what_is_no_ecg_frame_is_none(data: bytes) -> None:
    assert decode_ecg(data) is None


def test_beats_of_a_strap_are_those_of_the_same_samples(strap: Strap) -> None:
    record = synthetic_ecg(40.0, ECG_FS, ventricular=0.1, seed=4)
    microvolts = np.rint(record.signal[:, 0] * 1000).astype(int)
    microvolts = microvolts[: len(microvolts) // FRAME * FRAME]
    strap.connections = [
        [frame(i, microvolts[i : i + FRAME]) for i in range(0, len(microvolts), FRAME)]
    ]
    source = PolarSamples("Polar H10")
    assert (source.fs, source.names) == (130.0, ("ECG",))

    def chunks() -> Iterator[Any]:
        given = 0
        for chunk in source:
            yield chunk
            given += len(chunk)
            if given >= len(microvolts):
                source.close()

    found = [repr(beat) for beat in stream_classify(chunks(), source.fs)]
    assert len(found) > 40
    millivolts = (microvolts * 1e-3).astype("f4")
    assert found == [repr(beat) for beat in stream_classify(millivolts, source.fs)]
    assert strap.requests == [START, bytes([3, 0])]
    assert source.troubles() == ()


def test_lost_frames_are_a_gap_by_the_straps_own_clock(
    strap: Strap, caplog: pytest.LogCaptureFixture
) -> None:
    values = np.arange(10 * FRAME) - 300
    frames = [frame(i, values[i : i + FRAME]) for i in range(0, len(values), FRAME)]
    strap.connections = [[*frames[:3], b"\x00garbage", *frames[6:]]]
    source = PolarSamples()
    found = all_of(source, len(values))
    expected = (values * 1e-3).astype("f4")
    expected[3 * FRAME : 6 * FRAME] = np.nan
    np.testing.assert_array_equal(found, expected)
    assert (source.lost, source.gaps, source.malformed) == (3 * FRAME, 1, 1)
    assert "1.68 s lost on the way; they count as a gap" in caplog.text


def test_a_strap_that_goes_out_of_reach_is_connected_again(
    strap: Strap, caplog: pytest.LogCaptureFixture
) -> None:
    now = [0.0]

    def clock() -> float:
        now[0] += 0.01
        return now[0]

    values = np.arange(FRAME)
    strap.connections = [[frame(0, values)], [frame(4000, values)]]
    source = PolarSamples(clock=clock)
    strap.played.wait(300)
    found = all_of(source, 2 * FRAME)
    assert strap.connected == ["AA:BB", "AA:BB"]
    np.testing.assert_array_equal(found[:FRAME], (values * 1e-3).astype("f4"))
    np.testing.assert_array_equal(found[-FRAME:], (values * 1e-3).astype("f4"))
    # Time that is lost with the link is counted by this machine's clock alone.
    assert source.lost == len(found) - 2 * FRAME < 130
    assert source.gaps == 1
    assert "went out of reach; trying again" in caplog.text
    assert "is there again" in caplog.text


def test_another_strap_is_not_taken_after_a_lost_link(
    strap: Strap, caplog: pytest.LogCaptureFixture
) -> None:
    strap.connections = [[frame(0, [1000] * FRAME)], [frame(200, [2000] * FRAME)]]
    source = PolarSamples()
    assert source.name == "polar:Polar H10 12345678"
    assert "polar: takes Polar H10 12345678 (AA:BB)" in caplog.text
    strap.devices.insert(0, ("11:22", "Polar H10 87654321"))
    all_of(source, 2 * FRAME)
    assert strap.connected == ["AA:BB", "AA:BB"]


def test_a_strap_whose_clock_is_set_has_lost_nothing(
    strap: Strap, caplog: pytest.LogCaptureFixture
) -> None:
    later = round(30 * ECG_FS)
    strap.connections = [[frame(0, [1000] * FRAME), frame(FRAME + later, [2000] * FRAME)]]
    samples = all_of(PolarSamples(), 2 * FRAME)
    np.testing.assert_allclose(samples, [1.0] * FRAME + [2.0] * FRAME)
    assert "its clock leaps by 30 s in less time" in caplog.text


def test_a_strap_that_cannot_be_connected_again_says_why_once(
    strap: Strap, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    failures = ["no adapter\nfound"] * 3

    def client(*args: Any, **options: Any) -> Any:
        if strap.connected and failures:
            raise RuntimeError(failures.pop())
        return strap._client(*args, **options)

    monkeypatch.setattr(sys.modules["bleak"], "BleakClient", client)
    strap.connections = [[frame(0, range(FRAME))], [frame(4000, range(FRAME))]]
    source = PolarSamples()
    strap.played.wait(300)
    all_of(source, 2 * FRAME)
    assert not failures
    assert caplog.text.count("not connected (no adapter found); trying again") == 1


@pytest.mark.parametrize("held", [214, 4])
def test_a_slow_reader_gets_what_is_held_and_each_sample_at_its_time(
    strap: Strap, monkeypatch: pytest.MonkeyPatch, held: int
) -> None:
    monkeypatch.setattr("ecgfast.sources.polar._MOST_FRAMES", held)
    now = [0.0]
    values = np.arange(10 * FRAME)
    frames = [frame(i, values[i : i + FRAME]) for i in range(0, len(values), FRAME)]
    source = PolarSamples(clock=lambda: now[0])
    strap.played.wait(300)
    source._put(frames[0])
    chunks = iter(source)
    found = [next(chunks)]
    now[0] += 9 * FRAME / ECG_FS
    for data in frames[1:]:
        source._put(data)
    found.append(next(chunks))
    source.close()
    assert list(chunks) == []
    expected = (values * 1e-3).astype("f4")
    if held == 4:
        expected[FRAME : -4 * FRAME] = np.nan
    np.testing.assert_array_equal(np.concatenate(found)[:, 0], expected)
    assert source.lost == np.isnan(expected).sum()


@pytest.mark.parametrize("wanted", ["ee:ff", "EE:FF"])
def test_a_strap_is_found_by_its_address(strap: Strap, wanted: str) -> None:
    strap.connections = [[frame(0, range(FRAME))]]
    assert len(all_of(PolarSamples(wanted), FRAME)) == FRAME
    assert strap.connected == ["EE:FF"]


def test_no_strap_is_one_line(strap: Strap) -> None:
    with pytest.raises(InputError, match=r"polar:Polar H9: no such strap within") as caught:
        PolarSamples("Polar H9")
    assert "\n" not in str(caught.value)


def test_a_strap_that_gives_no_ecg_says_so(strap: Strap) -> None:
    strap.answer = bytes.fromhex("f0 02 00 03")
    with pytest.raises(InputError, match=r"gives no ECG \(answer f0 02 00 03\)"):
        PolarSamples()


def test_no_bluetooth_is_one_line(strap: Strap, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError("no adapter\nfound")

    monkeypatch.setattr(sys.modules["bleak"].BleakScanner, "find_device_by_filter", fails)
    with pytest.raises(InputError, match=r"Bluetooth does not work here \(no adapter found\)"):
        PolarSamples()


def test_without_bleak_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bleak", None)
    with pytest.raises(MissingExtraError, match=r"ecgfast\[bluetooth\]"):
        PolarSamples()


def test_the_stand_in_has_what_the_library_has() -> None:
    """The calls above exist in bleak with these arguments."""
    import inspect

    bleak = pytest.importorskip("bleak")
    finding = inspect.signature(bleak.BleakScanner.find_device_by_filter).parameters
    assert "timeout" in finding
    client = inspect.signature(bleak.BleakClient.__init__).parameters
    assert {"disconnected_callback", "timeout"} <= set(client)
    assert "response" in inspect.signature(bleak.BleakClient.write_gatt_char).parameters
    assert "callback" in inspect.signature(bleak.BleakClient.start_notify).parameters
