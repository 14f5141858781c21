"""``ecgfast train``: a model from nothing, chosen, trained, converted, scored and recorded."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from ..printable import counted
from .errors import UsageError
from .libraries import import_keras, quiet_libraries
from .options import data_folder, example
from .overwriting import CARD, CURVES, MODEL, RUN_FILE, OutputGuard, add_force
from .settings import add_recipe, kept_if_interrupted, labels_settings, set_recipe


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``ecgfast train``."""
    parser.description = (
        "Train a model: compare the recipe's candidates by cross-validation over the training "
        "patients, train the best on all of them, convert it to TFLite, check it against Keras, "
        "score it once on the test part, and write files and card. An interrupted run continues "
        "after the last epoch that it finished. Learning curves, confusion matrices and reports "
        "are written into the work folder, the curves as NAME.learning_curves.csv beside the "
        "model too."
    )
    parser.epilog = example(
        "ecgfast train beats --data recordings --output models\n"
        "  ecgfast train beats --set name=mine --set schedule.epochs=3 --examples answered.npz\n"
        "  ecgfast train normality --labels labels.csv --data holter --set name=mine\n"
        "  ecgfast train blood-pressure --person monday.hea tuesday.hea --output mine"
    )
    add_recipe(parser)
    parser.add_argument(
        "--examples",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="data sets of `ecgfast review --export`: beats that reviewers labelled. They train "
        "beside the recipe's, and are not used to choose or to test",
    )
    parser.add_argument(
        "--person",
        type=Path,
        nargs="+",
        metavar="RECORDING",
        help="with blood-pressure: a model of one person, from recordings of an ECG and of the "
        "arterial pressure (a signal named ABP, mmHg), the earliest first; the first part trains, "
        "the later part tests; --data is not needed",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("models"),
        help="folder for the model (default: models)",
    )
    parser.add_argument(
        "--work",
        type=Path,
        help="folder for files that a later run can use again (default: runs/NAME)",
    )
    add_force(parser)


def run(args: argparse.Namespace) -> None:
    """Make the model."""
    import sys

    quiet_libraries()
    from ..reports.training import draw_run
    from ..training.recipes.recipe import Recipe
    from ..training.workflow import train_model

    recipe = Recipe.load(args.recipe)
    if args.person is not None:
        from ..training.tasks.personal_blood_pressure import personal_recipe

        if args.examples:
            raise UsageError("--person takes no --examples: they are beats, without a pressure")
        recipe = personal_recipe(recipe, args.person)
    recipe, settings = set_recipe(recipe, labels_settings(args), args.set)
    if args.labels is not None:
        settings["options.labels"] = args.labels.name
    # A model of one person reads nothing else.
    data = Path() if args.person is not None else data_folder(args)
    inputs = [data] if args.person is None else args.person
    labels = [] if args.labels is None else [args.labels]
    work = args.work or Path("runs") / recipe.name
    guard = OutputGuard([args.recipe, *inputs, *args.examples, *labels], force=args.force)
    for name in (f"{recipe.name}.tflite", f"{recipe.name}.int8.tflite"):
        guard.check(args.output / name, MODEL)
    guard.check(args.output / f"{recipe.name}.json", CARD)
    guard.check(args.output / f"{recipe.name}.learning_curves.csv", CURVES)
    for name in ("checkpoint.npz", "model.keras", "learning_curves.json", "metrics.json"):
        guard.check(work / name, RUN_FILE, "--work", quiet=True)
    import_keras()
    with kept_if_interrupted(work):
        card = train_model(
            recipe,
            data,
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
    print(f"{work}: learning curves, scores and reports, {counted(len(drawn), 'picture')}")


def _command(args: argparse.Namespace) -> str:
    """The command, with the names of folders and files only."""
    words = ["ecgfast", "train", Path(args.recipe).name]
    words += ["--data", "DATA"] if args.person is None else []
    for text in args.set:
        words += ["--set", text]
    words += ["--labels", args.labels.name] if args.labels else []
    for option in ("person", "examples"):
        paths = getattr(args, option)
        words += [f"--{option}", *(path.name for path in paths)] if paths else []
    return shlex.join(words)
