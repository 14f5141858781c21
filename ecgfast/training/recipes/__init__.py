"""Recipes: one JSON file a model, what is built, how it is trained and what is compared."""
