"""QRS detectors side by side: speed and accuracy on the same records, in one run.

    python bench/compare_detectors.py $ECGFAST_DATA/mitdb

Every detector gets the first lead of every record with reference annotations (.atr) in the folder,
as float64, on one thread. Speed is the best of several calls on the first record. Accuracy is
counted by `ecgfast.evaluation` (AAMI EC57: 150 ms, one to one, ventricular flutter left out), from
the first sample, which is stricter, and with the first five minutes set aside. Peers that are not
installed are left out: pip install sleepecg wfdb neurokit2 biosppy py-ecg-detectors.
"""

from __future__ import annotations

# ruff: noqa: E402, I001 - one thread for everyone must be set before NumPy is imported

import argparse
import json
import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt

from ecgfast import detect_qrs
from ecgfast.evaluation import flutter_intervals, is_beat, score_detection, total_scores
from ecgfast.records import Record, read_record

Signal = npt.NDArray[np.float64]
Detector = Callable[[Signal, float], Any]


def detectors() -> dict[str, Detector]:
    """ecgfast's methods, and the peers that are installed and can be imported."""
    found: dict[str, Detector] = {
        "ecgfast adaptive": detect_qrs,
        "ecgfast pan-tompkins": lambda x, fs: detect_qrs(x, fs, method="pan-tompkins"),
    }
    with suppress(ImportError):
        from sleepecg import detect_heartbeats

        found[f"sleepecg {version('sleepecg')}"] = detect_heartbeats
    with suppress(ImportError):
        from wfdb import processing

        found[f"wfdb {version('wfdb')} gqrs"] = lambda x, fs: processing.gqrs_detect(sig=x, fs=fs)
        found[f"wfdb {version('wfdb')} xqrs"] = lambda x, fs: processing.xqrs_detect(
            x, fs, verbose=False
        )
    with suppress(ImportError):
        import neurokit2

        for method in ("neurokit", "pantompkins1985"):
            name = f"neurokit2 {version('neurokit2')} {method}"
            found[name] = lambda x, fs, method=method: neurokit2.ecg_findpeaks(
                neurokit2.ecg_clean(x, int(fs), method=method), int(fs), method=method
            )["ECG_R_Peaks"]
    with suppress(ImportError):
        from biosppy.signals import ecg

        found[f"biosppy {version('biosppy')}"] = lambda x, fs: ecg.ecg(x, fs, show=False)["rpeaks"]
    with suppress(ImportError):
        from ecgdetectors import Detectors

        found[f"py-ecg-detectors {version('py-ecg-detectors')} pan_tompkins"] = lambda x, fs: (
            Detectors(fs).pan_tompkins_detector(x)
        )
    return found


def speed(detect: Detector, record: Record, limit: float = 10.0) -> float:
    """Nanoseconds a sample: the best of five calls, or of those that `limit` seconds allow."""
    lead = record.signal[:, 0].astype(np.float64)
    best, spent = np.inf, 0.0
    for _ in range(5):
        begin = perf_counter()
        detect(lead, record.fs)
        took = perf_counter() - begin
        best, spent = min(best, took), spent + took
        if spent > limit:
            break
    return float(1e9 * best / len(lead))


def accuracy(detect: Detector, records: list[Record], starts: tuple[float, ...]) -> list[Any]:
    """EC57 totals over all records, counted from each of `starts`, in seconds."""
    scores: list[list[Any]] = [[] for _ in starts]
    for record in records:
        marks = record.annotations
        assert marks is not None
        found = np.sort(np.asarray(detect(record.signal[:, 0].astype(np.float64), record.fs)))
        for own, start in zip(scores, starts, strict=True):
            own.append(
                score_detection(
                    marks.sample[is_beat(marks.symbol)],
                    np.maximum(found, 0).astype(np.int64),
                    record.fs,
                    flutter=flutter_intervals(marks.sample, marks.symbol),
                    start=start,
                    record=record.name,
                )
            )
    return [total_scores(own).gross for own in scores]


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="WFDB records with .atr files")
    parser.add_argument("--only", default="", help="names of detectors that contain this text")
    parser.add_argument("--limit", type=int, help="this many records only")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    names = sorted(path.stem for path in args.folder.glob("*.atr"))[: args.limit]
    if not names:
        parser.error(f"{args.folder}: holds no .atr files")
    records = [read_record(args.folder / name) for name in names]
    warnings.simplefilter("ignore")

    rows = []
    if not args.json:
        print(f"{len(records)} records of {args.folder.name}, lead 0, one thread")
        rates = f"{'Se':>7}{'+P':>8}{'F1':>8} "
        print(f"{'':47}{'from the first sample':^24} {'from 300 s (EC57)':^24} {'R error':>8}")
        print(f"{'detector':36}{'ns/sample':>10} {rates} {rates}{'ms':>8}")
    for name, detect in detectors().items():
        if args.only not in name:
            continue
        if sys.stderr.isatty():
            print(f"\r{name} ...\033[K\r", end="", file=sys.stderr, flush=True)
        strict, late = accuracy(detect, records, (0.0, 300.0))
        row = {
            "detector": name,
            "ns_per_sample": speed(detect, records[0]),
            "first_sample": strict.to_dict(),
            "ec57": late.to_dict(),
        }
        rows.append(row)
        if not args.json:
            print(
                f"{name:36}{row['ns_per_sample']:>10.1f} "
                + " ".join(
                    f"{s.sensitivity:>7.2f}{s.positive_predictivity:>8.2f}{s.f1:>8.2f} "
                    for s in (strict, late)
                )
                + f"{strict.error_abs_ms:>8.1f}",
                flush=True,
            )
    if args.json:
        print(json.dumps(rows, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
