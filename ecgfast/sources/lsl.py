"""ECG of a Lab Streaming Layer stream."""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import monotonic, sleep
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from ..extras import need
from ..records.choosing import role_of
from ..records.units import UNKNOWN, to_millivolt
from .link import RETRY_S, WAIT_S, Link, reason_of

__all__ = ["LslSamples"]

_log = logging.getLogger(__name__)

# Seconds in which the stream has to be found, and its description to arrive.
_SEARCH_S = 5.0

# Seconds in which other streams that would do as well are heard of.
_OTHERS_S = 1.0

# Stamps of neighbouring samples that are further apart, in samples, have lost some between them;
# senders that stamp chunks by their arrival are late by less.
_LATE_S = 0.5

# Samples taken at a time, at most.
_MOST = 4096


class LslSamples(Link):
    """Chunks of samples of a Lab Streaming Layer stream, found by its name or by its type, ECG.

    Which channels are leads is decided as for a file, by their labels and units
    (`ecgfast.records.choosing`); voltages become millivolts. A stream that ends is looked for
    again, no other of its type is taken; the time between is a gap (see `Link`).

    Parameters
    ----------
    stream : str, default ""
        Name of the stream; by default the one of type ECG.
    every : bool, default False
        Whether all channels are leads, since the caller picks some.
    clock : callable, default `time.monotonic`
        Seconds.

    Attributes
    ----------
    fs : float
        Nominal rate of the stream, Hz.
    names, units : tuple of str
        Labels of the leads; mV, or the unit that the stream states where it is no voltage.
    left_out : tuple of (str, str)
        Each other channel, and why it is no lead.
    lost, gaps : int
        Samples counted as lost in gaps so far, and gaps.

    Raises
    ------
    InputError
        If there is no such stream within five seconds, or several, it has no regular rate or is
        text, or it is not clear which channel is an ECG; by the iterator, if it comes back with
        other channels or at another rate.
    MissingExtraError
        If pylsl is not installed.

    Examples
    --------
    >>> from ecgfast import stream_classify
    >>> amplifier = LslSamples("BioSemi")                         # doctest: +SKIP
    >>> for beat in stream_classify(amplifier, amplifier.fs):     # doctest: +SKIP
    ...     print(beat.label)
    """

    def __init__(
        self,
        stream: str = "",
        *,
        every: bool = False,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        try:
            self._lsl = need("pylsl", "A Lab Streaming Layer stream", "lsl")
        except RuntimeError as error:  # the Python part is there, the library that it loads is not
            raise InputError(f"lsl:{stream}: {' '.join(str(error).split())}") from None
        name = f"lsl:{stream}".removesuffix(":")
        key, value = ("name", stream) if stream else ("type", "ECG")
        found = self._resolve(key, value, _SEARCH_S)
        if not found:
            what = f"named {stream!r}" if stream else "of type ECG"
            raise InputError(
                f"{name}: no stream {what} within {_SEARCH_S:.0f} s; check its name, that it is "
                "started, and that the firewall lets it through"
            )
        found = self._resolve(key, value, _OTHERS_S, 2) or found
        if len(found) > 1:
            names = ", ".join(sorted(f"{s.name()!r} of {s.hostname()}" for s in found))
            advice = "give them different names" if stream else "name one, such as lsl:NAME"
            raise InputError(f"{name}: several streams would do: {names}; {advice}")
        self._found = found[0]
        self._inlet: Any = self._lsl.StreamInlet(self._found, recover=False)
        info = self._inlet.info(timeout=_SEARCH_S)
        if not stream:  # whose ECG it is, nothing else says
            _log.warning("%s: takes %r of %s", name, info.name(), info.hostname())
        name = f"lsl:{info.name()}"
        if info.channel_format() == self._lsl.cf_string:
            raise InputError(f"{name}: is a stream of text; name one of numbers")
        rate = float(info.nominal_srate())
        if not rate > 0:
            raise InputError(f"{name}: has no regular sampling rate, so it is no ECG")
        super().__init__(
            name, rate, option="fs=", advice="check that the stream is sent", clock=clock
        )
        self._described = _described(info)
        self._choose(info, every=every)
        self._begun = False
        self._stamp: float | None = None

    def _resolve(self, key: str, value: str, seconds: float, least: int = 1) -> list[Any]:
        """Find streams: as soon as there are so many, and after some seconds at most."""
        # Quotation marks end a name in the query: names that hold one are compared here.
        if "'" in value:
            return [s for s in self._lsl.resolve_streams(seconds) if s.name() == value]
        return list(self._lsl.resolve_byprop(key, value, least, seconds))

    def _find_again(self) -> Any:
        """Connect to the stream once more; None where it is not there, or two would do."""
        known = self._found
        same = [
            s
            for s in self._resolve("name", known.name(), RETRY_S)
            if (s.type(), s.hostname()) == (known.type(), known.hostname())
        ]
        same = [s for s in same if s.source_id() == known.source_id()] or same
        if len(same) != 1:
            return None
        inlet = self._lsl.StreamInlet(same[0], recover=False)
        if _described(inlet.info(timeout=_SEARCH_S)) != self._described:
            raise InputError(
                f"{self.name}: came back with other channels or at another rate; start again to "
                "take it as it is now"
            )
        return inlet

    def _choose(self, info: Any, *, every: bool) -> None:
        n = info.channel_count()
        labels = _texts(info.get_channel_labels(), n)
        units = _texts(info.get_channel_units(), n)
        names = [label or f"channel {i}" for i, label in enumerate(labels)]
        about_ecg = info.type().upper() in ("ECG", "EKG")
        found = [
            role_of(label, unit) if label or unit else ("unclear", "")
            for label, unit in zip(labels, units, strict=True)
        ]
        roles = [role for role, _ in found]
        leads = list(range(n)) if every else [i for i in range(n) if roles[i] == "ecg"]
        if not leads and (about_ecg or n == 1):
            leads = [i for i in range(n) if roles[i] == "unclear"]
        if not leads:
            listed = ", ".join(
                f"{name} ({why or 'unclear'})" for name, (_, why) in zip(names, found, strict=True)
            )
            raise InputError(
                f"{self.name}: it is not clear which channel is an ECG: pick one with leads=, such "
                f"as leads=0, of: {listed}"
            )
        self._columns = leads
        self._names = tuple(names[i] for i in leads)
        self._units = tuple(
            "mV" if to_millivolt(units[i]) is not None else units[i] or UNKNOWN for i in leads
        )
        self.left_out = tuple(
            (names[i], found[i][1] or "not named as an ECG") for i in range(n) if i not in leads
        )
        self._to_mv = np.array([to_millivolt(units[i]) or 1.0 for i in leads], np.float32)

    @property
    def names(self) -> tuple[str, ...]:
        """Labels of the channels that are leads."""
        return self._names

    @property
    def units(self) -> tuple[str, ...]:
        """Unit of each lead."""
        return self._units

    def _width(self) -> int:
        return len(self._columns) if self._begun else 0

    def _read(self) -> npt.NDArray[np.float32] | None:
        try:
            if self._inlet is None:
                self._inlet = self._find_again()
                if self._inlet is None:
                    return None
                _log.warning("%s: is there again", self.name)
            samples, stamps = self._inlet.pull_chunk(timeout=WAIT_S, max_samples=1)
            if not stamps:
                return None
            # All that waits is one piece: after a pause of the reader none of it counts as lost.
            full = True
            while full:
                more, after = self._inlet.pull_chunk(timeout=0.0, max_samples=_MOST)
                samples, stamps = [*samples, *more], [*stamps, *after]
                full = len(after) == _MOST
        except InputError:
            raise
        except Exception as error:  # LostError, and what its library raises beside it
            _log.warning("%s: went away (%s); trying again", self.name, reason_of(error))
            self._away = True
            self._stamp = None
            self._hang_up()
            sleep(RETRY_S)
            return None
        rows = np.array(samples, np.float32)
        self._begun = True
        return self._with_gaps(rows[:, self._columns] * self._to_mv, stamps)

    def _with_gaps(
        self, rows: npt.NDArray[np.float32], stamps: list[float]
    ) -> npt.NDArray[np.float32]:
        """Put missing samples where the stamps leap."""
        before = stamps[0] if self._stamp is None else self._stamp
        self._stamp = stamps[-1]
        steps = np.diff(np.array([before, *stamps], np.float64)) - 1.0 / self.fs
        parts: list[npt.NDArray[np.float32]] = []
        begin = 0
        for i in np.flatnonzero(steps > _LATE_S):
            if not self._may_be_lost(float(steps[i])):
                continue
            count = round(float(steps[i]) * self.fs)
            parts += [rows[begin:i], np.full((count, rows.shape[1]), np.nan, np.float32)]
            begin = int(i)
            self.lost += count
            self.gaps += 1
            _log.warning("%s: %.2f s lost on the way; they count as a gap", self.name, steps[i])
        return np.concatenate([*parts, rows[begin:]]) if parts else rows

    def _hang_up(self) -> None:
        if self._inlet is not None:
            self._inlet.close_stream()
            self._inlet = None


def _described(info: Any) -> tuple[Any, ...]:
    """What has to be the same for a stream to be the same."""
    n = info.channel_count()
    labels, units = info.get_channel_labels(), info.get_channel_units()
    return info.nominal_srate(), n, _texts(labels, n), _texts(units, n)


def _texts(values: list[str | None] | None, n: int) -> list[str]:
    """Return one text a channel; empty where the stream states none."""
    if not values or len(values) != n:
        return [""] * n
    return [(value or "").strip() for value in values]
