"""What to check where a signal shows no beat."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from ..core import FS_MIN, RATE_MAX, RATE_MAX_ANIMALS, QRSDetector
from ..errors import NoBeatsWarning
from ..inputs import real_array
from ..sources.chunks import ChunkSource

__all__ = ["LOOK_S", "Beginning", "beats_of", "no_beats_text"]

Beats_co = TypeVar("Beats_co", bound=Sized, covariant=True)

#: Seconds of a recording that are looked at.
LOOK_S = 120.0

# Seconds that `Beginning` keeps.
_KEPT_S = 10.0

# Shorter signals may well hold no beat that can be found.
_SHORT_S = 3.0

# Share of samples that are missing, or are the same value, from which this is the likely reason.
_MOST = 0.9

# R waves so many and so regular (median deviation of the RR intervals) are not made by noise.
_WAVES = 6
_IRREGULAR = 0.1

# Different values with which a converter shows no QRS complex.
_FEW = 4

# Leads that a message tells of.
_LISTED = 3


class Beginning:
    """Keeps the beginning of a signal while it goes by, to say why it shows no beat.

    Parameters
    ----------
    fs : float
        Sampling rate, Hz.
    leads : sequence of str
        Names of the leads.
    """

    def __init__(self, fs: float, leads: Sequence[str]) -> None:
        self._fs = fs
        self._leads = leads
        self._parts: list[Any] = []
        self._left = round(_KEPT_S * fs)
        self._count = 0

    def kept(self, chunks: Iterable[Any]) -> Iterator[Any]:
        """Yield the chunks."""
        for chunk in chunks:
            n = len(chunk) if np.ndim(chunk) else 1
            self._count += n
            if self._left > 0:
                part = np.reshape(real_array(chunk), (-1, len(self._leads)))[: self._left]
                self._parts.append(part.astype(np.float32))
                self._left -= n
            yield chunk

    @property
    def is_long(self) -> bool:
        """Whether the signal lasted so long that a beat is to be expected."""
        return self._count >= _SHORT_S * self._fs

    def text(self, *, rate_option: str = "fs=", leads_option: str = "leads=") -> str:
        """As `no_beats_text`."""
        return no_beats_text(
            np.concatenate([np.empty((0, len(self._leads)), np.float32), *self._parts]),
            self._fs,
            self._leads,
            rate_option=rate_option,
            leads_option=leads_option,
        )


class _Stream(Protocol[Beats_co]):
    """What takes samples and returns beats: `BeatStream`, `StreamingClassifier`."""

    def process(self, chunk: Any, /) -> Beats_co: ...

    def flush(self) -> Beats_co: ...


def beats_of(source: ChunkSource, stream: _Stream[Beats_co]) -> Iterator[Beats_co]:
    """Yield what a stream returns for a source; warn at its end if that was no beat.

    Parameters
    ----------
    source : ChunkSource
    stream : BeatStream or StreamingClassifier

    Yields
    ------
    BeatBatch or list of Beat
        None of them empty.

    Warns
    -----
    NoBeatsWarning
        At the end of a source of three seconds or more without a beat.
    """
    beginning = Beginning(source.fs, source.leads)
    found = False
    for chunk in beginning.kept(source.chunks):
        beats = stream.process(chunk)
        if len(beats):
            found = True
            yield beats
    beats = stream.flush()
    if len(beats):
        yield beats
    elif not found and beginning.is_long:
        warnings.warn(beginning.text(), NoBeatsWarning, stacklevel=2)


def no_beats_text(
    signal: npt.NDArray[Any],
    fs: float,
    leads: Sequence[str],
    *,
    rate_option: str = "fs=",
    leads_option: str = "leads=",
) -> str:
    """Say that no beat was found, what to check, and what the signal looks like.

    Parameters
    ----------
    signal : ndarray, shape (n, n_leads)
        The beginning of the signal, or all of it.
    fs : float
        Sampling rate, Hz.
    leads : sequence of str
        Names of the leads.
    rate_option, leads_option : str
        How the caller gives the sampling rate and the leads.

    Returns
    -------
    str
        One line.
    """
    checks = (
        f"no beat was found; check the sampling rate ({rate_option}): {fs:g} Hz was used; the lead "
        f"({leads_option}): {', '.join(leads[:_LISTED])}{', ...' * (len(leads) > _LISTED)} was "
        "read; unit and gain; and that the signal is an ECG"
    )
    seen = [
        f"{name} {fault}"
        for name, values in zip(leads, signal.T, strict=False)
        if (fault := _fault(values))
    ]
    if len(signal) < _SHORT_S * fs:
        seen.insert(0, f"The signal lasts {len(signal) / fs:.1f} s, which may be too short")
    if not seen and (rate := _animal_rate(signal, fs)) is not None:
        seen.append(
            f"R waves come {rate:.0f} times a minute, as in a small animal: detect_qrs(..., "
            "max_rate=900) and ecgfast detect --max-rate 900 find them"
        )
    more = len(seen) - _LISTED
    leads_text = "; ".join(seen[:_LISTED]) + (f"; and {more} more leads" if more > 0 else "")
    return f"{checks}. {leads_text}" if leads_text else checks


def _animal_rate(signal: npt.NDArray[Any], fs: float) -> float | None:
    """Beats a minute of a heart that is faster than a human's; None where there is none."""
    # Whole: the quotient itself may be rounded up, and its rate limit to above `fs`.
    most = min(RATE_MAX_ANIMALS, RATE_MAX * fs // FS_MIN)
    if most <= RATE_MAX or not len(signal):
        return None
    detector = QRSDetector(fs, n_leads=signal.shape[1], max_rate=most)
    rr = np.diff(np.concatenate([detector.process(signal), detector.flush()])) / fs
    if len(rr) < _WAVES:
        return None
    middle = float(np.median(rr))
    if np.median(np.abs(rr - middle)) > _IRREGULAR * middle or 60.0 / middle < RATE_MAX:
        return None
    return 60.0 / middle


def _fault(values: npt.NDArray[Any]) -> str:
    """Why one lead shows no beat, where its values tell."""
    good = values[np.isfinite(values)]
    if len(good) < (1 - _MOST) * len(values):
        return "has no samples" if not len(good) else "has hardly any samples"
    low, high = float(good.min()), float(good.max())
    if low == high:
        return f"is flat (always {low:g})"
    _, counts = np.unique(good, return_counts=True)
    if counts.max() > _MOST * len(good):
        return f"is nearly flat ({counts.max() / len(good):.0%} of its samples have one value)"
    if len(counts) <= _FEW:
        return f"has only {len(counts)} different values, from {low:g} to {high:g}: check the gain"
    return ""
