"""A small task for tests of what is the same for every task: is there a bump in the window?"""

from __future__ import annotations

import dataclasses
import json
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecgfast.runtime import InputSpec
from ecgfast.training import tasks
from ecgfast.training.datasets.examples import ExampleSet
from ecgfast.training.recipes.recipe import Recipe, Schedule
from ecgfast.training.tasks import CardFacts, Task

POINTS = 16


def toy_examples(n: int = 240, patients: int = 8, seed: int = 0, classes: str = "NV") -> ExampleSet:
    """Windows of noise, with a bump as high as the class's number."""
    rng = np.random.default_rng(seed)
    label = rng.choice(len(classes), n, p=[0.7, *[0.3 / (len(classes) - 1)] * (len(classes) - 1)])
    window = rng.standard_normal((n, POINTS, 1)).astype(np.float32)
    window[:, 5:9, 0] += 2 * label[:, np.newaxis]
    patient = np.array([f"toy/{i % patients}" for i in range(n)])
    about = {"classes": list(classes)}
    return ExampleSet({"window": window}, label.astype(np.int8), patient, patient, about)


def toy_values(n: int = 240, seed: int = 0) -> ExampleSet:
    """The same, with two numbers to tell."""
    examples = toy_examples(n, seed=seed)
    height = examples.inputs["window"][:, 5:9, 0].mean(axis=1)
    target = np.stack([60 + 5 * height, 120 + 20 * height], axis=1).astype(np.float32)
    about = {"classes": ["minimum", "maximum"]}
    return ExampleSet(examples.inputs, target, examples.patient, examples.record, about)


class ToyTask(Task):
    """Training from one seed, test from another."""

    name = "normality"
    classes = ("N", "V")

    def training_set(self, recipe: Recipe, data: Any, *, progress: bool = False) -> ExampleSet:
        return toy_examples(recipe.options.get("n", 240))

    def test_sets(
        self, recipe: Recipe, data: Any, *, progress: bool = False
    ) -> dict[str, ExampleSet]:
        return {"other patients": toy_examples(80, seed=1)}

    def facts(self, recipe: Recipe, examples: ExampleSet) -> CardFacts:
        return CardFacts(
            inputs=(InputSpec("window", (POINTS, 1), "noise"),),
            data={"examples": examples.counts()},
            split={"training": ["toy"]},
        )


#: As a package of one's own would bring it.
TASK = ToyTask()


def toy_recipe(head: str = "sigmoid", outputs: int | None = None, **changes: Any) -> Recipe:
    """A recipe that trains in a second."""
    schedule = {"epochs": 3, "batch": 16, "learning_rate": 0.02, **changes.pop("schedule", {})}
    architecture: dict[str, Any] = {
        "name": "custom_cnn",
        "window": [POINTS, 1],
        "head": head,
        "filters": [4],
        "dense": [4],
        "dropout": 0.1,
    }
    if outputs is not None:
        architecture["outputs"] = outputs
    return Recipe("toy", "Is there a bump?", "toy", architecture, Schedule(**schedule), **changes)


def save_recipe(folder: Path, **changes: Any) -> Path:
    """Write a short training of it as a recipe."""
    recipe = toy_recipe(folds=2, schedule={"epochs": 2, "validation_share": 0.25}, **changes)
    path = folder / "toy.json"
    path.write_text(json.dumps(dataclasses.asdict(recipe)))
    return path


@pytest.fixture(name="toy")
def toy_fixture(monkeypatch: pytest.MonkeyPatch) -> ToyTask:
    """The task, as one of the package's own."""
    task = ToyTask()
    module = types.ModuleType("ecgfast.training.tasks.toy")
    module.TASK = task  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(tasks, "TASKS", ("toy",))
    return task
