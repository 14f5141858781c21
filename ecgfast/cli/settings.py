"""A recipe on the command line, and its settings: ``--set KEY=VALUE``, ``--labels``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from .completion import complete_by, recipes, settings
from .errors import UsageError
from .options import add_data
from .output import notice

if TYPE_CHECKING:
    from ..training.recipes.recipe import Recipe

__all__ = ["add_recipe", "add_set", "kept_if_interrupted", "labels_settings", "set_recipe"]


def add_set(parser: argparse.ArgumentParser) -> None:
    """Add ``--set``."""
    keys = parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting in place of the recipe's, by its dotted name: schedule.epochs=3, seed=8, "
        "architecture.dropout=0.2, options.test=mitdb/100,mitdb/101, candidates={}; may be given "
        "again; a candidate or a protocol that sets the same key keeps its own value",
    )
    complete_by(keys, settings)


def add_recipe(parser: argparse.ArgumentParser) -> None:
    """Add the recipe, and what it is trained with: ``--data``, ``--set`` and ``--labels``."""
    recipe = parser.add_argument(
        "recipe", help="name of a built-in recipe, or a recipe's .json file"
    )
    complete_by(recipe, recipes, ".json")
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


def labels_settings(args: argparse.Namespace) -> list[str]:
    """What ``--labels`` sets; ``--set`` comes after it."""
    if args.labels is None:
        return []
    return [f"options.labels={json.dumps(str(args.labels))}", "protocols={}"]


@contextmanager
def kept_if_interrupted(work: Path) -> Iterator[None]:
    """Say where an interrupted training goes on, if it has begun.

    Parameters
    ----------
    work : Path
        Its work folder.
    """
    try:
        yield
    except KeyboardInterrupt:
        if work.is_dir():
            notice(
                "ecgfast: interrupted; finished folds and epochs are kept in "
                f"{work}: the same command continues"
            )
        raise


def set_recipe(
    recipe: Recipe, implied: Sequence[str], given: Sequence[str]
) -> tuple[Recipe, dict[str, Any]]:
    """The recipe with what other options imply and with what ``--set`` gives.

    Parameters
    ----------
    recipe : Recipe
    implied, given : sequence of str
        As `recipes.settings.set_values` takes them.

    Returns
    -------
    recipe : Recipe
    values : dict
        What was set, by key.

    Raises
    ------
    UsageError
        If there is no such setting, or its value is of another type.
    """
    from ..training.recipes.settings import conflicts, set_values
    from ..training.tasks import load_task

    # Which options there are depends on the task, which may be set too.
    task = [text for text in given if text.partition("=")[0].strip() == "task"]
    of = None if task else load_task(recipe.task)
    try:
        of = of or load_task(set_values(recipe, task)[0].task)
        types = of.option_types
        if any(text.startswith("options.labels=") for text in implied) and not (
            types is None or "labels" in types
        ):
            raise UsageError(f"--labels: task {of.name!r} takes no file of labels; normality does")
        changed, values = set_values(recipe, [*implied, *given], option_types=types)
    except InputError as error:
        raise UsageError(f"--set: {error}") from None
    for line in conflicts(changed, values):
        print(f"ecgfast: {line}", file=sys.stderr)
    return changed, values
