"""``ecgfast demo``: the whole way on a recording that comes with the package."""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter

from ..records import demo_record
from ..reports import NOT_A_DEVICE, strip_figure, strip_svg, write_page, write_strip
from ..streaming import open_source
from .labelling import counted_beats, labelled_from, labeller_for
from .options import add_json, add_lookahead, add_model, example
from .output import beat_heading, beat_line, beat_row, pace, print_json, tally_for
from .output_path import make_folder
from .overwriting import PAGE, PICTURE, OutputGuard, add_force, model_files

_TITLE = "ecgfast demo: synthetic ECG"
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
        "and write demo.html, a page with a picture; also demo.png where Matplotlib is installed. "
        + NOT_A_DEVICE
    )
    parser.epilog = example("ecgfast demo --output demo")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path(),
        metavar="PATH",
        help="page to write (.html), or a folder for the files, made if missing (default: the "
        "current folder)",
    )
    add_force(parser)
    add_model(parser)
    add_lookahead(parser)
    add_json(parser, "beats and summary")


def run(args: argparse.Namespace) -> None:
    """Label the built-in recording, print the beats, and draw them."""
    page = args.output
    if page.suffix != ".html" or page.is_dir():
        page /= "demo.html"
    picture = page.with_suffix(".png") if find_spec("matplotlib") else None
    guard = OutputGuard(model_files(args.model), force=args.force)
    guard.check(page, PAGE)
    if picture is not None:
        guard.check(picture, PICTURE)
    record = demo_record()
    source = open_source(record)
    labeller = labeller_for(source, args)
    begin = perf_counter()
    classifier = labeller.classifier
    tally = tally_for(classifier)
    beats = list(counted_beats(source.chunks, labeller, tally))
    wall = perf_counter() - begin
    summary = tally.summary(record.name, record.fs, record.duration, leads=record.leads)
    facts = [
        ("model", f"{args.model}, on {classifier.backend}" if classifier.classes else "none"),
        *([("labelled", f"from {how}")] if (how := labelled_from(source, labeller)) else []),
        ("time", pace(record.duration, wall)),
    ]

    make_folder(page.parent)
    lead = record.signal[:, 0]
    if picture is not None:
        note = f"{_CAPTION} {NOT_A_DEVICE}"
        write_strip(
            picture,
            strip_figure(lead, record.fs, beats, title=_TITLE, lead=record.leads[0], note=note),
        )
    write_page(
        page,
        summary,
        beats,
        picture=strip_svg(
            lead,
            record.fs,
            beats,
            lead=record.leads[0],
            title=f"A minute of ECG with {len(beats)} labelled beats",
        ),
        caption=_CAPTION,
        title=_TITLE,
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
                "picture": None if picture is None else str(picture),
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
    if picture is not None:
        print(f"picture     {picture}")
    print(f"page        {page}\n{NOT_A_DEVICE}")
