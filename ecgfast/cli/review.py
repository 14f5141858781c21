"""``ecgfast review``: some answers of a reviewer, and the labels of all beats that follow."""

from __future__ import annotations

import argparse
import contextlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._files import check_writable
from ..errors import ModelError, no_card
from ..extras import need_installed
from ..printable import counted
from ..records import RecordSource, open_record
from ..records.record import FloatArray
from ..reports.words import NOT_A_DEVICE
from ..sources.chunks import BLOCK_S
from .errors import UsageError
from .labelling import classifier_for
from .options import add_json, add_method, add_model, add_signal, example
from .output import notice, print_json, progress
from .output_path import make_folder
from .overwriting import DATA_SET, OutputGuard, add_force, model_files, record_files

if TYPE_CHECKING:
    from ..review import ReviewSession


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``ecgfast review``."""
    parser.description = (
        "Check and correct the labels of a recording. Its beats are divided into groups by shape, "
        "timing and the model's probabilities. The group whose answer changes the most labels is "
        "asked about first; each answer labels a whole group and the beats that resemble it. Every "
        "answer is written at once: RECORD.reviewed holds the labels of all beats as WFDB "
        "annotations, RECORD.review.json the answers. An interrupted review continues where it "
        "was. " + NOT_A_DEVICE
    )
    parser.epilog = example(
        "ecgfast review mitdb/208\n"
        "  ecgfast review mitdb/208 --terminal\n"
        "  ecgfast review mitdb/208 mitdb/210 --export answered.npz"
    )
    parser.add_argument(
        "record",
        nargs="+",
        metavar="RECORD",
        help="WFDB record, or a file such as .edf, .csv or .npz; with --export several of them",
    )
    parser.add_argument(
        "--export",
        type=Path,
        metavar="FILE",
        help="ask nothing: write the beats that were answered in the reviews of these recordings "
        "as a data set (.npz) for `ecgfast train --examples`, cut as --model needs them",
    )
    parser.add_argument("--terminal", action="store_true", help="ask on the terminal, line by line")
    parser.add_argument(
        "--second-pass",
        action="store_true",
        help="ask nothing: write the labels that each group's mean of the model's probabilities "
        "gives, with the answers of earlier reviews",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="DIR",
        help="folder for the review's files (default: the recording's own)",
    )
    parser.add_argument("--by", metavar="NAME", help="who answers (default: the user's name)")
    parser.add_argument(
        "--questions",
        type=int,
        metavar="N",
        help="with --terminal: end after so many answers (default: when the reviewer ends it)",
    )
    parser.add_argument(
        "--port", type=int, default=0, metavar="N", help="port of the page (default: a free one)"
    )
    parser.add_argument(
        "--browser", action="store_true", help="open the page in this machine's browser"
    )
    add_model(parser)
    add_method(parser)
    add_signal(parser)
    add_force(parser)
    add_json(parser, "the counts of labels")


def run(args: argparse.Namespace) -> None:
    """Open or resume the review, ask, and print the counts of the current labels."""
    from ..review import ReviewSession, review_files
    from ..review.terminal import run_terminal

    if args.questions is not None and args.questions < 1:
        raise UsageError(f"--questions {args.questions}: give a number from 1 on")
    ways = [name for name in ("terminal", "second_pass", "export") if getattr(args, name)]
    if len(ways) > 1:
        options = " and ".join(f"--{way.replace('_', '-')}" for way in ways)
        raise UsageError(f"give one of {options}")
    if args.export is not None:
        _export(args)
        return
    if len(args.record) > 1:
        raise UsageError("a review is of one recording; several go with --export")
    record = args.record[0]
    if not ways:
        need_installed(("starlette", "uvicorn", "jinja2"), "The page of a review", "review")
    source = open_record(record, fs=args.fs, leads=args.leads, follow=args.follow)
    files = review_files(record, args.output)
    for file in (files.annotations, files.answers, files.beats):
        check_writable(file, "output" if args.output is None else "--output")
    if args.output is not None:
        make_folder(args.output)
    session = ReviewSession.of_source(
        source,
        files,
        by=args.by,
        model=args.model if files.exist() else classifier_for(args),
        method=args.method,
        progress=_blocks(source),
    )
    before = session.labels()
    if args.second_pass:
        session.second_pass()
    elif not args.terminal:
        _serve(args, session, source)
    else:
        print(
            f"{source.name}: {int((~session.waves).sum()):,} beats in {session.n_groups} groups, "
            f"{len(session.actions)} actions so far. ? lists the answers, q ends."
        )
        try:
            run_terminal(session, source, most=args.questions)
        except KeyboardInterrupt:
            print()
    labels = session.labels()
    facts: dict[str, Any] = {
        "record": source.name,
        "beats": int((~session.waves).sum()),
        "groups": session.n_groups,
        "answers": sum(action.kind in ("group", "beats") for action in session.actions),
        "labels": session.counts(),
        "changed": int((labels != before).sum()),
        "output": [str(files.annotations), str(files.answers), str(files.beats)],
    }
    if args.json:
        print_json(facts)
        return
    counts = ", ".join(f"{label} {count:,}" for label, count in facts["labels"].items())
    print(f"labels      {counts}")
    answers = f"{facts['answers']} answer{'' if facts['answers'] == 1 else 's'}"
    print(f"written     {files.annotations}: {answers} in {files.answers}")
    print(NOT_A_DEVICE)


def _export(args: argparse.Namespace) -> None:
    """Write what was answered as a data set."""
    from ..review.examples import reviewed_examples

    classifier = classifier_for(args)
    if classifier.card is None:
        raise no_card(classifier.path, "its beat window")
    if classifier.window is None:
        raise ModelError(f"{classifier.path}: its card tells no beat window: name a model of beats")
    inputs = [file for record in args.record for file in record_files(record)]
    guard = OutputGuard([*inputs, *model_files(args.model)], force=args.force)
    guard.check(args.export, DATA_SET, "--export")
    found = reviewed_examples(args.record, window=classifier.window, folder=args.output)
    make_folder(args.export.parent, "--export")
    found.save(args.export)
    guard.report()
    counts = found.counts()
    if args.json:
        print_json({"beats": len(found), "labels": counts, "output": str(args.export)})
        return
    labels = ", ".join(f"{label} {count:,}" for label, count in counts.items())
    records = counted(len(set(found.record.tolist())), "recording")
    print(f"answered    {labels}, in {records}")
    print(f"written     {args.export}: for `ecgfast train beats --examples {args.export}`")


def _serve(args: argparse.Namespace, session: ReviewSession, source: RecordSource) -> None:
    """Show the page until the reviewer ends the command."""
    from ..review.server import listen, serve

    def ready(address: str) -> None:
        notice(
            f"{address}\nOpen this address in a browser on this machine; Ctrl-C ends the review."
        )
        if args.browser:
            import webbrowser

            webbrowser.open(address)

    with listen(args.port) as listener, contextlib.suppress(KeyboardInterrupt):
        serve(session, source, listener, ready=ready)


def _blocks(source: RecordSource) -> Any:
    total = math.ceil(source.duration / BLOCK_S)

    def shown(chunks: Iterator[FloatArray]) -> Iterator[FloatArray]:
        return progress(chunks, total=total, what=source.name, unit="block")

    return shown
