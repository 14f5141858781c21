"""False beats where there is no ECG, and missed ones after a bad stretch of an ECG.

    python bench/bad_signal.py $ECGFAST_DATA --json docs/bad_signal.json

Noise alone: white noise at several sampling rates, the same as a random walk, as pink noise (power
falling with frequency), through a filter of muscle's and one of the QRS complex's own band, the
flicker of the lowest bits of a converter, and the two recordings of nstdb that hold no ECG:
baseline wander (`bw`) and muscle (`ma`). Counted are reported beats a minute; in the recordings
also those whose quality has no flag, which nothing tells a user to distrust.

Bad stretches: minutes of every record of mitdb (first lead), each with one disturbance from second
20 to second 26 (a change of gain lasts). Counted are the reference beats that lie more than two
seconds after its end, are found when nothing disturbs and are missed now; the beats reported
there that are neither in the reference nor reported when nothing disturbs; and the stretches
after which none of the reference beats of the first two seconds is found (`still lost`).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ecgfast import BeatStream, QRSDetector, read_record
from ecgfast.evaluation import annotated_records, is_beat

Lead = npt.NDArray[np.float64]
Peaks = npt.NDArray[np.int64]
Detector = Callable[[Lead, float, str], Peaks]

METHODS = ("neural", "adaptive", "pan-tompkins")
RATES = (100.0, 128.0, 250.0, 360.0, 500.0, 1000.0, 2000.0)
NOISES = ("white", "walk", "pink", "muscle", "band", "flicker 1", "flicker 2", "flicker 3")
SEEDS = 24
NOISE_S = 300

STRETCHES = (
    *("gap", "flat", "saturated", "jump", "spike", "noise", "muscle", "motion", "drift"),
    *("louder 10", "fainter 10", "louder 3", "fainter 3"),
)
BEGINS_S = (60, 660, 1260)
LENGTH_S, BAD_S, BAD_END_S, LATE_S = 60, 20, 26, 2.0
NEAR_S = 0.15


def noise_alone(kind: str, fs: float, seed: int) -> Lead:
    """Five minutes of noise."""
    n, rng = int(NOISE_S * fs), np.random.default_rng(seed)
    x = rng.normal(size=n)
    if kind == "white":
        return x
    if kind == "walk":
        return np.asarray(np.cumsum(x))
    if kind.startswith("flicker"):
        levels = int(kind.split()[1])
        return np.asarray(np.round(0.3 * levels * x).clip(-levels, levels))
    spectrum, hz = np.fft.rfft(x), np.fft.rfftfreq(n, 1 / fs)
    shape = {
        "pink": 1 / np.sqrt(np.maximum(hz, 0.05)),
        "muscle": (hz > 20) & (hz < 150),
        "band": (hz > 5) & (hz < 25),
    }[kind]
    return np.asarray(np.fft.irfft(spectrum * shape, n))


def spoilt(clean: Lead, kind: str, fs: float, qrs: float, muscle: Lead, seed: int) -> Lead:
    """The signal with one disturbance; `qrs`: range of a QRS complex."""
    a, b = int(BAD_S * fs), int(BAD_END_S * fs)
    x, rng, t = clean.copy(), np.random.default_rng(seed), np.arange(b - a) / fs
    if kind == "gap":
        x[a:b] = np.nan
    elif kind == "flat":
        x[a:b] = x[a]
    elif kind == "saturated":
        x[a:b] = np.where(np.sin(2 * np.pi * 0.4 * t + seed) > 0, 5 * qrs, -5 * qrs)
    elif kind == "jump":
        x[b:] += 5 * qrs
    elif kind == "spike":
        x[b - 2 : b] = 1e30
    elif kind == "noise":
        x[a:b] += rng.normal(0, 10 * qrs / 4, b - a)
    elif kind == "muscle":
        first = int(rng.integers(0, len(muscle) - (b - a)))
        x[a:b] += 3 * qrs * muscle[first : first + b - a]
    elif kind == "motion":
        x[a:b] += 5 * qrs * np.sin(2 * np.pi * (2 + 4 * rng.random()) * t)
    elif kind == "drift":
        x[a:b] += 20 * qrs * np.sin(2 * np.pi * 0.5 * t)
    else:
        word, factor = kind.split()
        x[b:] *= float(factor) if word == "louder" else 1 / float(factor)
    return x


def minutes(data: Path) -> Iterator[tuple[str, Lead, float, Peaks]]:
    """Name, first lead, sampling rate and reference beats of every minute."""
    for path in annotated_records(data / "mitdb")[0]:
        record = read_record(path, leads=0)
        marks, fs = record.annotations, record.fs
        assert marks is not None
        beats = marks.sample[is_beat(marks.symbol)]
        for begin_s in BEGINS_S:
            begin, end = int(begin_s * fs), int((begin_s + LENGTH_S) * fs)
            inside = beats[(beats >= begin) & (beats < end)] - begin
            lead = record.signal[begin:end, 0].astype(float)
            yield f"{path.name} at {begin_s} s", lead, fs, inside


def near(a: Peaks, b: Peaks, fs: float) -> npt.NDArray[np.bool_]:
    """Which of `a` have one of `b` close by."""
    if not len(b):
        return np.zeros(len(a), bool)
    after = np.searchsorted(b, a).clip(0, len(b) - 1)
    before = (after - 1).clip(0)
    apart = np.minimum(np.abs(a - b[after]), np.abs(a - b[before]))
    return np.asarray(apart <= NEAR_S * fs)


def noise_rates(data: Path, detect: Detector, method: str) -> dict[str, dict[str, float]]:
    """Beats a minute, by kind of noise and sampling rate."""
    found: dict[str, dict[str, float]] = {}
    for kind in NOISES:
        found[kind] = {}
        for fs in RATES:
            beats = sum(len(detect(noise_alone(kind, fs, s), fs, method)) for s in range(SEEDS))
            found[kind][f"{fs:g}"] = beats / (SEEDS * NOISE_S / 60)
    for name in ("bw", "ma"):
        record = read_record(data / "nstdb" / name)
        leads = [np.ascontiguousarray(lead) for lead in record.signal.T]
        length = record.signal.size / record.fs / 60
        beats = sum(len(detect(lead.astype(float), record.fs, method)) for lead in leads)
        found[f"nstdb {name}"] = {f"{record.fs:g}": beats / length}
        trusted = sum(not_flagged(lead, record.fs, method) for lead in leads)
        found[f"nstdb {name}, not flagged"] = {f"{record.fs:g}": trusted / length}
    return found


def not_flagged(lead: npt.NDArray[np.float32], fs: float, method: str) -> int:
    """Beats that nothing is said against."""
    stream = BeatStream(fs, method=method)  # type: ignore[arg-type]
    batches = (stream.process(lead), stream.flush())
    return sum(int(np.count_nonzero(batch.quality == 0)) for batch in batches)


def recovery(data: Path, detect: Detector, method: str) -> dict[str, dict[str, Any]]:
    """Late missed and false beats, by kind of disturbance."""
    rows: dict[str, dict[str, Any]] = {
        kind: {
            "stretches": 0,
            "still lost": 0,
            "missed": 0,
            "false": 0,
            "latest_s": 0.0,
            "where": [],
        }
        for kind in STRETCHES
    }
    muscle = read_record(data / "nstdb" / "ma", leads=0).signal[:, 0].astype(float)
    muscle /= muscle.std()
    for seed, (name, clean, fs, beats) in enumerate(minutes(data)):
        if len(beats) < LENGTH_S / 3:
            continue  # flutter: hardly any beat is marked
        usual = detect(clean, fs, method)
        half = int(0.05 * fs)
        qrs = float(np.median([np.ptp(clean[max(r - half, 0) : r + half]) for r in beats]))
        late, end = (BAD_END_S + LATE_S) * fs, len(clean) - fs
        expected = beats[(beats < end) & near(beats, usual, fs)]
        first = expected[(expected > BAD_END_S * fs) & (expected <= late)]
        expected = expected[expected > late]
        for kind in STRETCHES:
            found = detect(spoilt(clean, kind, fs, qrs, muscle, seed), fs, method)
            row = rows[kind]
            row["stretches"] += len(first) > 0
            row["still lost"] += len(first) > 0 and not near(first, found, fs).any()
            found = found[(found > late - NEAR_S * fs) & (found < end + NEAR_S * fs)]
            missed = expected[~near(expected, found, fs)]
            extra = found[~near(found, beats, fs) & ~near(found, usual, fs)]
            extra = extra[(extra > late) & (extra < end)]
            row["missed"] += len(missed)
            row["false"] += len(extra)
            if len(missed):
                latest = float(missed[-1] / fs - BAD_END_S)
                row["latest_s"] = max(row["latest_s"], round(latest, 2))
                row["where"].append(f"{name}: {len(missed)} up to {latest:.1f} s")
    return rows


def own(signal: Lead, fs: float, method: str) -> Peaks:
    """R peaks by the detector alone: `detect_qrs` takes spikes of 1e30 for missing samples."""
    detector = QRSDetector(fs, method=method)
    return np.concatenate([detector.process(signal), detector.flush()])


def main() -> None:
    """Count, print, and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path, help="folder that holds mitdb and nstdb")
    parser.add_argument("--json", type=Path, help="file to write")
    options = parser.parse_args()
    found: dict[str, Any] = {}
    for method in METHODS:
        rates = noise_rates(options.data, own, method)
        rows = recovery(options.data, own, method)
        found[method] = {"noise_beats_a_minute": rates, "after_bad_stretches": rows}
        print(f"{method}: beats a minute in noise alone")
        for kind, by_rate in rates.items():
            print(f"  {kind:10s}", *(f"{fs} Hz {n:.2f} " for fs, n in by_rate.items()))
        print(
            f"{method}: beats later than {LATE_S:g} s after a bad stretch, and stretches still lost"
        )
        for kind, row in rows.items():
            print(
                f"  {kind:10s} missed {row['missed']:4d}, up to {row['latest_s']:5.2f} s,",
                f"false {row['false']:4d}, still lost {row['still lost']} of {row['stretches']}",
            )
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
