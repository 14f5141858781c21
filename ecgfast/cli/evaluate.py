"""``ecgfast evaluate``: detections and labels against reference annotations."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from .._files import check_writable
from ..extras import need_installed
from . import evaluate_detector, evaluate_model, evaluate_rhythm
from .completion import complete_by, models
from .errors import UsageError
from .options import add_json, example, lead_list_or_all, name_list, refuse_options
from .overwriting import PAGE, SCORE, OutputGuard, add_force


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``ecgfast evaluate``."""
    parser.description = (
        "Score detections and labels against reference annotations, beat by beat as AAMI EC57 "
        "counts them. With --detector: the R peaks of every annotated WFDB record in a folder, as "
        "reported live, and their delay. With MODEL: the AAMI beat classes of a model on the test "
        "records of its card (DS2 of mitdb if it names none), from reference beats and from "
        "detected beats; for models of other tasks, the test part of the recipe. With the word "
        "rhythm in place of MODEL: pauses, atrial fibrillation, ventricular rows and false alarms, "
        "on mitdb, cinc2017, nsrdb and nstdb."
    )
    parser.epilog = example(
        "ecgfast evaluate --detector recordings/mitdb --html detector.html\n"
        "  ecgfast evaluate beats --data recordings --sensitivity V=0.95\n"
        "  ecgfast evaluate beats --data recordings --records mine --leads 0,1\n"
        "  ecgfast evaluate rhythm --data recordings --json"
    )
    model = parser.add_argument(
        "model", nargs="?", help="a built-in model, a .tflite file, a card, or rhythm"
    )
    complete_by(model, lambda line: [*models(line), evaluate_rhythm.NAME], ".tflite", ".json")
    parser.add_argument(
        "--detector", type=Path, metavar="DIR", help="folder of annotated WFDB records, or one"
    )
    parser.add_argument(
        "--leads",
        type=lead_list_or_all,
        metavar="NAME,...",
        help="leads to detect on, by name or column from 0, or all (default: 0); with a model of "
        "beats, each is labelled and the log-odds are averaged",
    )
    parser.add_argument(
        "--records",
        type=name_list,
        default=[],
        metavar="NAME,...",
        help="these records only; with MODEL those of mitdb by name, others as DATABASE/NAME, or "
        "DATABASE for all of them: folders in DIR of --data, such as your own annotated recordings",
    )
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page of the tables")
    evaluate_detector.add_options(parser)
    evaluate_model.add_options(parser)
    add_force(parser)
    add_json(parser, "all figures")


def run(args: argparse.Namespace) -> None:
    """Score the detector, or the model."""
    if (args.model is None) == (args.detector is None):
        raise UsageError("name a model, or the folder of recordings with --detector")
    if args.model == evaluate_rhythm.NAME:
        others = [one for one in evaluate_model.OPTIONS if one != "data"]
        options = [*others, *evaluate_detector.OPTIONS, "leads", "records"]
        refuse_options(args, options, "does not go with rhythm")
        guard = _guard(args, evaluate_rhythm.inputs(args))
        evaluate_rhythm.run(args)
    elif args.model is None:
        refuse_options(args, evaluate_model.OPTIONS, "goes with a model, not with --detector")
        guard = _guard(args, evaluate_detector.inputs(args))
        evaluate_detector.run(args)
    else:
        refuse_options(args, evaluate_detector.OPTIONS, "goes with --detector, not with a model")
        guard = _guard(args, evaluate_model.inputs(args))
        evaluate_model.run(args)
    guard.report()


def _guard(args: argparse.Namespace, inputs: Sequence[str | Path]) -> OutputGuard:
    guard = OutputGuard(inputs, force=args.force)
    if args.html is not None:
        need_installed(("jinja2",), "--html", "report")
        guard.check(args.html, PAGE, "--html")
    if args.work is not None:
        need_installed(("matplotlib", "sklearn"), "--work", "train")
        check_writable(args.work / "scores" / "beats.json", "--work")
        for path in sorted((args.work / "scores").glob("*.json")):
            guard.check(path, SCORE, "--work", quiet=True)
    return guard
