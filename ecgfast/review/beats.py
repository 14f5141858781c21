"""The beats of a recording as a review needs them: where, how they look, what a model says."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from ..core import BeatBatch
from ..errors import InputError, ModelError, no_card
from ..records import RecordSource
from ..records.record import FloatArray
from ..reports.words import CLASS_NAMES
from ..sources.chunks import BLOCK_S
from ..streaming.average import mean_over_leads, quality_over_leads
from ..streaming.lead_signal import best_leads
from ..streaming.lead_windows import LeadWindows
from .levels import LevelMeter

if TYPE_CHECKING:
    from ..runtime import Classifier

__all__ = ["FLUTTER_BIT", "ReviewBeats", "collect_beats", "describe"]

#: Quality bit of a wave of ventricular flutter or fibrillation, which is no beat.
FLUTTER_BIT = 64

# Leads whose shapes are looked at: more cost time and say the same again.
_LEADS = 3

# A sample of a window that an artefact throws beyond this many QRS sizes says nothing of its shape.
_CLIP = 4.0

# Columns of the window that show P, and those that show QRS and T: the edges are left out, where
# the neighbouring beats of a fast rhythm reach in.
_P = slice(4, 34)
_QRS = slice(30, 72)

# RR intervals whose median is the local rhythm: 15 on either side, some 25 s.
_HALF = 15
_RR_MOST_S = 3.0
_RATIO_MOST = 3.0

# Probabilities are clipped here before their logarithm.
_LEAST = 1e-4

# Components that describe the shape of QRS and of P, and the weight of each block in a distance.
# Set by hand on DS1 and every second record of svdb; docs/review.md says what is not reproducible.
_QRS_NUMBERS, _P_NUMBERS = 8, 4
_QRS_WEIGHT, _P_WEIGHT = 1.5, 0.5
_RR_WEIGHT, _ODDS_WEIGHT = 2.5, 0.2


@dataclass(frozen=True, eq=False)
class ReviewBeats:
    """What a review knows of every beat.

    Attributes
    ----------
    name : str
        The recording.
    fs : float
        Sampling rate in Hz.
    n_samples : int
        Length of the recording.
    leads : tuple of str
    classes : tuple of str
        The model's.
    model : str
        Which model gave the probabilities, and from what.
    sample : ndarray of int64, shape (n,)
        R peaks.
    probabilities : ndarray of float32, shape (n, classes)
        What the model says of each beat, the mean over the leads.
    described : ndarray of float32, shape (n, d)
        Shape, timing and probabilities as numbers whose distances say how much beats differ.
    quality : ndarray of int64, shape (n,)
        Quality bits.
    rr, rr_next : ndarray of float32, shape (n,)
        RR intervals before and after, over the local median; NaN where there is none.
    levels : ndarray of float32, shape (seconds, leads)
        The signal's level in each second, by which another recording is recognised; empty where it
        is not known.
    """

    name: str
    fs: float
    n_samples: int
    leads: tuple[str, ...]
    classes: tuple[str, ...]
    model: str
    sample: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float32]
    described: npt.NDArray[np.float32]
    quality: npt.NDArray[np.int64]
    rr: npt.NDArray[np.float32]
    rr_next: npt.NDArray[np.float32]
    levels: npt.NDArray[np.float32] = field(default_factory=lambda: np.empty((0, 0), np.float32))

    def __len__(self) -> int:
        return len(self.sample)

    @property
    def time(self) -> npt.NDArray[np.float64]:
        """R peaks in seconds."""
        return self.sample / self.fs

    @cached_property
    def intervals(self) -> npt.NDArray[np.float64]:
        """RR interval before each beat in seconds; NaN where the local rhythm has none."""
        found = np.diff(self.time, prepend=np.nan)
        found[np.isnan(self.rr)] = np.nan
        return found

    @property
    def flutter(self) -> npt.NDArray[np.bool_]:
        """Waves of ventricular flutter or fibrillation: no beats."""
        waves: npt.NDArray[np.bool_] = (self.quality & FLUTTER_BIT) != 0
        return waves


def collect_beats(
    source: RecordSource,
    classifier: Classifier,
    *,
    method: Literal["neural", "adaptive", "pan-tompkins"] = "neural",
    progress: Callable[[Iterable[FloatArray]], Iterable[FloatArray]] = iter,
) -> ReviewBeats:
    """Find the beats of a recording and describe each, block by block.

    Beats are detected on all leads together; the window of each of the first three leads that carry
    a signal is labelled with the RR interval before and after it, and the log-odds are averaged.

    Parameters
    ----------
    source : RecordSource
        An open recording.
    classifier : Classifier
        A model of beat classes.
    method : {"neural", "adaptive", "pan-tompkins"}
        As for `QRSDetector`.
    progress : callable
        Wraps the blocks, to show how far it is.

    Returns
    -------
    ReviewBeats

    Raises
    ------
    ModelError
        If the model gives no classes of beats.
    InputError
        If the recording has no beat.

    Examples
    --------
    >>> from ecgfast import Classifier
    >>> from ecgfast.records import open_record
    >>> from ecgfast.review import collect_beats
    >>> beats = collect_beats(open_record("mitdb/232"), Classifier())  # doctest: +SKIP
    >>> len(beats)                                                  # doctest: +SKIP
    """
    window = classifier.window
    classes = set(classifier.classes)
    if classes and classifier.card is None:
        raise no_card(classifier.path, "which classes its outputs are")
    if window is None or window.kind != "beat" or not classes or not classes <= set(CLASS_NAMES):
        raise ModelError(
            f"{classifier.path}: does not label single beats with AAMI classes; a review needs a "
            "model that does, such as beats"
        )
    n_leads = len(source.leads)
    leads = best_leads(source, _LEADS)
    described = len(leads)
    streams = LeadWindows(
        source.fs, leads, window=window, n_leads=n_leads, method=method, lookahead=1
    )
    parts: list[tuple[npt.NDArray[Any], ...]] = []

    def take(batches: list[BeatBatch]) -> None:
        first = batches[0]
        if len(first):
            shapes = np.concatenate([batch.windows[..., 0] for batch in batches], axis=1)
            outputs = mean_over_leads(classifier, batches)
            quality = quality_over_leads(batches).astype(np.int64)
            parts.append((first.sample, quality, shapes, outputs))

    meter = LevelMeter(source.fs, n_leads)
    for chunk in progress(source.blocks(BLOCK_S)):
        meter.process(chunk)
        take(streams.process(chunk))
    take(streams.flush())
    if not parts:
        raise InputError(f"{source.name}: no beat was found, there is nothing to review")
    sample, quality, shapes, outputs = (
        np.concatenate(column) for column in zip(*parts, strict=True)
    )
    before, after = rr_ratios(sample, source.fs)
    form = f", {classifier.precision}" if classifier.precision else ""
    name = classifier.card.name if classifier.card is not None else classifier.path.name
    return ReviewBeats(
        name=source.name,
        fs=source.fs,
        n_samples=source.n_samples,
        leads=source.leads,
        classes=tuple(classifier.classes),
        model=f"{name}{form}",
        sample=sample,
        probabilities=outputs.astype(np.float32),
        described=describe(shapes, described, before, after, outputs),
        quality=quality,
        rr=before,
        rr_next=after,
        levels=meter.levels(),
    )


def rr_ratios(
    sample: npt.NDArray[np.int64], fs: float
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """RR intervals before and after each beat over the median of those around it.

    Parameters
    ----------
    sample : ndarray of int64, shape (n,)
        R peaks.
    fs : float
        Sampling rate in Hz.

    Returns
    -------
    before, after : ndarray of float32, shape (n,)
        NaN for the first and the last beat, and where the interval is no interval but a gap.
    """
    if len(sample) < 2:
        none = np.full(len(sample), np.nan, np.float32)
        return none, none.copy()
    rr = np.diff(sample) / fs
    rr[rr > _RR_MOST_S] = np.nan
    padded = np.concatenate([np.full(_HALF, np.nan), rr, np.full(_HALF, np.nan)])
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * _HALF + 1)
    known = np.isfinite(around).any(axis=1)
    local = np.full(len(rr), np.nan)
    local[known] = np.nanmedian(around[known], axis=1)
    # The beat's own local rhythm is that around the interval before it.
    at = np.concatenate([local[:1], local])
    before = np.concatenate([[np.nan], rr]) / at
    after = np.concatenate([rr, [np.nan]]) / at
    return before.astype(np.float32), after.astype(np.float32)


def describe(
    shapes: npt.NDArray[np.float32],
    n_leads: int,
    before: npt.NDArray[np.float32],
    after: npt.NDArray[np.float32],
    probabilities: npt.NDArray[Any],
) -> npt.NDArray[np.float32]:
    """Describe beats by numbers whose distances say how much they differ.

    Parameters
    ----------
    shapes : ndarray of float32, shape (n, leads * window)
        The beat in each lead, in running QRS sizes.
    n_leads : int
    before, after : ndarray of float32, shape (n,)
        As of `rr_ratios`.
    probabilities : ndarray, shape (n, classes)

    Returns
    -------
    ndarray of float32, shape (n, d)
        Principal components of QRS and T and of the P wave, logarithms of both RR ratios, and of
        the odds of each class against the first.
    """
    clipped = np.clip(np.nan_to_num(shapes), -_CLIP, _CLIP).reshape(len(shapes), n_leads, -1)
    ratios = [
        np.log(np.clip(np.nan_to_num(ratio, nan=1.0), 1 / _RATIO_MOST, _RATIO_MOST))
        for ratio in (before, after)
    ]
    logs = np.log(np.clip(probabilities, _LEAST, 1.0))
    return np.column_stack(
        [
            _QRS_WEIGHT * _components(clipped[:, :, _QRS], _QRS_NUMBERS),
            _P_WEIGHT * _components(clipped[:, :, _P], _P_NUMBERS),
            _RR_WEIGHT * np.column_stack(ratios),
            _ODDS_WEIGHT * (logs[:, 1:] - logs[:, :1]),
        ]
    ).astype(np.float32)


def _components(shapes: npt.NDArray[np.float32], count: int) -> npt.NDArray[np.float64]:
    """First principal components; the variance of all of them together is one."""
    rows = shapes.reshape(len(shapes), -1).astype(np.float64)
    rows -= rows.mean(axis=0)
    covariance = rows.T @ rows / len(rows)
    values, vectors = np.linalg.eigh(covariance)
    total = float(values.sum())
    if total <= 0:  # one beat, or all alike
        return np.zeros((len(rows), count))
    chosen = vectors[:, ::-1][:, :count]
    # The sign of a component is arbitrary: its largest entry is positive everywhere.
    largest = np.abs(chosen).argmax(axis=0)
    chosen = chosen * np.sign(chosen[largest, np.arange(chosen.shape[1])])
    found: npt.NDArray[np.float64] = rows @ chosen / np.sqrt(total)
    return found
