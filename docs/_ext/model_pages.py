"""Model cards in the form of Mitchell et al. (2019), from models/*.json and docs/licences.md."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from written import escaped, write_pages

from ecgfast.runtime import ModelCard, available_models

if TYPE_CHECKING:
    from sphinx.application import Sphinx

#: What each task is for, and what it is not for.
_USE = {
    "beats": (
        "Labelling each heartbeat of one ECG lead with an AAMI class, live or from a recording: "
        "counting ectopic beats in research, teaching and prototypes, and sorting beats for a "
        "reviewer who checks them.",
        "Diagnosis, therapy, or alarms that somebody relies on; paced rhythms; children; leads far "
        "from the limb leads; excluding an arrhythmia.",
    ),
    "normality": (
        "Marking what a reader should look at first: stretches or beats that are not normal.",
        "Excluding an arrhythmia; diagnosis or alarms; paced rhythms; children.",
    ),
    "blood-pressure": (
        "Studying how little of the arterial pressure a single ECG lead holds, against honest "
        "baselines; an example of a network with two numbers as output.",
        "Measuring blood pressure, in any setting: it is hardly better than the training mean.",
    ),
}
_KAGGLE = (
    " This model is made for comparison with published work on the form of Kachuee et al. (2018); "
    "for beats of a new patient use `beats`."
)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the generator with Sphinx."""
    app.connect("builder-inited", _write)
    return {"parallel_read_safe": True}


def _write(app: Sphinx) -> None:
    source = Path(app.srcdir)
    databases = dict(_databases((source / "licences.md").read_text("utf-8")))
    cards = available_models()
    pages = {name: _page(card, databases) for name, card in cards.items()}
    write_pages(source / "generated" / "models", {"index": _index(cards), **pages})


def _databases(page: str) -> Iterator[tuple[str, dict[str, str]]]:
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 5 and cells[0].startswith("`"):
            names = ("title", "licence", "used", "cite")
            yield cells[0].strip("`"), dict(zip(names, cells[1:], strict=True))


def _index(cards: dict[str, ModelCard]) -> str:
    rows = []
    for name, card in cards.items():
        sizes = ", ".join(
            f"{precision} {entry['bytes'] / 1e3:,.0f} kB"
            for precision, entry in card.precisions.items()
        )
        rows.append(
            f"| [{name}]({name}.md) | {escaped(card.description)} | {card.parameters:,} | {sizes} |"
        )
    return f"""# Model cards

One page for each built-in model, written from its card (`models/NAME.json`), which training wrote:
intended use, data with licences, figures with 95 % intervals, limits. `ecgfast models NAME` prints
the main facts. Size, latency and accuracy side by side: [models](../../models.md).

| model | gives | parameters | files |
| --- | --- | --- | --- |
{chr(10).join(rows)}

```{{toctree}}
:hidden:

{chr(10).join(cards)}
```
"""


def _page(card: ModelCard, databases: dict[str, dict[str, str]]) -> str:
    use, misuse = _USE[card.task]
    if card.window and card.window.kind == "cycle":
        use += _KAGGLE
    parts = [
        f"# {card.name}",
        f"{escaped(card.description)}.",
        "## Model details",
        _table(["", ""], _details(card)),
        "## Intended use",
        use,
        f"**Not for:** {misuse} It is not a medical device.",
        "## Training data",
        _table(["what", ""], _data(card)),
        "Databases:",
        _table(
            ["database", "title", "licence", "cite"],
            [
                [f"`{name}`", *(databases[name][key] for key in ("title", "licence", "cite"))]
                for name in card.data["databases"]
            ],
        ),
        "## Evaluation",
        _protocol(card),
        "## Figures",
        *_figures(card),
        "## Limits",
        "\n".join(f"- {escaped(limit)}" for limit in card.limits),
        "## Make it again",
        f"```bash\n{card.command}\n```",
        "Made with "
        + ", ".join(f"{name} {version}" for name, version in card.versions.items())
        + ".",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _details(card: ModelCard) -> list[list[str]]:
    rows = [
        [
            "network",
            f"`{card.architecture.get('name', 'unknown')}`, {card.parameters:,} parameters",
        ],
        ["input", "; ".join(f"`{spec.name}`, shape {spec.shape}" for spec in card.inputs)],
        ["output", " ".join(card.classes) + (f", in {card.unit}" if card.unit else "")],
        ["needs the next RR interval", "yes" if card.lookahead else "no"],
    ]
    for precision, entry in card.precisions.items():
        rows.append([f"file, {precision}", f"`{entry['file']}`, {entry['bytes']:,} bytes"])
        rows.append([f"SHA-256, {precision}", f"`{entry['sha256']}`"])
    return [*rows, ["licence of the weights", "MIT"]]


def _data(card: ModelCard) -> list[list[str]]:
    rows = []
    for key, value in card.data.items():
        if key in ("databases", "dropped"):
            continue
        text = (
            ", ".join(f"{name}: {_number(count)}" for name, count in value.items())
            if isinstance(value, dict)
            else ", ".join(map(str, value))
            if isinstance(value, list)
            else _number(value)
        )
        rows.append([key.replace("_", " "), escaped(text)])
    return rows


def _protocol(card: ModelCard) -> str:
    rows = []
    for key, value in card.split.items():
        if isinstance(value, list):
            text = f"{len(value)}: " + ", ".join(value)
        elif isinstance(value, dict):
            continue
        else:
            text = str(value)
        rows.append([key.replace("_", " "), escaped(text)])
    return _table(["part", "records"], rows)


def _figures(card: ModelCard) -> Iterator[str]:
    scores = [score for score in card.metrics.get("scores", []) if "classes" in score]
    if scores:
        yield (
            "In per cent; in brackets 95 % intervals, by bootstrap over patients. Se: sensitivity, "
            "+P: positive predictivity."
        )
    for score in scores:
        yield f"**{escaped(_title(score))}**, accuracy {_percent(score.get('accuracy'))}:"
        intervals = score.get("intervals_95", {})
        keys = {"sensitivity": "Se", "positive_predictivity": "+P", "f1": "F1"}
        yield _table(
            ["class", "beats or strips", *keys.values()],
            [
                [
                    name,
                    f"{row['beats']:,}",
                    *(_percent(row[key], intervals.get(name, {}).get(key)) for key in keys),
                ]
                for name, row in score["classes"].items()
            ],
        )
    if not scores:
        yield from _errors(card.metrics)


def _title(score: dict[str, Any]) -> str:
    if "title" in score:
        return str(score["title"])
    label = "one beat later" if score["lookahead"] else "with the beat"
    return f"DS2, {score['form']}, {score['beats']} R peaks, label {label}"


def _errors(metrics: dict[str, Any]) -> Iterator[str]:
    """Tables of a model that gives numbers: each protocol with its baselines."""
    yield "Mean error (ME) ± standard deviation, mean absolute error (MAE), gain over the baseline."
    for title, rows in metrics.items():
        if not isinstance(rows, dict) or not all(isinstance(row, dict) for row in rows.values()):
            continue
        shown = []
        for name, row in rows.items():
            gain = row.get("gain")
            interval = gain.get("interval_95") if gain else None
            ends = f" [{interval[0]}, {interval[1]}]" if interval else ""
            shown.append(
                [
                    escaped(name),
                    str(row.get("ME ± SD", "")),
                    str(row.get("MAE", "")),
                    f"{gain['mmHg']}{ends}" if gain else "",
                ]
            )
        yield f"**{escaped(title)}**:"
        yield _table(["estimate", "ME ± SD", "MAE", "gain [95 %]"], shown)


def _percent(value: float | None, interval: list[float] | None = None) -> str:
    if value is None:
        return "-"
    text = f"{100 * value:.1f}"
    if interval and None not in interval:
        text += f" [{100 * interval[0]:.1f}, {100 * interval[1]:.1f}]"
    return text


def _number(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _table(columns: list[str], rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(cells) + " |" for cells in (columns, ["---"] * len(columns), *rows)]
    return "\n".join(lines)
