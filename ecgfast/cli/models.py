"""``ecgfast models``: what is built in."""

from __future__ import annotations

import argparse
import re
from collections.abc import Collection
from typing import Any

from ..errors import ModelError, name_hint, no_card
from ..reports.table import Table
from ..runtime import Classifier, ModelCard, available_models
from ..runtime.classifier import names_a_file
from .completion import complete_by, models
from .options import add_json, example
from .output import print_json


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``ecgfast models``."""
    parser.description = (
        "List the built-in models; with MODEL, show what one is for, its figures and its limits."
    )
    parser.epilog = example("ecgfast models beats\n  ecgfast models mine/beats.json")
    name = parser.add_argument(
        "name",
        nargs="?",
        metavar="MODEL",
        help="show this one in detail: a built-in model, a card, or a .tflite file with its card "
        "beside it",
    )
    complete_by(name, models, ".tflite", ".json")
    add_json(parser, "the cards' main facts")


def run(args: argparse.Namespace) -> None:
    """List the models, or show one."""
    cards = available_models()
    if args.name is not None and names_a_file(args.name):
        classifier = Classifier(args.name)
        if classifier.card is None:
            raise no_card(classifier.path, "what it is for")
        cards = {args.name: classifier.card}
    elif args.name is not None:
        if args.name not in cards:
            hint = name_hint(args.name, cards) if cards else "there are none"
            raise ModelError(f"no built-in model {args.name!r}; {hint}")
        cards = {args.name: cards[args.name]}
    if args.json:
        print_json({name: _facts(card) for name, card in cards.items()})
        return
    if not cards:
        print("no built-in models in this installation")
        return
    if args.name is not None:
        print(_text(cards[args.name]))
        return
    print(_table(cards.values()).text())
    print("\n`ecgfast models NAME` shows what a model is for, its figures and its limits")


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
            precision: {"file": str(card.file(precision)), "bytes": entry["bytes"]}
            for precision, entry in card.precisions.items()
        },
        "metrics": card.metrics,
        "limits": card.limits,
        "command": card.command,
    }


def _table(cards: Collection[ModelCard]) -> Table:
    precisions = list(dict.fromkeys(name for card in cards for name in card.precisions))
    rows = []
    for card in cards:
        sizes = (
            f"{card.precisions[name]['bytes'] / 1e3:,.0f}" if name in card.precisions else "-"
            for name in precisions
        )
        gives = " ".join(card.classes) + (f", {card.unit}" if card.unit else "")
        network = card.architecture.get("name", "unknown")
        rows.append([card.name, gives, network, f"{card.parameters:,}", *sizes])
    columns = ["model", "gives", "network", "parameters", *(f"{name}, kB" for name in precisions)]
    return Table("", columns, rows, left=3)


def _text(card: ModelCard) -> str:
    architecture = card.architecture.get("name", "unknown network")
    sizes = ", ".join(
        f"{name} {entry['bytes'] / 1e3:.0f} kB" for name, entry in card.precisions.items()
    )
    lines = [
        f"{card.name}: {card.description}",
        f"  network   {architecture}, {card.parameters:,} parameters, "
        f"classes {' '.join(card.classes)}",
        f"  files     {sizes or 'none'}",
    ]
    shown = [text for title, text in _metrics(card.metrics) if not _ASIDE.search(title)]
    lines += [f"  figures   {text}" for text in shown]
    lines += [f"  limits    {limit}" for limit in card.limits]
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
