"""Every built-in model, in each precision and runtime: size, latency and accuracy.

``python bench/models.py`` measures the interpreters of this machine on one thread, puts the figures
of the models' cards beside them, and writes ``docs/models.json`` and ``docs/models.md``.
Install all runtimes first (``pip install '.[litert,tflite]'``): what is missing gets no figures.
``--cards`` also writes into each card which precision is the fastest that holds accuracy in which
runtime (`Classifier(precision="fastest")`, ``--precision fastest``).
"""

from __future__ import annotations

import argparse
import json
import re
from datetime import date
from pathlib import Path
from typing import Any

from ecgfast import __version__
from ecgfast.benchmark import machine, measure
from ecgfast.cli.output import as_json
from ecgfast.runtime import ModelCard, available_models

DOCS = Path(__file__).parents[1] / "docs"

RULE = (
    "the lowest median of one beat among float32 and the precisions that lose nowhere on the test "
    "set more than half a point of accuracy or F1 (of all classes, or of V), or a hundredth of the "
    "mean absolute error"
)
COMMAND = "python bench/models.py --cards"

_POINTS = ("accuracy", "F1", "V F1")
_LOSS, _GROWTH = 0.005, 1.01


def protocols(card: ModelCard, precision: str) -> dict[str, dict[str, float]]:
    """Figures on the test set of one precision, by protocol."""
    found = {}
    for title, figures in card.metrics.items():
        name, named = re.subn(rf",? ?\b{re.escape(precision)}\b", "", title)
        if named and isinstance(figures, dict):
            found[name] = {k: v for k, v in figures.items() if isinstance(v, (int, float))}
    return found


def holds(card: ModelCard, precision: str) -> bool:
    """Whether a precision is as accurate as float32, by `RULE`; not where nothing was measured."""
    whole, own = protocols(card, "float32"), protocols(card, precision)
    if not own or own.keys() != whole.keys():
        return False
    for protocol, figures in own.items():
        for name, value in figures.items():
            before = whole[protocol].get(name)
            if before is None:
                continue
            if name in _POINTS and value < before - _LOSS:
                return False
            if name.endswith("MAE") and value > _GROWTH * before:
                return False
    return True


def fastest(card: ModelCard, measured: dict[str, Any], where: dict[str, Any]) -> dict[str, Any]:
    """What the card says of speed."""
    medians: dict[str, dict[str, float]] = {}
    for precision, entry in measured.items():
        if precision != "float32" and not holds(card, precision):
            continue
        for runtime, figures in entry.items():
            if isinstance(figures, dict) and "one_beat_us" in figures:
                p50 = round(figures["one_beat_us"]["p50"], 1)
                medians.setdefault(runtime, {})[precision] = p50
    return {
        "forms": {runtime: min(by, key=by.__getitem__) for runtime, by in medians.items()},
        "one_beat_us": medians,
        "rule": RULE,
        "machine": f"{where['cpu']}, {where['system'].split()[-1]}",
        "runtimes": where["runtimes"],
        "command": COMMAND,
    }


def overview(name: str, model: dict[str, Any], runtime: str) -> str:
    """A row: what a model is for, its size, and its time in one runtime."""
    files = [model["forms"][precision] for precision in ("float32", "int8")]
    sizes = " / ".join(f"{entry['bytes'] / 1e3:.0f}" for entry in files)
    times = " / ".join(f"{entry[runtime]['one_beat_us']['p50']:.0f}" for entry in files)
    return f"| [{name}](#{name}) | {model['description']} | {sizes} | {times} |"


def text(result: dict[str, Any]) -> str:
    """The tables as Markdown."""
    where = result["machine"]
    runtimes = ", ".join(f"{name} {number}" for name, number in where["runtimes"].items())
    first = next(iter(where["runtimes"]))
    lines = [
        "# Models: size, latency, accuracy",
        "",
        "The built-in models, as float32 / int8; `ecgfast models NAME` shows a card. Times are of "
        f"one beat, by {first}.",
        "",
        "| model | for | kB | µs |",
        "| --- | --- | --- | --- |",
        *(overview(name, model, first) for name, model in result["models"].items()),
        "",
        "## Latency",
        "",
        f"By `python bench/models.py` on {result['date']} with ecgfast {result['ecgfast']}, Python "
        f"{where['python']} and {runtimes}, one thread on {where['cpu']} "
        f"({where['system'].split()[-1]}). It depends on a model's architecture, not on its "
        "weights, which may be newer. None was measured on a Raspberry Pi.",
        "",
        "- One beat: from window and features to the outputs, one interpreter call.",
        "- Batched: per beat, 256 at a time.",
        "- A star marks the fastest precision that holds accuracy in each runtime "
        f"(`--precision fastest`): {RULE}.",
        "",
        "| model | parameters | precision | kB | runtime "
        "| one beat, median µs | p99 µs | batched µs |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, model in result["models"].items():
        for precision, entry in model["forms"].items():
            for runtime, figures in entry.items():
                if runtime == "bytes":
                    continue
                size = f"{entry['bytes'] / 1e3:.0f}"
                head = f"| {name} | {model['parameters']:,} | {precision} | {size} "
                if "error" in figures:
                    lines.append(f"{head}| {runtime} | does not run | | |")
                    continue
                star = " *" if model["fastest"]["forms"].get(runtime) == precision else ""
                one = figures["one_beat_us"]
                lines.append(
                    f"{head}| {runtime}{star} | {one['p50']:.0f} | {one['p99']:.0f} "
                    f"| {figures['batch_us_per_beat']:.0f} |"
                )
    lines += [
        "",
        "## Accuracy",
        "",
        "Each model's card (`models/NAME.json`) has these figures with their protocols, intervals "
        "over patients where there are patients, and the command that made them. Shares are of 1, "
        "errors in the unit of the card.",
    ]
    for name, model in result["models"].items():
        made = f" `{model['command']}`" if model["command"] else ""
        lines += ["", f"### {name}", "", f"{model['description']}.{made}", ""]
        if not model["accuracy"]:
            lines.append("Its card has no figures on a test set.")
            continue
        names = list(dict.fromkeys(n for row in model["accuracy"] for n in row["figures"]))
        lines.append("| " + " | ".join(["protocol", "model file", *names]) + " |")
        lines.append("| --- " * (2 + len(names)) + "|")
        for row in model["accuracy"]:
            cells = [f"{row['figures'][n]:.4g}" if n in row["figures"] else "" for n in names]
            lines.append("| " + " | ".join([row["protocol"], row["form"], *cells]) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--cards", action="store_true", help="write the fastest precisions into cards"
    )
    parser.add_argument("--output", type=Path, default=DOCS, help="folder (default: docs/)")
    args = parser.parse_args()
    before = machine.describe()
    signal = measure.signal_for(None, None, quick=False)
    models = {}
    for name, card in available_models().items():
        measured = measure.model(name, signal, measure.Effort(), lambda _: None)
        card.fastest = as_json(fastest(card, measured, before))
        if args.cards and card.path is not None:
            card.save(card.path)
        models[name] = {
            "description": card.description,
            "parameters": card.parameters,
            "command": card.command,
            "forms": measured,
            "fastest": card.fastest,
            "accuracy": [
                {"protocol": protocol, "form": precision, "figures": figures}
                for precision in card.precisions
                for protocol, figures in protocols(card, precision).items()
            ],
        }
    after = machine.describe()
    result = {
        "ecgfast": __version__,
        "date": date.today().isoformat(),
        "machine": machine.joined(before, after),
        "warnings": machine.warnings(before, after, 1.0),
        "models": models,
    }
    content = json.dumps(as_json(result), indent=1, ensure_ascii=False)
    (args.output / "models.json").write_text(content + "\n", encoding="utf-8")
    (args.output / "models.md").write_text(text(result), encoding="utf-8")
    print(text(result))


if __name__ == "__main__":
    main()
