"""Slow, plain twins of the compiled loops of `ecgfast.rhythm`: the same numbers from NumPy."""

from __future__ import annotations

from math import log, nan

import numpy as np
import numpy.typing as npt

from ecgfast.rhythm.atrial import MIN_RR, P_FEATURES

Floats = npt.NDArray[np.float64]

_UNEQUAL_MS = 30
_CELL_MS = 25
_LAGS = 8
_SIMILAR = 0.05

_USABLE, _LOST, _FLAT = 0, 1, 2


def rr_features(rr: npt.NDArray[np.int64]) -> Floats:
    """Features of RR intervals in ms."""
    n = len(rr)
    ordered = np.sort(rr)
    median = float(ordered[n // 2])
    x = rr / median
    diff = np.diff(rr)
    steps = np.sort(np.abs(diff)) / median
    d = n - 1

    cells = len({*zip((rr[1:] // _CELL_MS).tolist(), (diff // _CELL_MS).tolist(), strict=True)})
    counts = np.bincount((ordered - ordered[0]) // _CELL_MS)
    shares = counts[counts > 0] / n
    entropy = -float(shares @ np.log2(shares)) / log(n, 2)

    similar = np.abs(rr[:, np.newaxis] - rr) < _SIMILAR * median
    pairs = int(similar[:-1, :-1].sum()) - d
    longer = int((similar[:-1, :-1] & similar[1:, 1:]).sum()) - d
    sample_entropy = -log((longer + 2) / (pairs + 4))

    turns = int((diff[:-1] * diff[1:] < 0).sum()) / max(1, d - 1)
    lags = range(1, min(_LAGS, n - 2) + 1)
    lagged = [np.abs(rr[lag:] - rr[:-lag]) for lag in lags]
    unequal = [float(np.count_nonzero(one > _UNEQUAL_MS)) / len(one) for one in lagged]
    unequal += [unequal[-1]] * (_LAGS - len(unequal))
    medians = [float(np.partition(one, len(one) // 2)[len(one) // 2]) / median for one in lagged]
    return np.array(
        [
            log(n),
            log(median / 1000.0),
            float(np.sqrt(np.mean(np.square(diff)))) / median,
            float(x.std()),
            steps[d // 10],
            steps[d // 4],
            steps[d // 2],
            steps[3 * d // 4],
            (ordered[n - 1 - n // 10] - ordered[n // 10]) / median,
            (ordered[n - 1 - n // 4] - ordered[n // 4]) / median,
            cells / d,
            entropy,
            sample_entropy,
            turns,
            *unequal,
            min(unequal),
            min(medians),
        ]
    )


def p_features(waves: npt.NDArray[np.float32], around: npt.NDArray[np.float32]) -> Floats:
    """Features of stretches (n, n_leads, points) before QRS complexes (n, points, n_leads)."""
    sizes = around.max(axis=1) - around.min(axis=1)
    n = len(waves)
    best = np.full(len(P_FEATURES), nan)
    if n < MIN_RR:
        return best
    for lead in range(waves.shape[1]):
        size = float(np.sort(sizes[:, lead])[n // 2])
        if not size > 0.0:
            continue
        x = waves[:, lead].astype(np.float64)
        power = np.square(x).sum(axis=1)
        norm = np.sqrt(power)
        template = np.sort(x, axis=0)[n // 2]
        length = float(np.sqrt(template @ template))
        similarity = np.sort(x @ template / (norm * length + 1e-12 * size))
        mean = x.mean(axis=0)
        share = float(mean @ mean) / (float(power.mean()) + 1e-12 * size**2)
        one = (
            (share * n - 1.0) / (n - 1.0),
            float(similarity[n // 2]),
            float(similarity[n // 4]),
            float(template.max() - template.min()) / size,
            float(np.sort(norm)[n // 2]) / size / x.shape[1] ** 0.5,
        )
        if not best[1] >= one[1]:
            best[:] = one
    return best


def block_figures(
    samples: npt.NDArray[np.float32], before: npt.NDArray[np.float32], size: int, group: int
) -> tuple[npt.NDArray[np.generic], ...]:
    """State, activity, level and slow signal of whole blocks of samples (n, n_leads)."""
    step, n_leads = before.shape
    n = len(samples) // size
    held = np.concatenate([before, samples[: n * size]]).T
    x = held[:, step:].reshape(n_leads, n, size)
    with np.errstate(invalid="ignore", over="ignore"):
        lost = ~(np.abs(x) <= 1e30).all(axis=2)
        low, high = x.min(axis=2), x.max(axis=2)
        change = np.abs(held[:, step:] - held[:, :-step]).reshape(x.shape)
        activity = np.fmax.reduce(change, axis=2)
        state = np.where(lost, _LOST, np.where(low == high, _FLAT, _USABLE))
        activity = np.where((state == _USABLE) & np.isfinite(activity), activity, 0.0)
        total = x[:, :, ::group].copy()
        for i in range(1, group):
            total += x[:, :, i::group]
        total /= np.float32(group)
    level = np.where(lost, np.nan, x[:, :, -1])
    return state.T, activity.T, level.T, total.transpose(1, 2, 0)


def crest(samples: npt.NDArray[np.float32], lead: int) -> float:
    """Height of a lead in standard deviations; inf of a constant one or with a sample missing."""
    x = samples[:, lead].astype(np.float64)
    with np.errstate(invalid="ignore"):
        if not (np.abs(x) <= 1e30).all() or (x == x[0]).all():
            return float("inf")
    return float((x.max() - x.min()) / x.std())
