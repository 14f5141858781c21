"""``ecgfast train``: a model from nothing, chosen, trained, converted, scored and recorded."""

from __future__ import annotations

import argparse
from pathlib import Path

from .options import add_data, data_folder, example
from .overwriting import CARD, MODEL, RUN_FILE, OutputGuard, add_force


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``ecgfast train``."""
    parser.description = (
        "Make a model: compare the recipe's candidates by cross-validation over the training "
        "patients, train the best on all of them, convert it to TFLite, check it against Keras, "
        "score it once on the test part, and write files and card. An interrupted run continues "
        "after the last epoch that it finished. Learning curves, confusion matrices and reports "
        "are written into the work folder."
    )
    parser.epilog = example("ecgfast train beats --data recordings --output models")
    parser.add_argument("recipe", help="name of a built-in recipe, or a recipe's .json file")
    add_data(parser)
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
    import os
    import sys

    # TensorFlow logs the machine's devices, unless it is told not to before its import.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

    from ..reports.training import draw_run
    from ..training.recipes.recipe import Recipe
    from ..training.workflow import train_model

    recipe = Recipe.load(args.recipe)
    work = args.work or Path("runs") / recipe.name
    guard = OutputGuard([args.recipe, data_folder(args), *args.examples], force=args.force)
    for name in (f"{recipe.name}.tflite", f"{recipe.name}.int8.tflite"):
        guard.check(args.output / name, MODEL)
    guard.check(args.output / f"{recipe.name}.json", CARD)
    for name in ("checkpoint.npz", "model.keras", "learning_curves.json", "metrics.json"):
        guard.check(work / name, RUN_FILE, "--work", quiet=True)
    card = train_model(
        recipe,
        data_folder(args),
        args.output,
        work,
        command=f"ecgfast train {args.recipe} --data DATA"
        + (f" --examples {' '.join(path.name for path in args.examples)}" if args.examples else ""),
        own=args.examples,
        report=lambda line: print(line, flush=True),
        progress=sys.stderr.isatty(),
    )
    guard.report()
    drawn = draw_run(work)
    print(f"\n{card.path}: written, with {', '.join(card.precisions)}")
    print(f"{work}: learning curves, scores and reports, {len(drawn)} pictures")
