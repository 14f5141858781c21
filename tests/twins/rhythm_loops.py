"""Slow, plain twins of the compiled loops of `ecgfast.rhythm`: the same numbers from NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from math import log

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_LAGS = (1, 2, 3, 4, 6, 8)
_KEPT = 8

_USABLE, _LOST, _FLAT = 0, 1, 2


def beat_inputs(
    samples: Sequence[int],
    labels: str,
    sound: Sequence[bool],
    signal: npt.NDArray[np.float32],
    fs: float,
    group: int,
) -> Floats:
    """What the network of atrial fibrillation sees of each beat, P waves of the last one left out.

    `signal` is (n, 1 or 2 leads); ``Q`` is of unknown class.
    """
    slow = signal[: len(signal) // group * group].reshape(-1, group, signal.shape[1]).mean(axis=1)
    waves = [_wave(slow, sample // group, fs / group) for sample in samples]
    waves = [None if one in "VFQ" else w for one, w in zip(labels, waves, strict=True)]
    waves[-1] = None
    shown: list[float] = [0.0]
    for i in range(1, len(samples)):
        rr = round(1000.0 * min((samples[i] - samples[i - 1]) / fs, 3.0))
        shown.append(0.0 if {*"VFQ"} & {*labels[i - 1 : i + 1]} else rr)
    rows = []
    for i, label in enumerate(labels):
        known = np.sort([one for one in shown[max(0, i - 20) : i + 1] if one])
        usual = known[len(known) // 2] if len(known) else 0.0
        row = [1.0, log(usual / 800.0) if usual else 0.0, float(shown[i] > 0.0)]
        row.append(_change(shown[i], usual))
        earlier = np.array([one for one in shown[max(0, i - 20) : i] if one])
        alike = np.abs(earlier - shown[i]) <= 0.05 * shown[i]
        row.append(float(alike.mean()) if shown[i] and len(earlier) else 0.0)
        for lag in (1, 2, 3):
            change = _change(shown[i], shown[i - lag]) if i >= lag else 0.0
            row += [change, abs(change)]
        row += [float(sound[i]), float(label == "S"), float(label in "VF")]
        rows.append(row + _p_inputs(waves[: i + 1]))
    return np.array(rows)


def _change(ms: float, before: float) -> float:
    return float(np.clip(5.0 * log(ms / before), -4.0, 4.0)) if ms and before else 0.0


def _wave(slow: npt.NDArray[np.float32], r: int, fs: float) -> tuple[Floats, Floats] | None:
    """Shape of the P wave of each lead, of length 1, and its size beside the QRS complex."""
    first = r - round(0.26 * fs)
    if first < 0 or r + 6 > len(slow):
        return None
    x = slow[first : r - round(0.07 * fs)].astype(np.float64)
    x = 0.5 * (x + np.concatenate([x[:1], x[:-1]]))
    at = np.arange(len(x))
    for lead in range(x.shape[1]):
        x[:, lead] -= np.polyval(np.polyfit(at, x[:, lead], 1), at)
    length = np.sqrt(np.square(x).sum(axis=0))
    complexes = slow[r - 5 : r + 6].astype(np.float64)
    height = complexes.max(axis=0) - complexes.min(axis=0)
    return (x / length).T, length / np.sqrt(len(x)) / height


def _p_inputs(waves: list[tuple[Floats, Floats] | None]) -> list[float]:
    """Inputs from the P waves of the last of these beats."""
    out = [0.0] * (2 + 2 * (len(_LAGS) + 1) + 2)
    if waves[-1] is None:
        return out
    shape, size = waves[-1]
    two = len(size) > 1
    before = [waves[-1 - lag] if len(waves) > lag else None for lag in _LAGS]
    kept = [one[0] for one in waves[-1 - _KEPT : -1] if one is not None]
    others = [None if one is None else one[0] for one in before]
    mean = np.sum(kept, axis=0) if len(kept) >= 3 else None
    for k, other in enumerate([*others, mean]):
        if other is not None:
            alike = (shape * other).sum(axis=1) / np.sqrt(np.square(other).sum(axis=1))
            out[2 + k] = float(alike.max())
            out[2 + len(_LAGS) + 1 + k] = float(alike.min()) if two else 0.0
    sizes = np.clip(np.log(size + 1e-3) + 3.0, -3.0, 3.0)
    out[0], out[1] = 1.0, float(two)
    out[-2], out[-1] = float(sizes.max()), float(sizes.min()) if two else 0.0
    return out


def log_odds(inputs: Floats, weights: Sequence[npt.NDArray[np.float32]]) -> Floats:
    """Log odds of the beats but fourteen at each end: convolutions, beat by beat."""
    networks = []
    for network in range(len(weights[0])):
        x = inputs
        for layer, step in enumerate((1, 2, 4)):
            kernel, bias = (one[network] for one in weights[2 * layer : 2 * layer + 2])
            x = np.array(
                [
                    np.maximum(x[at : at + 4 * step + 1 : step].ravel() @ kernel + bias, 0.0)
                    for at in range(len(x) - 4 * step)
                ]
            )
        networks.append(x @ weights[-2][network][:, 0] + weights[-1][network])
    return np.mean(networks, axis=0)


def block_figures(
    samples: npt.NDArray[np.float32],
    before: npt.NDArray[np.float32],
    width: int,
    size: int,
    group: int,
) -> tuple[npt.NDArray[np.generic], ...]:
    """State, activity and level of each lead in each block, and the slow signal.

    `before` are the samples (step + 2 * width, n_leads) that the first changes reach back to.
    """
    step, n_leads = len(before) - 2 * width, before.shape[1]
    n = len(samples) // size
    held = np.concatenate([before, samples[: n * size]]).T
    x = held[:, len(before) :].reshape(n_leads, n, size)
    with np.errstate(invalid="ignore", over="ignore"):
        lost = ~(np.abs(x) <= 1e30).all(axis=2)
        low, high = x.min(axis=2), x.max(axis=2)
        change = np.abs(held[:, len(before) :] - held[:, 2 * width : -step]).reshape(x.shape)
        activity = np.fmax.reduce(change, axis=2)
        state = np.where(lost, _LOST, np.where(low == high, _FLAT, _USABLE))
        activity = np.where((state == _USABLE) & np.isfinite(activity), activity, 0.0)
        three = np.stack([held[:, 2 * width :], held[:, width:-width], held[:, : -2 * width]])
        calm = np.median(three, axis=0)
        calm = np.abs(calm[:, step:] - calm[:, :-step]).reshape(x.shape)
        compared = (np.isfinite(calm) | ~np.isfinite(change)).all(axis=2)
        calm = np.fmax(np.fmax.reduce(calm, axis=2), 0)
        activity = np.where(compared & (calm < np.float32(0.4) * activity), calm, activity)
        total = x[:, :, ::group].copy()
        for i in range(1, group):
            total += x[:, :, i::group]
        total /= np.float32(group)
    level = np.where(lost, np.nan, x[:, :, -1])
    return state.T, activity.T, level.T, total.transpose(1, 2, 0)


def bridged(samples: npt.NDArray[np.float32], longest: int) -> npt.NDArray[np.float32]:
    """The signal with the last sample of a lead in place of so many that are missing after it."""
    out = samples.copy()
    for lead in out.T:
        last, missing = np.float32(np.nan), 0
        for i, x in enumerate(lead):
            missing = 0 if abs(x) <= 1e30 else missing + 1
            if not missing:
                last = x
            elif missing <= longest:
                lead[i] = last
    return out


def crest(samples: npt.NDArray[np.float32], lead: int) -> float:
    """Height of a lead in standard deviations; inf of a constant one or with a sample missing."""
    x = samples[:, lead].astype(np.float64)
    with np.errstate(invalid="ignore"):
        if not (np.abs(x) <= 1e30).all() or (x == x[0]).all():
            return float("inf")
    return float((x.max() - x.min()) / x.std())
