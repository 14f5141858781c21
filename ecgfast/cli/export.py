"""``ecgfast export``: a trained Keras model as checked TFLite files with a card."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from ..extras import need_installed
from .completion import complete_by, recipes
from .libraries import quiet_libraries
from .options import add_data, add_json, add_old_option, data_folder, example
from .output import print_json
from .overwriting import CARD, MODEL, OutputGuard, add_force
from .settings import add_set, set_recipe


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``ecgfast export``."""
    parser.description = (
        "Convert a Keras model to TFLite with built-in operators only. Every file is checked "
        "against Keras and in every runtime present before it is written. It may have been trained "
        "with any Keras backend. The examples of the recipe's training part set the int8 ranges."
    )
    parser.epilog = example(
        "ecgfast export runs/beats/model.keras --recipe beats --data recordings --output mine"
    )
    parser.add_argument("model", type=Path, help="the .keras file that `ecgfast train` saved")
    recipe = parser.add_argument(
        "--recipe", default="beats", help="what it was trained by (default: beats)"
    )
    complete_by(recipe, recipes, ".json")
    add_data(parser)
    add_set(parser)
    parser.add_argument("--name", help="name of the files (default: the recipe's)")
    parser.add_argument(
        "--precision",
        action="append",
        choices=("float32", "float16", "dynamic", "int8"),
        help="precision to write; may be given again (default: float32 and int8)",
    )
    add_old_option(parser, "--form", "--precision")
    parser.add_argument(
        "-o", "--output", type=Path, default=Path(), help="folder (default: this one)"
    )
    add_force(parser)
    add_json(parser, "what was written")


def run(args: argparse.Namespace) -> None:
    """Convert the model."""
    quiet_libraries()
    from ..training.export.tflite import check_keras_file, export
    from ..training.recipes.recipe import Recipe
    from ..training.tasks import load_task
    from ..training.workflow import model_card

    need_installed(("keras", "tensorflow"), "Exporting a model", "train")
    check_keras_file(args.model)
    recipe, settings = set_recipe(Recipe.load(args.recipe), (), args.set)
    name = args.name or recipe.name
    precisions = tuple(args.precision or ("float32", "int8"))
    guard = OutputGuard([args.model, args.recipe, data_folder(args)], force=args.force)
    for precision in {"float32", *precisions}:
        file = f"{name}.tflite" if precision == "float32" else f"{name}.{precision}.tflite"
        guard.check(args.output / file, MODEL)
    guard.check(args.output / f"{name}.json", CARD)
    task = load_task(recipe.task)
    examples = task.training_set(recipe, data_folder(args), progress=sys.stderr.isatty())
    words = ["ecgfast", "export", args.model.name, "--recipe", Path(args.recipe).name]
    words += ["--data", "DATA", *(word for text in args.set for word in ("--set", text))]
    card = model_card(task, recipe, examples, shlex.join(words))
    if settings:
        card.data["settings"] = settings
    made = export(
        args.model,
        args.output,
        name,
        representative=examples.inputs,
        labels=examples.target if examples.labelled else None,
        precisions=precisions,
        card=card,
        seed=recipe.seed,
    )
    guard.report()
    if args.json:
        print_json(made)
        return
    for precision, entry in made.items():
        print(
            f"{args.output / entry['file']}: {precision}, {entry['bytes'] / 1e3:.0f} kB, "
            f"{entry['max_abs_difference']:.1e} from Keras at most, "
            f"{100 * entry['same_label']:.1f} % of labels as Keras's"
        )
