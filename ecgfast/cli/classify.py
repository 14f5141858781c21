"""``ecgfast classify``: the labelled beats of a recording."""

from __future__ import annotations

import argparse
import math
from array import array
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import numpy as np

from ..records import write_annotations, write_csv, write_json
from ..records.writers import BEAT_FIELDS
from ..reports.summary import NOT_A_DEVICE, Tally
from ..sources.chunks import BLOCK_S
from ..streaming import Beat, ChunkSource, StreamingClassifier, open_source
from .annotations import Mark, Marker
from .errors import report_nothing
from .options import (
    add_average_leads,
    add_decision,
    add_json,
    add_lookahead,
    add_method,
    add_model,
    add_output,
    add_signal,
    add_strict,
    decision_for,
    example,
    labeller_for,
    output_file,
)
from .output import pace, print_json, progress, promise_text, tally_for
from .overwriting import (
    ANNOTATIONS,
    OutputGuard,
    add_force,
    csv_kind,
    json_kind,
    model_files,
    output_option,
    record_files,
    summary_beside,
)

_ANNOTATOR = "ecg"
_KINDS = {
    "atr": ANNOTATIONS,
    "csv": csv_kind("a table of ecgfast classify", BEAT_FIELDS, more=True),
    "json": json_kind("a result of ecgfast classify", "record", "fs", "model", "beats"),
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``ecgfast classify``."""
    parser.description = (
        "Find and label the beats of a recording, print a summary, and write the beats as a WFDB "
        "annotation file, CSV or JSON. The recording is streamed, not loaded. " + NOT_A_DEVICE
    )
    parser.epilog = example(
        "ecgfast classify mitdb/208 --output 208.csv\n"
        "  ecgfast classify mitdb/208 --sensitivity V=0.95 --reject 0.05"
    )
    parser.add_argument("record", help="WFDB record, or .edf, .bdf, .csv, .txt, .npy, .npz file")
    add_model(parser)
    add_lookahead(parser)
    add_decision(parser)
    add_method(parser, classes=True)
    add_signal(parser)
    add_strict(parser)
    add_average_leads(parser)
    add_output(parser, _ANNOTATOR)
    add_force(parser)
    add_json(parser, "the summary")


def run(args: argparse.Namespace) -> None:
    """Label beats, write them, and print a summary."""
    report_nothing(_run(args), strict=args.strict)


def _run(args: argparse.Namespace) -> int:
    """Do the work; returns how many beats were found."""
    begin = perf_counter()
    decision = decision_for(args)
    source = open_source(args.record, args.fs, args.leads, follow=args.follow)
    name = Path(source.name).name
    file, form = output_file(args.output, args.format, name, _ANNOTATOR)
    inputs = [*record_files(args.record), *model_files(args.model)]
    guard = OutputGuard(inputs, force=args.force)
    guard.check(file, _KINDS[form], output_option(args))
    labeller = labeller_for(
        source, args, decision, average_leads=args.average_leads, method=args.method
    )
    classifier = labeller.classifier
    tally = tally_for(classifier)
    beats = _beats(source, labeller, tally, name)
    about = {
        "record": name,
        "fs": source.fs,
        "leads": list(source.leads),
        "average_leads": args.average_leads,
        "model": str(args.model),
        "form": classifier.form,
        "runtime": classifier.backend,
        "lookahead": args.lookahead,
        "method": args.method,
        **({"source": source.origin.to_dict()} if source.origin else {}),
        **(
            {"decision": list(labeller.rule.operating_points)}
            if labeller.rule.operating_points
            else {}
        ),
    }
    if form == "csv":
        write_csv(file, beats)
    elif form == "json":
        write_json(file, beats, about=about)
    else:
        _write_wfdb(file, beats, source.fs)
    guard.report()

    duration = (source.n_samples or 0) / source.fs
    summary = tally.summary(name, source.fs, duration)
    wall = perf_counter() - begin
    with summary_beside(file):
        if args.json:
            print_json(
                {
                    **about,
                    "summary": summary.to_dict(),
                    "wall_s": wall,
                    "real_time_factor": duration / wall,
                    "output": str(file),
                    "format": form,
                }
            )
            return summary.beats
        print(summary.text())
        if source.origin is not None:
            print(source.origin.text())
        form_used = f", {classifier.form}" if classifier.form else ""
        print(f"model       {args.model}{form_used}, on {classifier.backend}")
        for promise in labeller.rule.operating_points:
            print(f"decision    {promise_text(promise)}, in cross-validation")
        print(f"time        {pace(duration, wall)}")
        print(f"written     {file}")
        print(NOT_A_DEVICE)
    return summary.beats


def _beats(
    source: ChunkSource, labeller: StreamingClassifier, tally: Tally, name: str
) -> Iterator[Beat]:
    """The beats as they come, each counted; none is kept."""
    blocks = math.ceil((source.n_samples or 0) / source.fs / BLOCK_S) or None
    for chunk in progress(source.chunks, total=blocks, what=name, unit="block"):
        beats = labeller.process(chunk)
        tally.add(beats)
        yield from beats
    beats = labeller.flush()
    tally.add(beats)
    yield from beats


def _write_wfdb(file: Path, beats: Iterator[Beat], fs: float) -> None:
    samples = array("q")
    symbols: list[str] = []
    texts: list[str] = []
    marker = Marker()

    def keep(marks: Iterator[Mark]) -> None:
        for sample, symbol, text in marks:
            samples.append(sample)
            symbols.append(symbol)
            texts.append(text)

    for beat in beats:
        keep(marker.marks(beat))
    keep(marker.end())
    positions = np.frombuffer(samples, np.int64) if samples else np.empty(0, np.int64)
    write_annotations(file, positions, symbols, fs, aux=texts if any(texts) else None)
