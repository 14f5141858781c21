"""``ecgfast prepare``: annotated beats of reference databases, cut by the core, as one file."""

from __future__ import annotations

import argparse
from pathlib import Path

from .common import add_data, add_json, data_folder, example, print_json


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``ecgfast prepare``."""
    parser.description = (
        "Cut all annotated beats of reference databases into one file: beat windows, RR and "
        "morphology features, AAMI class, record and patient of each beat. The C core cuts them "
        "as it cuts live ones; the same input gives the same bytes."
    )
    parser.epilog = example("ecgfast prepare --data recordings --database mitdb --output beats.npz")
    add_data(parser)
    parser.add_argument(
        "--database",
        action="append",
        metavar="NAME",
        help="folder of WFDB records in the data folder; may be given again (default: mitdb)",
    )
    parser.add_argument("--lead", type=int, default=0, help="column of the lead (default: 0)")
    parser.add_argument(
        "--output", type=Path, default=Path("beats.npz"), help="file to write (default: beats.npz)"
    )
    add_json(parser, "the counts")


def run(args: argparse.Namespace) -> None:
    """Cut and write the beats."""
    from ..training.beats import prepare_beats

    beats = prepare_beats(
        data_folder(args), tuple(args.database or ("mitdb",)), lead=args.lead, progress=True
    )
    beats.save(args.output)
    facts = {
        "file": str(args.output),
        "beats": len(beats),
        "classes": beats.counts(),
        "records": len(set(beats.record.tolist())),
        "patients": len(set(beats.patient.tolist())),
    }
    if args.json:
        print_json(facts)
        return
    counts = ", ".join(f"{name} {count}" for name, count in beats.counts().items())
    print(
        f"{args.output}: {facts['beats']} beats ({counts}) of {facts['records']} records, "
        f"{facts['patients']} patients"
    )
