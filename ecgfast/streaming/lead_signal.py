"""Which leads of a stored recording carry a signal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from .average import n_labelled_leads

if TYPE_CHECKING:
    from ..runtime import Classifier

__all__ = ["HUM_S", "SINE_CREST", "Stored", "best_leads", "hums", "leads_to_label"]

# Places that are looked at, evenly spread, and the seconds of each: two hold a beat at 30 a minute.
_PLACES, HUM_S = 64, 2.0

# Values of a lead that is off, at most: a rail that flickers by one step has three.
_FEW = 3

# A lead is passed over for a later one that shows a signal at more than twice as many places.
_HALF = 0.5

# An open lead picks up the mains: nearly all power lies at 50 or 60 Hz (Hz around either), and the
# band of QRS complexes and T waves has less than this share of it. A sine is at most about three
# times as high as its standard deviation, also with some wander; a QRS complex is higher.
_MAINS_HZ, _AROUND_HZ = (50.0, 60.0), 1.5
_HEART_HZ = (3.0, 40.0)
_HEART_SHARE = 0.01
SINE_CREST = 4.5


class Stored(Protocol):
    """A source whose samples can be had in any order: `RecordSource`, `ChunkSource`."""

    @property
    def fs(self) -> float:
        """Sampling rate in Hz."""

    @property
    def leads(self) -> tuple[str, ...]:
        """Names of the leads."""

    @property
    def n_samples(self) -> int | None:
        """Samples a lead; None of a live source."""

    @property
    def fetch(self) -> Callable[[int, int], Any] | None:
        """Gives samples of shape (stop - start, n_leads); None of a live source."""


def best_leads(source: Stored, n: int) -> tuple[int, ...]:
    """Choose the first leads that carry a signal.

    A lead carries none where it is missing, has three values or fewer over two seconds, or is full
    of mains hum and little else, as one whose electrode is off may be. 64
    places of the recording, evenly spread, are looked at: a lead that carries a signal at less than
    half as many of them as the best one is taken only where no other is left, and one that carries
    none is left out.

    Parameters
    ----------
    source : Stored
    n : int
        How many, at most.

    Returns
    -------
    tuple of int
        Columns, in order; the first `n` of a live source, and where no lead carries a signal.
    """
    first = tuple(range(min(n, len(source.leads))))
    if source.fetch is None or source.n_samples is None or len(source.leads) < 2:
        return first
    fs = source.fs
    places = list(_places(source.fetch, source.n_samples, round(HUM_S * fs)))
    if all(_shows(values[:, lead], fs) for lead in first for values in places):
        return first
    shown = np.array(
        [sum(_shows(values[:, lead], fs) for values in places) for lead in range(len(source.leads))]
    )
    if not shown.any():
        return first
    whole = np.flatnonzero(shown >= _HALF * shown.max())
    part = np.flatnonzero((shown > 0) & (shown < _HALF * shown.max()))
    return tuple(sorted(np.concatenate([whole, part])[:n].tolist()))


def leads_to_label(
    source: Stored, classifier: Classifier, average_leads: bool | None
) -> tuple[int, ...]:
    """Choose the leads that a model labels: the first ones that carry a signal, see `best_leads`.

    Parameters
    ----------
    source : Stored
    classifier : Classifier
    average_leads : bool or None
        As for `StreamingClassifier`.

    Returns
    -------
    tuple of int
        Columns, for ``StreamingClassifier(label_leads=...)``; without a model the lead whose
        quality the beats carry.
    """
    return best_leads(
        source, max(1, n_labelled_leads(classifier, len(source.leads), average_leads))
    )


def _places(
    fetch: Callable[[int, int], Any], n_samples: int, length: int
) -> Iterator[npt.NDArray[Any]]:
    """Stretches of samples, evenly spread; of a recording that is shorter than all, each once."""
    if n_samples <= _PLACES * length:
        values = np.asarray(fetch(0, n_samples))
        for start in range(0, max(1, n_samples - length + 1), length):
            yield values[start : start + length]
        return
    for start in np.linspace(0, n_samples - length, _PLACES).round().astype(int).tolist():
        yield np.asarray(fetch(start, start + length))


def _shows(values: npt.NDArray[Any], fs: float) -> bool:
    return _moves(values) and not hums(values, fs)


def hums(values: npt.NDArray[Any], fs: float) -> bool:
    """Whether the mains is nearly all that a lead shows.

    Parameters
    ----------
    values : ndarray, shape (n,)
        About two seconds.
    fs : float
        Sampling rate in Hz.
    """
    low, high = values.min(), values.max()
    if not np.isfinite(high - low):
        values = np.nan_to_num(values - np.nanmean(values), posinf=0.0, neginf=0.0)
        low, high = values.min(), values.max()
    if high - low > SINE_CREST * values.std():
        return False
    power = np.abs(np.fft.rfft((values - values.mean()) * np.hanning(len(values)))) ** 2
    hz = np.fft.rfftfreq(len(values), 1.0 / fs)
    mains = sum(power[np.abs(hz - one) <= _AROUND_HZ].sum() for one in _MAINS_HZ)
    heart = power[(hz >= _HEART_HZ[0]) & (hz <= _HEART_HZ[1])].sum()
    return bool(heart < _HEART_SHARE * mains)


def _moves(values: npt.NDArray[Any]) -> bool:
    good = values[np.isfinite(values)]
    if 2 * len(good) < len(values):
        return False
    # A few samples tell of nearly every lead with a signal; only others are looked at whole.
    return len(np.unique(good[:: len(good) // 32 + 1])) > _FEW or len(np.unique(good)) > _FEW
