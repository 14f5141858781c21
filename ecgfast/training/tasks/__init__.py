"""Tasks: what a model is for.

`Recipe.task` is a name of `TASKS`; its module here, with ``-`` written ``_``, holds ``TASK``, an
instance of a subclass of `Task`: task ``"blood-pressure"`` is ``tasks/blood_pressure.py``. All else
(augmentation, training, checkpoints, cross-validation, conversion, pictures, card) is the same for
every task and lives in `fitting`, `export` and `workflow`.
"""

from __future__ import annotations

import importlib

from ...errors import InputError
from .base import CardFacts, Task, given_inputs

__all__ = ["TASKS", "CardFacts", "Task", "given_inputs", "load_task"]

#: Names that `Recipe.task` may have.
TASKS = ("beats", "blood-pressure", "kaggle", "kaggle-normality", "normality")


def load_task(name: str) -> Task:
    """The task of a recipe.

    Parameters
    ----------
    name : str
        ``Recipe.task``.

    Returns
    -------
    Task

    Raises
    ------
    InputError
        If there is none of that name.
    """
    if name not in TASKS:
        raise InputError(f"no task {name!r}: there are {', '.join(TASKS)}")
    task: Task = importlib.import_module(f"{__name__}.{name.replace('-', '_')}").TASK
    return task
