"""``ecgfast detect``: the R peaks of a recording."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from time import perf_counter

import numpy as np
import numpy.typing as npt

from ..core import QRSDetector
from ..records import open_record, write_annotations
from ..records.writers import whole_file
from ..reports.summary import length
from .common import (
    add_json,
    add_output,
    add_signal,
    example,
    output_file,
    pace,
    print_json,
    progress,
)

_ANNOTATOR = "qrs"
_BLOCK_S = 10.0

# As in the summaries: a longer interval is a gap, and no heart rate.
_GAP_S = 3.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``ecgfast detect``."""
    parser.description = (
        "Find the R peaks of a recording and write them as a WFDB annotation file (each marked N, "
        "the code of any beat), CSV or JSON. The recording is streamed, not loaded."
    )
    parser.epilog = example("ecgfast detect mitdb/100 --output 100.csv")
    parser.add_argument("record", help="WFDB record, or .edf, .bdf, .csv, .txt, .npy, .npz file")
    add_signal(parser)
    parser.add_argument(
        "--method",
        choices=("adaptive", "pan-tompkins"),
        default="adaptive",
        help="adaptive is the most accurate (default), pan-tompkins the algorithm of 1985",
    )
    parser.add_argument(
        "--max-delay",
        type=float,
        metavar="S",
        help="report each beat at most this long after its R peak",
    )
    add_output(parser, _ANNOTATOR)
    add_json(parser, "the summary")


def run(args: argparse.Namespace) -> None:
    """Find R peaks, write them, and print a summary."""
    begin = perf_counter()
    source = open_record(args.record, fs=args.fs, leads=args.leads)
    name = Path(source.name).name
    file, form = output_file(args.output, args.format, name, _ANNOTATOR)
    detector = QRSDetector(
        source.fs, method=args.method, max_delay=args.max_delay, leads=len(source.leads)
    )
    blocks = math.ceil(source.duration / _BLOCK_S)
    found = [
        detector.process(block)
        for block in progress(source.blocks(_BLOCK_S), total=blocks, what=name, unit="block")
    ]
    peaks = np.concatenate([*found, detector.flush()])
    about = {
        "record": name,
        "fs": source.fs,
        "duration": source.duration,
        "leads": list(source.leads),
        "method": args.method,
    }
    if form == "atr":
        write_annotations(file, peaks, ["N"] * len(peaks), source.fs)
    elif form == "csv":
        _write_csv(file, peaks, source.fs)
    else:
        _write_json(file, peaks, source.fs, about)

    intervals = np.diff(peaks) / source.fs
    intervals = intervals[intervals <= _GAP_S]
    rate = 60.0 / float(intervals.mean()) if len(intervals) else float("nan")
    wall = perf_counter() - begin
    if args.json:
        print_json(
            {
                **about,
                "beats": len(peaks),
                "heart_rate": rate,
                "wall_s": wall,
                "real_time_factor": source.duration / wall,
                "output": str(file),
                "format": form,
            }
        )
        return
    print(f"recording   {name}, {length(source.duration)} at {source.fs:g} Hz")
    print(f"leads       {', '.join(source.leads)}")
    print(f"beats       {len(peaks):,} ({args.method})")
    if math.isfinite(rate):
        print(f"heart rate  {rate:.0f} a minute on average")
    print(f"time        {pace(source.duration, wall)}")
    print(f"written     {file}")


def _rows(peaks: npt.NDArray[np.int64], fs: float) -> list[tuple[int, float, float | None]]:
    """Sample, time and RR interval of each peak; no interval on the first."""
    intervals = [None, *(round(float(d) / fs, 6) for d in np.diff(peaks))]
    return [(int(p), round(int(p) / fs, 6), rr) for p, rr in zip(peaks, intervals, strict=False)]


def _write_csv(file: Path, peaks: npt.NDArray[np.int64], fs: float) -> None:
    with whole_file(file) as out:
        out.write(b"sample,time,rr\n")
        for sample, time, rr in _rows(peaks, fs):
            out.write(f"{sample},{time},{'' if rr is None else rr}\n".encode())


def _write_json(
    file: Path, peaks: npt.NDArray[np.int64], fs: float, about: dict[str, object]
) -> None:
    rows = [{"sample": s, "time": t, "rr": rr} for s, t, rr in _rows(peaks, fs)]
    with whole_file(file) as out:
        out.write(json.dumps({**about, "beats": rows}).encode() + b"\n")
