"""``ecgfast prepare``: databases fetched, and data sets of them written as one file each."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..printable import counted
from .errors import UsageError
from .options import add_data, add_json, add_old_option, data_folder, example
from .output import notice, print_json
from .output_path import make_folder
from .overwriting import DATA_SET, OutputGuard, add_force, output_option

if TYPE_CHECKING:
    from ..training.datasets.examples import ExampleSet

_DATASETS = {
    "beats": "beat windows, RR and morphology features, AAMI class of each annotated beat",
    "kaggle": "all beats of mitdb in the form of Kachuee et al. (2018), AAMI class, paced as Q",
    "kaggle-normality": "the same beats, normal (N) or abnormal",
    "ptb": "beats of ptbdb in that form, healthy (normal) or after an infarction (abnormal)",
    "strips": "ten seconds of mitdb each, normal or abnormal",
    "pressure": "ten seconds of ECG each, minimum and maximum of the arterial pressure",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``ecgfast prepare``."""
    parser.description = (
        "Write a data set as one file: inputs of the networks, class or numbers, record and "
        "patient of each example. The C core cuts them as it cuts live ones; the same input gives "
        "the same bytes. With --download, fetch a database of PhysioNet first, or only what is "
        "missing of it."
    )
    parser.epilog = example("ecgfast prepare --data recordings --database mitdb --output beats.npz")
    add_data(parser)
    parser.add_argument(
        "--download",
        action="append",
        metavar="NAME",
        help="fetch a database of PhysioNet, such as mitdb or mitdb/1.0.0, into the data folder, "
        "and check it; a file that was changed since stays unless --force is given; may be given "
        "again; alone, no data set is written",
    )
    parser.add_argument(
        "--url", help="mirror of PhysioNet's files (default: ECGFAST_PHYSIONET, else physionet.org)"
    )
    parser.add_argument(
        "--dataset",
        choices=tuple(_DATASETS),
        help="; ".join(f"{name}: {what}" for name, what in _DATASETS.items()) + " (default: beats)",
    )
    add_old_option(parser, "--form", "--dataset")
    parser.add_argument(
        "--csv",
        action="append",
        type=Path,
        metavar="FILE",
        help="read Kaggle's own mitbih_*.csv or ptbdb_*.csv (or .csv.gz) in place of recordings; "
        "may be given again",
    )
    parser.add_argument(
        "--compare",
        type=Path,
        metavar="FILE",
        help="with --dataset kaggle: look the rows of Kaggle's mitbih_*.csv up in the recordings "
        "and compare the rebuilt beats with them",
    )
    parser.add_argument(
        "--database",
        action="append",
        metavar="NAME",
        help="of the data set beats: folder of WFDB records in the data folder; may be given again "
        "(default: mitdb)",
    )
    parser.add_argument("--lead", type=int, help="of the data set beats: column (default: 0)")
    parser.add_argument("-o", "--output", type=Path, help="file to write (default: DATASET.npz)")
    add_force(parser)
    add_json(parser, "the counts")


def run(args: argparse.Namespace) -> None:
    """Fetch, cut and write."""
    dataset = args.dataset or ("kaggle" if args.csv else "beats")
    _check(args, dataset)
    facts: dict[str, Any] = {}
    # A download alone wants no data set.
    chosen = (args.dataset, args.csv, args.database, args.output, args.compare)
    wanted = not args.download or any(option is not None for option in chosen)
    output = args.output or Path(f"{dataset}.npz")
    guard = None
    if wanted:
        inputs = [*(args.csv or ()), *([args.compare] if args.compare else ())]
        if not args.csv:
            inputs.append(data_folder(args))
        guard = OutputGuard(inputs, force=args.force)
        guard.check(output, DATA_SET, output_option(args))
    if args.download:
        facts["downloads"] = [_download(args, name) for name in args.download]
    if guard is not None:
        facts |= _prepare(args, dataset, output)
        guard.report()
    if args.json:
        print_json(facts)


def _check(args: argparse.Namespace, dataset: str) -> None:
    if dataset != "beats" and (args.database or args.lead is not None):
        raise UsageError("--database and --lead go with --dataset beats")
    if args.csv and not dataset.startswith("kaggle"):
        raise UsageError("--csv goes with --dataset kaggle or kaggle-normality")
    if args.compare and (dataset != "kaggle" or args.csv):
        raise UsageError("--compare goes with --dataset kaggle, rebuilt from the recordings")
    if args.url and not args.download:
        raise UsageError("--url goes with --download")


def _download(args: argparse.Namespace, name: str) -> dict[str, Any]:
    from ..training.datasets.physionet import download_database

    done = download_database(
        name, data_folder(args), url=args.url, replace=args.force, progress=True
    )
    if not args.json:
        print(
            f"{done.folder}: version {done.version}, {done.files} files as published, "
            f"{done.fetched} of them fetched now"
        )
    return {
        "folder": str(done.folder),
        "version": done.version,
        "files": done.files,
        "fetched": done.fetched,
    }


def _prepare(args: argparse.Namespace, dataset: str, output: Path) -> dict[str, Any]:
    from ..training.datasets.splits import listed, missing_records

    databases = _databases(args, dataset)
    missing = missing_records(data_folder(args), databases) if databases else {}
    examples = _examples(args, dataset)
    for database, names in missing.items():
        notice(
            f"ecgfast: {database} lacks {len(names)} of its recordings, which the data set lacks "
            f"too: {listed(names)}"
        )
    make_folder(output.parent)
    examples.save(output)
    facts: dict[str, Any] = {
        "file": str(output),
        _kind(dataset): len(examples),
        "classes": examples.counts(),
    }
    counts = ", ".join(f"{name} {count}" for name, count in facts["classes"].items())
    text = f"{output}: {len(examples)} {_kind(dataset)} ({counts})"
    if not args.csv:  # Kaggle's files do not tell whose beats they hold
        facts["missing_records"] = missing
        facts["records"] = len(set(examples.record.tolist()))
        facts["patients"] = len(set(examples.patient.tolist()))
        text += (
            f" of {counted(facts['records'], 'record')}, {counted(facts['patients'], 'patient')}"
        )
    if not args.json:
        print(text)
    if dataset == "pressure":
        from ..training.datasets.pressure import dropped_table

        facts |= {key: examples.about[key] for key in ("windows", "rules", "dropped", "folds")}
        if not args.json:
            print(dropped_table(examples.about))
    if dataset == "kaggle" and not args.csv:
        facts |= _against_published(args, examples)
    return facts


def _kind(dataset: str) -> str:
    """What one row of a data set is."""
    return {"strips": "strips", "pressure": "windows"}.get(dataset, "beats")


def _databases(args: argparse.Namespace, dataset: str) -> tuple[str, ...]:
    """Databases that a data set is cut from, each once."""
    if args.csv:
        return ()
    if dataset == "beats":
        return tuple(dict.fromkeys(args.database or ("mitdb",)))
    return ({"ptb": "ptbdb", "pressure": "bp"}.get(dataset, "mitdb"),)


def _examples(args: argparse.Namespace, dataset: str) -> Any:
    if dataset == "beats":
        from ..training.datasets.beats import prepare_beats

        return prepare_beats(
            data_folder(args), _databases(args, dataset), lead=args.lead or 0, progress=True
        )

    if dataset == "strips":
        from ..training.datasets.splits import DS1, DS2
        from ..training.datasets.strips import prepare_strips

        names = [f"mitdb/{name}" for name in sorted(DS1 + DS2)]
        return prepare_strips(data_folder(args), names, progress=True)
    if dataset == "pressure":
        from ..training.datasets.pressure import prepare_pressure

        return prepare_pressure(data_folder(args), progress=True)

    if dataset == "ptb":
        from ..training.datasets.ptb import prepare_ptb

        return prepare_ptb(data_folder(args), progress=True)

    from ..training.datasets.kaggle import (
        NORMALITY,
        beat_normality,
        prepare_kaggle,
        read_kaggle_files,
    )

    if args.csv:
        examples = read_kaggle_files(args.csv)
    else:
        examples = prepare_kaggle(data_folder(args), progress=True)
    if dataset == "kaggle-normality" and examples.classes != NORMALITY:
        return beat_normality(examples)
    return examples


def _against_published(args: argparse.Namespace, examples: ExampleSet) -> dict[str, Any]:
    """How the rebuilt set differs from Kaggle's: totals of classes and, if asked, the rows."""
    from ..training.datasets.kaggle import PUBLISHED, read_rows
    from ..training.datasets.kaggle_rows import compare_rows

    counts = examples.counts()
    facts: dict[str, Any] = {
        "published": PUBLISHED,
        "more_than_published": {label: counts[label] - n for label, n in PUBLISHED.items()},
    }
    if not args.json:
        shown = ", ".join(f"{k} {n:+d}" for k, n in facts["more_than_published"].items())
        print(f"against the published totals: {shown}")
    if args.compare:
        rows, labels = read_rows(args.compare)
        found = compare_rows(data_folder(args), examples, rows, labels, progress=True)
        facts["compared"] = found
        if not args.json:
            print(
                f"{args.compare}: {found['found_at_120_hz']} of {found['rows']} rows are in the "
                f"recordings at 120 Hz, {found['found_at_125_hz']} at 125 Hz"
            )
            for name in sorted(found.keys() - {"rows", "found_at_120_hz", "found_at_125_hz"}):
                print(f"  {name}: {found[name]}")
    return facts
