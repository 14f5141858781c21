"""``ecgfast demo``: the whole way on a recording that comes with the package."""

from __future__ import annotations

import argparse
from pathlib import Path
from time import perf_counter

from ..errors import InputError
from ..records import demo_record
from ..reports.summary import NOT_A_DEVICE
from ..streaming import open_source
from .options import add_json, add_lookahead, add_model, example, labeller_for
from .output import beat_heading, beat_line, beat_row, pace, print_json, tally_for
from .overwriting import PAGE, PICTURE, OutputGuard, add_force, model_files

_ORIGIN = (
    "This ECG is synthetic: McSharry's dynamical model (2003) with premature beats and noise. "
    "It is of no patient, and no figure of accuracy comes from it."
)
# One line below the picture holds this and the medical notice.
_CAPTION = (
    "Synthetic ECG of no patient: McSharry's dynamical model (2003), premature beats and noise."
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``ecgfast demo``."""
    parser.description = (
        "Stream a minute of synthetic ECG, find and label its beats, print them with a summary, "
        "and write demo.png, a picture, and demo.html, a report. " + NOT_A_DEVICE
    )
    parser.epilog = example("ecgfast demo --output demo")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="folder for the two files, made if missing (default: the current folder)",
    )
    add_force(parser)
    add_model(parser)
    add_lookahead(parser)
    add_json(parser, "beats and summary")


def run(args: argparse.Namespace) -> None:
    """Label the built-in recording, print the beats, and draw them."""
    picture, page = args.output / "demo.png", args.output / "demo.html"
    guard = OutputGuard(model_files(args.model), force=args.force)
    guard.check(picture, PICTURE)
    guard.check(page, PAGE)
    record = demo_record()
    source = open_source(record)
    labeller = labeller_for(source, args)
    begin = perf_counter()
    beats = [beat for chunk in source.chunks for beat in labeller.process(chunk)]
    beats += labeller.flush()
    wall = perf_counter() - begin
    classifier = labeller.classifier
    tally = tally_for(classifier)
    tally.add(beats)
    summary = tally.summary(record.name, record.fs, record.duration)
    facts = [
        ("model", f"{args.model}, on {classifier.backend}"),
        ("time", pace(record.duration, wall)),
    ]

    # Drawing is late: it alone needs matplotlib, which takes a second to import on a Pi.
    from ..reports import strip_figure, write_page, write_strip

    try:
        args.output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{args.output}: cannot be made ({error.strerror})") from None
    figure = strip_figure(
        record.signal[:, 0],
        record.fs,
        beats,
        title="ecgfast demo: synthetic ECG",
        lead=record.leads[0],
        note=f"{_CAPTION} {NOT_A_DEVICE}",
    )
    write_strip(picture, figure)
    write_page(
        page,
        summary,
        beats,
        figure=figure,
        title="ecgfast demo: synthetic ECG",
        notes=[_ORIGIN],
        facts=facts,
    )
    guard.report()
    if args.json:
        print_json(
            {
                "origin": _ORIGIN,
                "summary": summary.to_dict(),
                "beats": [beat_row(beat) for beat in beats],
                "wall_s": wall,
                "real_time_factor": record.duration / wall,
                "picture": str(picture),
                "report": str(page),
            }
        )
        return
    print(f"{_ORIGIN}\n\n{beat_heading(classifier)}")
    for beat in beats:
        print(beat_line(beat))
    print(f"\n{summary.text()}")
    for heading, text in facts:
        print(f"{heading:<12}{text}")
    print(f"picture     {picture}\nreport      {page}\n{NOT_A_DEVICE}")
