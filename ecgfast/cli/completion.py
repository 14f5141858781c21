"""What the shell completes where a parser does not say it: names of models, recipes, settings."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from typing import Any

from ..errors import EcgfastError
from ..extras import need

__all__ = ["complete_by", "models", "precisions", "recipes", "settings"]

#: Takes the arguments on the line so far.
Names = Callable[[argparse.Namespace], Iterable[str]]


def complete_by(action: argparse.Action, names: Names, *extensions: str) -> None:
    """Let the shell complete an argument by names, and by files where some are taken too.

    Parameters
    ----------
    action : Action
        The argument, as `add_argument` returns it.
    names : callable
        Takes the arguments on the line so far, returns the names; called at a key press only.
    *extensions : str
        Of the files that the argument takes as well, such as ``".json"``; folders lead to them.
    """

    def completer(prefix: str, parsed_args: argparse.Namespace, **_: Any) -> list[str]:
        completers = need("argcomplete.completers", "Completion by the shell", "completion")
        try:
            found = list(names(parsed_args))
        except EcgfastError:  # a half-typed line is no reason to write over it
            found = []
        return found + (completers.FilesCompleter(extensions)(prefix) if extensions else [])

    action.completer = completer  # type: ignore[attr-defined]  # where argcomplete looks for it


def models(line: argparse.Namespace) -> list[str]:
    """Names of the built-in models."""
    from ..runtime import available_models

    return list(available_models())


def precisions(line: argparse.Namespace) -> list[str]:
    """Names of the files that a model may have, and the name for the fastest of them."""
    return ["float32", "int8", "fastest"]


def recipes(line: argparse.Namespace) -> list[str]:
    """Names of the built-in recipes."""
    from ..training.recipes.recipe import recipe_names

    return recipe_names()


def settings(line: argparse.Namespace) -> list[str]:
    """Keys of the recipe on the line, as ``--set`` takes them."""
    from ..training.recipes.recipe import Recipe
    from ..training.recipes.settings import setting_names
    from ..training.tasks import load_task

    recipe = Recipe.load(line.recipe)
    return [f"{key}=" for key in setting_names(recipe, load_task(recipe.task).option_types)]
