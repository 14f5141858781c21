"""Recipes: the built-in ones, changes, and files that are none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from training_records import tiny_recipe

from ecgfast import InputError
from ecgfast.core import FEATURE_NAMES
from ecgfast.training.recipes.recipe import Recipe, recipe_names


def test_built_in_recipes_load() -> None:
    assert "beats" in recipe_names()
    for name in recipe_names():
        recipe = Recipe.load(name)
        assert recipe.name == name
        for change in recipe.candidates.values():
            recipe.changed(change)
        # Each can be named among others, as in ecgfast crossval --candidates a,b.
        assert not any("," in name for name in (*recipe.candidates, *recipe.comparisons))
    beats = Recipe.load("beats")
    assert beats.architecture["features"] == [beats.options["history"], len(FEATURE_NAMES)]
    assert beats.limits


def test_changes_of_a_recipe() -> None:
    recipe = Recipe.load("beats")
    other = recipe.changed({"architecture": {"dropout": 0.5}, "schedule": {"epochs": 3}})
    assert (other.architecture["dropout"], other.schedule.epochs) == (0.5, 3)
    assert other.architecture["name"] == recipe.architecture["name"]
    assert recipe.changed({}) == recipe
    assert recipe.changed({"seed": 8}).seed == 8
    with pytest.raises(InputError, match="recipe beats: cannot change 'limits'"):
        recipe.changed({"limits": []})
    with pytest.raises(InputError, match="recipe beats: seed is a whole number"):
        recipe.changed({"seed": {}})
    with pytest.raises(InputError, match=r"recipe beats: .*'epoch'; did you mean 'epochs'"):
        recipe.changed({"schedule": {"epoch": 3}})


def test_recipes_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cakes: no such recipe, .*; there are .*beats"):
        Recipe.load("cakes")
    with pytest.raises(InputError, match=r"none\.json: no such recipe"):
        Recipe.load(tmp_path / "none.json")
    path = tiny_recipe(tmp_path)
    good = json.loads(path.read_text())
    assert Recipe.load(path).schedule.epochs == 1
    lacking = {key: value for key, value in good.items() if key != "schedule"}
    unknown = {**good, "schedule": {**good["schedule"], "loss": "guess"}}
    misspelt = {**good, "schedule": {**good["schedule"], "epocs": 1}}
    for content in (
        "words",
        json.dumps(lacking),
        json.dumps(misspelt),
        json.dumps(unknown),
        json.dumps({**good, "x": 1}),
    ):
        path.write_text(content)
        with pytest.raises(InputError, match=r"tiny\.json: not a recipe"):
            Recipe.load(path)
    path.write_text(json.dumps(misspelt))
    with pytest.raises(InputError, match=r"no setting 'epocs'; did you mean 'epochs'\?"):
        Recipe.load(path)
    path.write_text("[1, 2]")
    with pytest.raises(InputError, match=r"tiny\.json: not a recipe"):
        Recipe.load(path)
