"""``ecgfast detect``: the R peaks of a recording."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from .._files import whole_file, write_whole
from ..core import BeatBatch, BeatStream
from ..records import open_record, write_annotations
from ..reports.words import length
from ..streaming.beat import Quality
from .labelling import check_detection
from .many import Place, Result, run_each
from .options import add_json, add_method, add_records, add_signal, add_strict, example
from .output import number_text, pace, progress
from .output_path import add_output, make_folder
from .overwriting import ANNOTATIONS, FileKind, add_force, csv_kind, json_kind

_FIELDS = ("sample", "time", "rr", "quality")
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
    parser.epilog = example(
        "ecgfast detect mitdb/100 --output 100.csv\n"
        "  ecgfast detect mitdb 'holter/**/*.edf' --output peaks"
    )
    add_records(parser)
    add_signal(parser)
    add_strict(parser)
    add_method(parser)
    parser.add_argument(
        "--max-delay",
        type=float,
        metavar="S",
        help="report each beat at most so many seconds after its R peak (0.35 or more)",
    )
    parser.add_argument(
        "--max-rate",
        type=float,
        metavar="BPM",
        help="highest heart rate that occurs, 300 (default) to 900 a minute, for small animals",
    )
    add_output(parser, _Detect.annotator)
    add_force(parser)
    add_json(parser, "the summary")


def run(args: argparse.Namespace) -> None:
    """Find R peaks, write them, and print a summary."""
    run_each(args, _Detect(args))


class _Detect:
    """Finds and writes the R peaks of a recording."""

    annotator = "qrs"
    kinds: Mapping[str, FileKind] = {
        "atr": ANNOTATIONS,
        "csv": csv_kind("a table of ecgfast detect", _FIELDS),
        "json": json_kind("a result of ecgfast detect", "record", "fs", "flutter", "beats"),
    }
    heads: Sequence[str] = ("heart rate", "flutter")
    cautions: Sequence[str] = ()

    def __init__(self, args: argparse.Namespace) -> None:
        check_detection(max_delay=args.max_delay, max_rate=args.max_rate)
        self._args = args

    def __call__(self, path: Path, place: Place, *, what: str, bar: bool) -> Result:
        begin = perf_counter()
        args = self._args
        source = open_record(path, fs=args.fs, leads=args.leads, follow=args.follow)
        name = Path(source.name).name
        file, file_format = place(name)
        # The same R peaks as a detector's, with flutter reported.
        stream = BeatStream(
            source.fs,
            method=args.method,
            max_delay=args.max_delay,
            n_leads=len(source.leads),
            max_rate=args.max_rate,
        )
        blocks = math.ceil(source.duration / _BLOCK_S)
        steps = progress(source.blocks(_BLOCK_S), total=blocks, what=what, unit="block", bar=bar)
        batch = BeatBatch.concatenate([*map(stream.process, steps), stream.flush()])
        peaks = batch.sample
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
        make_folder(file.parent)
        if file_format == "atr":
            write_annotations(file, *_marks(peaks, waves), source.fs)
        elif file_format == "csv":
            _write_csv(file, batch, source.fs)
        else:
            _write_json(file, batch, source.fs, {**about, "flutter": flutter})

        intervals = np.diff(peaks) / source.fs
        intervals = intervals[(intervals <= _GAP_S) & ~waves[1:]]
        rate = 60.0 / float(intervals.mean()) if len(intervals) else math.nan
        wall = perf_counter() - begin
        lasted = sum(end - start for start, end in flutter)
        lines = [
            f"recording   {name}, {length(source.duration)} at {source.fs:g} Hz",
            f"leads       {', '.join(source.leads)}",
            *([source.origin.text()] if source.origin is not None else []),
            f"beats       {len(peaks):,} ({args.method})",
            *([f"heart rate  {rate:.0f} a minute on average"] if math.isfinite(rate) else []),
        ]
        if flutter:
            stretches = f"{len(flutter)} stretches of a wave without beats"
            lines.append(f"flutter     {stretches}, {length(lasted)} in all")
        lines += [f"time        {pace(source.duration, wall)}", f"written     {file}"]
        return Result(
            name=name,
            beats=len(peaks),
            fs=source.fs,
            duration=source.duration,
            leads=source.leads,
            file=file,
            facts={
                **about,
                "beats": len(peaks),
                "heart_rate": rate,
                "flutter": flutter,
                "wall_s": wall,
                "real_time_factor": source.duration / wall,
                "output": str(file),
                "format": file_format,
            },
            lines=lines,
            figures={
                "method": args.method,
                "beats": len(peaks),
                "heart_rate": rate,
                "flutter_s": lasted,
            },
            cells=[
                f"{number_text(rate, 0):>10}",
                f"{length(lasted) if flutter else '-':>7}",
            ],
        )


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
    peaks = batch.sample
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
