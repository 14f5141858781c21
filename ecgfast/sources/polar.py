"""ECG of a Polar chest strap over Bluetooth: 130 samples a second, in microvolts."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from ..extras import need
from .link import RETRY_S, WAIT_S, Link

__all__ = ["ECG_FS", "EcgFrame", "PolarSamples", "decode_ecg"]

_log = logging.getLogger(__name__)

#: Samples a second, as the strap's documentation has it; its clock is off by less than 0.1 %.
ECG_FS = 130.0

# Characteristics of the Polar Measurement Data service: requests and answers; samples.
_CONTROL = "fb005c81-02e7-f387-1cad-8acd2d8df0c8"
_DATA = "fb005c82-02e7-f387-1cad-8acd2d8df0c8"

# Start the ECG (measurement type 0) at 130 Hz with 14 bits; stop it.
_START = bytes([0x02, 0x00, 0x00, 0x01, 0x82, 0x00, 0x01, 0x01, 0x0E, 0x00])
_STOP = bytes([0x03, 0x00])

# An answer: this byte, the request's code, the measurement type, and 0 if it was accepted.
_ANSWER = 0xF0
_ALREADY_STARTED = 6

# Seconds of a search, of a connection, and for an answer.
_SEARCH_S, _CONNECT_S, _ANSWER_S = 15.0, 20.0, 5.0

# A frame's stamp is that of its last sample: one that is later than due by so many samples follows
# a lost frame; frames hold 73 samples.
_LATE = 8.0

# Frames that wait for a slow reader, at most: two minutes.
_MOST_FRAMES = 214

_HEADER = 10


@dataclass(frozen=True, eq=False)
class EcgFrame:
    """A frame of the strap.

    Attributes
    ----------
    stamp : float
        Time of its last sample on the strap's clock, seconds.
    samples : ndarray of float32, shape (k,)
        Millivolts.
    """

    stamp: float
    samples: npt.NDArray[np.float32]


def decode_ecg(frame: bytes) -> EcgFrame | None:
    """Decode a frame of the Polar Measurement Data service.

    A frame is a byte of the measurement type (0 for the ECG), the time of its last sample in
    nanoseconds (64 bits, little endian), a byte of the frame type (0), and samples of three bytes
    each (signed, little endian, microvolts): the measurement data specification of Polar's
    Bluetooth SDK.

    Parameters
    ----------
    frame : bytes

    Returns
    -------
    EcgFrame or None
        None for a frame of anything else, or one that is cut short.

    Examples
    --------
    >>> frame = bytes([0]) + (2_000_000_000).to_bytes(8, "little") + bytes([0, 0xE8, 3, 0])
    >>> decode_ecg(frame)
    EcgFrame(stamp=2.0, samples=array([1.], dtype=float32))
    """
    if len(frame) <= _HEADER or (len(frame) - _HEADER) % 3 or frame[0] != 0 or frame[9] != 0:
        return None
    raw = np.frombuffer(frame, np.uint8, offset=_HEADER).reshape(-1, 3).astype(np.int32)
    value = raw[:, 0] | raw[:, 1] << 8 | raw[:, 2] << 16
    signed = np.where(value >= 1 << 23, value - (1 << 24), value)
    stamp = int.from_bytes(frame[1:9], "little") * 1e-9
    return EcgFrame(stamp, (signed * 1e-3).astype(np.float32))


class PolarSamples(Link):
    """Chunks of samples from a Polar H10 or a compatible strap, over Bluetooth Low Energy.

    The strap is searched, connected and asked for its ECG in a thread of its own. Lost packets are
    known by the strap's own time stamps and become missing samples (NaN); a strap that goes out of
    reach is a gap by the clock of this machine (see `Link`), and is connected again as soon as it
    is there.

    Parameters
    ----------
    device : str, default ""
        Address, or the beginning of the name, such as "Polar H10 12345678"; by default the first
        strap that is found. After a lost link no other one is taken.
    option : str, default "fs="
        How the caller gives the rate, for messages.
    clock : callable, default `time.monotonic`
        Seconds.

    Attributes
    ----------
    lost, gaps : int
        Samples counted as lost in gaps so far, and gaps.
    malformed : int
        Frames that could not be decoded.

    Raises
    ------
    InputError
        If no such strap is found within 15 seconds, or it gives no ECG.
    MissingExtraError
        If bleak is not installed.

    Examples
    --------
    >>> from ecgfast import stream_classify
    >>> strap = PolarSamples("Polar H10")                         # doctest: +SKIP
    >>> for beat in stream_classify(strap, strap.fs):             # doctest: +SKIP
    ...     print(beat.label)
    """

    def __init__(
        self,
        device: str = "",
        *,
        option: str = "fs=",
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._bleak = need("bleak", "A Bluetooth strap", "bluetooth")
        super().__init__(
            f"polar:{device}".removesuffix(":"),
            ECG_FS,
            option=option,
            advice="wet the electrodes and wear the strap: it sends only while it feels skin",
            clock=clock,
        )
        self.malformed = 0
        self._wanted = device
        self._due: float | None = None  # the stamp that the next frame's first sample should have
        self._begun = False
        self._frames: queue.Queue[bytes | str] = queue.Queue(_MOST_FRAMES)
        self._message: str | None = None  # to be reported before the next frame
        self._opened: queue.Queue[InputError | None] = queue.Queue()
        self._thread = threading.Thread(target=self._run, name="ecgfast bluetooth", daemon=True)
        self._thread.start()
        failed = self._opened.get()
        if failed is not None:
            raise failed

    @property
    def names(self) -> tuple[str, ...]:
        """The strap has one lead, across the chest."""
        return ("ECG",)

    @property
    def units(self) -> tuple[str, ...]:
        """Microvolts become millivolts."""
        return ("mV",)

    def troubles(self) -> tuple[str, ...]:
        """What went wrong so far."""
        own = (f"frames that are no ECG: {self.malformed}",) if self.malformed else ()
        return own + super().troubles()

    def _width(self) -> int:
        return int(self._begun)

    def _read(self) -> npt.NDArray[np.float32] | None:
        # All that waits is one piece: after a pause of the reader none of it counts as lost.
        parts: list[npt.NDArray[np.float32]] = []
        wait = WAIT_S
        while (item := self._next(wait)) is not None:
            wait = 0.0
            if isinstance(item, str):
                if parts:
                    self._message = item
                    break
                _log.warning("%s: %s", self.name, item)
                self._away = True
                return None
            frame = decode_ecg(item)
            if frame is not None:
                parts.append(self._with_gap(frame))
                continue
            self.malformed += 1
            if self.malformed == 1:
                _log.warning("%s: a frame of %d bytes is no ECG: left out", self.name, len(item))
        return np.concatenate(parts) if parts else None

    def _next(self, seconds: float) -> bytes | str | None:
        """The next frame or message; None if none comes in time."""
        message, self._message = self._message, None
        if message is not None:
            return message
        try:
            return self._frames.get(timeout=seconds)
        except queue.Empty:
            return None

    def _put(self, item: bytes | str) -> None:
        """Hold a frame; where there is no room the oldest is dropped, a gap by the stamps."""
        if self._frames.full():
            with suppress(queue.Empty):
                self._frames.get_nowait()
        self._frames.put_nowait(item)

    def _with_gap(self, frame: EcgFrame) -> npt.NDArray[np.float32]:
        """Put missing samples before a frame that follows lost ones."""
        n = len(frame.samples)
        first = frame.stamp - (n - 1) / self.fs
        late = 0.0 if self._due is None else (first - self._due) * self.fs
        self._due = frame.stamp + 1.0 / self.fs
        self._begun = True
        samples = frame.samples[:, np.newaxis]
        # After a lost link the time is counted by this machine's clock, in `Link`.
        if self._away or late <= _LATE or not self._may_be_lost(late / self.fs):
            return samples
        count = round(late)
        self.lost += count
        self.gaps += 1
        _log.warning("%s: %.2f s lost on the way; they count as a gap", self.name, late / self.fs)
        return np.concatenate([np.full((count, 1), np.nan, np.float32), samples])

    def _hang_up(self) -> None:
        self._thread.join(timeout=_ANSWER_S)

    def _run(self) -> None:
        import asyncio  # late: every command imports this module

        asyncio.run(self._serve())

    async def _serve(self) -> None:
        import asyncio

        first = True
        reported = ""
        while not self._closed:
            try:
                strap = await self._find()
                if strap is None:
                    raise InputError(
                        f"{self.name}: no such strap within {_SEARCH_S:.0f} s; wear it with wet "
                        "electrodes, end other programs that use it, and look at its name or "
                        "address with bluetoothctl scan on"
                    )
                await self._listen(strap, first=first)
                first, reported = False, ""
                if not self._closed:
                    self._put("went out of reach; trying again")
            except Exception as error:  # of any Bluetooth backend: D-Bus, Windows, Core Bluetooth
                reason = " ".join(str(error).split()) or type(error).__name__
                if first:
                    self._opened.put(
                        error
                        if isinstance(error, InputError)
                        else InputError(f"{self.name}: Bluetooth does not work here ({reason})")
                    )
                    return
                if reason != reported:  # once, not with each attempt
                    reported = reason
                    why = reason.removeprefix(f"{self.name}: ")
                    _log.warning("%s: not connected (%s); trying again", self.name, why)
            await asyncio.sleep(RETRY_S)

    async def _find(self) -> Any:
        wanted = self._wanted.lower()

        def matches(found: Any, _: Any) -> bool:
            name = (found.name or "").lower()
            if not wanted:
                return name.startswith("polar h10")
            return bool(found.address.lower() == wanted or name.startswith(wanted))

        return await self._bleak.BleakScanner.find_device_by_filter(matches, timeout=_SEARCH_S)

    async def _listen(self, strap: Any, *, first: bool) -> None:
        """Take frames until the strap is gone or the source is closed."""
        import asyncio

        gone = asyncio.Event()
        answers: asyncio.Queue[bytes] = asyncio.Queue()
        async with self._bleak.BleakClient(
            strap, disconnected_callback=lambda _: gone.set(), timeout=_CONNECT_S
        ) as client:
            await client.start_notify(_CONTROL, lambda _, data: answers.put_nowait(bytes(data)))
            await client.start_notify(_DATA, lambda _, data: self._put(bytes(data)))
            await client.write_gatt_char(_CONTROL, _START, response=True)
            self._check(await asyncio.wait_for(answers.get(), _ANSWER_S))
            if first:
                # The same strap later, though another one may be nearer then.
                if not self._wanted:  # whose ECG it is, nothing else says
                    _log.warning("%s: takes %s (%s)", self.name, strap.name, strap.address)
                self._wanted = strap.address
                self.name = f"polar:{strap.name or strap.address}"
                self._opened.put(None)
            else:
                _log.warning("%s: is there again", self.name)
            while not (gone.is_set() or self._closed):
                await asyncio.sleep(WAIT_S)
            if not gone.is_set():
                await client.write_gatt_char(_CONTROL, _STOP, response=True)

    def _check(self, answer: bytes) -> None:
        accepted = (
            len(answer) >= 4
            and answer[:3] == bytes([_ANSWER, _START[0], 0])
            and answer[3] in (0, _ALREADY_STARTED)
        )
        if not accepted:
            raise InputError(
                f"{self.name}: the strap gives no ECG (answer {answer[:4].hex(' ')}): it needs a "
                "Polar H10 or a strap with the same service, with new firmware"
            )
