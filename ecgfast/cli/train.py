"""``ecgfast train``: a model from nothing, chosen, trained, converted, scored and recorded."""

from __future__ import annotations

import argparse
import json
import shlex
from pathlib import Path

from .libraries import quiet_libraries
from .options import add_data, data_folder, example
from .overwriting import CARD, CURVES, MODEL, RUN_FILE, OutputGuard, add_force
from .settings import add_set, set_recipe


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``ecgfast train``."""
    parser.description = (
        "Make a model: compare the recipe's candidates by cross-validation over the training "
        "patients, train the best on all of them, convert it to TFLite, check it against Keras, "
        "score it once on the test part, and write files and card. An interrupted run continues "
        "after the last epoch that it finished. Learning curves, confusion matrices and reports "
        "are written into the work folder, the curves as NAME.learning_curves.csv beside the "
        "model too."
    )
    parser.epilog = example(
        "ecgfast train beats --data recordings --output models\n"
        "  ecgfast train beats --set name=mine --set schedule.epochs=3 --examples answered.npz\n"
        "  ecgfast train normality --labels labels.csv --data holter --set name=mine"
    )
    parser.add_argument("recipe", help="name of a built-in recipe, or a recipe's .json file")
    add_data(parser)
    add_set(parser)
    parser.add_argument(
        "--labels",
        type=Path,
        metavar="FILE",
        help="normality: a CSV file, record,label or record,start_s,end_s,label (label: normal or "
        "abnormal; record: as below --data); its recordings train and test in place of the "
        "recipe's, a fifth of the patients tests unless options.test names recordings, and the "
        "recipe's other protocols are left out",
    )
    parser.add_argument(
        "--examples",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="data sets of `ecgfast review --export`: beats that reviewers answered, which are "
        "learnt from beside the recipe's, and neither choose nor test",
    )
    parser.add_argument(
        "--output", type=Path, default=Path("models"), help="folder for the model (default: models)"
    )
    parser.add_argument(
        "--work", type=Path, help="folder for what a later run can use again (default: runs/NAME)"
    )
    add_force(parser)


def run(args: argparse.Namespace) -> None:
    """Make the model."""
    import sys

    quiet_libraries()
    from ..reports.training import draw_run
    from ..training.recipes.recipe import Recipe
    from ..training.workflow import train_model

    recipe, settings = set_recipe(Recipe.load(args.recipe), _settings(args), args.set)
    if args.labels is not None:
        settings["options.labels"] = args.labels.name
    work = args.work or Path("runs") / recipe.name
    labels = [] if args.labels is None else [args.labels]
    guard = OutputGuard([args.recipe, data_folder(args), *args.examples, *labels], force=args.force)
    for name in (f"{recipe.name}.tflite", f"{recipe.name}.int8.tflite"):
        guard.check(args.output / name, MODEL)
    guard.check(args.output / f"{recipe.name}.json", CARD)
    guard.check(args.output / f"{recipe.name}.learning_curves.csv", CURVES)
    for name in ("checkpoint.npz", "model.keras", "learning_curves.json", "metrics.json"):
        guard.check(work / name, RUN_FILE, "--work", quiet=True)
    card = train_model(
        recipe,
        data_folder(args),
        args.output,
        work,
        command=_command(args),
        own=args.examples,
        settings=settings,
        report=lambda line: print(line, flush=True),
        progress=sys.stderr.isatty(),
    )
    guard.report()
    drawn = draw_run(work)
    print(f"\n{card.path}: written, with {', '.join(card.precisions)}")
    print(f"{work}: learning curves, scores and reports, {len(drawn)} pictures")


def _settings(args: argparse.Namespace) -> list[str]:
    """What --labels sets; --set comes after it."""
    if args.labels is None:
        return []
    return [f"options.labels={json.dumps(str(args.labels))}", "protocols={}"]


def _command(args: argparse.Namespace) -> str:
    """The command, with the names of folders and files only."""
    words = ["ecgfast", "train", args.recipe, "--data", "DATA"]
    for text in args.set:
        words += ["--set", text]
    words += ["--labels", args.labels.name] if args.labels else []
    words += ["--examples", *(path.name for path in args.examples)] if args.examples else []
    return shlex.join(words)
