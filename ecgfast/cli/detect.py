"""``ecgfast detect``: the R peaks of a recording."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from time import perf_counter
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from .._files import whole_file, write_whole
from ..core import BeatBatch, BeatStream
from ..records import open_record, write_annotations
from ..reports.summary import length
from ..streaming.beat import Quality
from .errors import report_nothing
from .options import (
    add_json,
    add_method,
    add_output,
    add_signal,
    add_strict,
    example,
    output_file,
)
from .output import pace, print_json, progress
from .overwriting import (
    ANNOTATIONS,
    OutputGuard,
    add_force,
    csv_kind,
    json_kind,
    output_option,
    record_files,
    summary_beside,
)

_ANNOTATOR = "qrs"
_FIELDS = ("sample", "time", "rr", "quality")
_KINDS = {
    "atr": ANNOTATIONS,
    "csv": csv_kind("a table of ecgfast detect", _FIELDS),
    "json": json_kind("a result of ecgfast detect", "record", "fs", "method", "beats"),
}
_BLOCK_S = 10.0

# As in the summaries: a longer interval is a gap, and no heart rate.
_GAP_S = 3.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``ecgfast detect``."""
    parser.description = (
        "Find the R peaks of a recording and write them as a WFDB annotation file (each marked N, "
        "the code of any beat), CSV or JSON. Ventricular flutter and fibrillation stand between [ "
        "and ], its waves marked !, and have bit 64 set in the column quality. The recording is "
        "streamed, not loaded."
    )
    parser.epilog = example("ecgfast detect mitdb/100 --output 100.csv")
    parser.add_argument("record", help="WFDB record, or .edf, .bdf, .csv, .txt, .npy, .npz file")
    add_signal(parser)
    add_strict(parser)
    add_method(parser, classes=False)
    parser.add_argument(
        "--max-delay",
        type=float,
        metavar="S",
        help="report each beat at most this long after its R peak",
    )
    parser.add_argument(
        "--max-rate",
        type=float,
        metavar="BPM",
        help="highest heart rate that occurs, 300 (default) to 900 a minute, for small animals",
    )
    add_output(parser, _ANNOTATOR)
    add_force(parser)
    add_json(parser, "the summary")


def run(args: argparse.Namespace) -> None:
    """Find R peaks, write them, and print a summary."""
    report_nothing(_run(args), strict=args.strict)


def _run(args: argparse.Namespace) -> int:
    """Do the work; returns how many beats were found."""
    begin = perf_counter()
    source = open_record(args.record, fs=args.fs, leads=args.leads, follow=args.follow)
    name = Path(source.name).name
    file, form = output_file(args.output, args.format, name, _ANNOTATOR)
    guard = OutputGuard(record_files(args.record), force=args.force)
    guard.check(file, _KINDS[form], output_option(args))
    # The same R peaks as a detector's, with flutter told.
    stream = BeatStream(
        source.fs,
        method=args.method,
        max_delay=args.max_delay,
        leads=len(source.leads),
        max_rate=args.max_rate,
    )
    blocks = math.ceil(source.duration / _BLOCK_S)
    found = [
        stream.process(block)
        for block in progress(source.blocks(_BLOCK_S), total=blocks, what=name, unit="block")
    ]
    batch = BeatBatch.concatenate([*found, stream.flush()])
    peaks = batch.r_sample
    waves = (batch.quality & Quality.FLUTTER) > 0
    begins, ends = _stretches(waves)
    flutter = [
        [float(peaks[a] / source.fs), float(peaks[b] / source.fs)]
        for a, b in zip(begins, ends, strict=True)
    ]
    about = {
        "record": name,
        "fs": source.fs,
        "duration": source.duration,
        "leads": list(source.leads),
        "method": args.method,
        **({"source": source.origin.to_dict()} if source.origin else {}),
    }
    if form == "atr":
        write_annotations(file, *_marks(peaks, waves), source.fs)
    elif form == "csv":
        _write_csv(file, batch, source.fs)
    else:
        _write_json(file, batch, source.fs, {**about, "flutter": flutter})
    guard.report()

    intervals = np.diff(peaks) / source.fs
    intervals = intervals[(intervals <= _GAP_S) & ~waves[1:]]
    rate = 60.0 / float(intervals.mean()) if len(intervals) else float("nan")
    wall = perf_counter() - begin
    with summary_beside(file):
        if args.json:
            print_json(
                {
                    **about,
                    "beats": len(peaks),
                    "heart_rate": rate,
                    "flutter": flutter,
                    "wall_s": wall,
                    "real_time_factor": source.duration / wall,
                    "output": str(file),
                    "format": form,
                }
            )
            return len(peaks)
        print(f"recording   {name}, {length(source.duration)} at {source.fs:g} Hz")
        print(f"leads       {', '.join(source.leads)}")
        if source.origin is not None:
            print(source.origin.text())
        print(f"beats       {len(peaks):,} ({args.method})")
        if math.isfinite(rate):
            print(f"heart rate  {rate:.0f} a minute on average")
        if flutter:
            lasted = length(sum(end - begin for begin, end in flutter))
            print(f"flutter     {len(flutter)} stretches of a wave without beats, {lasted} in all")
        print(f"time        {pace(source.duration, wall)}")
        print(f"written     {file}")
    return len(peaks)


def _stretches(
    waves: npt.NDArray[np.bool_],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """First and last of each run of flutter waves."""
    edges = np.diff(np.concatenate([[False], waves, [False]]).astype(np.int8))
    return np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1


def _marks(
    peaks: npt.NDArray[np.int64], waves: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.int64], list[str]]:
    """Annotations: beats, and flutter as MIT-BIH marks it."""
    begins, ends = _stretches(waves)
    at = np.concatenate([begins, ends + 1])
    samples = np.insert(peaks, at, peaks[np.concatenate([begins, ends])])
    symbols = np.insert(np.where(waves, "!", "N"), at, ["["] * len(begins) + ["]"] * len(ends))
    return samples, symbols.tolist()


_Row: TypeAlias = tuple[int, float, float | None, int]


def _rows(batch: BeatBatch, fs: float) -> list[_Row]:
    """Sample, time, RR interval and quality of each peak; no interval on the first."""
    peaks = batch.r_sample
    intervals = [None, *(round(float(d) / fs, 6) for d in np.diff(peaks))]
    columns = zip(peaks, intervals, batch.quality, strict=False)
    return [(int(p), round(int(p) / fs, 6), rr, int(quality)) for p, rr, quality in columns]


def _write_csv(file: Path, batch: BeatBatch, fs: float) -> None:
    with whole_file(file) as out:
        out.write(f"{','.join(_FIELDS)}\n".encode())
        for sample, time, rr, quality in _rows(batch, fs):
            out.write(f"{sample},{time},{'' if rr is None else rr},{quality}\n".encode())


def _write_json(file: Path, batch: BeatBatch, fs: float, about: dict[str, object]) -> None:
    rows = [dict(zip(_FIELDS, row, strict=True)) for row in _rows(batch, fs)]
    write_whole(file, json.dumps({**about, "beats": rows}) + "\n")
