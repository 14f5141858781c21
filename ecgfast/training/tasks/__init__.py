"""Tasks: what a model is for.

`Recipe.task` is a name of `TASKS`; its module here, with ``-`` written ``_``, holds ``TASK``, an
instance of a subclass of `Task`: task ``"blood-pressure"`` is ``tasks/blood_pressure.py``. All else
(augmentation, training, checkpoints, cross-validation, conversion, pictures, card) is the same for
every task and lives in `fitting`, `export` and `workflow`.
"""

from __future__ import annotations

import importlib

from ...errors import InputError
from ...outside import load_outside
from .base import (
    CardFacts,
    Task,
    checked_examples,
    checked_facts,
    checked_test_sets,
    given_inputs,
)

__all__ = [
    "ENTRY_POINTS",
    "TASKS",
    "CardFacts",
    "Task",
    "checked_examples",
    "checked_facts",
    "checked_test_sets",
    "given_inputs",
    "load_task",
]

#: Group of entry points by which other packages name tasks of theirs.
ENTRY_POINTS = "ecgfast.tasks"
#: Names of the built-in tasks.
TASKS = (
    "beats",
    "blood-pressure",
    "kaggle",
    "kaggle-normality",
    "normality",
    "personal-blood-pressure",
)


def load_task(name: str) -> Task:
    """The task of a recipe.

    Parameters
    ----------
    name : str
        ``Recipe.task``: one of `TASKS`; or one from outside, ``"mypackage.parts:TASK"`` or the name
        of an entry point of the group `ENTRY_POINTS`, which is a `Task`.

    Returns
    -------
    Task

    Raises
    ------
    InputError
        If there is none of that name, or it cannot be imported.
    """
    if name not in TASKS:
        found = load_outside(
            name, what="task", group=ENTRY_POINTS, built_in=TASKS, error=InputError
        )
        if not isinstance(found, Task):
            raise InputError(
                f"task {name!r}: is {_kind(found)}, not an object of a subclass of "
                "ecgfast.training.tasks.Task"
            )
        return found
    task: Task = importlib.import_module(f"{__name__}.{name.replace('-', '_')}").TASK
    return task


def _kind(found: object) -> str:
    return f"the class {found.__name__}" if isinstance(found, type) else type(found).__name__
