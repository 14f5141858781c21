"""``ecgfast classify``: the labelled beats of a recording."""

from __future__ import annotations

import argparse
import math
from array import array
from collections.abc import Iterator, Mapping
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from ..records import write_annotations, write_csv, write_json
from ..records.writers import BEAT_FIELDS
from ..reports.beat_marks import Mark, Marker
from ..reports.model_facts import operating_point_text
from ..reports.words import NOT_A_DEVICE
from ..rhythm import EventKind
from ..runtime.decision import REJECTED
from ..sources.chunks import BLOCK_S
from ..streaming import Beat, open_source
from .labelling import (
    classifier_for,
    counted_beats,
    decision_for,
    labelled_from,
    labelled_names,
    labeller_for,
)
from .many import Place, Result, run_each
from .options import add_json, add_labelling, add_records, add_strict, example
from .output import (
    caution_texts,
    number_cautions,
    number_facts,
    number_text,
    pace,
    progress,
    tally_for,
)
from .output_path import add_output, make_folder
from .overwriting import ANNOTATIONS, FileKind, add_force, csv_kind, json_kind, model_files

if TYPE_CHECKING:
    from ..reports.summary import Summary
    from ..runtime import Classifier
    from ..streaming import ChunkSource, StreamingClassifier


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``ecgfast classify``."""
    parser.description = (
        "Find and label the beats of a recording, print a summary, and write the beats as a WFDB "
        "annotation file, CSV or JSON. The recording is streamed, not loaded. " + NOT_A_DEVICE
    )
    parser.epilog = example(
        "ecgfast classify mitdb/208 --output 208.csv\n"
        "  ecgfast classify mitdb/208 --sensitivity V=0.95 --reject 0.05\n"
        "  ecgfast classify holter 'mitdb/2*' --output beats --format csv"
    )
    add_records(parser)
    add_labelling(parser)
    add_strict(parser)
    add_output(parser, _Classify.annotator)
    add_force(parser)
    add_json(parser, "the summary")


def run(args: argparse.Namespace) -> None:
    """Label beats, write them, and print a summary."""
    run_each(args, _Classify(args), model_files(args.model))


class _Classify:
    """Labels and writes the beats of a recording; the model is loaded once."""

    annotator = "ecg"
    kinds: Mapping[str, FileKind] = {
        "atr": ANNOTATIONS,
        "csv": csv_kind("a table of ecgfast classify", BEAT_FIELDS, more=True),
        "json": json_kind("a result of ecgfast classify", "record", "fs", "model", "beats"),
    }

    def __init__(self, args: argparse.Namespace) -> None:
        self._args = args
        self._decision = decision_for(args)
        self._classifier: Classifier | None = None

    @property
    def heads(self) -> tuple[str, ...]:
        """Headings of the printed table."""
        return (*(f"{name:>7}" for name in self._names()), "heart rate", "bad quality")

    @property
    def cautions(self) -> list[str]:
        """Errors and limits of a model of numbers."""
        return number_cautions(self._loaded())

    def _names(self) -> tuple[str, ...]:
        classifier = self._loaded()
        names = classifier.classes
        return (*names, REJECTED) if self._args.reject and classifier.output != "value" else names

    def _loaded(self) -> Classifier:
        if self._classifier is None:
            self._classifier = classifier_for(self._args)
        return self._classifier

    def __call__(self, path: Path, place: Place, *, what: str, bar: bool) -> Result:
        begin = perf_counter()
        args = self._args
        source = open_source(path, args.fs, args.leads, follow=args.follow)
        name = Path(source.name).name
        file, file_format = place(name)
        classifier = self._loaded()
        labeller = labeller_for(
            source,
            args,
            self._decision,
            classifier=classifier,
            average_leads=args.average_leads,
            method=args.method,
        )
        tally = tally_for(classifier)
        blocks = math.ceil((source.n_samples or 0) / source.fs / BLOCK_S) or None
        chunks = progress(source.chunks, total=blocks, what=what, unit="block", bar=bar)
        beats = counted_beats(chunks, labeller, tally)
        about = self._about(source, labeller, classifier, name)
        make_folder(file.parent)
        if file_format == "csv":
            write_csv(file, beats)
        elif file_format == "json":
            write_json(file, beats, about=about)
        else:
            _write_wfdb(file, beats, source.fs)

        duration = (source.n_samples or 0) / source.fs
        start = source.start or source.start_time
        summary = tally.summary(name, source.fs, duration, start, source.leads)
        cautions = caution_texts(classifier, summary, about["labelled_leads"])
        wall = perf_counter() - begin
        lines = [
            summary.text(),
            *self._model_lines(source, labeller, classifier),
            *(f"caution     {text}" for text in cautions),
            f"time        {pace(duration, wall)}",
            f"written     {file}",
            NOT_A_DEVICE,
        ]
        means = {name: numbers["mean"] for name, numbers in summary.values.items()}
        counts = {name: summary.by_class.get(name, 0) for name in self._names()}
        shown = [
            number_text(means[name], 1) if name in means else f"{count:,}"
            for name, count in counts.items()
        ]
        return Result(
            name=name,
            beats=summary.beats,
            fs=source.fs,
            duration=duration,
            leads=source.leads,
            file=file,
            facts={
                **about,
                "summary": summary.to_dict(),
                **({"cautions": cautions} if cautions else {}),
                "wall_s": wall,
                "real_time_factor": duration / wall,
                "output": str(file),
                "format": file_format,
            },
            lines=lines,
            figures={
                "model": str(args.model),
                "method": args.method,
                "beats": summary.beats,
                **(means or counts),
                "heart_rate": summary.rate_mean,
                "heart_rate_min": summary.rate_min,
                "heart_rate_max": summary.rate_max,
                **_ectopy_counts(summary),
                "flutter_waves": summary.flutter_waves,
                "bad_quality": summary.bad_quality,
            },
            cells=[
                *(f"{text:>{max(7, len(name))}}" for text, name in zip(shown, counts, strict=True)),
                f"{number_text(summary.rate_mean, 0):>10}",
                f"{100 * summary.bad_quality:9.1f} %",
            ],
        )

    def _about(
        self,
        source: ChunkSource,
        labeller: StreamingClassifier,
        classifier: Classifier,
        name: str,
    ) -> dict[str, Any]:
        """What was read and what labels it, for files of beats and for --json."""
        args, points = self._args, labeller.rule.operating_points
        return {
            "record": name,
            "fs": source.fs,
            "leads": list(source.leads),
            "average_leads": labeller.n_labelled > 1,
            **labelled_names(source, labeller),
            "model": str(args.model),
            "form": classifier.precision,
            "runtime": classifier.backend,
            "lookahead": args.lookahead,
            "method": args.method,
            **number_facts(classifier),
            **({"source": source.origin.to_dict()} if source.origin else {}),
            **({"decision": list(points)} if points else {}),
        }

    def _model_lines(
        self, source: ChunkSource, labeller: StreamingClassifier, classifier: Classifier
    ) -> list[str]:
        """The same to read."""
        precision = f", {classifier.precision}" if classifier.precision else ""
        how = labelled_from(source, labeller)
        return [
            *([source.origin.text()] if source.origin is not None else []),
            f"model       {self._args.model}{precision}, on {classifier.backend}"
            if classifier.classes
            else "model       none",
            *([f"labelled    from {how}"] if how else []),
            *(
                f"decision    {operating_point_text(point)}, in cross-validation"
                for point in labeller.rule.operating_points
            ),
        ]


def _ectopy_counts(summary: Summary) -> dict[str, int]:
    """Couplets and runs of V and of S, as the tables of an archive name them."""
    rhythm = summary.rhythm
    counts = {"v_couplets": summary.couplets}
    if rhythm is not None:
        counts["s_couplets"] = rhythm.count(EventKind.SUPRAVENTRICULAR_COUPLET)
    return counts | {f"{label.lower()}_runs": summary.runs_of(label) for label in "VS"}


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
