"""``ecgfast models``: what is built in."""

from __future__ import annotations

import argparse
import re
from typing import Any

from ..runtime import ModelCard, available_models
from .options import add_json, example
from .output import print_json


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``ecgfast models``."""
    parser.description = "List the built-in models, the files of each, and how good they are."
    parser.epilog = example("ecgfast models")
    add_json(parser, "the cards' main facts")


def run(args: argparse.Namespace) -> None:
    """List the models."""
    cards = available_models()
    if args.json:
        print_json({name: _facts(card) for name, card in cards.items()})
        return
    if not cards:
        print("no built-in models in this installation")
        return
    print("\n\n".join(_text(card) for card in cards.values()))


# Figures of training and choice, of baselines and of single steps: not what a model is judged by.
_ASIDE = re.compile(
    "cross-validation|probabilities|calibration$|(training|validation) part|training windows"
    "|training (mean|median)|seed|gain$"
)


def _facts(card: ModelCard) -> dict[str, Any]:
    return {
        "description": card.description,
        "task": card.task,
        "classes": list(card.classes),
        "architecture": card.architecture,
        "parameters": card.parameters,
        "lookahead": card.lookahead,
        "forms": {
            form: {"file": str(card.file(form)), "bytes": entry["bytes"]}
            for form, entry in card.forms.items()
        },
        "metrics": card.metrics,
        "limits": card.limits,
        "command": card.command,
    }


def _text(card: ModelCard) -> str:
    architecture = card.architecture.get("name", "unknown network")
    sizes = ", ".join(f"{form} {entry['bytes'] / 1e3:.0f} kB" for form, entry in card.forms.items())
    lines = [
        f"{card.name}: {card.description}",
        f"  network   {architecture}, {card.parameters:,} parameters, "
        f"classes {' '.join(card.classes)}",
        f"  files     {sizes or 'none'}",
    ]
    shown = [text for title, text in _metrics(card.metrics) if not _ASIDE.search(title)]
    lines += [f"  figures   {text}" for text in shown]
    if len(shown) < len(_metrics(card.metrics)):
        lines.append("  more      with --json")
    return "\n".join(lines)


def _metrics(metrics: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Title and text of each group of figures of a card; long lists are left to ``--json``."""
    lines = []
    plain = {
        key: value for key, value in metrics.items() if isinstance(value, (int, float, str, bool))
    }
    if plain:
        shown = ", ".join(
            f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}"
            for key, value in plain.items()
        )
        lines.append((prefix, f"{prefix}: {shown}" if prefix else shown))
    for key, value in metrics.items():
        if isinstance(value, dict):
            # A protocol's group is often headed by its own name.
            lines += _metrics(value, key if key.startswith(prefix) else f"{prefix} {key}")
    return lines
