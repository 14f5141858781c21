"""``ecgfast summary``: what an annotated archive holds."""

from __future__ import annotations

import argparse
from pathlib import Path

from .._files import check_writable
from ..printable import counted
from ..reports.words import NOT_A_DEVICE, length
from .errors import UsageError
from .options import add_json, example
from .output import print_json
from .overwriting import output_option

# Findings that are printed, the most frequent first.
_SHOWN = 8


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``ecgfast summary``."""
    parser.description = (
        "Sum up what `ecgfast annotate` wrote, complete or not: how many recordings have which "
        "finding, distributions of rates and ectopy, worst quality, critical findings; as an HTML "
        "page and CSV tables. " + NOT_A_DEVICE
    )
    parser.epilog = example(
        "ecgfast summary results --output pages\n  ecgfast summary parts/* --output pages"
    )
    parser.add_argument(
        "folders",
        type=Path,
        nargs="+",
        metavar="DIR",
        help="folder of `ecgfast annotate`; several of them, of parts of an archive (--shard), "
        "with --output",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="DIR",
        help="folder to write index.html and the tables into (default: summary in DIR)",
    )
    add_json(parser, "the tables")


def run(args: argparse.Namespace) -> None:
    """Write the summary, and print its first lines."""
    from ..archive.summary import summarise, write_summary

    if len(args.folders) > 1 and args.output is None:
        raise UsageError("--output is missing: of several folders name where the summary goes")
    where = args.output or args.folders[0] / "summary"
    check_writable(where / "index.html", output_option(args))
    found = summarise(*args.folders)
    written = write_summary(args.folders[0], args.output, found=found)
    if args.json:
        content = {**found.tables(), "hours": found.hours, "status": found.status.to_dict()}
        print_json({**content, "output": [str(path) for path in written]})
        return
    counts = found.status.counts
    more = [
        f"{number:,} {what}"
        for number, what in ((counts.failed, "failed"), (counts.waiting, "to do"))
        if number
    ]
    lines = [
        f"recordings  {', '.join([f'{counts.done:,}', *more])}",
        f"beats       {counts.beats:,} in {length(3600 * found.hours)}",
    ]
    common = sorted(found.prevalence, key=lambda row: -row["recordings"])
    lines += [
        f"  {row['finding']}: {row['recordings']:,} of {row['of']:,} recordings, "
        f"{100 * row['share']:.1f} %"
        for row in common[:_SHOWN]
        if row["recordings"]
    ]
    lines.append(f"critical    {counted(len(found.critical), 'event')} of high severity")
    lines.append(
        f"quality     {counted(len(found.quality), 'recording')} with a tenth or more that is bad"
    )
    lines += [f"mixed with  earlier results: {text}" for text in found.status.mixed]
    if found.duplicates:
        lines.append(
            f"duplicates  {counted(len(found.duplicates), 'recording')} with the same content as "
            "another one, each of which counts: duplicates.csv"
        )
    lines.append(f"written     {written[0]}")
    print("\n".join([*lines, NOT_A_DEVICE]))
